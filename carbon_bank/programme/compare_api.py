"""The policy lab over HTTP: two policies over a city's own past readings, before one of them is adopted."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.sheet import safe_cell
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.programme import compare_service as service
from carbon_bank.programme.compare_service import PolicyComparison
from carbon_bank.programme.limits import POLICY_BYTES_MAX
from carbon_bank.programme.policy import Policy, load_shipped, parse_policy
from carbon_bank.programme.rationals import parse_rational
from carbon_bank.programme.span import span_of
from carbon_bank.programme.sweep import VALUES_MAX, Sweep

router = APIRouter(prefix="/v1/policies", tags=["programme"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, Depends(allowed(Permission.POLICY_READ))]
Planner = Annotated[Actor, Depends(allowed(Permission.POLICY_PREPARE))]
Said = Annotated[
    str,
    Field(
        min_length=1,
        max_length=POLICY_BYTES_MAX,
        description="A shipped policy, as korea-carbon-point@2024, or the whole text of one.",
    ),
]


class SweepAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=200, examples=["reduction.tiers.electricity[0].from"])
    values: list[Annotated[str, Field(max_length=30)]] = Field(min_length=1, max_length=VALUES_MAX)


class NewComparison(BaseModel):
    model_config = ConfigDict(extra="forbid")

    a: Said
    b: Said
    periods: str = Field(max_length=40, description="Whole periods of both.", examples=["2025-H1..2026-H1"])
    unit_price: str = Field(default="1", max_length=20, description="What a point costs.", examples=["1.4"])
    sweep: SweepAsked | None = Field(default=None, description="Move one number of B.")


class ComparisonRead(BaseModel):
    """`report` once `done`. Groups of fewer than 10 households are named, and their numbers left out (null)."""

    id: int
    state: Literal["requested", "done", "failed"]
    first_month: str
    last_month: str
    unit_price: str
    sweep_key: str | None
    requested_by: str
    requested_at: datetime
    as_of: datetime | None = Field(description="The moment up to which it reads what was recorded.")
    finished_at: datetime | None
    failure: str | None

    @classmethod
    def of(cls, asked: PolicyComparison) -> ComparisonRead:
        told = asked.model_dump(include=set(cls.model_fields))
        return cls(
            **told | {"first_month": month_text(asked.first_month), "last_month": month_text(asked.end_month - 1)}
        )


class ComparisonReport(ComparisonRead):
    report: dict[str, Any] | None = Field(
        description="`total`, `groups` by commodity, district, dwelling type and decile of use, `changes`, `outcomes`, `sweep`."
    )


@router.post("/compare", status_code=202, summary="Compare two policies over the city's past readings")
async def request_comparison(new: NewComparison, session: Writing, now: Now, actor: Planner) -> ComparisonRead:
    """A job works it; look at it until its state is `done`. Nothing is awarded by it."""
    price = parse_rational(new.unit_price)
    if price is None or price < 0:
        raise InvalidInput("programme.unit_price", f"'{new.unit_price}' is no price. Write a decimal of 0 or more.")
    sweep = Sweep.of(new.sweep.key, new.sweep.values) if new.sweep else None
    a, b = _policy(new.a), _policy(new.b)
    asked = await service.request_comparison(session, actor, now, a, b, span_of(new.periods), price, sweep)
    return ComparisonRead.of(asked)


@router.get("/comparisons", summary="The city's comparisons, the newest first")
async def list_comparisons(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[ComparisonRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.list_comparisons(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[ComparisonRead.of(item) for item in items], next=following)


@router.get("/comparisons/{comparison_id}", summary="One comparison with its report")
async def get_comparison(comparison_id: Id, session: Reading, actor: Reader) -> ComparisonReport:
    asked = await service.get_comparison(session, actor, comparison_id)
    return ComparisonReport(**ComparisonRead.of(asked).model_dump(), report=asked.report)


@router.get(
    "/comparisons/{comparison_id}/groups.csv", summary="Its groups as a table", response_class=PlainTextResponse
)
async def get_groups(comparison_id: Id, session: Reading, actor: Reader) -> PlainTextResponse:
    asked = await service.get_comparison(session, actor, comparison_id)
    if asked.report is None:
        raise Conflict(
            "programme.comparison_state", f"Comparison {comparison_id} is {asked.state}: there is no report."
        )
    text = io.StringIO()
    rows = [_flat(row) for row in [asked.report["total"], *asked.report["groups"]] if row is not None]
    table = csv.DictWriter(text, _COLUMNS)
    table.writeheader()
    table.writerows(rows)
    return PlainTextResponse(text.getvalue(), media_type="text/csv")


_COLUMNS = ["dimension", "group", "households"]
_COLUMNS += [
    f"{name}_{side}"
    for name in ("points", "payees", "awards", "cost", "avoided_g", "avoided_paid_g", "points_per_tonne")
    for side in "ab"
]
_COLUMNS += ["gainers", "losers", "gained", "lost"]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The two sides of a group as columns; a name that a spreadsheet would run as a formula is made safe."""
    plain = {name: value for name, value in row.items() if name not in {"a", "b"}}
    plain["group"] = safe_cell(str(plain["group"]))
    return plain | {f"{name}_{side}": value for side in "ab" for name, value in (row[side] or {}).items()}


def _policy(said: str) -> Policy:
    return parse_policy(said) if "\n" in said.strip() else load_shipped(said.strip())
