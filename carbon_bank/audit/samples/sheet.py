"""A sample as files: a CSV with the working papers to fill in, and a sheet that says how it was drawn.

What the evaluation needs of the whole (`of`, `population_points`, ...) stands in every row, so that sorting or copying rows in a
spreadsheet loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from carbon_bank.audit.findings.kinds import explanation
from carbon_bank.audit.samples.sampling import Method, Sample
from carbon_bank.foundation.sheet import safe_cell, sheet_line
from carbon_bank.settlement.award_id import AwardId

WHOLE = ("of", "method", "population_items", "population_points", "interval", "stratum", "stratum_items")
GIVEN = (
    "row",
    *WHOLE,
    "place",
    "award",
    "household_id",
    "commodity",
    "outcome",
    "review",
    "hits",
    "points",
    "explanation",
)
TO_FILL = ("evidence", "agreed_points", "difference", "checked_by", "checked_on", "remark")
COLUMNS = (*GIVEN, *TO_FILL)
CONFIDENCE_FACTOR = Fraction(3)
"""Of 95 % without a difference: -ln(0.05) = 2.9957, rounded up. Source: AICPA, Audit Guide: Audit Sampling."""


def sample_csv(sample: Sample) -> Iterator[str]:
    """Lines of CSV, one for each award of the sample, with columns to fill in."""
    yield sheet_line(COLUMNS)
    items_of = {stratum.name: stratum.items for stratum in sample.strata}
    for number, row in enumerate(sample.rows, start=1):
        award = AwardId(sample.asked.settlement_id, row.household_id, row.commodity)
        cells = {
            "row": number,
            "of": len(sample.rows),
            "method": sample.asked.method.value,
            "population_items": sample.items,
            "population_points": sample.points,
            "interval": "" if sample.interval is None else str(sample.interval),
            "stratum": row.stratum if sample.strata else "",
            "stratum_items": items_of.get(row.stratum, ""),
            "place": row.place,
            "award": award,
            "household_id": row.household_id,
            "commodity": row.commodity,
            "outcome": row.outcome,
            "review": row.review,
            "hits": row.hits,
            "points": row.points,
            "explanation": explanation(award.settlement_id, award.household_id, award.commodity),
        }
        yield sheet_line([safe_cell(str(cells.get(name, ""))) for name in COLUMNS])


def sample_page(sample: Sample, csv_name: str) -> str:
    """The sheet beside the CSV, in Markdown: population, seed, method, what the sample can show, and where to sign."""
    asked = sample.asked
    told = [
        f"# Sample of settlement {asked.settlement_id}",
        "",
        f"Working papers: `{csv_name}`, {len(sample.rows)} awards.",
        "",
        "| | |",
        "|---|---|",
        f"| population | {sample.items} awards, of which {sample.points} points are paid |",
        f"| method | {asked.method}{f' by {asked.strata}' if asked.strata else ''}, {asked.size} selections |",
        *_interval(sample),
        f"| root of the log | `{asked.root.hex()}` |",
        f"| nonce of the auditor | `{asked.nonce}` |",
        f"| seed | `{asked.seed().hex()}` |",
        "",
        "The seed is SHA-256 of these lines, each with a line feed at its end; docs/sampling.md says how the rest follows:",
        "",
        "```text",
        asked.seed_text().rstrip("\n"),
        "```",
        "",
        *_strata(sample),
        "## To be filled in",
        "",
        "In the CSV, for each award: `evidence` (what was looked at), `agreed_points` (what it should have been), `checked_by`,",
        "`checked_on`, `remark`. `difference` may stay empty; it is `points` less `agreed_points`. Then:",
        "",
        "```console",
        f"$ carbon-bank audit sample --evaluate {csv_name}",
        "```",
        "",
        "| agreed before looking | |",
        "|---|---|",
        "| tolerable misstatement, points | |",
        "| expected misstatement, points | |",
        "| drawn by, date | |",
        "| reviewed by, date | |",
    ]
    return "\n".join(told) + "\n"


def rounded(value: Fraction, places: int = 2) -> str:
    """A fraction as decimal text, rounded half up: for the eye only."""
    scale = 10**places
    units = (2 * abs(value.numerator) * scale + value.denominator) // (2 * value.denominator)
    sign = "-" if value < 0 and units else ""
    whole, part = divmod(units, scale)
    return f"{sign}{whole}.{part:0{places}}" if places else f"{sign}{whole}"


def _interval(sample: Sample) -> list[str]:
    if sample.interval is None:
        return []
    limit = CONFIDENCE_FACTOR * sample.interval
    share = rounded(limit * 100 / sample.points)
    return [
        f"| interval | {sample.interval} points ({rounded(sample.interval)}); an award of so many or more is always chosen |",
        f"| what it can show | with no difference found, at 95 % no more than {rounded(limit)} points ({share} %) are too many |",
    ]


def _strata(sample: Sample) -> list[str]:
    if sample.asked.method is not Method.STRATIFIED:
        return []
    rows = [f"| {each.name} | {each.items} | {each.points} | {each.size} |" for each in sample.strata]
    return ["| stratum | awards | points | in the sample |", "|---|---|---|---|", *rows, ""]
