"""The queue of background jobs: procrastinate's own schema, in the same database

Revision: 0002
Before:   0001
"""

from __future__ import annotations

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RIGHTS = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'procrastinate%' LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carbon_bank_app', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND sequencename LIKE 'procrastinate%' LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %I TO carbon_bank_app', name);
    END LOOP;
END $$;
"""

DROP = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'procrastinate%' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', name);
    END LOOP;
    FOR name IN SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'procrastinate%' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', name);
    END LOOP;
    FOR name IN SELECT typname FROM pg_type WHERE typname LIKE 'procrastinate%' AND typtype IN ('e', 'c') LOOP
        EXECUTE format('DROP TYPE %I CASCADE', name);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    # Sent as it is: its own text has colons and percent signs that neither SQLAlchemy nor psycopg may read.
    op.get_bind().connection.driver_connection.execute(SchemaManager.get_schema().encode())
    op.execute(RIGHTS)


def downgrade() -> None:
    op.get_bind().connection.driver_connection.execute(DROP.encode())
