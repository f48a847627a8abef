"""Jobs with priorities and turns, and calls that are known when they are sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    false, zero = sa.false(), sa.text("0")
    op.add_column("jobs", sa.Column("rank", sa.Integer(), nullable=False, server_default=zero))
    op.add_column("jobs", sa.Column("turn", sa.BigInteger(), nullable=False, server_default=zero))
    op.add_column("jobs", sa.Column("gpu", sa.Boolean(), nullable=False, server_default=false))
    op.drop_index("ix_jobs_state_number", "jobs")
    op.drop_index("ix_jobs_session_id", "jobs")
    op.create_index("ix_jobs_queue", "jobs", ["state", "rank", "turn", "number"])
    op.create_index("ix_jobs_session", "jobs", ["session_id", "state", "rank", "turn"])
    op.create_table(
        "call_keys",
        sa.Column("user_name", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.String(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("user_name", "key", name=op.f("pk_call_keys")),
    )
    op.create_index("ix_call_keys_created", "call_keys", ["created"])
