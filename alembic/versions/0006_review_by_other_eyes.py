"""Whoever prepared a settlement decides nothing about its awards once it is approved, whatever program tries

Revision: 0006
Before:   0005
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LAW = """
CREATE FUNCTION review_by_other_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM settlement
               WHERE id = NEW.settlement_id AND prepared_by = NEW."by" AND state IN ('approved', 'posting', 'posted')) THEN
        RAISE EXCEPTION '% prepared settlement % and cannot decide on its awards after its approval', NEW."by", NEW.settlement_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'award_review_four_eyes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER award_review_four_eyes BEFORE INSERT ON award_review
    FOR EACH ROW EXECUTE FUNCTION review_by_other_eyes();
"""


def upgrade() -> None:
    op.execute(LAW)


def downgrade() -> None:
    op.execute("DROP TRIGGER award_review_four_eyes ON award_review")
    op.execute("DROP FUNCTION review_by_other_eyes()")
