"""Notifications to households, how each wants to be told, and mails

Revision: 0013
Before:   0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LAW = """
CREATE TRIGGER notification_kept BEFORE DELETE OR TRUNCATE ON notification
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER notification_told BEFORE UPDATE OF household_id, id, city_id, kind, subject, facts, created_at ON notification
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON notification, inbox_preference, inbox_mail TO carbon_bank_app;
GRANT UPDATE (read_at, mail_planned) ON notification TO carbon_bank_app;
GRANT UPDATE (language, email, muted, changed_at) ON inbox_preference TO carbon_bank_app;
GRANT UPDATE (state, attempts, due_at, ended_at, trouble, code) ON inbox_mail TO carbon_bank_app;
GRANT USAGE ON SEQUENCE notification_id_seq TO carbon_bank_app;
"""
KINDS = (
    "'correction', 'objection_answered', 'points_expire', 'redemption_done', 'redemption_expired', 'redemption_refused', "
    "'results_out'"
)


def upgrade() -> None:
    op.create_table('notification',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('mail_planned', sa.Boolean(), nullable=False),
    sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f('notification_kind_check')),
    sa.CheckConstraint('length(subject) BETWEEN 1 AND 100', name=op.f('notification_subject_check')),
    sa.PrimaryKeyConstraint('household_id', 'id', name=op.f('notification_pkey'))
    )
    op.create_index('notification_household_id_kind_subject_key', 'notification', ['household_id', 'kind', 'subject'], unique=True)
    op.create_index('notification_unplanned_idx', 'notification', ['id'], unique=False, postgresql_where=sa.text('NOT mail_planned'))
    op.create_table('inbox_preference',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('language', sa.Text(), nullable=True),
    sa.Column('email', sa.Boolean(), nullable=False),
    sa.Column('muted', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("language IN ('en', 'ko')", name=op.f('inbox_preference_language_check')),
    sa.CheckConstraint(f"muted <@ ARRAY[{KINDS}]", name=op.f('inbox_preference_muted_check')),
    sa.ForeignKeyConstraint(['household_id'], ['household.id'], name=op.f('inbox_preference_household_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('household_id', name=op.f('inbox_preference_pkey'))
    )
    op.create_table('inbox_mail',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('notification_id', sa.BigInteger(), nullable=False),
    sa.Column('person_id', sa.BigInteger(), nullable=False),
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.SmallInteger(), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('planned_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('trouble', sa.Text(), nullable=True),
    sa.Column('code', sa.SmallInteger(), nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'refused', 'given_up', 'dropped')", name=op.f('inbox_mail_state_check')),
    sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name=op.f('inbox_mail_ended_check')),
    sa.CheckConstraint('attempts >= 0', name=op.f('inbox_mail_attempts_check')),
    sa.ForeignKeyConstraint(['household_id', 'notification_id'], ['notification.household_id', 'notification.id'], name=op.f('inbox_mail_household_id_notification_id_fkey')),
    sa.PrimaryKeyConstraint('household_id', 'notification_id', 'person_id', name=op.f('inbox_mail_pkey'))
    )
    op.create_index('inbox_mail_due_idx', 'inbox_mail', ['due_at'], unique=False, postgresql_where=sa.text("state = 'waiting'"))
    op.create_index('inbox_mail_city_idx', 'inbox_mail', ['city_id', 'planned_at'], unique=False)
    op.execute(LAW)


def downgrade() -> None:
    op.drop_table('inbox_mail')
    op.drop_table('inbox_preference')
    op.drop_table('notification')
