"""The policy document: a programme's rules as an exact, immutable text.

A policy is known by its name, its version and the SHA-256 digest of its bytes. Every rational is a quoted decimal or a
fraction, so that nobody's parser turns it into floating point. Whatever is wrong is told at once, each fault by its key.

Source: rules.md section 8; decision record 0003 (what the document leaves open).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import date
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
)

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, PERIOD_LENGTHS, Period
from carbon_bank.foundation.errors import Fault, InvalidInput, NotFound, TooLarge
from carbon_bank.foundation.units import COMBINED, Commodity
from carbon_bank.programme import limits
from carbon_bank.programme.contradictions import contradictions
from carbon_bank.programme.faults import faults_of, invalid
from carbon_bank.programme.findings import Code
from carbon_bank.programme.rationals import rational_between, rational_text

_MAY_BE_NULL = frozenset(
    {"title", "source", "notes", "usage", "maintenance", "standard_use", "household_points_max", "review", "points"}
)
_SHIPPED = Path(__file__).parent.joinpath("policies")


def _between(low: int, high: Fraction, low_counts: bool = True) -> PlainValidator:
    return PlainValidator(partial(rational_between, low=Fraction(low), high=high, low_counts=low_counts))


def _one_of(names: Iterable[str], what: str, make: Callable[[str], str]) -> BeforeValidator:
    accepted = [str(name) for name in names]

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in accepted:
            raise ValueError(f"'{value}' is no {what}. Write one of {', '.join(accepted)}.")
        return make(value)

    return BeforeValidator(check)


def _period_length(months: int) -> int:
    if months not in PERIOD_LENGTHS:
        raise ValueError(f"A period is {', '.join(map(str, PERIOD_LENGTHS))} months long, not {months}.")
    return months


def _combined_list(value: object) -> object:
    """The tiers of a combined rate may stand alone, without the key `combined` above them."""
    return {COMBINED: value} if isinstance(value, list) else value


_TEXT = PlainSerializer(rational_text, return_type=str)
Share = Annotated[Fraction, _between(0, limits.SHARE_MAX, low_counts=False), _TEXT]
Bound = Annotated[Fraction, _between(0, limits.SHARE_MAX), _TEXT]
Factor = Annotated[Fraction, _between(0, limits.FACTOR_MAX), _TEXT]
PointsPerUnit = Annotated[Fraction, _between(0, limits.POINTS_PER_UNIT_MAX), _TEXT]
UsagePerDay = Annotated[Fraction, _between(0, limits.USAGE_PER_DAY_MAX), _TEXT]
Points = Annotated[int, Field(ge=0, le=limits.POINTS_MAX)]
CommodityName = Annotated[Commodity, _one_of(Commodity, "commodity", Commodity)]
AwardCommodity = Annotated[str, _one_of([*Commodity, COMBINED], "commodity", str)]
FindingCode = Annotated[Code, _one_of(Code, "finding", Code)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Texts = Annotated[tuple[Text, ...], Field(strict=False, max_length=50)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class CommodityRule(_Part):
    """`factor`: kg CO2e of one kWh or m3; `source`: where it is from."""

    factor: Factor
    source: Text | None = None


class UsageRule(_Part):
    min_month_coverage: Share = Fraction(1)


class BaselineRule(_Part):
    """`min_months`: where it is left out, two thirds of the period's months, rounded up."""

    method: Literal["same_months_mean"]
    lookback_years: Annotated[int, Field(ge=1, le=limits.LOOKBACK_YEARS_MAX)] = 2
    min_years: Annotated[int, Field(ge=1, le=limits.LOOKBACK_YEARS_MAX)] = 1
    min_months: Annotated[int, Field(ge=1, le=MONTHS_PER_YEAR)] | None = None
    history: Literal["tenure", "dwelling"] = "tenure"
    newcomer: Literal["wait", "peer_mean"] = "wait"
    peer_min: Annotated[int, Field(ge=1, le=limits.POPULATION_MAX)] = 30


class Tier(_Part):
    """`from_` (r >= it) or `above` (r > it); `points`, or `points_per_unit` (per kWh or m3; combined: per kg CO2e)."""

    from_: Annotated[Share | None, Field(alias="from")] = None
    above: Bound | None = None
    points: Points | None = None
    points_per_unit: PointsPerUnit | None = None


class ReductionRule(_Part):
    """`tiers`: by commodity, or for `combined_co2e` under `combined` (a bare list means the same)."""

    basis: Literal["per_commodity", "combined_co2e"]
    counted_max: Share | None = None
    tiers: Annotated[
        dict[
            AwardCommodity, Annotated[tuple[Tier, ...], Field(strict=False, min_length=1, max_length=limits.TIERS_MAX)]
        ],
        BeforeValidator(_combined_list),
    ]
    required: Annotated[tuple[CommodityName, ...], Field(strict=False)] = ()
    min_commodities: Annotated[int, Field(ge=1, le=len(Commodity))] = 1


class MaintenanceRule(_Part):
    after: Annotated[int, Field(ge=1, le=limits.STREAK_MAX)]
    points: Annotated[dict[AwardCommodity, Points], Field(min_length=1)]


class StandardUseRule(_Part):
    share: Share
    points: Annotated[dict[CommodityName, Points], Field(min_length=1)]


class ReviewRule(_Part):
    """`usage_per_day_below` in kWh or m3; `hold`: the findings that keep an award back, the others are notes."""

    reduction_above: Bound = Fraction(1, 2)
    estimated_share_above: Bound = Fraction(1, 2)
    usage_per_day_below: dict[CommodityName, UsagePerDay] = Field(default_factory=dict)
    hold: Annotated[tuple[FindingCode, ...], Field(strict=False)] = (
        Code.REDUCTION_UNUSUAL,
        Code.USAGE_VACANT,
        Code.USAGE_ESTIMATED,
        Code.METER_SHARED,
    )


class PointsRule(_Part):
    valid_months: Annotated[int, Field(ge=1, le=limits.VALID_MONTHS_MAX)] | None = None


class PolicyDocument(_Part):
    """What a policy says, key by key. Source: rules.md section 8."""

    policy: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    title: Annotated[dict[Language, Text], Field(max_length=20)] | None = None
    source: Texts = ()
    notes: Texts = ()
    effective_from: date
    period_months: Annotated[int, AfterValidator(_period_length)]
    anchor_month: Annotated[int, Field(ge=1, le=MONTHS_PER_YEAR)]
    commodities: Annotated[dict[CommodityName, CommodityRule], Field(min_length=1)]
    usage: UsageRule = UsageRule()
    baseline: BaselineRule
    reduction: ReductionRule
    maintenance: MaintenanceRule | None = None
    standard_use: StandardUseRule | None = None
    household_points_max: Points | None = None
    review: ReviewRule = ReviewRule()
    points: PointsRule = PointsRule()


class Policy(PolicyDocument):
    """A policy as adopted: what it says, its exact text, and the SHA-256 digest of that text in hexadecimal.

    `commodities` stand in alphabetical order.
    """

    text: Annotated[str, Field(exclude=True, repr=False)]
    digest: Annotated[str, Field(exclude=True)]

    @property
    def reference(self) -> str:
        """`korea-carbon-point@2024`."""
        return f"{self.policy}@{self.version}"

    @property
    def is_combined(self) -> bool:
        return self.reduction.basis == "combined_co2e"

    @property
    def needs_population(self) -> bool:
        """Whether awards depend on totals over all households of the city, so that a pass over them comes first."""
        return self.standard_use is not None or self.needs_dwellings

    @property
    def needs_dwellings(self) -> bool:
        """Whether awards depend on the kind of dwelling and the number of residents."""
        return self.baseline.newcomer == "peer_mean"

    @property
    def baseline_months_min(self) -> int:
        """How many months of the period must have a baseline of their own."""
        return self.baseline.min_months or -(-2 * self.period_months // 3)

    def require_period(self, period: Period) -> None:
        """Refuse a period that this policy does not settle.

        Raises: InvalidInput `programme.period` (422).
        """
        if period.length != self.period_months or not period.is_aligned(self.anchor_month):
            example = Period.containing(period.first_month, self.period_months, self.anchor_month)
            raise InvalidInput(
                "programme.period",
                f"{self.reference} settles periods of {self.period_months} months, one of which starts in month "
                f"{self.anchor_month}; {period} is none of them. The one that holds its first month is {example}.",
                {"period": str(period), "period_months": self.period_months, "anchor_month": self.anchor_month},
            )

    def approval_faults(self) -> list[Fault]:
        """What still lacks before the policy can be approved. Source: rules.md section 8."""
        lacking = [key for key in ("title", "source") if not getattr(self, key)]
        return [Fault(key, "programme.missing_key", f"A policy needs '{key}' before approval.") for key in lacking]


def parse_policy(text: str) -> Policy:
    """Read a policy document.

    Args:    text: YAML, exactly as it shall be kept.
    Raises:  InvalidInput `programme.policy_invalid` (422) with every fault; TooLarge `programme.policy_too_large` (413).
    Source:  rules.md section 8.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) > limits.POLICY_BYTES_MAX:
        raise TooLarge(
            "programme.policy_too_large",
            f"The policy is {len(encoded)} bytes long; {limits.POLICY_BYTES_MAX} is the most.",
            {"bytes": len(encoded), "bytes_max": limits.POLICY_BYTES_MAX},
        )
    raw = _read_yaml(text)
    empty = {key for key in _MAY_BE_NULL if key in raw and raw[key] is None}
    present = {key: value for key, value in raw.items() if key not in empty}
    document, faults = _validate(present)
    faults += [fault for fault in contradictions(present) if fault.where not in {known.where for known in faults}]
    if faults or document is None:
        raise invalid(faults)
    said = {name: getattr(document, name) for name in PolicyDocument.model_fields}
    said["commodities"] = dict(sorted(document.commodities.items()))
    return Policy.model_construct(**said, text=text, digest=hashlib.sha256(encoded).hexdigest())


def describe(policy: Policy) -> dict[str, Any]:
    """The policy with all defaults filled in, as JSON can hold it: rationals and dates as text."""
    told = policy.model_dump(mode="json", by_alias=True)
    told["baseline"]["min_months"] = policy.baseline_months_min
    return {"reference": policy.reference, "digest": policy.digest, **told}


def shipped_policies() -> list[str]:
    """The names of the policies that come with the bank."""
    return sorted(_shipped())


def load_shipped(reference: str) -> Policy:
    """A policy that comes with the bank. Raises: NotFound `programme.policy_unknown` (404)."""
    policy = _shipped().get(reference)
    if policy is None:
        raise _unknown(reference, "no shipped policy")
    return policy


def load_policy(reference_or_path: str) -> Policy:
    """A shipped policy by its reference (`korea-carbon-point@2024`), or one in a file.

    Raises: NotFound `programme.policy_unknown` (404); what `parse_policy` raises.
    """
    path = Path(reference_or_path)
    if reference_or_path in _shipped():
        return load_shipped(reference_or_path)
    if not path.is_file():
        raise _unknown(reference_or_path, "neither a file nor a shipped policy")
    with path.open("rb") as file:
        content = file.read(limits.POLICY_BYTES_MAX + 1)
    try:
        return parse_policy(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise invalid([Fault(f"byte {error.start + 1}", "programme.yaml", "The policy is not UTF-8 text.")]) from None


def _unknown(reference: str, what: str) -> NotFound:
    return NotFound(
        "programme.policy_unknown",
        f"'{reference[:80]}' is {what}. Shipped are {', '.join(shipped_policies())}.",
        {"policy": reference[:80], "shipped": shipped_policies()},
    )


@cache
def _shipped() -> dict[str, Policy]:
    policies = (parse_policy(path.read_bytes().decode("utf-8")) for path in sorted(_SHIPPED.glob("*.yaml")))
    return {policy.reference: policy for policy in policies}


def _validate(raw: dict[str, Any]) -> tuple[PolicyDocument | None, list[Fault]]:
    try:
        return PolicyDocument.model_validate(raw), []
    except ValidationError as error:
        return None, faults_of([dict(each) for each in error.errors(include_url=False)], raw)


class _Loader(yaml.SafeLoader):
    """YAML without what could make a document mean more than it shows: no anchors, no merging, no key twice."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            self._refuse("Anchors and aliases (& and *) are not accepted: write it out.", event.start_mark)
        if self.depth >= limits.NESTING_MAX:
            self._refuse(f"Nested deeper than {limits.NESTING_MAX} levels.", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str) or key_node.tag == "tag:yaml.org,2002:merge":
                self._refuse("A key must be text: put it in quotes.", key_node.start_mark)
            if key in seen:
                self._refuse(f"The key '{key}' stands here twice.", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def _refuse(self, problem: str, mark: yaml.Mark) -> None:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _read_yaml(text: str) -> dict[str, Any]:
    where, problem = "line 1", "The policy is not a mapping of keys to values."
    try:
        raw = yaml.load(text, _Loader)  # noqa: S506, a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else where
        problem = error.problem or str(error)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that does not exist
        problem = str(error).splitlines()[0]
    else:
        if isinstance(raw, dict):
            return raw
    raise invalid([Fault(where, "programme.yaml", f"{where}: {problem}")])
