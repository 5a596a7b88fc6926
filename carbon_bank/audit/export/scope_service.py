"""What belongs to a settlement's export package: its acts and journals, up to the settlement's last leaf in the log.

What comes later in the log changes nothing of it: so the same settlement gives the same package.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from carbon_bank.audit.export import queries
from carbon_bank.audit.export.pseudonyms import Pseudonyms
from carbon_bank.audit.export.queries import ActPlace
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log.service import RETRY_SECONDS
from carbon_bank.audit.log.tables import Log, LogCheckpoint
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.settlement import compute_service
from carbon_bank.settlement import service as settlements
from carbon_bank.settlement.compute_service import Plan
from carbon_bank.settlement.service import Settlement, SettlementTotal
from carbon_bank.settlement.states import SettlementState
from carbon_bank.trail.service import Act

ABOUT = ("settlement.", "award.")
"""Acts that make a settlement what it is. Others about it (that it was exported) are told as far as they lie between these."""


@dataclass(frozen=True)
class Sealed:
    """An act and its leaves: the last one is that of the last month that it closed."""

    id: int
    act: str
    leaf: int
    last_leaf: int


@dataclass(frozen=True)
class Scope:
    """A posted settlement, and where it stands in its city's log. `checkpoint`: the first one over all of it."""

    settlement: Settlement
    totals: list[SettlementTotal]
    plan: Plan
    city_code: str
    log: Log
    pseudonyms: Pseudonyms
    acts: list[Sealed]
    posted: Sealed
    journals: list[UUID]
    last_leaf: int
    checkpoint: LogCheckpoint


async def scope_of(session: ReadSession, actor: Actor, settlement_id: int) -> Scope:
    """The scope of a posted settlement of the actor's city.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state`, `audit.not_sealed` (409).
    """
    settlement = await settlements.get_settlement(session, actor, settlement_id)
    settlements.check_state(settlement, SettlementState.POSTED, "export")
    city = await registry.get_city(session, settlement.city_id)
    about = await queries.acts_about(session, settlement_id)
    requested = next(each for each in about if each.act == Act.SETTLEMENT_REQUESTED)
    approval = await queries.approval_of_policy(session, settlement.city_id, settlement.policy_id, requested.id)
    its_own = [_sealed(each, settlement_id) for each in about if each.act.startswith(ABOUT)]
    journals = await queries.journals_of(session, settlement_id)
    unsealed = sum(each.unsealed for each in journals)
    if unsealed:
        raise _not_sealed(settlement_id, f"{unsealed} households of its postings")
    last_leaf = max([each.last_leaf for each in its_own] + [each.last_leaf or 0 for each in journals])
    others = [each for each in about if not each.act.startswith(ABOUT) and each.leaf is not None]
    acts = [*its_own, *(_sealed(each, settlement_id) for each in others if (each.leaf or 0) < last_leaf)]
    if approval is not None:
        acts.append(_sealed(approval, settlement_id))
    checkpoint = await queries.first_checkpoint_over(session, settlement.city_id, last_leaf)
    log = await log_queries.find_log(session, settlement.city_id)
    assert log is not None and checkpoint is not None, "a leaf is stored together with a checkpoint over it"
    return Scope(
        settlement=settlement,
        totals=list(await settlements.totals_of(session, settlement_id)),
        plan=await compute_service.plan_of(session, settlement),
        city_code=city.code,
        log=log,
        pseudonyms=Pseudonyms(log.secret, settlement_id),
        acts=sorted(acts, key=lambda each: each.leaf),
        posted=next(each for each in its_own if each.act == Act.SETTLEMENT_POSTED),
        journals=[each.id for each in journals],
        last_leaf=last_leaf,
        checkpoint=checkpoint,
    )


def _sealed(act: ActPlace, settlement_id: int) -> Sealed:
    if act.leaf is None or act.last_leaf is None:
        raise _not_sealed(settlement_id, f"the act {act.act}")
    return Sealed(act.id, act.act, act.leaf, act.last_leaf)


def _not_sealed(settlement_id: int, what: str) -> Conflict:
    return Conflict(
        "audit.not_sealed",
        f"Of settlement {settlement_id}, {what} is not in the log yet: all that is done is sealed within a minute or two. "
        "Ask again then.",
        {"settlement_id": settlement_id, "retry_seconds": RETRY_SECONDS},
    )
