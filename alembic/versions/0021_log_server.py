"""Each checkpoint tells which PostgreSQL server it was sealed on

Revision: 0021
Before:   0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in those from before: the next sealing looks once for rows that were left out.
    op.add_column('log_checkpoint', sa.Column('server', sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column('log_checkpoint', 'server')
