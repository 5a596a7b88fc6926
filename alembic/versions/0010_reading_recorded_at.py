"""Readings by the moment they were recorded

Rows come in the order of that moment, so that a BRIN index of a few pages tells where those after a settlement lie.

Revision: 0010
Before:   0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("reading_recorded_at_idx", "reading", ["recorded_at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("reading_recorded_at_idx", "reading")
