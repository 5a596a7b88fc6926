"""Rows that wait for their meter, or for somebody to say that a register rolled over

Revision: 0007
Before:   0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER reading_quarantine_kept BEFORE DELETE OR TRUNCATE ON reading_quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON reading_quarantine TO carbon_bank_app;
GRANT UPDATE (state, outcome, decided_at, decided_by, reason) ON reading_quarantine TO carbon_bank_app;
GRANT USAGE ON SEQUENCE reading_quarantine_id_seq TO carbon_bank_app;
"""
WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.add_column('reading_batch', sa.Column('quarantined', sa.Integer(), nullable=False, server_default='0'))
    op.alter_column('reading_batch', 'quarantined', server_default=None)
    op.drop_constraint(op.f('reading_batch_counts_check'), 'reading_batch')
    op.create_check_constraint(op.f('reading_batch_counts_check'), 'reading_batch', 'rows = accepted + duplicate + revised + refused + quarantined')
    op.create_table('reading_quarantine',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=False),
    sa.Column('batch_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('customer_number', sa.Text(), nullable=False),
    sa.Column('meter_number', sa.Text(), nullable=False),
    sa.Column('sent', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kept_until', sa.Date(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.CheckConstraint("code IN ('readings.unknown_meter', 'readings.rollover_held')", name=op.f('reading_quarantine_code_check')),
    sa.CheckConstraint("state IN ('waiting', 'recorded', 'refused', 'dropped', 'expired')", name=op.f('reading_quarantine_state_check')),
    sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name=op.f('reading_quarantine_decided_check')),
    sa.CheckConstraint("state <> 'dropped' OR length(reason) >= 3", name=op.f('reading_quarantine_reason_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('reading_quarantine_city_id_utility_id_fkey')),
    sa.ForeignKeyConstraint(['batch_id'], ['reading_batch.id'], name=op.f('reading_quarantine_batch_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('reading_quarantine_pkey'))
    )
    op.create_index('reading_quarantine_digest_key', 'reading_quarantine', ['utility_id', 'digest'], unique=True, postgresql_where=WAITING)
    op.create_index('reading_quarantine_waiting_idx', 'reading_quarantine', ['utility_id', 'commodity', 'customer_number', 'meter_number'], unique=False, postgresql_where=WAITING)
    op.create_index('reading_quarantine_city_idx', 'reading_quarantine', ['city_id', 'state', 'id'], unique=False)
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('reading_quarantine')
    op.drop_constraint(op.f('reading_batch_counts_check'), 'reading_batch')
    op.create_check_constraint(op.f('reading_batch_counts_check'), 'reading_batch', 'rows = accepted + duplicate + revised + refused')
    op.drop_column('reading_batch', 'quarantined')
