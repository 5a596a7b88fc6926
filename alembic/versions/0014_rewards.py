"""Rewards: catalogue, terms, redemptions, vouchers, payout runs, bank accounts and choices of households

Revision: 0014
Before:   0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

LAW = """
-- A redemption moves forward only, ends once, and what was asked for stays.
CREATE FUNCTION redemption_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks text[] := ARRAY['requested', 'held', 'fulfilling'];
    was int := coalesce(array_position(ranks, OLD.state), 4);
    becomes int := coalesce(array_position(ranks, NEW.state), 4);
BEGIN
    IF becomes < was OR was = 4 AND (NEW.state <> OLD.state OR OLD.returned_at IS NOT NULL)
       OR (NEW.id, NEW.city_id, NEW.household_id, NEW.reward_id, NEW.terms_id, NEW.points, NEW.money_minor, NEW.currency,
           NEW.occasion, NEW.requested_by, NEW.requested_at, NEW.deadline_at)
          IS DISTINCT FROM (OLD.id, OLD.city_id, OLD.household_id, OLD.reward_id, OLD.terms_id, OLD.points, OLD.money_minor,
                            OLD.currency, OLD.occasion, OLD.requested_by, OLD.requested_at, OLD.deadline_at)
       OR OLD.hold_id IS NOT NULL AND NEW.hold_id IS DISTINCT FROM OLD.hold_id
       OR was = 4 AND (NEW.ended_at, NEW.ended_by, NEW.journal_id) IS DISTINCT FROM (OLD.ended_at, OLD.ended_by, OLD.journal_id) THEN
        RAISE EXCEPTION 'redemption % is %: it moves forward only, and what was asked for stays', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redemption_moves_forward BEFORE UPDATE ON redemption
    FOR EACH ROW EXECUTE FUNCTION redemption_moves_forward();

-- A reward is changed while it is a draft; afterwards its stock and its end only.
CREATE FUNCTION reward_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks text[] := ARRAY['draft', 'active', 'ended'];
BEGIN
    IF array_position(ranks, NEW.state) < array_position(ranks, OLD.state)
       OR (NEW.id, NEW.city_id) IS DISTINCT FROM (OLD.id, OLD.city_id)
       OR OLD.state <> 'draft' AND to_jsonb(NEW) - 'state' - 'stock' - 'stocked'
                                 IS DISTINCT FROM to_jsonb(OLD) - 'state' - 'stock' - 'stocked' THEN
        RAISE EXCEPTION 'reward % is %: only a draft is changed', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
-- Not where only the stock moves: everybody waits for that row.
CREATE TRIGGER reward_is_kept BEFORE UPDATE OF id, city_id, code, channel, partner_id, points, points_least, points_most,
    points_step, name, description, per_month_max, starts_on, ends_on, deadline_days, state, prepared_by, prepared_at ON reward
    FOR EACH ROW EXECUTE FUNCTION reward_is_kept();

-- Terms are approved as they were prepared, once.
CREATE FUNCTION reward_terms_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.approved_at IS NOT NULL OR to_jsonb(NEW) - 'approved_by' - 'approved_at'
                                      IS DISTINCT FROM to_jsonb(OLD) - 'approved_by' - 'approved_at' THEN
        RAISE EXCEPTION 'terms % are not changed: prepare others', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reward_terms_are_kept BEFORE UPDATE ON reward_terms FOR EACH ROW EXECUTE FUNCTION reward_terms_are_kept();

-- A payout run moves forward only, and what was prepared is what is approved and sent.
CREATE FUNCTION payout_run_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks text[] := ARRAY['prepared', 'approved', 'sent', 'closed'];
    was int := coalesce(array_position(ranks, OLD.state), 5);
    becomes int := coalesce(array_position(ranks, NEW.state), 5);
BEGIN
    IF becomes < was OR was >= 4 AND becomes <> was OR becomes = 5 AND was = 3
       OR (NEW.id, NEW.city_id, NEW.terms_id, NEW.message_id, NEW.currency, NEW.execute_on, NEW.payments, NEW.total_minor, NEW.pain001_sha256,
           NEW.csv_sha256, NEW.prepared_by, NEW.prepared_at)
          IS DISTINCT FROM (OLD.id, OLD.city_id, OLD.terms_id, OLD.message_id, OLD.currency, OLD.execute_on, OLD.payments, OLD.total_minor,
                            OLD.pain001_sha256, OLD.csv_sha256, OLD.prepared_by, OLD.prepared_at)
       OR OLD.approved_by IS NOT NULL AND (NEW.approved_by, NEW.approved_at, NEW.approved_form)
                                          IS DISTINCT FROM (OLD.approved_by, OLD.approved_at, OLD.approved_form) THEN
        RAISE EXCEPTION 'payout run % is %: it moves forward only, and what was prepared stays', OLD.id, OLD.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payout_run_moves_forward BEFORE UPDATE ON payout_run
    FOR EACH ROW EXECUTE FUNCTION payout_run_moves_forward();
CREATE TRIGGER payout_payment_fixed BEFORE UPDATE OF run_id, redemption_id, household_id, end_to_end_id, amount_minor, sealed ON payout_payment
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- A voucher is given once.
CREATE FUNCTION voucher_given_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.redemption_id IS NOT NULL OR (NEW.reward_id, NEW.code, NEW.expires_on, NEW.added_at)
                                        IS DISTINCT FROM (OLD.reward_id, OLD.code, OLD.expires_on, OLD.added_at) THEN
        RAISE EXCEPTION 'a voucher of reward % is given once, and is not changed', OLD.reward_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER voucher_given_once BEFORE UPDATE ON voucher FOR EACH ROW EXECUTE FUNCTION voucher_given_once();

CREATE TRIGGER redemption_kept BEFORE DELETE OR TRUNCATE ON redemption FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER reward_kept BEFORE DELETE OR TRUNCATE ON reward FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER reward_terms_kept BEFORE DELETE OR TRUNCATE ON reward_terms FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER voucher_kept BEFORE DELETE OR TRUNCATE ON voucher FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payout_run_kept BEFORE DELETE OR TRUNCATE ON payout_run FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER payout_payment_kept BEFORE DELETE OR TRUNCATE ON payout_payment
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON reward, reward_terms, redemption, voucher, payout_run, payout_payment, payout_account, payout_choice
    TO carbon_bank_app;
GRANT UPDATE (code, channel, partner_id, points, points_least, points_most, points_step, name, description, stock, stocked, per_month_max,
              starts_on, ends_on, deadline_days, state, prepared_by, prepared_at) ON reward TO carbon_bank_app;
GRANT UPDATE (approved_by, approved_at) ON reward_terms TO carbon_bank_app;
GRANT UPDATE (state, hold_id, held_at, fulfilling_at, ended_at, ended_by, reason, reason_text, reference, pickup_sealed,
              pickup_hash, journal_id, returned_at) ON redemption TO carbon_bank_app;
GRANT UPDATE (redemption_id, given_at) ON voucher TO carbon_bank_app;
GRANT UPDATE (state, approved_by, approved_at, approved_form, sent_at, closed_at, withdrawn_by, withdrawn_reason)
    ON payout_run TO carbon_bank_app;
GRANT UPDATE (outcome, bank_code, bank_text, decided_at, is_live) ON payout_payment TO carbon_bank_app;
GRANT UPDATE, DELETE ON payout_account, payout_choice TO carbon_bank_app;
GRANT USAGE ON SEQUENCE reward_id_seq, reward_terms_id_seq, redemption_id_seq, payout_run_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('payout_account',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('shown', sa.Text(), nullable=False),
    sa.Column('own_account', sa.Boolean(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('refused_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('refused_reason', sa.Text(), nullable=True),
    sa.CheckConstraint('(refused_at IS NULL) = (refused_reason IS NULL)', name=op.f('payout_account_refused_check')),
    sa.CheckConstraint('own_account', name=op.f('payout_account_own_account_check')),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('payout_account_city_id_household_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', name=op.f('payout_account_pkey'))
    )
    op.create_table('reward',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('channel', sa.Text(), nullable=False),
    sa.Column('partner_id', sa.BigInteger(), nullable=True),
    sa.Column('points', sa.BigInteger(), nullable=True),
    sa.Column('points_least', sa.BigInteger(), nullable=True),
    sa.Column('points_most', sa.BigInteger(), nullable=True),
    sa.Column('points_step', sa.BigInteger(), nullable=True),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('description', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('stock', sa.BigInteger(), nullable=True),
    sa.Column('stocked', sa.BigInteger(), nullable=True),
    sa.Column('per_month_max', sa.Integer(), nullable=True),
    sa.Column('starts_on', sa.Date(), nullable=True),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('deadline_days', sa.Integer(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('prepared_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("(partner_id IS NOT NULL) = (channel IN ('partner', 'pickup'))", name=op.f('reward_partner_check')),
    sa.CheckConstraint("\n    CASE WHEN points IS NOT NULL THEN points > 0 AND points_least IS NULL AND points_most IS NULL AND points_step IS NULL\n    ELSE channel IN ('bank_transfer', 'donation') AND coalesce(points_least, 0) > 0\n         AND coalesce(points_most, 0) >= points_least AND coalesce(points_step, 0) BETWEEN 1 AND points_least END\n", name=op.f('reward_price_check')),
    sa.CheckConstraint("channel IN ('bank_transfer', 'donation', 'partner', 'pickup', 'voucher_pool')", name=op.f('reward_channel_check')),
    sa.CheckConstraint("state IN ('draft', 'active', 'ended')", name=op.f('reward_state_check')),
    sa.CheckConstraint('(stock IS NULL) = (stocked IS NULL) AND stock <= stocked', name=op.f('reward_stocked_check')),
    sa.CheckConstraint("stock >= 0 AND (stock IS NULL OR channel <> 'voucher_pool')", name=op.f('reward_stock_check')),
    sa.CheckConstraint('deadline_days BETWEEN 1 AND 366', name=op.f('reward_deadline_days_check')),
    sa.CheckConstraint('ends_on > starts_on', name=op.f('reward_days_check')),
    sa.CheckConstraint('per_month_max >= 1', name=op.f('reward_per_month_max_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('reward_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['partner_id'], ['client.id'], name=op.f('reward_partner_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('reward_pkey')),
    sa.UniqueConstraint('city_id', 'code', name=op.f('reward_city_id_code_key')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('reward_city_id_id_key'))
    )
    op.create_table('payout_choice',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('reward_id', sa.BigInteger(), nullable=False),
    sa.Column('points_least', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.CheckConstraint('points_least > 0', name=op.f('payout_choice_points_least_check')),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('payout_choice_city_id_household_id_fkey')),
    sa.ForeignKeyConstraint(['city_id', 'reward_id'], ['reward.city_id', 'reward.id'], name=op.f('payout_choice_city_id_reward_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', name=op.f('payout_choice_pkey'))
    )
    op.create_index('payout_choice_city_idx', 'payout_choice', ['city_id', 'household_id'], unique=False)
    op.create_table('reward_terms',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('value_num', sa.BigInteger(), nullable=False),
    sa.Column('value_den', sa.BigInteger(), nullable=False),
    sa.Column('claim_days', sa.Integer(), nullable=False),
    sa.Column('unclaimed', sa.Text(), nullable=False),
    sa.Column('unclaimed_reward_id', sa.BigInteger(), nullable=True),
    sa.Column('default_reward_id', sa.BigInteger(), nullable=True),
    sa.Column('default_points_least', sa.BigInteger(), nullable=True),
    sa.Column('payer', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('prepared_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(unclaimed = 'donation') = (unclaimed_reward_id IS NOT NULL)", name=op.f('reward_terms_unclaimed_reward_check')),
    sa.CheckConstraint("unclaimed IN ('household', 'donation')", name=op.f('reward_terms_unclaimed_check')),
    sa.CheckConstraint('(approved_by IS NULL) = (approved_at IS NULL)', name=op.f('reward_terms_approved_check')),
    sa.CheckConstraint('(default_reward_id IS NULL) = (default_points_least IS NULL) AND default_points_least > 0', name=op.f('reward_terms_default_check')),
    sa.CheckConstraint('approved_by <> prepared_by', name=op.f('reward_terms_four_eyes_check')),
    sa.CheckConstraint('claim_days BETWEEN 1 AND 366', name=op.f('reward_terms_claim_days_check')),
    sa.CheckConstraint('value_num > 0 AND value_den > 0', name=op.f('reward_terms_value_check')),
    sa.ForeignKeyConstraint(['city_id', 'default_reward_id'], ['reward.city_id', 'reward.id'], name=op.f('reward_terms_city_id_default_reward_id_fkey')),
    sa.ForeignKeyConstraint(['city_id', 'unclaimed_reward_id'], ['reward.city_id', 'reward.id'], name=op.f('reward_terms_city_id_unclaimed_reward_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('reward_terms_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('reward_terms_pkey'))
    )
    op.create_index(op.f('reward_terms_city_id_idx'), 'reward_terms', ['city_id'], unique=False)
    op.create_index('reward_terms_in_force_idx', 'reward_terms', ['city_id', 'approved_at'], unique=False, postgresql_where=sa.text('approved_at IS NOT NULL'))
    op.create_table('payout_run',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('terms_id', sa.BigInteger(), nullable=False),
    sa.Column('message_id', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('execute_on', sa.Date(), nullable=False),
    sa.Column('payments', sa.BigInteger(), nullable=False),
    sa.Column('total_minor', sa.BigInteger(), nullable=False),
    sa.Column('pain001_sha256', sa.Text(), nullable=False),
    sa.Column('csv_sha256', sa.Text(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('prepared_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_form', sa.Text(), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.Text(), nullable=True),
    sa.Column('withdrawn_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("(state = 'withdrawn') = (withdrawn_by IS NOT NULL)", name=op.f('payout_run_withdrawn_check')),
    sa.CheckConstraint("(state IN ('sent', 'closed')) = (sent_at IS NOT NULL)", name=op.f('payout_run_sent_check')),
    sa.CheckConstraint("approved_form IN ('csv', 'pain.001')", name=op.f('payout_run_approved_form_check')),
    sa.CheckConstraint("state IN ('prepared', 'approved', 'sent', 'closed', 'withdrawn')", name=op.f('payout_run_state_check')),
    sa.CheckConstraint("state NOT IN ('approved', 'sent', 'closed') OR approved_by IS NOT NULL", name=op.f('payout_run_approved_first_check')),
    sa.CheckConstraint('(approved_by IS NULL) = (approved_at IS NULL) AND (approved_by IS NULL) = (approved_form IS NULL)', name=op.f('payout_run_approved_check')),
    sa.CheckConstraint('approved_by <> prepared_by', name=op.f('payout_run_four_eyes_check')),
    sa.CheckConstraint('payments > 0 AND total_minor > 0', name=op.f('payout_run_totals_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('payout_run_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['terms_id'], ['reward_terms.id'], name=op.f('payout_run_terms_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('payout_run_pkey')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('payout_run_city_id_id_key')),
    sa.UniqueConstraint('message_id', name=op.f('payout_run_message_id_key'))
    )
    op.create_table('redemption',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('reward_id', sa.BigInteger(), nullable=False),
    sa.Column('terms_id', sa.BigInteger(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('money_minor', sa.BigInteger(), nullable=True),
    sa.Column('currency', sa.Text(), nullable=True),
    sa.Column('occasion', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('deadline_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('hold_id', sa.BigInteger(), nullable=True),
    sa.Column('held_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('fulfilling_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('reason_text', sa.Text(), nullable=True),
    sa.Column('reference', sa.Text(), nullable=True),
    sa.Column('pickup_sealed', sa.Text(), nullable=True),
    sa.Column('pickup_hash', sa.LargeBinary(), nullable=True),
    sa.Column('journal_id', sa.Uuid(), nullable=True),
    sa.Column('returned_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(state = 'fulfilled') = (journal_id IS NOT NULL)", name=op.f('redemption_journal_check')),
    sa.CheckConstraint("(state = 'requested') = (hold_id IS NULL) AND (hold_id IS NULL) = (held_at IS NULL)", name=op.f('redemption_held_check')),
    sa.CheckConstraint("(state IN ('refused', 'cancelled', 'expired') OR returned_at IS NOT NULL) = (reason IS NOT NULL)", name=op.f('redemption_reason_check')),
    sa.CheckConstraint("(state IN ('requested', 'held', 'fulfilling')) = (ended_at IS NULL)", name=op.f('redemption_ended_check')),
    sa.CheckConstraint("returned_at IS NULL OR state = 'fulfilled'", name=op.f('redemption_returned_check')),
    sa.CheckConstraint("state IN ('requested', 'held', 'fulfilling', 'fulfilled', 'refused', 'cancelled', 'expired')", name=op.f('redemption_state_check')),
    sa.CheckConstraint('(money_minor IS NULL) = (currency IS NULL) AND money_minor > 0', name=op.f('redemption_money_check')),
    sa.CheckConstraint('(pickup_sealed IS NULL) = (pickup_hash IS NULL)', name=op.f('redemption_pickup_check')),
    sa.CheckConstraint('points > 0', name=op.f('redemption_points_check')),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('redemption_city_id_household_id_fkey')),
    sa.ForeignKeyConstraint(['city_id', 'reward_id'], ['reward.city_id', 'reward.id'], name=op.f('redemption_city_id_reward_id_fkey')),
    sa.ForeignKeyConstraint(['household_id', 'hold_id'], ['hold.household_id', 'hold.hold_id'], name=op.f('redemption_household_id_hold_id_fkey')),
    sa.ForeignKeyConstraint(['terms_id'], ['reward_terms.id'], name=op.f('redemption_terms_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('redemption_pkey'))
    )
    op.create_index('redemption_city_idx', 'redemption', ['city_id', 'id'], unique=False)
    op.create_index('redemption_due_idx', 'redemption', ['deadline_at'], unique=False, postgresql_where=sa.text("state IN ('held', 'fulfilling')"))
    op.create_index('redemption_household_idx', 'redemption', ['household_id', 'id'], unique=False)
    op.create_index('redemption_occasion_key', 'redemption', ['household_id', 'occasion'], unique=True, postgresql_where=sa.text('occasion IS NOT NULL'))
    op.create_index('redemption_journal_key', 'redemption', ['journal_id'], unique=True, postgresql_where=sa.text('journal_id IS NOT NULL'))
    op.create_index('redemption_pickup_key', 'redemption', ['pickup_hash'], unique=True, postgresql_where=sa.text('pickup_hash IS NOT NULL'))
    op.create_index('redemption_reward_open_idx', 'redemption', ['reward_id', 'id'], unique=False, postgresql_where=sa.text("state IN ('held', 'fulfilling')"))
    op.create_table('payout_payment',
    sa.Column('run_id', sa.BigInteger(), nullable=False),
    sa.Column('redemption_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('end_to_end_id', sa.Text(), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('sealed', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('bank_code', sa.Text(), nullable=True),
    sa.Column('bank_text', sa.Text(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('is_live', sa.Boolean(), nullable=False),
    sa.CheckConstraint("(outcome = 'open') = (decided_at IS NULL)", name=op.f('payout_payment_decided_check')),
    sa.CheckConstraint("outcome IN ('open', 'paid', 'refused', 'returned')", name=op.f('payout_payment_outcome_check')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('payout_payment_amount_check')),
    sa.ForeignKeyConstraint(['redemption_id'], ['redemption.id'], name=op.f('payout_payment_redemption_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['run_id'], ['payout_run.id'], name=op.f('payout_payment_run_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('run_id', 'redemption_id', name=op.f('payout_payment_pkey')),
    sa.UniqueConstraint('end_to_end_id', name=op.f('payout_payment_end_to_end_id_key'))
    )
    op.create_index('payout_payment_live_key', 'payout_payment', ['redemption_id'], unique=True, postgresql_where=sa.text('is_live'))
    op.create_table('voucher',
    sa.Column('reward_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('redemption_id', sa.BigInteger(), nullable=True),
    sa.Column('given_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(redemption_id IS NULL) = (given_at IS NULL)', name=op.f('voucher_given_check')),
    sa.CheckConstraint('length(code) BETWEEN 1 AND 200', name=op.f('voucher_code_check')),
    sa.ForeignKeyConstraint(['redemption_id'], ['redemption.id'], name=op.f('voucher_redemption_id_fkey')),
    sa.ForeignKeyConstraint(['reward_id'], ['reward.id'], name=op.f('voucher_reward_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('reward_id', 'code', name=op.f('voucher_pkey')),
    sa.UniqueConstraint('redemption_id', name=op.f('voucher_redemption_id_key'))
    )
    op.create_index('voucher_free_idx', 'voucher', ['reward_id', 'expires_on', 'code'], unique=False, postgresql_where=sa.text('redemption_id IS NULL'))
    op.execute(LAW)


def downgrade() -> None:
    for table in ("voucher", "payout_payment", "redemption", "payout_run", "reward_terms", "payout_choice", "reward", "payout_account"):
        op.drop_table(table)
    for function in ("redemption_moves_forward", "reward_is_kept", "reward_terms_are_kept", "payout_run_moves_forward", "voucher_given_once"):
        op.execute(f"DROP FUNCTION {function}()")
