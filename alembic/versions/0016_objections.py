"""Objections of households to their postings

Revision: 0016
Before:   0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

LAW = """
-- An objection is answered once, and what was said stays.
CREATE FUNCTION objection_answered_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open'
       OR (NEW.household_id, NEW.id, NEW.city_id, NEW.seq, NEW.text, NEW.raised_by, NEW.raised_at)
          IS DISTINCT FROM (OLD.household_id, OLD.id, OLD.city_id, OLD.seq, OLD.text, OLD.raised_by, OLD.raised_at) THEN
        RAISE EXCEPTION 'objection % is %: what was said or answered is never changed', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER objection_answered_once BEFORE UPDATE ON objection
    FOR EACH ROW EXECUTE FUNCTION objection_answered_once();
CREATE TRIGGER objection_kept BEFORE DELETE OR TRUNCATE ON objection
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON objection TO carbon_bank_app;
GRANT UPDATE (state, answer, answered_by, answered_at, adjustment_id) ON objection TO carbon_bank_app;
GRANT USAGE ON SEQUENCE objection_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('objection',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('raised_by', sa.Text(), nullable=False),
    sa.Column('raised_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answer', sa.Text(), nullable=True),
    sa.Column('answered_by', sa.Text(), nullable=True),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('adjustment_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('length(text) BETWEEN 3 AND 2000', name=op.f('objection_text_check')),
    sa.CheckConstraint('length(answer) BETWEEN 3 AND 2000', name=op.f('objection_answer_check')),
    sa.CheckConstraint("state IN ('open', 'rejected', 'upheld')", name=op.f('objection_state_check')),
    sa.CheckConstraint("(state = 'open') = (answer IS NULL) AND (state = 'open') = (answered_by IS NULL) AND (state = 'open') = (answered_at IS NULL)", name=op.f('objection_answered_check')),
    sa.CheckConstraint("adjustment_id IS NULL OR state = 'upheld'", name=op.f('objection_adjustment_check')),
    sa.ForeignKeyConstraint(['household_id', 'seq'], ['posting.household_id', 'posting.seq'], name=op.f('objection_household_id_seq_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'id', name=op.f('objection_pkey'))
    )
    op.create_index('objection_open_key', 'objection', ['household_id', 'seq'], unique=True,
                    postgresql_where=sa.text("state = 'open'"))
    op.create_index('objection_city_idx', 'objection', ['city_id', 'id'])
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('objection')
    op.execute("DROP FUNCTION objection_answered_once()")
