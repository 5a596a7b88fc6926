"""The spine: registry, readings, settlement, ledger, identity, trail

Revision: 0001
Before:   
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None

# What the tables promise beyond keys and checks, so that it holds for every program that writes to them.
LAW = """
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what counted is never changed or removed, corrections add', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['posting', 'journal', 'lot_use', 'reading', 'reading_batch', 'trail', 'policy',
                                'settlement_total'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
                       'EXECUTE FUNCTION forbid_change()', name || '_append_only', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['account', 'lot', 'award', 'settlement', 'household', 'meter', 'tenure'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
                       'EXECUTE FUNCTION forbid_change()', name || '_kept', name);
    END LOOP;
END $$;

CREATE TRIGGER award_decided BEFORE UPDATE OF settlement_id, household_id, commodity, outcome, usage, baseline_num,
    baseline_den, points, avoided_g, tier, streak, findings ON award
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER lot_granted BEFORE UPDATE OF household_id, lot_id, granted, expires_on ON lot
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

-- Each posting continues from the one before it: numbers without a gap, and what the household owns moves by the amount.
CREATE FUNCTION posting_continues() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER posting_continues AFTER INSERT ON posting REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION posting_continues();

-- The account equals the household's last posting.
CREATE FUNCTION account_follows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE broken bigint;
BEGIN
    SELECT changed.household_id INTO broken
    FROM changed LEFT JOIN posting last ON last.household_id = changed.household_id AND last.seq = changed.version
    WHERE (changed.available, changed.held, changed.debt)
          IS DISTINCT FROM (coalesce(last.available_after, 0), coalesce(last.held_after, 0), coalesce(last.debt_after, 0))
       OR (changed.version > 0 AND last.seq IS NULL)
       OR EXISTS (SELECT 1 FROM posting later
                  WHERE later.household_id = changed.household_id AND later.seq = changed.version + 1)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the account of household % does not equal its last posting', broken
            USING ERRCODE = 'check_violation', CONSTRAINT = 'account_follows';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_follows AFTER UPDATE ON account REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION account_follows();
CREATE TRIGGER account_begins AFTER INSERT ON account REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION account_follows();

-- Double entry: each posting as its two sides, which sum to zero.
CREATE VIEW entry AS
    SELECT household_id, seq, journal_id, 'household' AS account, amount, effective_on, recorded_at FROM posting
    UNION ALL
    SELECT household_id, seq, journal_id, contra, -amount, effective_on, recorded_at FROM posting;
"""

# The role under which the application works. It can add; of what counted it can change nothing.
RIGHTS = """
DO $$
BEGIN
    CREATE ROLE carbon_bank_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the server: another database of it has made this one
END $$;
GRANT carbon_bank_app TO CURRENT_USER;
GRANT USAGE ON SCHEMA public TO carbon_bank_app;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO carbon_bank_app;
REVOKE INSERT ON alembic_version FROM carbon_bank_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO carbon_bank_app;
GRANT UPDATE ON account, settlement TO carbon_bank_app;
GRANT UPDATE (remaining) ON lot TO carbon_bank_app;
GRANT UPDATE (review) ON award TO carbon_bank_app;
GRANT UPDATE (parent_id) ON district TO carbon_bank_app;
GRANT UPDATE (ends_on, ended_at) ON tenure TO carbon_bank_app;
GRANT UPDATE (password_hash, disabled_at) ON person TO carbon_bank_app;
GRANT UPDATE (secret_hash, disabled_at) ON client TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('award',
    sa.Column('settlement_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('usage', sa.BigInteger(), nullable=True),
    sa.Column('baseline_num', sa.Numeric(precision=38, scale=0), nullable=True),
    sa.Column('baseline_den', sa.Numeric(precision=38, scale=0), nullable=True),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('avoided_g', sa.BigInteger(), nullable=True),
    sa.Column('tier', sa.SmallInteger(), nullable=True),
    sa.Column('streak', sa.SmallInteger(), nullable=False),
    sa.Column('review', sa.Text(), nullable=False),
    sa.Column('findings', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint("outcome <> 'incomplete' OR points = 0", name=op.f('award_unpaid_check')),
    sa.CheckConstraint("review IN ('clear', 'held', 'released', 'rejected')", name=op.f('award_review_check')),
    sa.CheckConstraint('(baseline_num IS NULL) = (baseline_den IS NULL)', name=op.f('award_baseline_check')),
    sa.CheckConstraint('points >= 0', name=op.f('award_points_check')),
    sa.PrimaryKeyConstraint('settlement_id', 'household_id', 'commodity', name=op.f('award_pkey'))
    )
    op.create_table('city',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('time_zone', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("code ~ '^[a-z][a-z0-9-]{1,30}$'", name=op.f('city_code_check')),
    sa.PrimaryKeyConstraint('id', name=op.f('city_pkey')),
    sa.UniqueConstraint('code', name=op.f('city_code_key'))
    )
    op.create_table('policy',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('stored_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('stored_by', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('policy_pkey')),
    sa.UniqueConstraint('digest', name=op.f('policy_digest_key'))
    )
    op.create_table('district',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('parent_id', sa.BigInteger(), nullable=True),
    sa.Column('name', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('geometry', postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    sa.CheckConstraint('parent_id <> id', name=op.f('district_parent_check')),
    sa.ForeignKeyConstraint(['city_id', 'parent_id'], ['district.city_id', 'district.id'], name=op.f('district_city_id_parent_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('district_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('district_pkey')),
    sa.UniqueConstraint('city_id', 'code', name=op.f('district_city_id_code_key')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('district_city_id_id_key'))
    )
    op.create_table('journal',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('settlement_id', sa.BigInteger(), nullable=True),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("kind IN ('award')", name=op.f('journal_kind_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('journal_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('journal_pkey'))
    )
    op.create_index(op.f('journal_settlement_id_idx'), 'journal', ['settlement_id'], unique=False)
    op.create_table('settlement',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('policy_id', sa.BigInteger(), nullable=False),
    sa.Column('period', sa.Text(), nullable=False),
    sa.Column('first_month', sa.Integer(), nullable=False),
    sa.Column('months', sa.SmallInteger(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('prepared_by', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('as_of', sa.DateTime(timezone=True), nullable=True),
    sa.Column('households', sa.BigInteger(), nullable=True),
    sa.Column('computed_to', sa.BigInteger(), nullable=False),
    sa.Column('computed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('approved_by', sa.Text(), nullable=True),
    sa.Column('approved_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('posted_to', sa.BigInteger(), nullable=False),
    sa.Column('posted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('withdrawn_by', sa.Text(), nullable=True),
    sa.Column('withdrawn_reason', sa.Text(), nullable=True),
    sa.CheckConstraint("state IN ('requested', 'computing', 'computed', 'approved', 'posting', 'posted', 'withdrawn')", name=op.f('settlement_state_check')),
    sa.CheckConstraint("state IN ('requested', 'withdrawn') OR as_of IS NOT NULL", name=op.f('settlement_as_of_check')),
    sa.CheckConstraint("state NOT IN ('approved', 'posting', 'posted') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)", name=op.f('settlement_approved_check')),
    sa.CheckConstraint('approved_by <> prepared_by', name=op.f('settlement_four_eyes_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('settlement_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['policy_id'], ['policy.id'], name=op.f('settlement_policy_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('settlement_pkey'))
    )
    op.create_index('settlement_one_live_key', 'settlement', ['city_id', 'period'], unique=True, postgresql_where=sa.text("state <> 'withdrawn'"))
    op.create_table('trail',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=True),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('act', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('request_id', sa.Text(), nullable=True),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('trail_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('trail_pkey'))
    )
    op.create_index(op.f('trail_at_idx'), 'trail', ['at'], unique=False)
    op.create_index(op.f('trail_city_id_idx'), 'trail', ['city_id'], unique=False)
    op.create_index(op.f('trail_subject_idx'), 'trail', ['subject'], unique=False)
    op.create_table('utility',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('commodities', sa.ARRAY(sa.Text()), nullable=False),
    sa.CheckConstraint('cardinality(commodities) > 0', name=op.f('utility_commodities_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('utility_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('utility_pkey')),
    sa.UniqueConstraint('city_id', 'code', name=op.f('utility_city_id_code_key')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('utility_city_id_id_key'))
    )
    op.create_table('client',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('client_id', sa.Text(), nullable=False),
    sa.Column('secret_hash', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(utility_id IS NOT NULL) = (role = 'utility')", name=op.f('client_utility_check')),
    sa.CheckConstraint("role IN ('utility', 'partner')", name=op.f('client_role_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('client_city_id_utility_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('client_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('client_pkey')),
    sa.UniqueConstraint('client_id', name=op.f('client_client_id_key'))
    )
    op.create_table('household',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('district_id', sa.BigInteger(), nullable=False),
    sa.Column('dwelling_type', sa.Text(), nullable=True),
    sa.Column('residents', sa.SmallInteger(), nullable=True),
    sa.Column('joined_on', sa.Date(), nullable=False),
    sa.CheckConstraint('residents BETWEEN 1 AND 99', name=op.f('household_residents_check')),
    sa.ForeignKeyConstraint(['city_id', 'district_id'], ['district.city_id', 'district.id'], name=op.f('household_city_id_district_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('household_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('household_pkey')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('household_city_id_id_key')),
    sa.UniqueConstraint('city_id', 'number', name=op.f('household_city_id_number_key'))
    )
    op.create_index(op.f('household_district_id_idx'), 'household', ['district_id'], unique=False)
    op.create_table('meter',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('customer_number', sa.Text(), nullable=False),
    sa.Column('meter_number', sa.Text(), nullable=False),
    sa.Column('digits', sa.SmallInteger(), nullable=True),
    sa.Column('calorific_value', sa.Numeric(precision=7, scale=3), nullable=True),
    sa.CheckConstraint("calorific_value IS NULL OR (calorific_value > 0 AND commodity = 'gas')", name=op.f('meter_calorific_value_check')),
    sa.CheckConstraint("commodity IN ('electricity', 'gas', 'water')", name=op.f('meter_commodity_check')),
    sa.CheckConstraint('digits BETWEEN 1 AND 12', name=op.f('meter_digits_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('meter_city_id_utility_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('meter_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('meter_pkey')),
    sa.UniqueConstraint('city_id', 'id', name=op.f('meter_city_id_id_key')),
    sa.UniqueConstraint('utility_id', 'commodity', 'customer_number', 'meter_number', name=op.f('meter_utility_id_commodity_customer_number_meter_number_key'))
    )
    op.create_table('reading_batch',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('accepted', sa.Integer(), nullable=False),
    sa.Column('duplicate', sa.Integer(), nullable=False),
    sa.Column('revised', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.CheckConstraint('rows = accepted + duplicate + revised + refused', name=op.f('reading_batch_counts_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('reading_batch_city_id_utility_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('reading_batch_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('reading_batch_pkey'))
    )
    op.create_index(op.f('reading_batch_utility_id_idx'), 'reading_batch', ['utility_id'], unique=False)
    op.create_table('settlement_total',
    sa.Column('settlement_id', sa.BigInteger(), nullable=False),
    sa.Column('commodity', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('review', sa.Text(), nullable=False),
    sa.Column('awards', sa.BigInteger(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('avoided_g', sa.Numeric(precision=38, scale=0), nullable=False),
    sa.ForeignKeyConstraint(['settlement_id'], ['settlement.id'], name=op.f('settlement_total_settlement_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('settlement_id', 'commodity', 'outcome', 'review', name=op.f('settlement_total_pkey'))
    )
    op.create_table('account',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('available', sa.BigInteger(), nullable=False),
    sa.Column('held', sa.BigInteger(), nullable=False),
    sa.Column('debt', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('available >= 0', name=op.f('account_available_check')),
    sa.CheckConstraint('debt >= 0', name=op.f('account_debt_check')),
    sa.CheckConstraint('held >= 0', name=op.f('account_held_check')),
    sa.CheckConstraint('version >= 0', name=op.f('account_version_check')),
    sa.ForeignKeyConstraint(['household_id'], ['household.id'], name=op.f('account_household_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('household_id', name=op.f('account_pkey'))
    )
    op.create_table('person',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('login', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.Column('roles', sa.ARRAY(sa.Text()), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=True),
    sa.Column('household_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(city_id IS NULL) = (roles = ARRAY['admin'])", name=op.f('person_city_check')),
    sa.CheckConstraint("(household_id IS NULL) = NOT ('household' = ANY(roles))", name=op.f('person_household_check')),
    sa.CheckConstraint('cardinality(roles) > 0', name=op.f('person_roles_check')),
    sa.CheckConstraint('login = lower(login) AND length(login) BETWEEN 3 AND 254', name=op.f('person_login_check')),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('person_city_id_household_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('person_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('person_pkey')),
    sa.UniqueConstraint('login', name=op.f('person_login_key'))
    )
    op.create_index(op.f('person_household_id_idx'), 'person', ['household_id'], unique=False)
    op.create_table('reading',
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('period_start', sa.Date(), nullable=False),
    sa.Column('period_end', sa.Date(), nullable=False),
    sa.Column('revision', sa.SmallInteger(), nullable=False),
    sa.Column('quantity', sa.BigInteger(), nullable=True),
    sa.Column('quality', sa.Enum('actual', 'estimated', 'customer', 'corrected', name='reading_quality'), nullable=False),
    sa.Column('reason', sa.Enum('corrected', 'estimate_replaced', 'meter_fault', 'other', 'rebilled', name='reading_reason'), nullable=True),
    sa.Column('reason_text', sa.Text(), nullable=True),
    sa.Column('batch_id', sa.BigInteger(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("reason IS DISTINCT FROM 'other' OR coalesce(length(reason_text), 0) > 0", name=op.f('reading_reason_text_check')),
    sa.CheckConstraint('period_end > period_start AND period_end - period_start <= 100', name=op.f('reading_period_check')),
    sa.CheckConstraint('quantity BETWEEN 0 AND 1000000000000', name=op.f('reading_quantity_check')),
    sa.CheckConstraint('quantity IS NOT NULL OR revision > 1', name=op.f('reading_cancelled_check')),
    sa.CheckConstraint('revision >= 1 AND (revision = 1) = (reason IS NULL)', name=op.f('reading_revision_check')),
    sa.ForeignKeyConstraint(['batch_id'], ['reading_batch.id'], name=op.f('reading_batch_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['meter_id'], ['meter.id'], name=op.f('reading_meter_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('meter_id', 'period_start', 'period_end', 'revision', name='reading_pkey', postgresql_include=['quantity', 'quality', 'recorded_at'])
    )
    op.create_table('tenure',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('meter_id', sa.BigInteger(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('ends_on', sa.Date(), nullable=True),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(ends_on IS NULL) = (ended_at IS NULL)', name=op.f('tenure_ended_check')),
    sa.CheckConstraint('ends_on > starts_on', name=op.f('tenure_ends_after_start_check')),
    sa.ForeignKeyConstraint(['city_id', 'household_id'], ['household.city_id', 'household.id'], name=op.f('tenure_city_id_household_id_fkey')),
    sa.ForeignKeyConstraint(['city_id', 'meter_id'], ['meter.city_id', 'meter.id'], name=op.f('tenure_city_id_meter_id_fkey')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('tenure_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('tenure_pkey'))
    )
    op.create_index('tenure_household_id_meter_id_starts_on_key', 'tenure', ['household_id', 'meter_id', 'starts_on'], unique=True)
    op.create_index(op.f('tenure_meter_id_idx'), 'tenure', ['meter_id'], unique=False)
    op.create_index('tenure_one_open_key', 'tenure', ['household_id', 'meter_id'], unique=True, postgresql_where=sa.text('ends_on IS NULL'))
    op.create_table('posting',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('journal_id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('contra', sa.Text(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.Column('available_after', sa.BigInteger(), nullable=False),
    sa.Column('held_after', sa.BigInteger(), nullable=False),
    sa.Column('debt_after', sa.BigInteger(), nullable=False),
    sa.Column('effective_on', sa.Date(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('settlement_id', sa.BigInteger(), nullable=True),
    sa.Column('commodity', sa.Text(), nullable=True),
    sa.CheckConstraint("kind = 'award' AND contra = 'issuance' AND amount > 0 AND settlement_id IS NOT NULL", name=op.f('posting_kind_check')),
    sa.CheckConstraint('available_after >= 0 AND held_after >= 0 AND debt_after >= 0', name=op.f('posting_after_check')),
    sa.CheckConstraint('seq >= 1', name=op.f('posting_seq_check')),
    sa.ForeignKeyConstraint(['household_id'], ['account.household_id'], name=op.f('posting_household_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'seq', name=op.f('posting_pkey'))
    )
    op.create_index('posting_award_key', 'posting', ['household_id', 'settlement_id', 'commodity'], unique=True, postgresql_where=sa.text("kind = 'award'"))
    op.create_table('lot',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('lot_id', sa.BigInteger(), nullable=False),
    sa.Column('granted', sa.BigInteger(), nullable=False),
    sa.Column('remaining', sa.BigInteger(), nullable=False),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.CheckConstraint('granted > 0 AND remaining BETWEEN 0 AND granted', name=op.f('lot_remaining_check')),
    sa.ForeignKeyConstraint(['household_id', 'lot_id'], ['posting.household_id', 'posting.seq'], name=op.f('lot_household_id_lot_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'lot_id', name=op.f('lot_pkey'))
    )
    op.create_table('lot_use',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('lot_id', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount > 0', name=op.f('lot_use_amount_check')),
    sa.ForeignKeyConstraint(['household_id', 'lot_id'], ['lot.household_id', 'lot.lot_id'], name=op.f('lot_use_household_id_lot_id_fkey')),
    sa.ForeignKeyConstraint(['household_id', 'seq'], ['posting.household_id', 'posting.seq'], name=op.f('lot_use_household_id_seq_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'seq', 'lot_id', name=op.f('lot_use_pkey'))
    )
    op.execute(LAW)
    op.execute(RIGHTS)


def downgrade() -> None:
    op.execute("DROP VIEW entry")
    op.drop_table('lot_use')
    op.drop_table('lot')
    op.drop_index('posting_award_key', table_name='posting', postgresql_where=sa.text("kind = 'award'"))
    op.drop_table('posting')
    op.drop_index('tenure_one_open_key', table_name='tenure', postgresql_where=sa.text('ends_on IS NULL'))
    op.drop_index(op.f('tenure_meter_id_idx'), table_name='tenure')
    op.drop_index('tenure_household_id_meter_id_starts_on_key', table_name='tenure')
    op.drop_table('tenure')
    op.drop_table('reading')
    op.drop_index(op.f('person_household_id_idx'), table_name='person')
    op.drop_table('person')
    op.drop_table('account')
    op.drop_table('settlement_total')
    op.drop_index(op.f('reading_batch_utility_id_idx'), table_name='reading_batch')
    op.drop_table('reading_batch')
    op.drop_table('meter')
    op.drop_index(op.f('household_district_id_idx'), table_name='household')
    op.drop_table('household')
    op.drop_table('client')
    op.drop_table('utility')
    op.drop_index(op.f('trail_subject_idx'), table_name='trail')
    op.drop_index(op.f('trail_city_id_idx'), table_name='trail')
    op.drop_index(op.f('trail_at_idx'), table_name='trail')
    op.drop_table('trail')
    op.drop_index('settlement_one_live_key', table_name='settlement', postgresql_where=sa.text("state <> 'withdrawn'"))
    op.drop_table('settlement')
    op.drop_index(op.f('journal_settlement_id_idx'), table_name='journal')
    op.drop_table('journal')
    op.drop_table('district')
    op.drop_table('policy')
    op.drop_table('city')
    op.drop_table('award')
    for function in ("forbid_change", "posting_continues", "account_follows"):
        op.execute(f"DROP FUNCTION {function}()")
    for kind in ("reading_quality", "reading_reason"):
        op.execute(f"DROP TYPE {kind}")
