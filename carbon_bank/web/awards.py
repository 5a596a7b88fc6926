"""A household's awards, and each award explained: what `/v1/awards/{id}/explanation` tells, to read."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response

from carbon_bank.audit.log import service as log_service
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.languages import Language
from carbon_bank.registry import service as registry
from carbon_bank.settlement import explain_service, service
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.web.award_view import award_page, award_row
from carbon_bank.web.pages import page, words_for
from carbon_bank.web.visitors import Member, Visitor
from carbon_bank.web.words import PageWords

router = APIRouter(include_in_schema=False)

AskedLanguage = Annotated[Language | None, Query(alias="language")]
Seq = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/awards")
async def show_awards(
    request: Request,
    session: Reading,
    actor: Visitor,
    _: AskedLanguage = None,
    award: Annotated[str | None, Query(max_length=60)] = None,
    reason: ReadingReason = None,
) -> Response:
    """A household's own; the city's staff names the one that it wants to see."""
    if award is not None:
        there = request.url.replace(path=f"/awards/{AwardId.parse(award.strip())}")
        there = there.remove_query_params("award") if reason else there.remove_query_params(["award", "reason"])
        return RedirectResponse(f"{there.path}?{there.query}" if there.query else there.path, status_code=303)
    words = await _words(request, session, actor)
    if actor.household_id is None:
        return page(request, "open_award.html", words)
    rows = [
        award_row(
            AwardId(each.settlement_id, each.household_id, each.commodity),
            settlement.period,
            each.outcome,
            each.points,
            words,
        )
        for settlement, _, each in await service.awards_of_household(session, actor)
    ]
    return page(request, "awards.html", words, rows=rows)


@router.get("/awards/{award_id}")
async def show_award(
    request: Request,
    award_id: Annotated[str, Path(max_length=60)],
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Visitor,
    _: AskedLanguage = None,
    reason: ReadingReason = None,
) -> Response:
    explained = await explain_service.explain_award(session, actor, AwardId.parse(award_id))
    explain_service.note_reading(trail, actor, now, explained, reason)
    city = await registry.get_city(session, explained.settlement.city_id)
    leaves = dict(await log_service.leaves_of(session, [posting for posting, _ in explained.postings]))
    words = await _words(request, session, actor)
    shown = award_page(explained, words, city.time_zone, leaves)
    is_own = actor.household_id == explained.award.household_id and Permission.OWN_READ in actor.permissions
    log = f"/log/{city.code}/checkpoint"
    return page(request, "award.html", words, award=shown, is_own=is_own, log=log)


@router.get("/postings/{seq}/receipt")
async def get_receipt(seq: Seq, actor: Member, session: Reading) -> Response:
    leaf = await log_service.leaf_of_posting(session, actor.of_household(), seq)
    return _download(await log_service.receipt(session, leaf), f"posting-{seq}.tlog-proof")


@router.get("/postings/{seq}/opening")
async def get_opening(seq: Seq, actor: Member, session: Reading) -> Response:
    leaf = await log_service.leaf_of_posting(session, actor.of_household(), seq)
    told = (await log_service.opening(session, leaf)).told()
    return _download(json.dumps(told, ensure_ascii=False, indent=1).encode(), f"posting-{seq}.opening.json")


async def _words(request: Request, session: Reading, actor: Actor) -> PageWords:
    own = None
    if actor.household_id is not None:
        own = await inbox.language_of(
            session, actor, request.headers.get("accept-language"), request.app.state.language
        )
    return words_for(request, own)


def _download(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)
