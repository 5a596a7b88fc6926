"""Comparisons of two policies over a city's own past readings

Revision: 0005
Before:   0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER policy_comparison_kept BEFORE DELETE OR TRUNCATE ON policy_comparison
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON policy_comparison TO carbon_bank_app;
GRANT UPDATE (state, as_of, report, failure, finished_at) ON policy_comparison TO carbon_bank_app;
GRANT USAGE ON SEQUENCE policy_comparison_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('policy_comparison',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('policy_a_id', sa.BigInteger(), nullable=False),
    sa.Column('policy_b_id', sa.BigInteger(), nullable=False),
    sa.Column('first_month', sa.Integer(), nullable=False),
    sa.Column('end_month', sa.Integer(), nullable=False),
    sa.Column('unit_price', sa.Text(), nullable=False),
    sa.Column('sweep_key', sa.Text(), nullable=True),
    sa.Column('sweep_values', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=True),
    sa.Column('report', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('failure', sa.Text(), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('requested', 'done', 'failed')", name=op.f('policy_comparison_state_check')),
    sa.CheckConstraint("(state = 'requested') = (finished_at IS NULL)", name=op.f('policy_comparison_finished_check')),
    sa.CheckConstraint('end_month > first_month', name=op.f('policy_comparison_span_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('policy_comparison_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['policy_a_id'], ['policy.id'], name=op.f('policy_comparison_policy_a_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['policy_b_id'], ['policy.id'], name=op.f('policy_comparison_policy_b_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('policy_comparison_pkey'))
    )
    op.create_index(op.f('policy_comparison_city_id_idx'), 'policy_comparison', ['city_id'], unique=False)
    op.execute(LAW)


def downgrade() -> None:
    op.drop_index(op.f('policy_comparison_city_id_idx'), table_name='policy_comparison')
    op.drop_table('policy_comparison')
