"""Files of readings: how far each has been worked, and its refused rows

Revision: 0008
Before:   0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER reading_import_kept BEFORE DELETE OR TRUNCATE ON reading_import
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER reading_rejection_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reading_rejection
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON reading_import, reading_rejection TO carbon_bank_app;
GRANT UPDATE (state, chunks_done, bytes_done, rows, accepted, duplicate, revised, refused, quarantined, passed_over, findings,
              failure_code, failure, started_at, finished_at, is_kept) ON reading_import TO carbon_bank_app;
GRANT USAGE ON SEQUENCE reading_import_id_seq TO carbon_bank_app;
"""
OPEN = sa.text("state IN ('waiting', 'running')")


def upgrade() -> None:
    op.create_table('reading_import',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('options_digest', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('bytes', sa.BigInteger(), nullable=False),
    sa.Column('format', sa.Text(), nullable=False),
    sa.Column('sum_to', sa.Text(), nullable=False),
    sa.Column('strict', sa.Boolean(), nullable=False),
    sa.Column('mapping', sa.Text(), nullable=True),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('chunks_done', sa.BigInteger(), nullable=False),
    sa.Column('bytes_done', sa.BigInteger(), nullable=False),
    sa.Column('rows', sa.BigInteger(), nullable=False),
    sa.Column('accepted', sa.BigInteger(), nullable=False),
    sa.Column('duplicate', sa.BigInteger(), nullable=False),
    sa.Column('revised', sa.BigInteger(), nullable=False),
    sa.Column('refused', sa.BigInteger(), nullable=False),
    sa.Column('quarantined', sa.BigInteger(), nullable=False),
    sa.Column('passed_over', sa.BigInteger(), nullable=False),
    sa.Column('findings', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('failure_code', sa.Text(), nullable=True),
    sa.Column('failure', sa.Text(), nullable=True),
    sa.Column('by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('is_kept', sa.Boolean(), nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f('reading_import_state_check')),
    sa.CheckConstraint("(state IN ('waiting', 'running')) = (finished_at IS NULL)", name=op.f('reading_import_finished_check')),
    sa.CheckConstraint("(state = 'failed') = (failure_code IS NOT NULL)", name=op.f('reading_import_failure_check')),
    sa.CheckConstraint('rows = accepted + duplicate + revised + refused + quarantined', name=op.f('reading_import_counts_check')),
    sa.ForeignKeyConstraint(['city_id', 'utility_id'], ['utility.city_id', 'utility.id'], name=op.f('reading_import_city_id_utility_id_fkey')),
    sa.PrimaryKeyConstraint('id', name=op.f('reading_import_pkey')),
    sa.UniqueConstraint('utility_id', 'digest', 'options_digest', name=op.f('reading_import_utility_id_digest_options_digest_key'))
    )
    op.create_index(op.f('reading_import_utility_id_idx'), 'reading_import', ['utility_id'], unique=False)
    op.create_index('reading_import_city_idx', 'reading_import', ['city_id', 'id'], unique=False)
    op.create_index('reading_import_open_idx', 'reading_import', ['city_id'], unique=False, postgresql_where=OPEN)
    op.create_table('reading_rejection',
    sa.Column('import_id', sa.BigInteger(), nullable=False),
    sa.Column('line', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.Integer(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('column', sa.Text(), nullable=True),
    sa.Column('value', sa.Text(), nullable=True),
    sa.Column('sent', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['import_id'], ['reading_import.id'], name=op.f('reading_rejection_import_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('import_id', 'line', name=op.f('reading_rejection_pkey'))
    )
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('reading_rejection')
    op.drop_table('reading_import')
