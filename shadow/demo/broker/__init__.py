"""An embedded, single-node broker that speaks the Kafka protocol, for tests and demos. NOT FOR PRODUCTION.

It keeps everything in memory up to a byte limit, replicates nothing, checks no credentials and forgets transactions at
a restart. Supported: produce and fetch (record batch v2, any codec), idempotent and transactional producers,
read_committed, consumer groups (eager, cooperative, static members), offset commits, offsets by time, topic and group
admin, DeleteRecords, fault injection, files that survive kill -9.

Not supported: replication, KIP-848 and share groups, ACLs, SASL, TLS, compaction, quotas, fetch by topic id, fetch
sessions, topic configurations. Known deviations from Apache Kafka: a restart aborts open transactions and forgets
transactional ids and memberships; the smallest session timeout is 0 (Kafka: 6 s); CRCs, leader epochs and acks of a
produce are not checked; with files, transactions end before EndTxn is answered.
"""
