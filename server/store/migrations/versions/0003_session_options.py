"""Options of a session: what its caller has set, and the action sets that were loaded."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    empty = sa.text("'{}'")
    op.add_column("sessions", sa.Column("options", sa.Text(), nullable=False, server_default=empty))
