"""Tiles are stored as they are

Hashes do not get smaller, and trying took a tenth of the time of sealing.

Revision: 0022
Before:   0021
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE log_tile ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.execute("ALTER TABLE log_tile ALTER COLUMN data SET STORAGE EXTENDED")
