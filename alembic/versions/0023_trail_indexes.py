"""The trail by act and by who did it: a page of a rare act or person no longer reads a city's whole trail.

Both end with the id, in whose order the acts are listed. Two and no more, since every act pays for each, some 2 microseconds and 85
bytes: what was done to one thing has `trail_subject_idx`, days have `trail_at_idx`, and of several filters the rarer one leads.

Revision: 0023
Before:   0022
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('trail_act_idx', 'trail', ['city_id', 'act', 'id'])
    op.create_index('trail_by_idx', 'trail', ['city_id', 'by', 'id'])


def downgrade() -> None:
    op.drop_index('trail_by_idx', table_name='trail')
    op.drop_index('trail_act_idx', table_name='trail')
