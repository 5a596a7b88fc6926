"""The JSON Schema of policies, which an editor shows and checks by; and the page of the docs that tells every key."""

from __future__ import annotations

import re
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from carbon_bank.foundation.units import COMBINED, Commodity
from carbon_bank.programme.document import DIALECT, MAY_BE_NULL, PolicyDocument, policy_schema
from carbon_bank.programme.findings import Code
from carbon_bank.programme.policy import load_shipped, shipped_policies
from tests.programme.test_page import FULL, POLICIES
from tests.programme.test_policy import changed

SCHEMA = policy_schema()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
DOCS = Path(__file__).parents[2] / "docs" / "policies.md"


def complaints(raw: dict[str, Any]) -> set[str]:
    """Where the schema complains about a document, as an editor has it: days as text."""
    if "effective_from" in raw:
        raw = raw | {"effective_from": str(raw["effective_from"])}
    return {"/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(raw)}


def parts(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The document and all parts in it, by the path of their keys."""
    found = {"": model}
    for name, field in model.model_fields.items():
        key = field.alias or name
        for inner in _models(field.annotation):
            found |= {f"{key}.{path}".rstrip("."): part for path, part in parts(inner).items()}
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, UnionType) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models(each)]


def test_it_is_a_schema_of_the_dialect_that_it_names() -> None:
    assert SCHEMA["$schema"] == DIALECT == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_that_the_bank_accepts_passes(name: str) -> None:
    assert complaints(yaml.safe_load(POLICIES[name].text)) == set()


@pytest.mark.parametrize("key", sorted(MAY_BE_NULL))
def test_a_null_at_the_top_means_left_out(key: str) -> None:
    raw = yaml.safe_load(FULL)
    assert complaints(raw | {key: None}) == complaints({name: raw[name] for name in raw if name != key}) == set()


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("colour", "green", ""),
        ("baseline/look", 2, "baseline"),
        ("baseline", ..., ""),
        ("version", 2024, "version"),
        ("policy", "Korea Carbon", "policy"),
        ("effective_from", "in May", "effective_from"),
        ("period_months", 5, "period_months"),
        ("anchor_month", 13, "anchor_month"),
        ("title/english", "Points", "title"),
        ("commodities/steam", {"factor": "1"}, "commodities"),
        ("commodities/gas", {}, "commodities/gas"),
        ("commodities/gas/factor", 2.24, "commodities/gas/factor"),
        ("commodities/gas/factor", "1e3", "commodities/gas/factor"),
        ("commodities/gas/factor", "-1", "commodities/gas/factor"),
        ("reduction/tiers/steam", [{"from": "0.05", "points": 1}], "reduction/tiers"),
        ("reduction/tiers/gas/1/from", 0.1, "reduction/tiers"),
        ("reduction/tiers/gas/1/points", -1, "reduction/tiers"),
        ("reduction/tiers/gas/1/points", ..., "reduction/tiers"),
        ("reduction/tiers/gas/1/above", "0.1", "reduction/tiers"),
        ("reduction/tiers/gas", [], "reduction/tiers"),
        ("reduction/counted_max", 0, "reduction/counted_max"),
        ("maintenance/points/steam", 1, "maintenance"),
        ("household_points_max", -1, "household_points_max"),
        ("review/hold", ["usage.odd"], "review"),
        ("points/valid_months", 0, "points"),
    ],
)
def test_what_is_wrong_in_a_single_place_fails_there(path: str, value: Any, where: str) -> None:
    found = complaints(changed(path, value))
    assert found, "it passed"
    assert all(each.startswith(where) for each in found)


def test_an_editor_is_told_what_every_key_is_for() -> None:
    described = {name: part["properties"] for name, part in (SCHEMA["$defs"] | {"": SCHEMA}).items()}
    assert sum(len(keys) for keys in described.values()) == sum(
        len(p.model_fields) for p in parts(PolicyDocument).values()
    )
    lacking = [
        f"{name}.{key}" for name, keys in described.items() for key, told in keys.items() if "description" not in told
    ]
    assert lacking == []


def test_an_editor_is_offered_commodities_and_findings() -> None:
    assert SCHEMA["properties"]["commodities"]["propertyNames"]["enum"] == list(Commodity)
    by_commodity = SCHEMA["$defs"]["ReductionRule"]["properties"]["tiers"]["anyOf"][0]
    assert by_commodity["propertyNames"]["enum"] == [*Commodity, COMBINED]
    assert SCHEMA["$defs"]["ReviewRule"]["properties"]["hold"]["items"]["enum"] == list(Code)


class TestDocs:
    text = DOCS.read_text("utf-8")

    def test_every_key_has_a_row_with_its_path(self) -> None:
        named = set(re.findall(r"^\| `([^`]+)` \|", self.text, re.MULTILINE))
        prefixes = {"commodities": "commodities.<commodity>", "reduction.tiers": "reduction.tiers.<commodity>[]"}
        expected = {
            f"{prefixes.get(path, path)}.{field.alias or name}".lstrip(".")
            for path, part in parts(PolicyDocument).items()
            for name, field in part.model_fields.items()
        }
        assert expected - named == set()
        assert named - expected - set(shipped_policies()) == set()

    def test_every_default_stands_in_the_row_of_its_key(self) -> None:
        rows = {
            row[0].strip("` "): row[2]
            for row in (line.strip("|").split("|") for line in self.text.splitlines())
            if len(row) == 4
        }
        told = {
            f"{path}.{name}": field.default
            for path, part in parts(PolicyDocument).items()
            for name, field in part.model_fields.items()
            if isinstance(field.default, str | int)
        }
        assert len(told) >= 6
        assert {key: default for key, default in told.items() if f"`{default}`" not in rows[key]} == {}

    def test_every_shipped_policy_is_told_with_what_is_uncertain(self) -> None:
        section = self.text.split("## What the bank ships")[1]
        for reference in shipped_policies():
            assert f"`{reference}`" in section
            assert load_shipped(reference).notes

    def test_the_example_is_a_policy(self) -> None:
        [example] = re.findall(r"```yaml\n(.*?)```", self.text, re.DOTALL)
        assert complaints(yaml.safe_load(example)) == set()
