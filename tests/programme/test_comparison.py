"""The policy lab: a comparison against a plain tally, a sweep against one policy after the other."""

from __future__ import annotations

import csv
from collections import defaultdict
from fractions import Fraction
from typing import Any

import httpx
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.comparison import add_totals, compare, points_per_tonne, totals
from carbon_bank.programme.comparison_report import GROUP_HOUSEHOLDS_MIN, report
from carbon_bank.programme.span import periods_within, span_of
from carbon_bank.programme.sweep import Sweep, evaluated_alike, with_value
from carbon_bank.settings import Settings
from tests.settlement.town import KOREA, found_town, policy_with, request, stored
from tests.small_city import SmallCity

FACTORS = KOREA.factors
SCHEMA = {"period": pl.String, "household_id": pl.Int64, "commodity": pl.String, "outcome": pl.String}
SCHEMA |= {"usage": pl.Int64, "points": pl.Int64, "avoided_g": pl.Int64}
THRESHOLD = "reduction.tiers.water[0].from"

awards_of = st.dictionaries(
    st.tuples(st.sampled_from(["2025-H1", "2025-H2"]), st.integers(1, 25), st.sampled_from(["electricity", "gas"])),
    st.tuples(
        st.sampled_from(["reduction", "incomplete", "below_threshold"]),
        st.one_of(st.none(), st.integers(0, 500)),
        st.sampled_from([0, 0, 100, 5000, 20_000]),
        st.one_of(st.none(), st.integers(-50, 400)),
    ),
    max_size=60,
)
homes_of = st.dictionaries(st.integers(1, 25), st.tuples(st.sampled_from(["north", "south", None]), st.just("flat")))
Awards = dict[tuple[str, int, str], tuple[str, int | None, int, int | None]]


def frame(awards: Awards) -> pl.DataFrame:
    return pl.DataFrame([(*key, *row) for key, row in awards.items()], schema=SCHEMA, orient="row")


def tally(awards: Awards) -> dict[int, int]:
    points: dict[int, int] = defaultdict(int)
    for (_, household, _), (_, _, paid, _) in awards.items():
        points[household] += paid
    return points


@given(awards_of, awards_of, homes_of)
def test_a_comparison_adds_up_as_a_plain_tally_does(a: Awards, b: Awards, homes: dict[int, Any]) -> None:
    known = pl.DataFrame(
        [(key, *row) for key, row in homes.items()],
        schema={"household_id": pl.Int64, "district": pl.String, "dwelling_type": pl.String},
        orient="row",
    )
    found = compare(frame(a), frame(b), known, FACTORS)
    one, other = tally(a), tally(b)
    everybody = set(one) | set(other)
    rows = {row["household_id"]: row for row in found.households.to_dicts()}
    assert {each: (rows[each]["points_a"], rows[each]["points_b"]) for each in rows} == {
        each: (one.get(each, 0), other.get(each, 0)) for each in everybody
    }
    for dimension in ("total", "commodity", "district", "dwelling_type", "decile"):
        groups = found.groups.filter(dimension=dimension)
        assert groups["points_a"].sum() == sum(one.values())
        assert groups["avoided_paid_g_b"].sum() == sum(row[3] or 0 for row in b.values() if row[2] > 0)
        if dimension not in {"commodity"}:
            assert groups["households"].sum() == len(everybody)
            assert groups["payees_a"].sum() == sum(points > 0 for points in one.values())
            assert groups["gainers"].sum() == sum(other.get(each, 0) > one.get(each, 0) for each in everybody)
            assert groups["lost"].sum() == sum(max(one.get(each, 0) - other.get(each, 0), 0) for each in everybody)
    assert found.changes["households"].sum() == len(everybody)
    assert found.changes["points"].sum() == sum(other.values()) - sum(one.values())
    assert found.outcomes["awards"].sum() == len(set(a) & set(b))
    use: dict[int, list[Any]] = defaultdict(lambda: [Fraction(0), set()])
    for (period, household, commodity), (_, usage, _, _) in a.items():
        if usage is not None:
            use[household][0] += usage * FACTORS[commodity]
            use[household][1].add(period)
    ranked = sorted(use, key=lambda each: (use[each][0] / len(use[each][1]), each))
    assert {each: rows[each]["decile"] for each in rows} == {
        each: str(ranked.index(each) * 10 // len(ranked) + 1) if each in ranked else "unknown" for each in rows
    }
    by_period = [
        totals(frame({key: row for key, row in b.items() if key[0] == each})) for each in ("2025-H1", "2025-H2")
    ]
    assert add_totals(by_period).told() == totals(frame(b)).told()
    assert totals(frame(b)).told() == {
        "points": sum(other.values()),
        "payees": sum(points > 0 for points in other.values()),
        "awards": sum(row[2] > 0 for row in b.values()),
        "avoided_g": sum(row[3] or 0 for row in b.values()),
        "avoided_paid_g": sum(row[3] or 0 for row in b.values() if row[2] > 0),
    }


def test_a_tonne_that_was_not_saved_has_no_price() -> None:
    assert (points_per_tonne(100, 0), points_per_tonne(100, -5), points_per_tonne(1000, 2_000_000)) == (None, None, 500)


def told_of_districts(*sizes: int) -> dict[str, Any]:
    """The report on districts `0`, `1`, ... of so many households, each of which gets 10 points."""
    districts = [str(at) for at, size in enumerate(sizes) for _ in range(size)]
    awards = frame({("2025-H1", each, "gas"): ("reduction", 5, 10, 7) for each in range(len(districts))})
    homes = pl.DataFrame({"household_id": range(len(districts)), "district": districts, "dwelling_type": "flat"})
    return report(compare(awards, awards, homes, FACTORS), Fraction("1.4"), [])


def test_small_groups_are_named_and_their_numbers_left_out() -> None:
    told = told_of_districts(12, 6, 5)
    large, *small = [row for row in told["groups"] if row["dimension"] == "district"]
    assert (large["households"], large["a"]["points"], large["a"]["cost"]) == (12, 120, "168")
    assert [row["group"] for row in small] == ["1", "2"]
    assert {row[name] for row in small for name in ("households", "a", "b", "gainers", "lost")} == {None}


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_no_subtraction_from_the_total_tells_of_a_small_group(sizes: list[int]) -> None:
    told = told_of_districts(*sizes)
    known = [row for row in told["groups"] if row["dimension"] == "district" and row["a"] is not None]
    rest = told["total"]["a"]["points"] - sum(row["a"]["points"] for row in known)
    assert rest == 0 or rest >= 10 * GROUP_HOUSEHOLDS_MIN or not known
    assert all(row["households"] >= GROUP_HOUSEHOLDS_MIN for row in known)
    assert len(known) == len(sizes) or min(sizes) < GROUP_HOUSEHOLDS_MIN, "nothing is hidden without need"


def test_two_small_commodities_may_be_the_same_households_so_a_third_is_hidden_with_them() -> None:
    users = {"electricity": 30, "gas": 6, "water": 6}
    awards = frame(
        {("2025-H1", each, name): ("reduction", 5, 10, 7) for name, many in users.items() for each in range(many)}
    )
    homes = pl.DataFrame(schema={"household_id": pl.Int64, "district": pl.String, "dwelling_type": pl.String})
    told = report(compare(awards, awards, homes, FACTORS), Fraction(1), [])
    assert [row["a"] for row in told["groups"] if row["dimension"] == "commodity"] == [None] * 3
    assert told["outcomes"][0]["households"] == 30


def test_bands_and_outcomes_of_few_households_are_not_told_either() -> None:
    def paid(points: dict[int, int]) -> pl.DataFrame:
        outcomes = {each: "reduction" if paid else "below_threshold" for each, paid in points.items()}
        return frame({("2025-H1", each, "gas"): (outcomes[each], 5, paid, 7) for each, paid in points.items()})

    homes = pl.DataFrame(schema={"household_id": pl.Int64, "district": pl.String, "dwelling_type": pl.String})
    before, after = dict.fromkeys(range(40), 0), {each: 100 if each < 3 else 0 for each in range(40)}
    told = report(compare(paid(before), paid(after), homes, FACTORS), Fraction(1), [])
    assert {row["band"]: row["households"] for row in told["changes"]} == {
        "below -10,000": 0,
        "-10,000 to -5,001": 0,
        "-5,000 to -1": 0,
        "0": None,
        "+1 to +5,000": None,
        "+5,001 to +10,000": 0,
        "+10,001 and more": 0,
    }
    assert {row["awards"] for row in told["outcomes"]} == {None}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=0.01..0.03/0.01", ("0.01", "0.02", "0.03")),
        ("k=1,2, 4", ("1", "2", "4")),
        ("k=0..1/1/3", ("0", "1/3", "2/3", "1")),
        ("k=0..1", None),
        ("k=", None),
    ],
)
def test_a_sweep_is_a_list_or_a_range(text: str, values: tuple[str, ...] | None) -> None:
    if values is None:
        with pytest.raises(InvalidInput):
            Sweep.parse(text)
    else:
        assert Sweep.parse(text) == Sweep("k", values)


def test_a_value_goes_to_its_place_and_what_makes_no_policy_is_refused() -> None:
    assert with_value(KOREA, THRESHOLD, "0.03").reduction.tiers["water"][0].from_ == Fraction(3, 100)
    assert with_value(KOREA, "maintenance.after", "4").maintenance.after == 4  # type: ignore[union-attr]
    assert with_value(KOREA, "household_points_max", "9000").household_points_max == 9000
    for key, value, code in (
        (THRESHOLD, "0.2", "programme.policy_invalid"),
        ("reduction.tiers.heat[0].from", "0.1", "programme.sweep"),
        ("reduction.tiers.water[9].from", "0.1", "programme.sweep"),
        ("a b", "1", "programme.sweep"),
        ("maintenance.after", "²", "programme.policy_invalid"),
        ("maintenance.after", "9" * 5000, "programme.policy_invalid"),
    ):
        with pytest.raises(InvalidInput) as caught:
            with_value(KOREA, key, value)
        assert caught.value.code == code


def test_policies_are_evaluated_together_where_usage_and_baseline_follow_the_same_rules() -> None:
    others = [
        with_value(KOREA, THRESHOLD, "0.03"),
        with_value(KOREA, "baseline.min_months", "6"),
        with_value(KOREA, "maintenance.after", "3"),
        with_value(KOREA, "commodities.water.factor", "0.4"),
        policy_with(period_months=12),
        policy_with(standard_use={"share": "0.5", "points": {"gas": 10}}, household_points_max=5),
        with_value(KOREA, "usage.min_month_coverage", "0.9"),
        with_value(KOREA, "baseline.min_months", "6"),
    ]
    assert evaluated_alike([KOREA, *others]) == [[0, 1, 3, 6], [2, 8], [4], [5], [7]]


def test_a_span_is_whole_periods_of_each_policy() -> None:
    assert [str(each) for each in periods_within(KOREA, *span_of("2025-H1..2026-H1"))] == [
        "2025-H1",
        "2025-H2",
        "2026-H1",
    ]
    yearly = policy_with(period_months=12, baseline={"method": "same_months_mean"})
    with pytest.raises(InvalidInput, match="Choose a span of whole periods of both"):
        periods_within(yearly, *span_of("2025-H1..2026-H1"))


async def test_a_citys_own_readings_are_compared_by_a_job(
    client: httpx.AsyncClient, database: Database, settings: Settings, small_city: SmallCity
) -> None:
    await found_town(database, small_city)
    number = await request(database, small_city.actors["operator"])
    await worker.compute(database, number, 100)
    strict = policy_with(version="strict", maintenance=None, standard_use={"share": "0.9", "points": {"water": 10}})
    new = {"a": KOREA.reference, "b": strict.text, "periods": "2024-H1", "unit_price": "1.4"}
    new |= {"sweep": {"key": THRESHOLD, "values": ["0.05", "0.08"]}}
    operator = small_city.bearer("operator")
    asked = await client.post("/v1/policies/compare", json=new, headers=operator)
    assert (asked.status_code, asked.json()["state"]) == (202, "requested")
    path = f"/v1/policies/comparisons/{asked.json()['id']}"
    early = await client.get(f"{path}/groups.csv", headers=operator)
    assert (early.status_code, early.json()["type"]) == (409, "urn:carbon-bank:problem:programme.comparison_state")
    await worker.work(database, settings, until_empty=True)
    told = (await client.get(path, headers=small_city.bearer("auditor"))).json()
    assert (told["state"], told["first_month"], told["last_month"], told["failure"]) == (
        "done",
        "2024-01",
        "2024-06",
        None,
    )
    awards = await stored(database, number)
    total = told["report"]["total"]
    assert total["a"]["points"] == sum(award["points"] for award in awards) > 0
    assert total["a"]["awards"] == sum(award["points"] > 0 for award in awards)
    assert Fraction(total["a"]["cost"]) == Fraction("1.4") * total["a"]["points"]
    assert [each["value"] for each in told["report"]["sweep"]] == ["0.05", "0.08"]
    assert told["report"]["sweep"][0]["points"] == total["b"]["points"]
    table = await client.get(f"{path}/groups.csv", headers=operator)
    rows = list(csv.DictReader(table.text.splitlines()))
    assert (rows[0]["dimension"], int(rows[0]["points_a"])) == ("total", total["a"]["points"])
    listed = (await client.get("/v1/policies/comparisons", headers=operator)).json()["items"]
    assert [each["id"] for each in listed] == [told["id"]]
    await worker.compare_over_city(database, told["id"], 100)
    assert (await client.get(path, headers=operator)).json() == told, "a job that is run again changes nothing"
    far = await client.get(path, headers=small_city.bearer("far_operator"))
    assert (far.status_code, far.json()["type"]) == (404, "urn:carbon-bank:problem:programme.unknown_comparison")


async def test_a_comparison_that_cannot_be_right_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    right = {"a": KOREA.reference, "b": KOREA.reference, "periods": "2024-H1"}
    for change, code in (
        ({"b": "policy: x\nversion: 1"}, "programme.policy_invalid"),
        ({"periods": "2024-Q1"}, "programme.span"),
        ({"unit_price": "-1"}, "programme.unit_price"),
        ({"sweep": {"key": "policy.x", "values": ["1"]}}, "programme.sweep"),
        ({"sweep": {"key": "period_months", "values": ["12"]}}, "programme.span"),
        ({"sweep": {"key": "maintenance.after", "values": ["²"]}}, "programme.policy_invalid"),
        ({"more": 1}, "http.invalid"),
    ):
        answer = await client.post("/v1/policies/compare", json=right | change, headers=small_city.bearer("operator"))
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:carbon-bank:problem:{code}"), change
    refused = await client.post("/v1/policies/compare", json=right, headers=small_city.bearer("auditor"))
    assert refused.status_code == 403
