"""The first schema of the ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "shadow_aggregate",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("epoch", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("weight_exponent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "kind",
            "epoch",
            "subject",
            "position_id",
            "minute",
            "segment",
            "weight_exponent",
            name="pk_shadow_aggregate",
        ),
    )
    op.create_index(
        "ix_shadow_aggregate_minute",
        "shadow_aggregate",
        ["minute"],
        unique=False,
        sqlite_where=sa.text("position_id > 0"),
        postgresql_where=sa.text("position_id > 0"),
    )
    op.create_table(
        "shadow_arm_total",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("arm", NAME, nullable=False),
        sa.Column("outcomes", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "arm", name="pk_shadow_arm_total"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_call",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("ts_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("session", NAME, nullable=True),
        sa.Column("user_key", NAME, nullable=True),
        sa.Column("route", NAME, nullable=True),
        sa.Column("tags", NAME, nullable=True),
        sa.Column("segment", NAME, nullable=False),
        sa.Column("segments", NAME, nullable=True),
        sa.Column("weight_exponent", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("stored_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "offset", "call", name="pk_shadow_call"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_shadow_call_session",
        "shadow_call",
        ["session"],
        unique=False,
        sqlite_where=sa.text("session IS NOT NULL"),
        postgresql_where=sa.text("session IS NOT NULL"),
    )
    op.create_index(
        "ix_shadow_call_user_key",
        "shadow_call",
        ["user_key"],
        unique=False,
        sqlite_where=sa.text("user_key IS NOT NULL"),
        postgresql_where=sa.text("user_key IS NOT NULL"),
    )
    op.create_table(
        "shadow_disposition",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("disposition", NAME, nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "disposition", name="pk_shadow_disposition"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_epoch",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("candidate", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("started_unix_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("why_ended", NAME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_epoch"),
    )
    op.create_index(
        "uq_shadow_epoch_current",
        "shadow_epoch",
        ["candidate"],
        unique=True,
        sqlite_where=sa.text("ended_unix_ms IS NULL"),
        postgresql_where=sa.text("ended_unix_ms IS NULL"),
    )
    op.create_table(
        "shadow_lease",
        sa.Column("name", NAME, nullable=False),
        sa.Column("holder", NAME, nullable=False),
        sa.Column("expires_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_shadow_lease"),
    )
    op.create_table(
        "shadow_meta",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", NAME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_shadow_meta"),
    )
    op.create_table(
        "shadow_note",
        sa.Column("sequence", SERIAL, autoincrement=True, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("subject", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("value", NAME, nullable=False),
        sa.Column("at_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_shadow_note"),
        sa.UniqueConstraint("kind", "subject", "key", name="uq_shadow_note_kind_subject_key"),
    )
    op.create_table(
        "shadow_outcome",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("arm", NAME, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("role", NAME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", NAME, nullable=True),
        sa.Column("spell", NAME, nullable=True),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("latency_seconds", sa.Double(), nullable=True),
        sa.Column("queue_seconds", sa.Double(), nullable=True),
        sa.Column("ttft_seconds", sa.Double(), nullable=True),
        sa.Column("ttft_answer_seconds", sa.Double(), nullable=True),
        sa.Column("tpot_seconds", sa.Double(), nullable=True),
        sa.Column("client_saturated", sa.Boolean(), nullable=False),
        sa.Column("limited_by_us", sa.Boolean(), nullable=False),
        sa.Column("comparable", sa.Boolean(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cost_usd", sa.Double(), nullable=True),
        sa.Column("scores", NAME, nullable=True),
        sa.Column("labels", NAME, nullable=True),
        sa.Column("reasons", NAME, nullable=True),
        sa.Column("findings", NAME, nullable=True),
        sa.PrimaryKeyConstraint("position_id", "offset", "call", "arm", name="pk_shadow_outcome"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_position",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("topic", NAME, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("topic_id", NAME, nullable=False),
        sa.Column("group_name", NAME, nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.BigInteger(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("swept_before", sa.BigInteger(), nullable=False),
        sa.Column("last_ts_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("updated_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shadow_position"),
        sa.UniqueConstraint("topic", "partition", name="uq_shadow_position_topic_partition"),
    )
    op.create_table(
        "shadow_record",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ids", NAME, nullable=True),
        sa.Column("disposition", NAME, nullable=False),
        sa.Column("reason", NAME, nullable=True),
        sa.Column("ts_unix_ms", sa.BigInteger(), nullable=True),
        sa.Column("stored_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "offset", name="pk_shadow_record"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_request",
        sa.Column("id", NAME, nullable=False),
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id", "position_id", "offset", name="pk_shadow_request"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shadow_state",
        sa.Column("name", NAME, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_shadow_state"),
    )
    op.create_table(
        "shadow_text",
        sa.Column("position_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("call", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("arm", NAME, nullable=False),
        sa.Column("text", NAME, nullable=False),
        sa.Column("stored_unix_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position_id", "offset", "call", "arm", name="pk_shadow_text"),
    )


def downgrade() -> None:
    """There is nothing before the first schema: dropping the tables would drop the evidence."""
    raise RuntimeError("the first schema of the ledger has nothing before it; delete the database instead")
