"""The policy document: a programme's rules as an exact, immutable text.

A policy is known by its name, its version and the SHA-256 digest of its bytes. Every rational is a quoted decimal or a
fraction, so that nobody's parser turns it into floating point. Whatever is wrong is told at once, each fault by its key.

Source: rules.md section 8; decision record 0003 (what the document leaves open).
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import Fault, InvalidInput, NotFound, TooLarge
from carbon_bank.programme import limits
from carbon_bank.programme.contradictions import contradictions
from carbon_bank.programme.document import MAY_BE_NULL, PolicyDocument
from carbon_bank.programme.document import Tier as Tier
from carbon_bank.programme.faults import faults_of, invalid

_SHIPPED = Path(__file__).parent.joinpath("policies")


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
    def factors(self) -> dict[str, Fraction]:
        """kg CO2e of one kWh or m3, by commodity."""
        return {commodity.value: rule.factor for commodity, rule in self.commodities.items()}

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
    empty = {key for key in MAY_BE_NULL if key in raw and raw[key] is None}
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
    raise invalid([Fault(where, "programme.yaml", problem)])
