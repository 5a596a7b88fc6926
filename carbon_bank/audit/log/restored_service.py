"""A log whose database came to this server in a dump: sealing goes on only where it leaves nothing out.

A server of its own counts transactions from the beginning. What it took before its counter was moved on has numbers that the log
has passed already; the sealer would never come to it.
"""

from __future__ import annotations

from carbon_bank.audit.log import source_queries
from carbon_bank.audit.log.source_queries import Horizon, Position
from carbon_bank.audit.log.tables import LogCheckpoint
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Conflict

PAGE = "docs/transparency-log.md (Restoring)"


async def check_restored(
    session: ReadSession, origin: str, head: LogCheckpoint | None, reached: Position, horizon: Horizon
) -> None:
    """Refuse to go on behind a checkpoint of another server unless all that comes, comes behind it. On the same one nothing is asked.

    Raises: Conflict `audit.restored` (409) while this server's counter is not beyond the log; `audit.left_out` (409) where rows were
            taken before it was.
    """
    sealed_to = max(reached.act_made_in, reached.journal_made_in)
    if sealed_to >= horizon.before:
        raise Conflict(
            "audit.restored",
            f"The log {origin} was sealed up to transaction {sealed_to}, and this server has only come to {horizon.before}: the "
            f"database was restored from a dump. Stop whatever writes to it, and move the server's counter on, as {PAGE} says.",
            {"sealed_to": sealed_to, "server_at": horizon.before},
        )
    if head is None or head.server == horizon.server:
        return
    acts, journals = await source_queries.left_out(session, head.city_id, reached)
    if acts or journals:
        raise Conflict(
            "audit.left_out",
            f"The log {origin} would leave out {acts} acts and {journals} journals: this server took them before its counter was moved "
            f"on beyond transaction {sealed_to}. Nothing is sealed. Give them numbers that are still to come, as {PAGE} says.",
            {"acts": acts, "journals": journals, "sealed_to": sealed_to},
        )
