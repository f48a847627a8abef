"""Jobs that are taken up again from a checkpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    false, zero = sa.false(), sa.text("0")
    op.add_column("jobs", sa.Column("resumes", sa.Boolean(), nullable=False, server_default=false))
    op.add_column("jobs", sa.Column("lost", sa.Integer(), nullable=False, server_default=zero))
    op.add_column("jobs", sa.Column("checkpoint", sa.Integer(), nullable=True))
    op.create_table(
        "job_checkpoints",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_job_checkpoints_job_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "generation", "part", name=op.f("pk_job_checkpoints")),
    )
    if op.get_context().dialect.name == "postgresql":  # weights do not pack
        op.execute("ALTER TABLE job_checkpoints ALTER COLUMN body SET STORAGE EXTERNAL")
