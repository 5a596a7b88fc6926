"""Setting aside and spending in fewer statements, both in one act where nobody has to do anything in between

Revision: 0020
Before:   0019
"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ACTS = Path(__file__).with_name("0020_ledger_acts.sql")
ACTS_BEFORE = Path(__file__).with_name("0011_ledger_acts.sql")


# A stock lies in places, so that many who want the same reward need not wait for one row until another one's commit.
STOCK = """
CREATE TRIGGER reward_stock_kept BEFORE DELETE OR TRUNCATE ON reward_stock FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
GRANT SELECT, INSERT ON reward_stock TO carbon_bank_app;
GRANT UPDATE (stock, stocked) ON reward_stock TO carbon_bank_app;
INSERT INTO reward_stock (reward_id, place, stock, stocked)
SELECT id, place, share, share + CASE WHEN place = 1 THEN stocked - stock ELSE 0 END
FROM reward CROSS JOIN generate_series(1, 8) AS place CROSS JOIN LATERAL (SELECT (stock + 8 - place) / 8 AS share) AS split
WHERE stock IS NOT NULL AND state <> 'draft';
"""
STOCK_BEFORE = """
UPDATE reward SET stock = coalesce((SELECT sum(stock) FROM reward_stock WHERE reward_id = reward.id), stocked);
GRANT UPDATE (stock) ON reward TO carbon_bank_app;
"""

# In one message. The look-up is a statement of its own inside, so it sees what was committed until the key was taken.
TAKE_KEY = """
CREATE FUNCTION kept_answer_take(
    of_household bigint, of_key text,
    OUT is_taken boolean, OUT request_sha256 bytea, OUT status smallint, OUT body bytea, OUT recorded_at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    is_taken := pg_try_advisory_xact_lock(hashtextextended('kept_answer ' || of_household || ' ' || of_key, 0));
    IF is_taken THEN
        SELECT kept.request_sha256, kept.status, kept.body, kept.recorded_at INTO request_sha256, status, body, recorded_at
        FROM kept_answer AS kept WHERE kept.household_id = of_household AND kept.key = of_key;
    END IF;
END $$;
"""


def upgrade() -> None:
    # Most journals take nothing back and belong to no settlement: they need no entry.
    op.drop_constraint(op.f('journal_reverses_key'), 'journal')
    op.create_index('journal_reverses_key', 'journal', ['reverses'], unique=True, postgresql_where=sa.text('reverses IS NOT NULL'))
    op.drop_index('journal_settlement_id_idx', 'journal')
    op.create_index('journal_settlement_id_idx', 'journal', ['settlement_id'], postgresql_where=sa.text('settlement_id IS NOT NULL'))
    # What an index names, its condition included, must not change with each act: then the new version of a lot, or of an account,
    # stays in the page of the old one and needs no entries.
    op.drop_index('lot_expiring_idx', 'lot')
    op.add_column('lot', sa.Column('is_left', sa.Boolean(), sa.Computed('remaining > 0', persisted=True), nullable=True))
    op.create_index('lot_expiring_idx', 'lot', ['expires_on', 'household_id'],
                    postgresql_where=sa.text('is_left AND expires_on IS NOT NULL'))
    op.execute("ALTER TABLE account SET (fillfactor = 80)")
    op.execute("ALTER TABLE lot SET (fillfactor = 80)")
    op.execute(ACTS.read_text("utf-8"))
    op.execute(TAKE_KEY)
    op.create_table('reward_stock',
    sa.Column('reward_id', sa.BigInteger(), nullable=False),
    sa.Column('place', sa.SmallInteger(), nullable=False),
    sa.Column('stock', sa.BigInteger(), nullable=False),
    sa.Column('stocked', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('stock BETWEEN 0 AND stocked', name=op.f('reward_stock_stock_check')),
    sa.ForeignKeyConstraint(['reward_id'], ['reward.id'], name=op.f('reward_stock_reward_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('reward_id', 'place', name=op.f('reward_stock_pkey'))
    )
    op.execute(STOCK)
    op.drop_constraint(op.f('reward_stock_check'), 'reward')
    op.drop_constraint(op.f('reward_stocked_check'), 'reward')
    op.drop_column('reward', 'stock')
    op.create_check_constraint(op.f('reward_stocked_check'), 'reward', "stocked >= 0 AND (stocked IS NULL OR channel <> 'voucher_pool')")


def downgrade() -> None:
    op.add_column('reward', sa.Column('stock', sa.BigInteger(), nullable=True))
    op.execute(STOCK_BEFORE)
    op.drop_constraint(op.f('reward_stocked_check'), 'reward')
    op.create_check_constraint(op.f('reward_stocked_check'), 'reward', '(stock IS NULL) = (stocked IS NULL) AND stock <= stocked')
    op.create_check_constraint(op.f('reward_stock_check'), 'reward', "stock >= 0 AND (stock IS NULL OR channel <> 'voucher_pool')")
    op.drop_table('reward_stock')
    op.execute("DROP FUNCTION kept_answer_take")
    op.execute("DROP FUNCTION ledger_hold")
    op.execute("DROP FUNCTION ledger_end_hold")
    before = ACTS_BEFORE.read_text("utf-8")
    for name in ("ledger_hold", "ledger_end_hold"):
        found = re.search(rf"^CREATE FUNCTION {name}\(.*?^END \$\$;", before, re.MULTILINE | re.DOTALL)
        assert found is not None
        op.execute(found.group())
    op.execute("ALTER TABLE lot RESET (fillfactor)")
    op.execute("ALTER TABLE account RESET (fillfactor)")
    op.drop_index('lot_expiring_idx', 'lot')
    op.drop_column('lot', 'is_left')
    op.create_index('lot_expiring_idx', 'lot', ['expires_on', 'household_id'],
                    postgresql_where=sa.text('remaining > 0 AND expires_on IS NOT NULL'))
    op.drop_index('journal_settlement_id_idx', 'journal')
    op.create_index('journal_settlement_id_idx', 'journal', ['settlement_id'], unique=False)
    op.drop_index('journal_reverses_key', 'journal')
    op.create_unique_constraint(op.f('journal_reverses_key'), 'journal', ['reverses'])
