"""Restatements of posted settlements

Revision: 0015
Before:   0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER restatement_fixed BEFORE UPDATE OF id, city_id, settlement_id, reason, points_min, prepared_by, requested_at
    ON restatement FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER restatement_kept BEFORE DELETE OR TRUNCATE ON restatement
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER restated_award_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON restated_award
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON restatement, restated_award TO carbon_bank_app;
GRANT UPDATE (state, as_of, computed_to, computed_at, approved_by, approved_at, posted_to, posted_at, withdrawn_by,
              withdrawn_reason) ON restatement TO carbon_bank_app;
GRANT USAGE ON SEQUENCE restatement_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('restatement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('settlement_id', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('points_min', sa.BigInteger(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=True),
    sa.Column('computed_to', sa.BigInteger(), nullable=False),
    sa.Column('computed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('posted_to', sa.BigInteger(), nullable=False),
    sa.Column('posted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.Text(), nullable=True),
    sa.Column('withdrawn_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("state IN ('requested', 'computing', 'computed', 'approved', 'posting', 'posted', 'withdrawn')", name=op.f('restatement_state_check')),
    sa.CheckConstraint('approved_by <> prepared_by', name=op.f('restatement_four_eyes_check')),
    sa.CheckConstraint("state NOT IN ('approved', 'posting', 'posted') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)", name=op.f('restatement_approved_check')),
    sa.CheckConstraint("state IN ('requested', 'withdrawn') OR as_of IS NOT NULL", name=op.f('restatement_as_of_check')),
    sa.CheckConstraint('points_min >= 1', name=op.f('restatement_points_min_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('restatement_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['settlement_id'], ['settlement.id'], name=op.f('restatement_settlement_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('restatement_pkey'))
    )
    op.create_index(op.f('restatement_city_id_idx'), 'restatement', ['city_id'])
    op.create_index(op.f('restatement_settlement_id_idx'), 'restatement', ['settlement_id'])
    op.create_index('restatement_one_live_key', 'restatement', ['settlement_id'], unique=True,
                    postgresql_where=sa.text("state NOT IN ('posted', 'withdrawn')"))
    op.create_table('restated_award',
    sa.Column('restatement_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('usage', sa.BigInteger(), nullable=True),
    sa.Column('baseline_num', sa.Numeric(precision=38, scale=0), nullable=True),
    sa.Column('baseline_den', sa.Numeric(precision=38, scale=0), nullable=True),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('points_before', sa.BigInteger(), nullable=False),
    sa.Column('avoided_g', sa.BigInteger(), nullable=True),
    sa.Column('tier', sa.SmallInteger(), nullable=True),
    sa.Column('streak', sa.SmallInteger(), nullable=False),
    sa.Column('findings', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('standing', sa.Text(), nullable=False),
    sa.CheckConstraint('points >= 0', name=op.f('restated_award_points_check')),
    sa.CheckConstraint("standing IN ('held', 'post', 'rejected', 'reversed', 'same', 'small')", name=op.f('restated_award_standing_check')),
    sa.CheckConstraint("(standing = 'same') = (points = points_before) OR standing IN ('rejected', 'reversed', 'held')", name=op.f('restated_award_same_check')),
    sa.CheckConstraint('(baseline_num IS NULL) = (baseline_den IS NULL)', name=op.f('restated_award_baseline_check')),
    sa.ForeignKeyConstraint(['restatement_id'], ['restatement.id'], name=op.f('restated_award_restatement_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('restatement_id', 'household_id', 'commodity', name=op.f('restated_award_pkey'))
    )
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('restated_award')
    op.drop_table('restatement')
