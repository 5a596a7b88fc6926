"""All SQL of the ledger. Bulk posting is a few set-based statements that never leave the household's own node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import polars as pl
from sqlmodel import col, func, select

from carbon_bank.foundation.columns import Columns, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.inbox.notices import MAKE_NOTICES, NOTICES
from carbon_bank.ledger.tables import Account, Journal, Lot, Posting


async def open_accounts(session: WriteSession, household_ids: Sequence[int]) -> None:
    statement = "INSERT INTO account (household_id, available, held, debt, version) SELECT unnest(CAST(:ids AS bigint[])), 0, 0, 0, 0"
    await session.sql(statement, {"ids": list(household_ids)})


async def lock_accounts(session: WriteSession, grants: str) -> int:
    """Lock the accounts of a temporary table, in order. Returns how many of them are in debt."""
    statement = f"""
        SELECT count(*) FILTER (WHERE debt > 0)
        FROM (SELECT debt FROM account WHERE household_id IN (SELECT household_id FROM {grants})
              ORDER BY household_id FOR NO KEY UPDATE) AS locked
    """
    return int((await session.sql(statement)).scalar_one())


async def add_journal(session: WriteSession, journal: Journal) -> None:
    session.add(journal)
    await session.flush()


async def post_grants(
    session: WriteSession, grants: str, journal: UUID, settlement_id: int, effective_on: date, recorded_at: datetime
) -> tuple[int, int]:
    """Postings for the rows of a temporary table `(household_id, commodity, points)`; those posted before are left out.

    Debt is paid off first: what is granted raises `available` only beyond it. Returns the number of postings and their sum.
    """
    statement = f"""
        WITH waiting AS (
            SELECT account.household_id, account.version, account.available, account.held, account.debt,
                   granted.commodity, granted.points,
                   row_number() OVER running AS place, sum(granted.points) OVER running AS granted_so_far
            FROM {grants} AS granted JOIN account USING (household_id)
            WHERE granted.points > 0 AND NOT EXISTS (
                SELECT 1 FROM posting WHERE posting.household_id = granted.household_id AND posting.kind = 'award'
                   AND posting.settlement_id = :settlement_id AND posting.commodity = granted.commodity)
            WINDOW running AS (PARTITION BY granted.household_id ORDER BY granted.commodity)
        ), posted AS (
            INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                                 effective_on, recorded_at, settlement_id, commodity)
            SELECT household_id, version + place, :journal, 'award', 'issuance', points,
                   available + greatest(granted_so_far - debt, 0), held, greatest(debt - granted_so_far, 0),
                   :effective_on, :recorded_at, :settlement_id, commodity
            FROM waiting
            RETURNING amount
        )
        SELECT count(*), coalesce(sum(amount), 0) FROM posted
    """
    parameters = {
        "journal": journal,
        "settlement_id": settlement_id,
        "effective_on": effective_on,
        "recorded_at": recorded_at,
    }
    count, total = tuple((await session.sql(statement, parameters)).one())
    return int(count), int(total)


async def add_lots(session: WriteSession, grants: str, journal: UUID, expires_on: date | None) -> None:
    statement = f"""
        INSERT INTO lot (household_id, lot_id, granted, remaining, expires_on)
        SELECT posting.household_id, posting.seq, posting.amount,
               posting.available_after - coalesce(before.available_after, 0), CAST(:expires_on AS date)
        FROM posting
        LEFT JOIN posting AS before ON before.household_id = posting.household_id AND before.seq = posting.seq - 1
        WHERE posting.household_id IN (SELECT household_id FROM {grants}) AND posting.journal_id = :journal
    """
    await session.sql(statement, {"journal": journal, "expires_on": expires_on})


async def note_repaid(session: WriteSession, grants: str, journal: UUID) -> None:
    """What a grant's own lot gave at once, to pay off debt."""
    statement = f"""
        INSERT INTO lot_use (household_id, seq, lot_id, amount)
        SELECT lot.household_id, lot.lot_id, lot.lot_id, lot.granted - lot.remaining
        FROM lot JOIN posting ON posting.household_id = lot.household_id AND posting.seq = lot.lot_id
        WHERE lot.household_id IN (SELECT household_id FROM {grants}) AND posting.journal_id = :journal
          AND lot.remaining < lot.granted
    """
    await session.sql(statement, {"journal": journal})


async def move_accounts(session: WriteSession, grants: str, journal: UUID) -> None:
    """Bring the accounts to the last posting of a journal."""
    statement = f"""
        UPDATE account SET version = last.seq, available = last.available_after, held = last.held_after, debt = last.debt_after
        FROM (
            SELECT DISTINCT ON (household_id) household_id, seq, available_after, held_after, debt_after
            FROM posting WHERE household_id IN (SELECT household_id FROM {grants}) AND journal_id = :journal
            ORDER BY household_id, seq DESC
        ) AS last
        WHERE account.household_id = last.household_id
    """
    await session.sql(statement, {"journal": journal})


async def settlement_sums(session: ReadSession, settlement_id: int) -> tuple[int, int]:
    """Number and sum of the awards that were posted of a settlement."""
    statement = (
        select(func.count(), func.coalesce(func.sum(Posting.amount), 0))
        .select_from(Posting)
        .join(Journal, col(Journal.id) == col(Posting.journal_id))
        .where(col(Journal.settlement_id) == settlement_id, col(Journal.kind) == "award")
    )
    count, total = (await session.exec(statement)).one()
    return count, int(total)


async def paid_by_award(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    query = f"""
        SELECT posting.household_id,
               {place_of(AWARD_COMMODITY_DTYPE, "posting.commodity")} AS commodity,
               coalesce(sum(posting.amount - posting.forgiven) FILTER (WHERE undone.seq IS NULL), 0)::bigint AS paid,
               bool_or(posting.kind = 'award' AND undone.seq IS NOT NULL) AS is_reversed
        FROM posting
        LEFT JOIN posting AS undone ON undone.household_id = posting.household_id AND undone.reverses = posting.seq
        WHERE posting.household_id BETWEEN %(first_id)s AND %(last_id)s AND posting.settlement_id = %(settlement_id)s
          AND posting.kind IN ('award', 'restatement')
        GROUP BY posting.household_id, posting.commodity
    """
    parameters = {"settlement_id": settlement_id, "first_id": first_id, "last_id": last_id}
    schema: Columns = {
        "household_id": pl.Int64,
        "commodity": AWARD_COMMODITY_DTYPE,
        "paid": pl.Int64,
        "is_reversed": pl.Boolean,
    }
    return await fetch_columns(session, query, parameters, schema)


async def restatement_sums(session: ReadSession, subject: str, settlement_id: int) -> tuple[int, int]:
    """Number of the differences that were posted of a restatement, and what they come to, with what was not asked back."""
    statement = (
        select(func.count(), func.coalesce(func.sum(col(Posting.amount) - col(Posting.forgiven)), 0))
        .select_from(Posting)
        .join(Journal, col(Journal.id) == col(Posting.journal_id))
        .where(col(Journal.settlement_id) == settlement_id, col(Journal.subject) == subject)
        .where(col(Posting.kind) == "restatement")
    )
    count, total = (await session.exec(statement)).one()
    return count, int(total)


async def account(session: ReadSession, household_id: int) -> Account | None:
    return (await session.exec(select(Account).where(col(Account.household_id) == household_id))).one_or_none()


async def available_of(session: ReadSession, household_ids: Sequence[int]) -> dict[int, int]:
    query = select(Account.household_id, Account.available).where(
        col(Account.household_id).in_(household_ids), col(Account.available) > 0, col(Account.closed_at).is_(None)
    )
    return dict((await session.exec(query)).all())


async def lots_by_expiry(session: ReadSession, household_id: int, today: date) -> Sequence[Lot]:
    statement = (
        select(Lot)
        .where(col(Lot.household_id) == household_id, col(Lot.remaining) > 0)
        .where(func.coalesce(col(Lot.expires_on), today) >= today)
        .order_by(col(Lot.expires_on).nulls_last(), col(Lot.lot_id))
    )
    return (await session.exec(statement)).all()


async def expiring_between(session: WriteSession, city_id: int, first_day: date, last_day: date) -> None:
    """Put the households of a city with points that expire in these days among those to be told, with how many and until when.

    The day is the first of them, should there be several.
    """
    await session.sql(MAKE_NOTICES)
    statement = f"""
        INSERT INTO {NOTICES}
        SELECT lot.household_id, jsonb_build_object('points', CAST(sum(lot.remaining) AS bigint), 'day', min(lot.expires_on))
        FROM lot JOIN posting ON posting.household_id = lot.household_id AND posting.seq = lot.lot_id
        JOIN journal ON journal.id = posting.journal_id
        WHERE lot.expires_on BETWEEN :first_day AND :last_day AND lot.remaining > 0 AND journal.city_id = :city_id
        GROUP BY lot.household_id
    """
    await session.sql(statement, {"city_id": city_id, "first_day": first_day, "last_day": last_day})


async def postings(session: ReadSession, household_id: int, before_seq: int | None, limit: int) -> Sequence[Posting]:
    statement = select(Posting).where(col(Posting.household_id) == household_id)
    if before_seq is not None:
        statement = statement.where(col(Posting.seq) < before_seq)
    return (await session.exec(statement.order_by(col(Posting.seq).desc()).limit(limit))).all()


async def postings_of_award(
    session: ReadSession, household_id: int, settlement_id: int, commodity: str
) -> Sequence[tuple[Posting, Lot | None]]:
    is_its_lot = (col(Lot.household_id) == col(Posting.household_id)) & (col(Lot.lot_id) == col(Posting.seq))
    statement = (
        select(Posting, Lot)
        .join(Lot, is_its_lot, isouter=True)
        .where(
            col(Posting.household_id) == household_id,
            col(Posting.settlement_id) == settlement_id,
            col(Posting.commodity) == commodity,
        )
    )
    return (await session.exec(statement.order_by(col(Posting.seq)))).all()


async def balance_effective(session: ReadSession, household_id: int, day: date) -> int:
    statement = select(func.coalesce(func.sum(Posting.amount), 0)).where(
        col(Posting.household_id) == household_id, col(Posting.effective_on) <= day
    )
    return int((await session.exec(statement)).one())


async def balance_recorded(session: ReadSession, household_id: int, before: datetime) -> int:
    statement = select(func.coalesce(func.sum(Posting.amount), 0)).where(
        col(Posting.household_id) == household_id, col(Posting.recorded_at) < before
    )
    return int((await session.exec(statement)).one())


async def last_recorded(session: ReadSession, household_id: int, before: datetime) -> Posting | None:
    """The last of an account's postings, by their numbers, that was recorded before a moment."""
    statement = select(Posting).where(col(Posting.household_id) == household_id, col(Posting.recorded_at) < before)
    return (await session.exec(statement.order_by(col(Posting.seq).desc()).limit(1))).one_or_none()


async def postings_between(
    session: ReadSession, household_id: int, after_seq: int, last_seq: int, limit: int
) -> Sequence[Posting]:
    """Those behind one number up to another, in their order."""
    statement = select(Posting).where(
        col(Posting.household_id) == household_id, col(Posting.seq) > after_seq, col(Posting.seq) <= last_seq
    )
    return (await session.exec(statement.order_by(col(Posting.seq)).limit(limit))).all()


async def journals_about(session: ReadSession, settlement_id: int, subject: str) -> Sequence[UUID]:
    statement = select(Journal.id).where(col(Journal.settlement_id) == settlement_id, col(Journal.subject) == subject)
    return (await session.exec(statement)).all()


async def corrected(session: WriteSession, journals: Sequence[UUID], reason: str, period: str | None) -> None:
    """Put the households whose points some journals corrected among those to be told, with what it comes to."""
    await session.sql(MAKE_NOTICES)
    statement = f"""
        INSERT INTO {NOTICES}
        SELECT household_id, jsonb_strip_nulls(jsonb_build_object(
                   'points', CAST(sum(amount) AS bigint), 'reason', CAST(:reason AS text), 'period', CAST(:period AS text)))
        FROM posting
        WHERE journal_id = ANY(:journals) AND kind IN ('restatement', 'adjustment', 'reversal')
        GROUP BY household_id HAVING sum(amount) <> 0
    """
    await session.sql(statement, {"journals": list(journals), "reason": reason, "period": period})
