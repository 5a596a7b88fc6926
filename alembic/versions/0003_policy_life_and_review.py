"""The life of a policy in a city, and what people decided about held awards

Revision: 0003
Before:   0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LAW = """
-- An adoption moves forward only, and what was proposed is what is approved.
CREATE FUNCTION adoption_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('draft', 'draft'), ('draft', 'proposed'), ('draft', 'withdrawn'),
                                      ('proposed', 'approved'), ('proposed', 'rejected'), ('proposed', 'withdrawn'),
                                      ('approved', 'rejected'))
       OR (NEW.id, NEW.city_id, NEW.drafted_by, NEW.drafted_at)
          IS DISTINCT FROM (OLD.id, OLD.city_id, OLD.drafted_by, OLD.drafted_at)
       OR (OLD.state <> 'draft' AND (NEW.policy_id, NEW.active_from, NEW.proposed_by, NEW.proposed_at)
          IS DISTINCT FROM (OLD.policy_id, OLD.active_from, OLD.proposed_by, OLD.proposed_at))
       OR (OLD.state = 'approved' AND (NEW.approved_by, NEW.approved_at)
          IS DISTINCT FROM (OLD.approved_by, OLD.approved_at)) THEN
        RAISE EXCEPTION 'adoption % is %: what was proposed, approved or closed is never changed', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER adoption_moves_forward BEFORE UPDATE ON policy_adoption
    FOR EACH ROW EXECUTE FUNCTION adoption_moves_forward();
CREATE TRIGGER policy_adoption_kept BEFORE DELETE OR TRUNCATE ON policy_adoption
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

CREATE TRIGGER award_review_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON award_review
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- A settlement keeps its policy for good: so the digest of that text stands behind each of its awards.
CREATE TRIGGER settlement_fixed BEFORE UPDATE OF id, city_id, policy_id, period, first_month, months, prepared_by,
    requested_at ON settlement FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON policy_adoption, award_review TO carbon_bank_app;
GRANT UPDATE (policy_id, active_from, state, proposed_by, proposed_at, approved_by, approved_at, closed_by, closed_at,
              closed_reason) ON policy_adoption TO carbon_bank_app;
GRANT USAGE ON SEQUENCE policy_adoption_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('policy_adoption',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('policy_id', sa.BigInteger(), nullable=False),
    sa.Column('active_from', sa.Date(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('drafted_by', sa.Text(), nullable=False),
    sa.Column('drafted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('proposed_by', sa.Text(), nullable=True),
    sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.Text(), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("state IN ('draft', 'proposed', 'approved', 'rejected', 'withdrawn')", name=op.f('policy_adoption_state_check')),
    sa.CheckConstraint('approved_by <> drafted_by AND approved_by <> proposed_by', name=op.f('policy_adoption_four_eyes_check')),
    sa.CheckConstraint("state <> 'approved' OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)", name=op.f('policy_adoption_approved_check')),
    sa.CheckConstraint("state NOT IN ('proposed', 'approved', 'rejected') OR (proposed_by IS NOT NULL AND proposed_at IS NOT NULL)", name=op.f('policy_adoption_proposed_check')),
    sa.CheckConstraint("(state IN ('rejected', 'withdrawn')) = (closed_by IS NOT NULL AND closed_at IS NOT NULL AND closed_reason IS NOT NULL)", name=op.f('policy_adoption_closed_check')),
    sa.CheckConstraint('EXTRACT(day FROM active_from) = 1', name=op.f('policy_adoption_first_of_month_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('policy_adoption_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['policy_id'], ['policy.id'], name=op.f('policy_adoption_policy_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('policy_adoption_pkey'))
    )
    op.create_index('policy_adoption_one_key', 'policy_adoption', ['city_id', 'active_from'], unique=True, postgresql_where=sa.text("state = 'approved'"))
    op.create_index(op.f('policy_adoption_city_id_idx'), 'policy_adoption', ['city_id'], unique=False)
    op.create_table('award_review',
    sa.Column('settlement_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('decision', sa.Text(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.CheckConstraint("decision IN ('released', 'rejected')", name=op.f('award_review_decision_check')),
    sa.CheckConstraint('length(reason) >= 3', name=op.f('award_review_reason_check')),
    sa.ForeignKeyConstraint(['settlement_id', 'household_id', 'commodity'], ['award.settlement_id', 'award.household_id', 'award.commodity'], name=op.f('award_review_settlement_id_household_id_commodity_fkey')),
    sa.PrimaryKeyConstraint('settlement_id', 'household_id', 'commodity', name=op.f('award_review_pkey'))
    )
    op.create_index('award_in_review_idx', 'award', ['settlement_id', 'household_id', 'commodity'], unique=False, postgresql_where=sa.text("review <> 'clear'"))
    op.execute(LAW)


def downgrade() -> None:
    op.execute("DROP TRIGGER settlement_fixed ON settlement")
    op.drop_index('award_in_review_idx', table_name='award', postgresql_where=sa.text("review <> 'clear'"))
    op.drop_table('award_review')
    op.drop_index(op.f('policy_adoption_city_id_idx'), table_name='policy_adoption')
    op.drop_index('policy_adoption_one_key', table_name='policy_adoption', postgresql_where=sa.text("state = 'approved'"))
    op.drop_table('policy_adoption')
    op.execute("DROP FUNCTION adoption_moves_forward()")
