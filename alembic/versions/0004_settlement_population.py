"""The city's totals as a settlement saw them, kept for the explanation of its awards

Revision: 0004
Before:   0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER settlement_population_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settlement_population
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON settlement_population TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('settlement_population',
    sa.Column('settlement_id', sa.BigInteger(), nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('dwelling_type', sa.Text(), nullable=True),
    sa.Column('residents_band', sa.SmallInteger(), nullable=True),
    sa.Column('households', sa.BigInteger(), nullable=False),
    sa.Column('usage_total', sa.Numeric(precision=38, scale=0), nullable=False),
    sa.CheckConstraint('households > 0 AND usage_total >= 0', name=op.f('settlement_population_totals_check')),
    sa.ForeignKeyConstraint(['settlement_id'], ['settlement.id'], name=op.f('settlement_population_settlement_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('settlement_id', 'place', name=op.f('settlement_population_pkey'))
    )
    op.create_index('settlement_population_group_key', 'settlement_population', ['settlement_id', 'commodity', 'dwelling_type', 'residents_band'], unique=True, postgresql_nulls_not_distinct=True)
    op.execute(LAW)


def downgrade() -> None:
    op.drop_index('settlement_population_group_key', table_name='settlement_population', postgresql_nulls_not_distinct=True)
    op.drop_table('settlement_population')
