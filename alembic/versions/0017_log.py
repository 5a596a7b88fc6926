"""The transparency log: its checkpoints, tiles and leaves, and the order in which acts and journals were made

Revision: 0017
Before:   0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from carbon_bank.foundation.tables import TRANSACTION

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

LAW = """
-- A log only grows: no checkpoint is signed for fewer leaves than an earlier one, nor twice for as many.
CREATE FUNCTION log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    largest bigint := (SELECT max(size) FROM log_checkpoint WHERE city_id = NEW.city_id);
BEGIN
    IF NEW.size <= largest THEN
        RAISE EXCEPTION 'the log of city % has % leaves: none of % is signed', NEW.city_id, largest, NEW.size
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER log_only_grows BEFORE INSERT ON log_checkpoint FOR EACH ROW EXECUTE FUNCTION log_only_grows();

-- A tile that is not full grows at its end.
CREATE FUNCTION log_tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.city_id, NEW.level, NEW.place) IS DISTINCT FROM (OLD.city_id, OLD.level, OLD.place)
       OR NEW.width <= OLD.width OR substr(NEW.data, 1, octet_length(OLD.data)) <> OLD.data THEN
        RAISE EXCEPTION 'tile % of level % is not changed: it only grows', OLD.place, OLD.level
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER log_tile_grows BEFORE UPDATE ON log_tile FOR EACH ROW EXECUTE FUNCTION log_tile_grows();

CREATE TRIGGER log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER log_checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER log_leaf_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();
CREATE TRIGGER log_tile_kept BEFORE DELETE OR TRUNCATE ON log_tile FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

GRANT SELECT, INSERT ON log, log_secret, log_checkpoint, log_tile, log_leaf TO carbon_bank_app;
GRANT UPDATE (width, data) ON log_tile TO carbon_bank_app;
GRANT DELETE ON log_secret TO carbon_bank_app;
"""


def upgrade() -> None:
    for table, key in (("journal", "id"), ("trail", "id")):
        op.add_column(table, sa.Column("made_in", TRANSACTION, server_default=sa.text("pg_current_xact_id()"), nullable=False))
        op.create_index(op.f(f"{table}_city_id_made_in_id_idx"), table, ["city_id", "made_in", key])
    op.drop_index(op.f("trail_city_id_idx"), table_name="trail")
    # The sealer asks for the readings of one batch at a time: without this each such question would read all new ones.
    op.execute("ALTER INDEX reading_recorded_at_idx SET (autosummarize = on)")

    op.create_table('log',
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('origin', sa.Text(), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('begun_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('octet_length(secret) = 32', name=op.f('log_secret_check')),
    sa.ForeignKeyConstraint(['city_id'], ['city.id'], name=op.f('log_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('city_id', name=op.f('log_pkey')),
    sa.UniqueConstraint('origin', name=op.f('log_origin_key'))
    )
    op.create_table('log_secret',
    sa.Column('household_id', sa.BigInteger(), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('from_leaf', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('octet_length(secret) = 32', name=op.f('log_secret_secret_check')),
    sa.CheckConstraint('from_leaf >= 0', name=op.f('log_secret_from_leaf_check')),
    sa.PrimaryKeyConstraint('household_id', name=op.f('log_secret_pkey'))
    )
    op.create_table('log_checkpoint',
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('root', sa.LargeBinary(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('act_made_in', TRANSACTION, nullable=False),
    sa.Column('act_id', sa.BigInteger(), nullable=False),
    sa.Column('journal_made_in', TRANSACTION, nullable=False),
    sa.Column('journal_id', sa.Uuid(), nullable=False),
    sa.Column('sealed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('size > 0 AND octet_length(root) = 32', name=op.f('log_checkpoint_tree_check')),
    sa.ForeignKeyConstraint(['city_id'], ['log.city_id'], name=op.f('log_checkpoint_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('city_id', 'size', name=op.f('log_checkpoint_pkey'))
    )
    op.create_table('log_tile',
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('level', sa.SmallInteger(), nullable=False),
    sa.Column('place', sa.BigInteger(), nullable=False),
    sa.Column('width', sa.SmallInteger(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.CheckConstraint('level BETWEEN -1 AND 7 AND place >= 0 AND width BETWEEN 1 AND 256', name=op.f('log_tile_name_check')),
    sa.ForeignKeyConstraint(['city_id'], ['log.city_id'], name=op.f('log_tile_city_id_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('city_id', 'level', 'place', name=op.f('log_tile_pkey'))
    )
    op.create_table('log_leaf',
    sa.Column('city_id', sa.BigInteger(), nullable=False),
    sa.Column('leaf', sa.BigInteger(), nullable=False),
    sa.Column('act_id', sa.BigInteger(), nullable=True),
    sa.Column('part', sa.SmallInteger(), nullable=True),
    sa.Column('journal_id', sa.Uuid(), nullable=True),
    sa.Column('household_id', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('(act_id IS NULL) = (part IS NULL) AND (act_id IS NULL) = (journal_id IS NOT NULL) '
                       'AND (household_id IS NULL) = (journal_id IS NULL)', name=op.f('log_leaf_subject_check')),
    sa.PrimaryKeyConstraint('city_id', 'leaf', name=op.f('log_leaf_pkey'))
    )
    op.create_index('log_leaf_act_key', 'log_leaf', ['act_id', 'part'], unique=True, postgresql_where=sa.text('act_id IS NOT NULL'))
    op.create_index('log_leaf_posting_key', 'log_leaf', ['household_id', 'journal_id'], unique=True,
                    postgresql_where=sa.text('journal_id IS NOT NULL'))
    op.execute(LAW)


def downgrade() -> None:
    for table in ("log_leaf", "log_tile", "log_checkpoint", "log_secret", "log"):
        op.drop_table(table)
    op.execute("DROP FUNCTION log_only_grows; DROP FUNCTION log_tile_grows")
    op.execute("ALTER INDEX reading_recorded_at_idx RESET (autosummarize)")
    op.create_index(op.f("trail_city_id_idx"), "trail", ["city_id"])
    for table in ("journal", "trail"):
        op.drop_index(op.f(f"{table}_city_id_made_in_id_idx"), table_name=table)
        op.drop_column(table, "made_in")
