"""The trail: in which role an act was done, and from which address.

Both are null for what was done before, for the bank's own programs, and the address for households, who act for themselves
(decision record 0021). The rights on the table hold for its new columns as well.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('trail', sa.Column('role', sa.Text(), nullable=True))
    op.add_column('trail', sa.Column('client', sa.Text(), nullable=True))
    op.create_index('trail_newest_idx', 'trail', ['city_id', 'id'])


def downgrade() -> None:
    op.drop_index('trail_newest_idx', table_name='trail')
    op.drop_column('trail', 'client')
    op.drop_column('trail', 'role')
