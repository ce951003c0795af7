"""The tables of the ledger, alike on SQLite and PostgreSQL. A change here needs a migration in `migrations/versions`.

`position_id` stands for (topic, partition) in every key. Position 0 is no partition: hour rows are kept there, where the
partitions have been added up. Rows of one partition are written by its owner only, which holds the position's row lock.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_REVISION = "0001"
KNOWN_REVISIONS = frozenset({"0001"})
VERSION_TABLE = "shadow_version"
NO_POSITION = 0

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
# one order of names on every database: by code point, not by the server's language
Name = Text().with_variant(Text(collation="C"), "postgresql")
Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER key

meta = Table(
    "shadow_meta",
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", Name, nullable=False),
)

position = Table(
    "shadow_position",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("topic", Name, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("topic_id", Name, nullable=False),
    Column("group_name", Name, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("gaps", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("swept_before", BigInteger, nullable=False),  # outcomes below this offset were deleted by retention
    Column("last_ts_unix_ms", BigInteger),
    Column("updated_unix_ms", BigInteger, nullable=False),
    UniqueConstraint("topic", "partition"),
)

disposition = Table(
    "shadow_disposition",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("disposition", Name, primary_key=True),
    Column("records", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

arm_total = Table(
    "shadow_arm_total",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("arm", Name, primary_key=True),
    Column("outcomes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

record = Table(
    "shadow_record",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("ids", Name),
    Column("disposition", Name, nullable=False),
    Column("reason", Name),
    Column("ts_unix_ms", BigInteger),
    Column("stored_unix_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

request = Table(  # where a request id leads to; one b-tree on SQLite
    "shadow_request",
    metadata,
    Column("id", Name, primary_key=True),
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

call = Table(  # what every arm of a call shares
    "shadow_call",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("call", Integer, primary_key=True, autoincrement=False),
    Column("id", Name, nullable=False),
    Column("ts_unix_ms", BigInteger),
    Column("session", Name),
    Column("user_key", Name),
    Column("route", Name),
    Column("tags", Name),
    Column("segment", Name, nullable=False),
    Column("segments", Name),
    Column("weight_exponent", Integer, nullable=False),
    Column("probability", Double, nullable=False),
    Column("counted", Boolean(create_constraint=False), nullable=False),
    Column("stored_unix_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_shadow_call_session",
    call.c.session,
    sqlite_where=text("session IS NOT NULL"),
    postgresql_where=text("session IS NOT NULL"),
)
Index(
    "ix_shadow_call_user_key",
    call.c.user_key,
    sqlite_where=text("user_key IS NOT NULL"),
    postgresql_where=text("user_key IS NOT NULL"),
)

outcome = Table(
    "shadow_outcome",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("call", Integer, primary_key=True, autoincrement=False),
    Column("arm", Name, primary_key=True),
    Column("epoch", BigInteger),
    Column("role", Name, nullable=False),
    Column("status", Integer),
    Column("failure", Name),
    Column("spell", Name),
    Column("truncated", Boolean(create_constraint=False), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("latency_seconds", Double),
    Column("queue_seconds", Double),
    Column("ttft_seconds", Double),
    Column("ttft_answer_seconds", Double),
    Column("tpot_seconds", Double),
    Column("client_saturated", Boolean(create_constraint=False), nullable=False),
    Column("limited_by_us", Boolean(create_constraint=False), nullable=False),
    Column("comparable", Boolean(create_constraint=False), nullable=False),
    Column("input_tokens", BigInteger),
    Column("cached_input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("cost_usd", Double),
    Column("scores", Name),
    Column("labels", Name),
    Column("reasons", Name),
    Column("findings", Name),
    sqlite_with_rowid=False,
)

answer_text = Table(
    "shadow_text",
    metadata,
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("call", Integer, primary_key=True, autoincrement=False),
    Column("arm", Name, primary_key=True),
    Column("text", Name, nullable=False),
    Column("stored_unix_ms", BigInteger, nullable=False),
)

aggregate = Table(
    "shadow_aggregate",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Name, primary_key=True),
    Column("position_id", BigInteger, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("segment", Name, primary_key=True),
    Column("weight_exponent", Integer, primary_key=True, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
)
Index(  # what is still to be rolled up
    "ix_shadow_aggregate_minute",
    aggregate.c.minute,
    sqlite_where=text("position_id > 0"),
    postgresql_where=text("position_id > 0"),
)

epoch = Table(
    "shadow_epoch",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("candidate", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("description", Name, nullable=False),
    Column("started_unix_ms", BigInteger, nullable=False),
    Column("ended_unix_ms", BigInteger),
    Column("why_ended", Name),
)
Index(  # one current epoch per candidate, whoever opens it first
    "uq_shadow_epoch_current",
    epoch.c.candidate,
    unique=True,
    sqlite_where=text("ended_unix_ms IS NULL"),
    postgresql_where=text("ended_unix_ms IS NULL"),
)

lease = Table(
    "shadow_lease",
    metadata,
    Column("name", Name, primary_key=True),
    Column("holder", Name, nullable=False),
    Column("expires_unix_ms", BigInteger, nullable=False),
)

note = Table(
    "shadow_note",
    metadata,
    Column("sequence", Serial, primary_key=True, autoincrement=True),
    Column("kind", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("value", Name, nullable=False),
    Column("at_unix_ms", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject", "key"),
)

state = Table(
    "shadow_state",
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
