"""The whole ledger: holds, expiry, reversal, debt, adjustments, restatement, budgets, answers kept under a key

Revision: 0011
Before:   0010
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ACTS = Path(__file__).with_name("0011_ledger_acts.sql")
FUNCTIONS = ("ledger_expire", "ledger_close", "ledger_reverse", "ledger_claw", "ledger_grant", "ledger_end_hold", "ledger_hold",
             "ledger_open", "ledger_give_back", "ledger_take", "ledger_add", "ledger_done", "ledger_refused")

JOURNAL_KINDS = "'adjustment', 'award', 'closing', 'expiry', 'hold', 'redemption', 'release', 'restatement', 'reversal'"
# What a posting of each kind is. In the trigger that looks at each one anyway, and not in a CHECK: PostgreSQL reads the text of a
# CHECK anew for every statement, which took longer than all else that a posting does.
CONTINUES = """
CREATE OR REPLACE FUNCTION posting_continues() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken record;
BEGIN
    SELECT added.household_id, added.seq, added.kind INTO broken FROM added
    WHERE (
              CASE kind
                  WHEN 'award' THEN contra = 'issuance' AND amount > 0 AND settlement_id IS NOT NULL
                  WHEN 'restatement' THEN settlement_id IS NOT NULL AND restatement_id IS NOT NULL
                                          AND (amount > 0 AND contra = 'issuance' OR amount <= 0 AND contra = 'clawback')
                  WHEN 'adjustment' THEN contra = 'adjustment'
                  WHEN 'hold' THEN contra IS NULL AND amount = 0 AND hold_id = seq
                  WHEN 'release' THEN contra IS NULL AND amount = 0 AND hold_id < seq
                  WHEN 'redemption' THEN contra = 'redeemed' AND amount < 0 AND hold_id < seq
                  WHEN 'expiry' THEN contra = 'expired' AND amount < 0
                  WHEN 'closing' THEN contra = 'expired' AND amount < 0
                  WHEN 'reversal' THEN contra IN ('clawback', 'redeemed', 'adjustment') AND reverses < seq
                  ELSE false
              END
              AND forgiven >= 0 AND (forgiven = 0 OR kind IN ('restatement', 'adjustment', 'reversal') AND amount <= 0)
              AND (amount <> 0 OR forgiven > 0 OR kind IN ('hold', 'release', 'reversal'))
              AND (kind = 'reversal' OR reverses IS NULL)
              AND (kind IN ('hold', 'release', 'redemption') OR hold_id IS NULL)
    ) IS NOT TRUE
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % of household % is not what a posting of kind % is (posting_kind_check)',
            broken.seq, broken.household_id, broken.kind USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_kind_check';
    END IF;
    SELECT added.household_id, added.seq INTO broken
    FROM added LEFT JOIN posting before ON before.household_id = added.household_id AND before.seq = added.seq - 1
    WHERE (before.seq IS NULL AND added.seq <> 1)
       OR added.available_after + added.held_after - added.debt_after
          <> coalesce(before.available_after + before.held_after - before.debt_after, 0) + added.amount
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % of household % does not continue from the one before it', broken.seq, broken.household_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_continues';
    END IF;
    RETURN NULL;
END $$;
"""
CONTINUES_BEFORE = """
CREATE OR REPLACE FUNCTION posting_continues() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken record;
BEGIN
    SELECT added.household_id, added.seq INTO broken
    FROM added LEFT JOIN posting before ON before.household_id = added.household_id AND before.seq = added.seq - 1
    WHERE (before.seq IS NULL AND added.seq <> 1)
       OR added.available_after + added.held_after - added.debt_after
          <> coalesce(before.available_after + before.held_after - before.debt_after, 0) + added.amount
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'posting % of household % does not continue from the one before it', broken.seq, broken.household_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_continues';
    END IF;
    RETURN NULL;
END $$;
"""

LAW = """
CREATE OR REPLACE VIEW entry AS
    SELECT household_id, seq, journal_id, 'household' AS account, amount, effective_on, recorded_at FROM posting WHERE amount <> 0
    UNION ALL
    SELECT household_id, seq, journal_id, contra, -amount, effective_on, recorded_at FROM posting WHERE amount <> 0;

-- A hold ends once, and its points and deadline stay.
CREATE FUNCTION hold_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_seq IS NOT NULL OR (NEW.household_id, NEW.hold_id, NEW.points, NEW.deadline_at)
                                    IS DISTINCT FROM (OLD.household_id, OLD.hold_id, OLD.points, OLD.deadline_at) THEN
        RAISE EXCEPTION 'hold % of household % is not changed: a hold ends once', OLD.hold_id, OLD.household_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_ends_once BEFORE UPDATE ON hold FOR EACH ROW EXECUTE FUNCTION hold_ends_once();

-- An adjustment moves forward only, and what was prepared is what is approved.
CREATE FUNCTION adjustment_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'prepared'
       OR (NEW.id, NEW.city_id, NEW.household_id, NEW.points, NEW.reverses, NEW.reason, NEW.reason_text, NEW.expires_on,
           NEW.prepared_by, NEW.prepared_at)
          IS DISTINCT FROM (OLD.id, OLD.city_id, OLD.household_id, OLD.points, OLD.reverses, OLD.reason, OLD.reason_text, OLD.expires_on,
                            OLD.prepared_by, OLD.prepared_at) THEN
        RAISE EXCEPTION 'adjustment % is %: what was prepared or decided is never changed', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER adjustment_moves_forward BEFORE UPDATE ON adjustment
    FOR EACH ROW EXECUTE FUNCTION adjustment_moves_forward();

CREATE TRIGGER budget_fixed BEFORE UPDATE OF id, city_id, starts_on, ends_on, points, prepared_by, prepared_at ON budget
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER budget_use_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON budget_use
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER hold_kept BEFORE DELETE OR TRUNCATE ON hold FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER adjustment_kept BEFORE DELETE OR TRUNCATE ON adjustment FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER budget_kept BEFORE DELETE OR TRUNCATE ON budget FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON hold, adjustment, budget, budget_use, kept_answer TO carbon_bank_app;
GRANT UPDATE (ended_seq, spent) ON hold TO carbon_bank_app;
GRANT UPDATE (state, decided_by, decided_at, decided_reason, journal_id) ON adjustment TO carbon_bank_app;
GRANT UPDATE (approved_by, approved_at, used) ON budget TO carbon_bank_app;
GRANT DELETE ON kept_answer TO carbon_bank_app;
GRANT USAGE ON SEQUENCE adjustment_id_seq, budget_id_seq, budget_use_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.add_column('account', sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f('account_debt_first_check'), 'account', 'debt = 0 OR available = 0')
    for column in (sa.Column('household_id', sa.BigInteger(), nullable=True), sa.Column('subject', sa.Text(), nullable=True),
                   sa.Column('reason', sa.Text(), nullable=True), sa.Column('reverses', sa.Uuid(), nullable=True)):
        op.add_column('journal', column)
    # A key would lock the city's one row for each of its journals: all clients would write to it.
    op.drop_constraint(op.f('journal_city_id_fkey'), 'journal')
    op.drop_constraint(op.f('journal_kind_check'), 'journal')
    op.create_check_constraint(op.f('journal_kind_check'), 'journal', f"kind IN ({JOURNAL_KINDS})")
    op.create_check_constraint(op.f('journal_reverses_check'), 'journal', "(kind = 'reversal') = (reverses IS NOT NULL)")
    op.create_unique_constraint(op.f('journal_reverses_key'), 'journal', ['reverses'])
    op.alter_column('posting', 'contra', nullable=True)
    op.add_column('posting', sa.Column('forgiven', sa.BigInteger(), server_default='0', nullable=False))
    for name in ('hold_id', 'reverses', 'restatement_id'):
        op.add_column('posting', sa.Column(name, sa.BigInteger(), nullable=True))
    op.drop_constraint(op.f('posting_kind_check'), 'posting')
    op.execute(CONTINUES)
    op.create_index('posting_reverses_key', 'posting', ['household_id', 'reverses'], unique=True,
                    postgresql_where=sa.text('reverses IS NOT NULL'))
    op.create_index('posting_restatement_key', 'posting', ['household_id', 'restatement_id', 'commodity'], unique=True,
                    postgresql_where=sa.text("kind = 'restatement'"))
    op.create_index('posting_journal_idx', 'posting', ['journal_id'], postgresql_using='brin',
                    postgresql_with={'autosummarize': 'on'})
    op.create_index('lot_expiring_idx', 'lot', ['expires_on', 'household_id'],
                    postgresql_where=sa.text('remaining > 0 AND expires_on IS NOT NULL'))
    op.drop_constraint(op.f('lot_use_amount_check'), 'lot_use')
    op.create_check_constraint(op.f('lot_use_amount_check'), 'lot_use', 'amount <> 0')
    op.create_table('hold',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('hold_id', sa.BigInteger(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('deadline_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_seq', sa.BigInteger(), nullable=True),
    sa.Column('spent', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('points > 0', name=op.f('hold_points_check')),
    sa.CheckConstraint('(ended_seq IS NULL) = (spent IS NULL) AND spent BETWEEN 0 AND points AND ended_seq > hold_id', name=op.f('hold_ended_check')),
    sa.ForeignKeyConstraint(['household_id', 'hold_id'], ['posting.household_id', 'posting.seq'], name=op.f('hold_household_id_hold_id_fkey')),
    sa.ForeignKeyConstraint(['household_id', 'ended_seq'], ['posting.household_id', 'posting.seq'], name=op.f('hold_household_id_ended_seq_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'hold_id', name=op.f('hold_pkey'))
    )
    op.create_table('adjustment',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=True),
    sa.Column('points', sa.BigInteger(), nullable=True),
    sa.Column('reverses', sa.Uuid(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('reason_text', sa.Text(), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('prepared_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_reason', sa.Text(), nullable=True),
    sa.Column('journal_id', sa.Uuid(), nullable=True),
    sa.CheckConstraint('points <> 0', name=op.f('adjustment_points_check')),
    sa.CheckConstraint('(points IS NULL) = (household_id IS NULL) AND (points IS NULL) = (reverses IS NOT NULL)', name=op.f('adjustment_kind_check')),
    sa.CheckConstraint("reason IN ('complaint_upheld', 'error', 'goodwill', 'other')", name=op.f('adjustment_reason_check')),
    sa.CheckConstraint('length(reason_text) >= 3', name=op.f('adjustment_reason_text_check')),
    sa.CheckConstraint('expires_on IS NULL OR coalesce(points, 0) > 0', name=op.f('adjustment_expires_on_check')),
    sa.CheckConstraint("state IN ('prepared', 'approved', 'rejected', 'withdrawn')", name=op.f('adjustment_state_check')),
    sa.CheckConstraint("(state = 'prepared') = (decided_by IS NULL) AND (state = 'prepared') = (decided_at IS NULL)", name=op.f('adjustment_decided_check')),
    sa.CheckConstraint("(state = 'approved') = (journal_id IS NOT NULL)", name=op.f('adjustment_journal_check')),
    sa.CheckConstraint("state <> 'approved' OR decided_by <> prepared_by", name=op.f('adjustment_four_eyes_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('adjustment_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('adjustment_city_id_household_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('adjustment_pkey'))
    )
    op.create_index(op.f('adjustment_city_id_idx'), 'adjustment', ['city_id'])
    op.create_table('budget',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('prepared_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('ends_on > starts_on', name=op.f('budget_days_check')),
    sa.CheckConstraint('used BETWEEN 0 AND points', name=op.f('budget_used_check')),
    sa.CheckConstraint('(approved_by IS NULL) = (approved_at IS NULL) AND (used = 0 OR approved_by IS NOT NULL)', name=op.f('budget_approved_check')),
    sa.CheckConstraint('approved_by <> prepared_by', name=op.f('budget_four_eyes_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('budget_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('budget_pkey'))
    )
    op.create_index(op.f('budget_city_id_idx'), 'budget', ['city_id'])
    op.create_table('budget_use',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('budget_id', sa.BigInteger(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('points <> 0', name=op.f('budget_use_points_check')),
    sa.ForeignKeyConstraint(['budget_id'], ['budget.id'], name=op.f('budget_use_budget_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('budget_use_pkey'))
    )
    op.create_unique_constraint(op.f("budget_use_subject_key"), "budget_use", ["subject"])
    op.create_index(op.f('budget_use_budget_id_idx'), 'budget_use', ['budget_id'])
    op.create_table('kept_answer',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('request_sha256', sa.LargeBinary(), nullable=False),
    sa.Column('status', sa.SmallInteger(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('length(key) BETWEEN 1 AND 200', name=op.f('kept_answer_key_check')),
    sa.ForeignKeyConstraint(['household_id'], ['account.household_id'], name=op.f('kept_answer_household_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'key', name=op.f('kept_answer_pkey'))
    )
    op.create_index(op.f('kept_answer_recorded_at_idx'), 'kept_answer', ['recorded_at'])
    op.execute(ACTS.read_text("utf-8"))
    op.execute(LAW)


def downgrade() -> None:
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP TYPE ledger_result")
    op.execute("""
        CREATE OR REPLACE VIEW entry AS
            SELECT household_id, seq, journal_id, 'household' AS account, amount, effective_on, recorded_at FROM posting
            UNION ALL
            SELECT household_id, seq, journal_id, contra, -amount, effective_on, recorded_at FROM posting
    """)
    for table in ("kept_answer", "budget_use", "budget", "adjustment", "hold"):
        op.drop_table(table)
    for function in ("hold_ends_once", "adjustment_moves_forward"):
        op.execute(f"DROP FUNCTION {function}()")
    op.drop_constraint(op.f('lot_use_amount_check'), 'lot_use')
    op.create_check_constraint(op.f('lot_use_amount_check'), 'lot_use', 'amount > 0')
    op.drop_index('lot_expiring_idx', 'lot')
    for index in ('posting_journal_idx', 'posting_restatement_key', 'posting_reverses_key'):
        op.drop_index(index, 'posting')
    op.execute(CONTINUES_BEFORE)
    op.create_check_constraint(op.f('posting_kind_check'), 'posting',
                               "kind = 'award' AND contra = 'issuance' AND amount > 0 AND settlement_id IS NOT NULL")
    for name in ('forgiven', 'hold_id', 'reverses', 'restatement_id'):
        op.drop_column('posting', name)
    op.alter_column('posting', 'contra', nullable=False)
    op.drop_constraint(op.f('journal_reverses_key'), 'journal')
    op.drop_constraint(op.f('journal_reverses_check'), 'journal')
    op.drop_constraint(op.f('journal_kind_check'), 'journal')
    op.create_check_constraint(op.f('journal_kind_check'), 'journal', "kind IN ('award')")
    for name in ('household_id', 'subject', 'reason', 'reverses'):
        op.drop_column('journal', name)
    op.create_foreign_key(op.f('journal_city_id_fkey'), 'journal', 'city', ['city_id'], ['id'], ondelete='RESTRICT')
    op.drop_constraint(op.f('account_debt_first_check'), 'account')
    op.drop_column('account', 'closed_at')
