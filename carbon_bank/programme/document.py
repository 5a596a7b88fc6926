"""The keys of a policy document: what each means, what it may hold, and what it is where it is left out.

The descriptions are what an editor shows beside a key (`policy_schema`).

Source: rules.md section 8; decision record 0003 (what the document leaves open).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, PERIOD_LENGTHS
from carbon_bank.foundation.units import COMBINED, Commodity
from carbon_bank.programme import limits
from carbon_bank.programme.findings import Code
from carbon_bank.programme.rationals import rational_between, rational_text

MAY_BE_NULL = frozenset(
    {"title", "source", "notes", "usage", "maintenance", "standard_use", "household_points_max", "review", "points"}
)
"""Keys of the top level where null means that the key was left out."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}
_NO_OTHERS: dict[str, JsonValue] = {"additionalProperties": False}
_RATIONAL = r"^\+?([0-9]{1,12}(\.[0-9]{1,12})?|[0-9]{1,12}/[0-9]{1,12})$"


def _between(low: int, high: Fraction, low_counts: bool = True) -> tuple[PlainValidator, WithJsonSchema]:
    least = "At least" if low_counts else "Above"
    told = f"{least} {low} and at most {rational_text(high)}: a quoted decimal or fraction, never floating point."
    bound = {"minimum" if low_counts else "exclusiveMinimum": low, "maximum": int(high)}
    accepted: list[dict[str, Any]] = [
        {"type": "string", "pattern": _RATIONAL, "description": told, "examples": ["0.05", "1/3"]},
        {"type": "integer", "description": told, **bound},
    ]
    check = partial(rational_between, low=Fraction(low), high=high, low_counts=low_counts)
    return PlainValidator(check), WithJsonSchema({"anyOf": accepted})


def _one_of(names: Iterable[str], what: str, make: Callable[[str], str]) -> tuple[BeforeValidator, WithJsonSchema]:
    accepted = [str(name) for name in names]

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in accepted:
            raise ValueError(f"'{value}' is no {what}. Write one of {', '.join(accepted)}.")
        return make(value)

    return BeforeValidator(check), WithJsonSchema({"type": "string", "enum": accepted})


def _period_length(months: int) -> int:
    if months not in PERIOD_LENGTHS:
        raise ValueError(f"A period is {', '.join(map(str, PERIOD_LENGTHS))} months long, not {months}.")
    return months


def _combined_list(value: object) -> object:
    """The tiers of a combined rate may stand alone, without the key `combined` above them."""
    return {COMBINED: value} if isinstance(value, list) else value


_TEXT = PlainSerializer(rational_text, return_type=str)
Share = Annotated[Fraction, *_between(0, limits.SHARE_MAX, low_counts=False), _TEXT]
Bound = Annotated[Fraction, *_between(0, limits.SHARE_MAX), _TEXT]
Factor = Annotated[Fraction, *_between(0, limits.FACTOR_MAX), _TEXT]
PointsPerUnit = Annotated[Fraction, *_between(0, limits.POINTS_PER_UNIT_MAX), _TEXT]
UsagePerDay = Annotated[Fraction, *_between(0, limits.USAGE_PER_DAY_MAX), _TEXT]
Points = Annotated[int, Field(ge=0, le=limits.POINTS_MAX)]
CommodityName = Annotated[Commodity, *_one_of(Commodity, "commodity", Commodity)]
AwardCommodity = Annotated[str, *_one_of([*Commodity, COMBINED], "commodity", str)]
FindingCode = Annotated[Code, *_one_of(Code, "finding", Code)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Texts = Annotated[tuple[Text, ...], Field(strict=False, max_length=50)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class CommodityRule(_Part):
    """A commodity that the policy pays for."""

    factor: Factor = Field(description="Emission factor: kg CO2e of one kWh or m3.")
    source: Text | None = Field(None, description="Where the factor is from.")


class UsageRule(_Part):
    """When a month's usage is known."""

    min_month_coverage: Share = Field(
        Fraction(1), description="The share of a month's days that readings must cover; below it the month is missing."
    )


class BaselineRule(_Part):
    """What a household would have used: its baseline."""

    method: Literal["same_months_mean"] = Field(description="The mean of the same calendar months of earlier years.")
    lookback_years: Annotated[int, Field(ge=1, le=limits.LOOKBACK_YEARS_MAX)] = Field(
        2, description="How many years before the period are looked at."
    )
    min_years: Annotated[int, Field(ge=1, le=limits.LOOKBACK_YEARS_MAX)] = Field(
        1, description="In how many of these years a calendar month must be known."
    )
    min_months: Annotated[int, Field(ge=1, le=MONTHS_PER_YEAR)] | None = Field(
        None,
        description="How many months of the period must have a baseline of their own; the others take their mean. Left "
        "out: two thirds of the period's months, rounded up.",
    )
    history: Literal["tenure", "dwelling"] = Field(
        "tenure", description="Whether only the household's own months count, or those of the dwelling before it too."
    )
    newcomer: Literal["wait", "peer_mean"] = Field(
        "wait",
        description="Whether a household new to its home waits until it has a history, or is compared with its peers: "
        "the same kind of dwelling, as many residents.",
    )
    peer_min: Annotated[int, Field(ge=1, le=limits.POPULATION_MAX)] = Field(
        30, description="How many households a group of peers must have (peer_mean)."
    )


class Tier(_Part):
    """A rung of the reward: `from` or `above`, and `points` or `points_per_unit`. The last whose bound holds applies."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"oneOf": [{"required": [key], "properties": {key: {"not": {"type": "null"}}}} for key in pair]}
                for pair in (("from", "above"), ("points", "points_per_unit"))
            ]
        }
    )

    from_: Share | None = Field(None, alias="from", description="Reached by a reduction of this share or more.")
    above: Bound | None = Field(None, description="Reached by a reduction above this share.")
    points: Points | None = Field(None, description="Fixed points.")
    points_per_unit: PointsPerUnit | None = Field(
        None,
        description="Points for each kWh or m3 of the reduction (combined_co2e: each kg CO2e), rounded down to whole "
        "points in the end.",
    )


Tiers = Annotated[tuple[Tier, ...], Field(strict=False, min_length=1, max_length=limits.TIERS_MAX)]


class ReductionRule(_Part):
    """What a reduction pays."""

    basis: Literal["per_commodity", "combined_co2e"] = Field(
        description="Whether each commodity is judged by itself, or their emissions are added and judged together."
    )
    counted_max: Share | None = Field(
        None, description="The most of the baseline that points_per_unit counts as saved. Left out: all of it."
    )
    tiers: Annotated[
        dict[AwardCommodity, Tiers],
        BeforeValidator(_combined_list, json_schema_input_type=dict[AwardCommodity, Tiers] | Tiers),
    ] = Field(description="Ascending, by commodity; for combined_co2e one list, which may stand under `combined`.")
    required: Annotated[tuple[CommodityName, ...], Field(strict=False)] = Field(
        (), description="combined_co2e: commodities without which there is no award."
    )
    min_commodities: Annotated[int, Field(ge=1, le=len(Commodity))] = Field(
        1, description="combined_co2e: how many commodities must have both usage and baseline."
    )


class MaintenanceRule(_Part):
    """Points for staying low: a reduction below the first tier after a run of reductions that reached one."""

    after: Annotated[int, Field(ge=1, le=limits.STREAK_MAX)] = Field(
        description="How many periods with a tier, one after the other, must come just before."
    )
    points: Annotated[dict[AwardCommodity, Points], Field(min_length=1)] = Field(
        description="By commodity; those left out have no maintenance."
    )


class StandardUseRule(_Part):
    """Points for using little compared with all households, on top of whatever else the usage earns."""

    share: Share = Field(description="The most of the mean usage of all households that still earns them.")
    points: Annotated[dict[CommodityName, Points], Field(min_length=1)] = Field(
        description="By commodity; those left out have no such points."
    )


class ReviewRule(_Part):
    """What is noticed about an award, and which of it holds the award back until a person decides."""

    reduction_above: Bound = Field(
        Fraction(1, 2), description="A reduction above this share is unusual (reduction.unusual)."
    )
    estimated_share_above: Bound = Field(
        Fraction(1, 2), description="A period with more than this share of its days estimated (usage.estimated)."
    )
    usage_per_day_below: dict[CommodityName, UsagePerDay] = Field(
        default_factory=dict, description="kWh or m3 a day; a home that uses less may stand empty (usage.vacant)."
    )
    hold: Annotated[tuple[FindingCode, ...], Field(strict=False)] = Field(
        (Code.REDUCTION_UNUSUAL, Code.USAGE_VACANT, Code.USAGE_ESTIMATED, Code.METER_SHARED),
        description="The findings that keep an award back; the others are notes.",
    )


class PointsRule(_Part):
    """What becomes of points."""

    valid_months: Annotated[int, Field(ge=1, le=limits.VALID_MONTHS_MAX)] | None = Field(
        None, description="Points expire at the end of the month this many months after posting. Left out: never."
    )


class PolicyDocument(_Part):
    """The rules by which a city pays points for using less. Rationals are quoted decimals or fractions."""

    policy: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")] = Field(
        description="Its name: small letters, digits and hyphens.", examples=["korea-carbon-point"]
    )
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")] = Field(
        description="Its version, in quotes where it looks like a number.", examples=["2024"]
    )
    title: Annotated[dict[Language, Text], Field(max_length=20, json_schema_extra=_NO_OTHERS)] | None = Field(
        None,
        description="What citizens call it, by language. Needed before approval.",
        examples=[{"en": "Carbon Point"}],
    )
    source: Texts = Field((), description="Where the rules are from, each with the place. Needed before approval.")
    notes: Texts = Field((), description="What readers should know; begin with `Uncertain:` what is uncertain.")
    effective_from: date = Field(description="First day of the first period that it may settle.")
    period_months: Annotated[
        int, AfterValidator(_period_length), WithJsonSchema({"type": "integer", "enum": list(PERIOD_LENGTHS)})
    ] = Field(description="How many months are settled together.")
    anchor_month: Annotated[int, Field(ge=1, le=MONTHS_PER_YEAR)] = Field(
        description="A calendar month, 1 to 12, in which a period starts."
    )
    commodities: Annotated[dict[CommodityName, CommodityRule], Field(min_length=1)] = Field(
        description="What the policy pays for."
    )
    usage: UsageRule = Field(UsageRule(), description="When a month's usage is known.")
    baseline: BaselineRule = Field(description="What a household would have used.")
    reduction: ReductionRule = Field(description="What a reduction pays.")
    maintenance: MaintenanceRule | None = Field(None, description="Points for staying low after a run of reductions.")
    standard_use: StandardUseRule | None = Field(None, description="Points for using little compared with the others.")
    household_points_max: Points | None = Field(
        None, description="The most points for a household and period. The last commodity in the alphabet is cut first."
    )
    review: ReviewRule = Field(ReviewRule(), description="What is noticed, and what of it holds an award back.")
    points: PointsRule = Field(PointsRule(), description="What becomes of points.")


def policy_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a policy document, for editors.

    It knows keys and single values. What contradicts itself between keys only `parse_policy` sees.
    """
    schema = PolicyDocument.model_json_schema(by_alias=True, mode="validation")
    for key, field in PolicyDocument.model_fields.items():
        schema["properties"][key]["description"] = field.description  # Pydantic leaves out what a part says of itself
    for key in MAY_BE_NULL:
        told = schema["properties"][key]
        kept = {name: told.pop(name) for name in ("title", "description", "default", "examples") if name in told}
        accepted = told.get("anyOf", [told])
        schema["properties"][key] = kept | {"anyOf": [each for each in accepted if each != _NULL] + [_NULL]}
    return {"$schema": DIALECT, **schema, "title": "Policy of the Carbon Bank"}
