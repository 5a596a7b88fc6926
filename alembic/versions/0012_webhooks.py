"""Webhooks: endpoints, the outbox, deliveries, and callbacks that came in

Revision: 0012
Before:   0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER webhook_endpoint_kept BEFORE DELETE OR TRUNCATE ON webhook_endpoint
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER webhook_message_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_message
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER webhook_delivery_kept BEFORE DELETE OR TRUNCATE ON webhook_delivery
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER webhook_received_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_received
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON webhook_endpoint, webhook_message, webhook_delivery, webhook_received TO carbon_bank_app;
GRANT UPDATE (secret, former_secret, former_until, disabled_at, disabled_reason, removed_at) ON webhook_endpoint TO carbon_bank_app;
GRANT UPDATE (state, attempts, next_at, leased_until, last_tried_at, last_status, last_error, delivered_at, dead_at, replayed_at)
    ON webhook_delivery TO carbon_bank_app;
GRANT USAGE ON SEQUENCE webhook_endpoint_id_seq, webhook_message_id_seq, webhook_delivery_id_seq TO carbon_bank_app;
"""
LIVE = sa.text("removed_at IS NULL AND disabled_at IS NULL")


def upgrade() -> None:
    op.create_table('webhook_endpoint',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('client_id', sa.BigInteger(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('utility_id', sa.BigInteger(), nullable=True),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('events', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('secret', sa.Text(), nullable=True),
    sa.Column('former_secret', sa.Text(), nullable=True),
    sa.Column('former_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('disabled_reason', sa.Text(), nullable=True),
    sa.Column('removed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('length(url) BETWEEN 1 AND 1000', name=op.f('webhook_endpoint_url_check')),
    sa.CheckConstraint('cardinality(events) > 0', name=op.f('webhook_endpoint_events_check')),
    sa.CheckConstraint('(secret IS NULL) = (removed_at IS NOT NULL)', name=op.f('webhook_endpoint_secret_check')),
    sa.CheckConstraint('(former_secret IS NULL) = (former_until IS NULL)', name=op.f('webhook_endpoint_former_check')),
    sa.CheckConstraint('(disabled_at IS NULL) = (disabled_reason IS NULL)', name=op.f('webhook_endpoint_disabled_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('webhook_endpoint_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['client_id'], ['client.id'], name=op.f('webhook_endpoint_client_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('webhook_endpoint_pkey'))
    )
    op.create_index(op.f('webhook_endpoint_client_id_idx'), 'webhook_endpoint', ['client_id'], unique=False)
    op.create_index('webhook_endpoint_live_key', 'webhook_endpoint', ['client_id', 'url'], unique=True, postgresql_where=LIVE)
    op.create_index('webhook_endpoint_city_idx', 'webhook_endpoint', ['city_id', 'id'], unique=False)
    op.create_table('webhook_message',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('public_id', sa.Text(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('for_client_id', sa.BigInteger(), nullable=True),
    sa.Column('for_role', sa.Text(), nullable=True),
    sa.Column('for_utility_id', sa.BigInteger(), nullable=True),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('num_nonnulls(for_client_id, for_role, for_utility_id) = 1', name=op.f('webhook_message_audience_check')),
    sa.CheckConstraint('octet_length(body) <= 20000', name=op.f('webhook_message_body_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('webhook_message_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['for_client_id'], ['client.id'], name=op.f('webhook_message_for_client_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('webhook_message_pkey')),
    sa.UniqueConstraint('public_id', name=op.f('webhook_message_public_id_key'))
    )
    op.create_index(op.f('webhook_message_city_id_idx'), 'webhook_message', ['city_id'], unique=False)
    op.create_table('webhook_delivery',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('message_id', sa.BigInteger(), nullable=False),
    sa.Column('endpoint_id', sa.BigInteger(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('client_id', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.SmallInteger(), nullable=False),
    sa.Column('next_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_tried_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_status', sa.SmallInteger(), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('dead_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('replayed_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f('webhook_delivery_state_check')),
    sa.CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name=op.f('webhook_delivery_waiting_check')),
    sa.CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", name=op.f('webhook_delivery_delivered_check')),
    sa.CheckConstraint("(state = 'dead') = (dead_at IS NOT NULL)", name=op.f('webhook_delivery_dead_check')),
    sa.CheckConstraint("leased_until IS NULL OR state = 'waiting'", name=op.f('webhook_delivery_leased_check')),
    sa.CheckConstraint('length(last_error) <= 500', name=op.f('webhook_delivery_last_error_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('webhook_delivery_city_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['client_id'], ['client.id'], name=op.f('webhook_delivery_client_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['endpoint_id'], ['webhook_endpoint.id'], name=op.f('webhook_delivery_endpoint_id_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['message_id'], ['webhook_message.id'], name=op.f('webhook_delivery_message_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('webhook_delivery_pkey')),
    sa.UniqueConstraint('message_id', 'endpoint_id', name=op.f('webhook_delivery_message_id_endpoint_id_key'))
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index('webhook_delivery_due_idx', 'webhook_delivery', ['endpoint_id', 'next_at'], unique=False, postgresql_where=waiting)
    op.create_index('webhook_delivery_leased_idx', 'webhook_delivery', ['leased_until'], unique=False, postgresql_where=sa.text('leased_until IS NOT NULL'))
    op.create_index('webhook_delivery_city_idx', 'webhook_delivery', ['city_id', 'id'], unique=False)
    op.create_index('webhook_delivery_client_idx', 'webhook_delivery', ['client_id', 'id'], unique=False)
    op.create_index('webhook_delivery_dead_idx', 'webhook_delivery', ['city_id', 'id'], unique=False, postgresql_where=sa.text("state = 'dead'"))
    op.create_table('webhook_received',
    sa.Column('client_id', sa.BigInteger(), nullable=False),
    sa.Column('webhook_id', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['client.id'], name=op.f('webhook_received_client_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('client_id', 'webhook_id', name=op.f('webhook_received_pkey'))
    )
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('webhook_received')
    op.drop_table('webhook_delivery')
    op.drop_table('webhook_message')
    op.drop_table('webhook_endpoint')
