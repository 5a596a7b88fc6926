"""Samples: drawn again by a second program, fair, the same whatever the order of rows; and what they come to."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from decimal import Decimal, getcontext
from fractions import Fraction
from math import factorial

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.audit.samples.result import FACTORS_95, evaluate
from carbon_bank.audit.samples.sampling import (
    Asked,
    Draws,
    Method,
    Sample,
    Strata,
    allocate,
    at_random,
    by_points,
    check_nonce,
    draw_sample,
    read_root,
)
from carbon_bank.audit.samples.sheet import CONFIDENCE_FACTOR, rounded, sample_csv, sample_page
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE

ROOT = bytes(range(32))


def asked(method: Method, size: int, nonce: str = "4 2 6 1 5", strata: Strata | None = None) -> Asked:
    return Asked(7, method, size, nonce, ROOT, strata)


def population(points: list[int], strata: list[str] | None = None) -> pl.DataFrame:
    """Two awards for each household."""
    rows = [
        (100 + at // 2, ("water", "gas")[at % 2], "reduction", "clear", each, (strata or [""] * len(points))[at])
        for at, each in enumerate(points)
    ]
    names = ["household_id", "commodity", "outcome", "review", "points", "stratum"]
    return pl.DataFrame(rows, names, orient="row", schema_overrides={"commodity": AWARD_COMMODITY_DTYPE})


def numbers(seed: bytes, end: int, count: int) -> list[int]:
    """The first numbers below `end`, by the recipe and not by the bank's law."""
    found: list[int] = []
    at = 0
    while len(found) < count:
        number = int(hashlib.sha256(seed + at.to_bytes(8, "big")).hexdigest(), 16)
        at += 1
        if number < 2**256 // end * end:
            found.append(number % end)
    return found


# Chance.


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**64), st.integers(1, 30))
def test_numbers_are_those_of_the_recipe(seed: bytes, end: int, count: int) -> None:
    draws = Draws(seed)
    assert [draws.below(end) for _ in range(count)] == numbers(seed, end, count)


def test_a_block_from_the_last_multiple_on_is_passed_over() -> None:
    end = 2**255 + 1  # every second block is beyond the only multiple
    draws = Draws(b"x" * 32)
    found = [draws.below(end) for _ in range(50)]
    assert max(found) < end and 60 < draws.blocks < 160


def test_each_number_is_as_likely_as_the_others() -> None:
    draws = Draws(hashlib.sha256(b"fair").digest())
    counts = Counter(draws.below(10) for _ in range(10_000))
    chi_square = sum(Fraction((count - 1000) ** 2, 1000) for count in counts.values())
    assert len(counts) == 10 and chi_square < Fraction("27.877")


# Random.


@given(st.integers(1, 60), st.data())
def test_a_random_sample_has_each_row_once_and_a_larger_one_begins_with_it(items: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, items))
    chosen = at_random(b"s" * 32, items, size)
    assert len(set(chosen)) == size and set(chosen) <= set(range(items))
    assert at_random(b"s" * 32, items, items)[:size] == chosen
    drawn = list(dict.fromkeys(numbers(b"s" * 32, items, 10 * items + 500)))
    assert drawn[:size] == chosen[: len(drawn)]


def test_each_award_is_in_as_many_random_samples_as_the_others() -> None:
    counts = Counter(
        row
        for trial in range(2000)
        for row in at_random(hashlib.sha256(bytes([trial % 256, trial // 256])).digest(), 10, 3)
    )
    chi_square = sum(Fraction((count - 600) ** 2, 600) for count in counts.values())
    assert sum(counts.values()) == 6000 and chi_square < Fraction("27.877")


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 5000), min_size=2, max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from(list(Method)),
)
def test_the_order_of_rows_makes_no_difference(points: list[int], luck, method: Method) -> None:  # type: ignore[no-untyped-def]
    frame = population([*points, 1], [f"s{at % 3}" for at in range(len(points) + 1)])
    order = list(range(frame.height))
    luck.shuffle(order)
    request = asked(
        method, 1 if method is Method.POINTS else 2, strata=Strata.OUTCOME if method is Method.STRATIFIED else None
    )
    assert draw_sample(request, frame) == draw_sample(request, frame[order])


def test_another_nonce_root_settlement_or_method_is_another_sample() -> None:
    first = asked(Method.RANDOM, 5)
    others = [
        asked(Method.RANDOM, 5, nonce="4 2 6 1 6"),
        Asked(8, Method.RANDOM, 5, first.nonce, ROOT),
        Asked(7, Method.RANDOM, 5, first.nonce, bytes(32)),
        asked(Method.STRATIFIED, 5, strata=Strata.OUTCOME),
        asked(Method.STRATIFIED, 5, strata=Strata.DISTRICT),
    ]
    seeds = {first.seed(), first.seed("gas/reduction"), *(each.seed() for each in others)}
    assert len(seeds) == 7


# Strata.


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 500), min_size=1, max_size=8), st.data())
def test_shares_are_in_proportion_and_never_above_a_stratum(strata: dict[str, int], data: st.DataObject) -> None:
    items = sum(strata.values())
    size = data.draw(st.integers(1, items))
    shares = allocate(size, list(strata.items()))
    assert sum(shares.values()) == size
    for name, count in strata.items():
        exact = Fraction(size * count, items)
        assert exact - 1 < shares[name] < exact + 1
        assert 0 <= shares[name] <= count


def test_of_equal_remainders_the_first_name_is_rounded_up() -> None:
    assert allocate(2, [("b", 5), ("a", 5), ("c", 5)]) == {"a": 1, "b": 1, "c": 0}


def test_a_stratified_sample_has_the_shares_of_its_strata() -> None:
    frame = population([10] * 60, ["gas/reduction"] * 40 + ["water/reduction"] * 20)
    sample = draw_sample(asked(Method.STRATIFIED, 6, strata=Strata.OUTCOME), frame)
    assert [(each.name, each.items, each.points, each.size) for each in sample.strata] == [
        ("gas/reduction", 40, 400, 4),
        ("water/reduction", 20, 200, 2),
    ]
    assert Counter(row.stratum for row in sample.rows) == {"gas/reduction": 4, "water/reduction": 2}


# Points.


@given(st.lists(st.integers(0, 300), min_size=1, max_size=30).filter(any), st.data())
def test_selections_are_an_interval_apart_and_a_large_award_is_always_chosen(
    points: list[int], data: st.DataObject
) -> None:
    total = sum(points)
    size = data.draw(st.integers(1, min(total, 40)))
    seed = data.draw(st.binary(min_size=32, max_size=32))
    hits = by_points(seed, pl.Series(points, dtype=pl.Int64), size)
    assert sum(hits.values()) == size
    interval = Fraction(total, size)
    for row, each in enumerate(points):
        assert abs(hits.get(row, 0) - each / interval) < 1 + Fraction(1, 10**9)
        assert each < interval or row in hits
        assert each > 0 or row not in hits
    # by hand: lay the points out one by one
    owners = [row for row, each in enumerate(points) for _ in range(each)]
    [start] = numbers(seed, total, 1)
    assert Counter(owners[(start + k * total) // size] for k in range(size)) == hits


def test_over_all_starts_each_point_is_selected_equally_often() -> None:
    total, size = 23, 4
    counts = Counter((start + k * total) // size for start in range(total) for k in range(size))
    assert counts == dict.fromkeys(range(total), size)


@pytest.mark.parametrize(
    ("method", "size"), [(Method.RANDOM, 0), (Method.RANDOM, 7), (Method.POINTS, 61), (Method.STRATIFIED, 7)]
)
def test_a_sample_is_not_larger_than_what_there_is(method: Method, size: int) -> None:
    with pytest.raises(InvalidInput, match="A sample of"):
        draw_sample(asked(method, size), population([10] * 6))


# What is asked.


@pytest.mark.parametrize("nonce", ["", " x", "x ", "a\nb", "ü", "x" * 201])
def test_a_nonce_that_could_be_read_in_two_ways_is_refused(nonce: str) -> None:
    with pytest.raises(InvalidInput, match="nonce"):
        check_nonce(nonce)


def test_a_root_is_read_in_both_forms() -> None:
    assert read_root("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=") == read_root(ROOT.hex()) == ROOT
    for wrong in ("", "00", "AAEC", "g" * 64, ROOT.hex()[:-2]):
        with pytest.raises(InvalidInput, match="32 bytes"):
            read_root(wrong)


# Working papers.


def papers(sample: Sample, agreed: dict[int, int] | None = None, **more: str) -> bytes:
    """The sample's CSV filled in. Args: agreed: agreed points by row (from 1); the others agree."""
    rows = list(csv.DictReader(io.StringIO("".join(sample_csv(sample)))))
    for row in rows:
        row["agreed_points"] = str((agreed or {}).get(int(row["row"]), row["points"]))
        row["remark"] = "=looked at the meter"
        row.update(more)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(reversed(rows))  # as a spreadsheet may have sorted them
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def test_the_factors_are_those_of_the_poisson_distribution_rounded_up() -> None:
    getcontext().prec = 50

    def chance_of_at_most(errors: int, factor: Decimal) -> Decimal:
        return (-factor).exp() * sum(factor**n / factorial(n) for n in range(errors + 1))

    assert FACTORS_95[0] == CONFIDENCE_FACTOR
    for errors, factor in enumerate(FACTORS_95):
        exact = Decimal(factor.numerator) / factor.denominator
        assert chance_of_at_most(errors, exact) <= Decimal("0.05") < chance_of_at_most(errors, exact - Decimal("0.01"))


def test_a_points_sample_without_differences_says_three_intervals() -> None:
    sample = draw_sample(asked(Method.POINTS, 10), population([100] * 40))
    result = evaluate(papers(sample))
    assert (result.checked, result.items, result.points, result.differences) == (10, 40, 4000, ())
    assert (result.too_many, result.too_few, result.upper_limit) == (0, 0, 3 * 400)


def test_differences_taint_their_interval_and_a_large_award_only_itself() -> None:
    points = [100] * 39 + [2000]
    sample = draw_sample(asked(Method.POINTS, 10), population(points))
    interval = Fraction(5900, 10)
    large = next(at for at, row in enumerate(sample.rows, start=1) if row.points == 2000)
    small = [at for at, row in enumerate(sample.rows, start=1) if row.points == 100][:3]
    result = evaluate(papers(sample, {large: 1500, small[0]: 50, small[1]: 0, small[2]: 120}))
    # projected: half and whole of an interval, and 500 for certain; too few: a fifth of an interval
    assert result.too_many == interval * Fraction(3, 2) + 500
    assert result.too_few == interval / 5
    # the largest taint first: (4.75-3.00-1)*1 + (6.30-4.75-1)*1/2
    assert result.allowance == interval * (Fraction("0.75") + Fraction("0.55") / 2)
    assert result.upper_limit == result.too_many + 3 * interval + result.allowance
    assert sorted(row.difference for row in result.differences) == [-20, 50, 100, 500]


def test_a_random_sample_is_projected_by_its_share() -> None:
    sample = draw_sample(asked(Method.RANDOM, 8), population([100] * 40))
    result = evaluate(papers(sample, {1: 90, 2: 130}))
    assert (result.too_many, result.too_few, result.upper_limit) == (Fraction(40 * 10, 8), Fraction(40 * 30, 8), None)


def test_a_stratified_sample_is_projected_stratum_by_stratum() -> None:
    frame = population([100] * 61, ["a"] * 40 + ["b"] * 20 + ["c"])
    sample = draw_sample(asked(Method.STRATIFIED, 6, strata=Strata.DISTRICT), frame)
    assert [each.size for each in sample.strata] == [4, 2, 0]
    of_b = next(at for at, row in enumerate(sample.rows, start=1) if row.stratum == "b")
    result = evaluate(papers(sample, {of_b: 70}))
    assert (result.too_many, result.items_not_covered) == (Fraction(20 * 30, 2), 1)


def test_what_cannot_be_used_is_named_by_line_and_column() -> None:
    sample = draw_sample(asked(Method.RANDOM, 4), population([100] * 40))

    def faults(content: bytes) -> list[tuple[str, str]]:
        with pytest.raises(InvalidInput) as refused:
            evaluate(content)
        assert refused.value.code == "audit.sample_file"
        return [(each.where, each.message.split(".")[0]) for each in refused.value.faults] or [("", str(refused.value))]

    empty = faults(papers(sample, agreed_points=""))
    assert empty == [(f"line {line}, column agreed_points", "It is empty: fill it in") for line in range(2, 6)]
    assert faults(papers(sample, difference="3"))[0] == (
        "line 2, column difference",
        "It is points less agreed_points, 0",
    )
    assert faults(papers(sample, {1: -5}))[0][1] == "An award is never below zero"
    lines = papers(sample).splitlines(keepends=True)
    assert faults(b"".join(lines[:-1])) == [
        ("column row", "The sample has 4 rows, and the file 3; each has its number once")
    ]
    assert faults(b"".join([*lines[:-1], lines[1]]))[0][0] == "column row"
    assert "differs from" in faults(b"".join([*lines[:-1], lines[-1].replace(b",40,4000,", b",41,4000,")]))[0][1]
    assert "lacks the columns" in faults(b"a,b\r\n1,2\r\n")[0][1]
    assert "no CSV in UTF-8" in faults(b"\xff\xfe\x00")[0][1]
    assert "no rows" in faults(lines[0])[0][1]


def test_the_sheet_says_how_the_sample_was_drawn_and_text_does_not_run() -> None:
    frame = population([100] * 40, ["=cmd"] * 40)
    sample = draw_sample(asked(Method.STRATIFIED, 4, strata=Strata.DISTRICT), frame)
    assert all(row["stratum"] == "'=cmd" for row in csv.DictReader(io.StringIO("".join(sample_csv(sample)))))
    assert evaluate(papers(sample)).too_many == 0
    page = sample_page(draw_sample(asked(Method.POINTS, 10), frame), "papers.csv")
    assert f"| seed | `{asked(Method.POINTS, 10).seed().hex()}` |" in page
    assert "| interval | 400 points (400.00)" in page
    assert "no more than 1200.00 points (30.00 %) are too many" in page


@given(st.fractions(), st.integers(0, 4))
def test_what_is_shown_is_rounded_half_up(value: Fraction, places: int) -> None:
    shown = Fraction(rounded(value, places))
    assert abs(shown - value) <= Fraction(1, 2 * 10**places)
    assert (
        rounded(Fraction(1, 8)) == "0.13"
        and rounded(Fraction(-1, 8)) == "-0.13"
        and rounded(Fraction(-1, 1000)) == "0.00"
    )
