"""What a utility's own columns mean

Revision: 0009
Before:   0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER reading_mapping_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reading_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON reading_mapping TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('reading_mapping',
    sa.Column('utility_id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version', sa.SmallInteger(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("name ~ '^[a-z][a-z0-9-]{1,60}$'", name=op.f('reading_mapping_name_check')),
    sa.CheckConstraint('version >= 1', name=op.f('reading_mapping_version_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('reading_mapping_city_id_utility_id_fkey')),
    sa.PrimaryKeyConstraint('utility_id', 'name', 'version', name=op.f('reading_mapping_pkey'))
    )
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('reading_mapping')
