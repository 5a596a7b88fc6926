"""Witnesses of the log: whom a city asks, and what they signed

Revision: 0018
Before:   0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER log_witness_kept BEFORE DELETE OR TRUNCATE ON log_witness
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER log_cosignature_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON log_witness, log_cosignature TO carbon_bank_app;
GRANT UPDATE (removed_at, asked_at, last_error) ON log_witness TO carbon_bank_app;
GRANT USAGE ON SEQUENCE log_witness_id_seq TO carbon_bank_app;
"""


def upgrade() -> None:
    op.create_table('log_witness',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('vkey', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('added_by', sa.Text(), nullable=False),
    sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.CheckConstraint('length(name) BETWEEN 1 AND 200', name=op.f('log_witness_name_check')),
    sa.CheckConstraint('length(vkey) BETWEEN 1 AND 300', name=op.f('log_witness_vkey_check')),
    sa.CheckConstraint('length(url) BETWEEN 1 AND 1000', name=op.f('log_witness_url_check')),
    sa.CheckConstraint('length(last_error) <= 500', name=op.f('log_witness_last_error_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('log_witness_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('log_witness_pkey'))
    )
    op.create_index('log_witness_live_key', 'log_witness', ['city_id', 'name'], unique=True,
                    postgresql_where=sa.text('removed_at IS NULL'))
    op.create_table('log_cosignature',
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('witness_id', sa.BigInteger(), nullable=False),
    sa.Column('line', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('size >= 0', name=op.f('log_cosignature_size_check')),
    sa.CheckConstraint('length(line) BETWEEN 1 AND 1000', name=op.f('log_cosignature_line_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('log_cosignature_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['witness_id'], ['log_witness.id'], name=op.f('log_cosignature_witness_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('city_id', 'size', 'name', name=op.f('log_cosignature_pkey'))
    )
    op.create_index('log_cosignature_witness_idx', 'log_cosignature', ['witness_id', 'size'])
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('log_cosignature')
    op.drop_table('log_witness')
