"""All SQL of stocks. A stock lies in several places, so that many who want the same reward do not wait for each other's commit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.catalogue_tables import RewardStock

PLACES = 8
_MOVE_ONE = """
    UPDATE reward_stock SET stock = stock {change}
    WHERE reward_id = :id AND place = (
        SELECT place FROM reward_stock WHERE reward_id = :id AND {condition} ORDER BY {order} LIMIT 1 FOR NO KEY UPDATE {skip})
"""
"""The place is looked for once, whatever the plan; a join might look for it again for each place."""
_TAKE_ONE = _MOVE_ONE + "    AND EXISTS (SELECT FROM reward WHERE id = :id AND state = 'active')"
TAKE = _TAKE_ONE.format(change="- 1", condition="stock > 0", order="stock DESC", skip="SKIP LOCKED")
"""From the fullest place that nobody else has at this moment."""
TAKE_WAITING = _TAKE_ONE.format(change="- 1", condition="stock > 0", order="place", skip="")
"""In the order in which `lock` takes the places, so that nobody waits for each other in a circle."""
RETURN = _MOVE_ONE.format(change="+ 1", condition="stock < stocked", order="stock DESC", skip="SKIP LOCKED")


async def lay_out(session: WriteSession, reward_id: int, stocked: int) -> None:
    """Put a first stock into its places, as evenly as it goes."""
    statement = """
        INSERT INTO reward_stock (reward_id, place, stock, stocked)
        SELECT :id, place, share, share
        FROM generate_series(1, :places) AS place
        CROSS JOIN LATERAL (SELECT (CAST(:stocked AS bigint) + :places - place) / :places AS share) AS split
    """
    await session.sql(statement, {"id": reward_id, "places": PLACES, "stocked": stocked})


async def take(session: WriteSession, reward_id: int) -> bool:
    """Take one of a reward that is active; false where none is left. Waits only where others have all places with something."""
    return await _moves(session, TAKE, reward_id) or await _moves(session, TAKE_WAITING, reward_id)


async def put_back(session: WriteSession, reward_id: int) -> None:
    """Return one that was taken; where a reward has no stock, nothing.

    Where others have every place from which something is missing, wait for all of them: then one of them takes it for certain.
    """
    if not await _moves(session, RETURN, reward_id):
        await lock(session, reward_id)
        await _moves(session, RETURN, reward_id)


async def lock(session: WriteSession, reward_id: int) -> int:
    """Lock all places of a stock. Returns what is left in them."""
    statement = """
        SELECT coalesce(sum(stock), 0)::bigint
        FROM (SELECT stock FROM reward_stock WHERE reward_id = :id ORDER BY place FOR NO KEY UPDATE) AS locked
    """
    return int((await session.sql(statement, {"id": reward_id})).scalar_one())


async def spread(session: WriteSession, reward_id: int, stock: int) -> None:
    """Let the places, which are locked, hold so much together, as evenly as it goes."""
    statement = """
        UPDATE reward_stock SET stock = share, stocked = reward_stock.stocked - reward_stock.stock + share
        FROM (SELECT place, (CAST(:stock AS bigint) + :places - place) / :places AS share
              FROM reward_stock WHERE reward_id = :id) AS split
        WHERE reward_id = :id AND reward_stock.place = split.place
    """
    await session.sql(statement, {"id": reward_id, "places": PLACES, "stock": stock})


async def left(session: ReadSession, reward_ids: Sequence[int]) -> dict[int, int]:
    query = (
        select(RewardStock.reward_id, func.sum(col(RewardStock.stock)))
        .where(col(RewardStock.reward_id).in_(reward_ids))
        .group_by(col(RewardStock.reward_id))
    )
    return {reward_id: int(stock) for reward_id, stock in await session.exec(query)}


async def _moves(session: WriteSession, statement: str, reward_id: int) -> bool:
    return bool((await session.sql(statement, {"id": reward_id})).rowcount)  # type: ignore[attr-defined]
