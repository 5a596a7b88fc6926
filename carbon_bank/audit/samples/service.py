"""Samples of a settlement's awards, drawn so that anybody can draw them again."""

from __future__ import annotations

import polars as pl

from carbon_bank.audit.findings.scope_service import require_computed
from carbon_bank.audit.log import service as log_service
from carbon_bank.audit.samples import queries as sample_queries
from carbon_bank.audit.samples.sampling import Asked, Method, Sample, Strata, check_nonce, draw_sample, read_root
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.actor import Actor
from carbon_bank.settlement import service as settlement


async def root_of(session: ReadSession, city_id: int, given: str | None) -> bytes:
    """The root that a sample hangs on: the one that was named, else that of the city's last checkpoint.

    Raises: InvalidInput `audit.root_missing`, `audit.root` (422).
    """
    if given is not None:
        return read_root(given)
    head = await log_service.latest(session, city_id)
    if head is None:
        raise InvalidInput(
            "audit.root_missing",
            "Nothing is sealed in the city's log yet. Name the root that the sample hangs on: the third line of a checkpoint that was "
            "published before you told anybody your nonce.",
        )
    return head.root


async def sample(
    session: ReadSession,
    actor: Actor,
    settlement_id: int,
    *,
    method: Method,
    size: int,
    nonce: str,
    root: str | None,
    strata: Strata | None = None,
) -> Sample:
    """Args: strata: for `stratified`; null there: by commodity and outcome.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state` (409); InvalidInput `audit.sample_size`,
            `audit.nonce`, `audit.root_missing`, `audit.root` (422).
    """
    found = await settlement.get_settlement(session, actor, settlement_id)
    require_computed(found)
    by = (strata or Strata.OUTCOME) if method is Method.STRATIFIED else None
    chosen_root = await root_of(session, found.city_id, root)
    asked = Asked(settlement_id, method, size, check_nonce(nonce), chosen_root, by)
    awards = await sample_queries.population(session, settlement_id)
    districts = await sample_queries.districts(session, found.city_id)
    names = pl.col("district_id").replace_strict(districts, default="", return_dtype=pl.String)
    outcomes = pl.concat_str(pl.col("commodity").cast(pl.String), pl.col("outcome").cast(pl.String), separator="/")
    stratum = {None: pl.lit(""), Strata.OUTCOME: outcomes, Strata.DISTRICT: names}[by]
    columns = [pl.col("outcome", "review").cast(pl.String), stratum.alias("stratum")]
    return draw_sample(asked, awards.with_columns(columns).drop("district_id"))
