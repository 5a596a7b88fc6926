"""A settlement beside itself: what stands of it, and what its inputs give again.

Values are compared as text, column by column, whatever was put in their place; null is the empty text. A row that only one
side has is a difference of the column `row`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

KEY = ("household_id", "commodity")
DIFFERENCE_SCHEMA = pl.Schema(
    {
        "household_id": pl.Int64(),
        "commodity": pl.String(),
        "table": pl.String(),
        "row": pl.String(),
        "column": pl.String(),
        "stands": pl.String(),
        "recomputed": pl.String(),
    }
)
"""`row`: what else names a row, where household and commodity are not its name."""
ROW, THERE, MISSING = "row", "there", "missing"
NO_DIFFERENCES = DIFFERENCE_SCHEMA.to_frame()
_STANDS = ":stands"
_PAID = ("clear", "released")


@dataclass(frozen=True)
class Compared:
    """A table as a replay compares it: by what its rows are known, and the columns that are to be the same."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def schema(self) -> dict[str, type[pl.DataType]]:
        """All as text, but for the household."""
        return {name: pl.Int64 if name == "household_id" else pl.String for name in (*self.key, *self.columns)}


AWARD = Compared(
    "award",
    KEY,
    (
        "outcome",
        "usage",
        "baseline_num",
        "baseline_den",
        "points",
        "avoided_g",
        "tier",
        "streak",
        "review",
        "findings",
    ),
)
REVIEW = Compared("award_review", KEY, ("decision", "by", "at", "reason"))
POSTING = Compared("posting", KEY, ("amount", "contra", "effective_on"))
TOTAL = Compared("settlement_total", ("commodity", "outcome", "review"), ("awards", "points", "avoided_g"))
POPULATION = Compared(
    "settlement_population",
    ("place",),
    ("commodity", "dwelling_type", "residents_band", "households", "usage_total"),
)


def differences(table: Compared, stands: pl.DataFrame, recomputed: pl.DataFrame) -> pl.DataFrame:
    """Where a table is not as it is recomputed: DIFFERENCE_SCHEMA, in the order of the keys.

    Args: stands, recomputed: `table.schema`. Not even a key is taken for granted: a row that stands twice is told.
    """
    twice = NO_DIFFERENCES
    if not stands.select(table.key).is_unique().all():
        counted = stands.group_by(table.key).len().filter(pl.col("len") > 1)
        twice = counted.select(_told(table, ROW, pl.format("{} {} times", pl.lit(THERE), "len"), pl.lit(THERE)))
        stands = stands.unique(table.key, keep="first")
    both = recomputed.with_columns(_made=True).join(
        stands.with_columns(_there=True), on=table.key, how="full", coalesce=True, suffix=_STANDS
    )
    of_one = pl.col("_made").is_null() | pl.col("_there").is_null()
    others = [(name, pl.col(name).ne_missing(pl.col(name + _STANDS))) for name in table.columns]
    odd = both.filter(of_one | pl.any_horizontal(differs for _, differs in others))
    side = [pl.when(name).then(pl.lit(THERE)).otherwise(pl.lit(MISSING)) for name in ("_there", "_made")]
    in_both = odd.filter(~of_one)
    found = [twice, odd.filter(of_one).select(_told(table, ROW, *side))]
    found += [
        in_both.filter(differs).select(_told(table, name, pl.col(name + _STANDS), pl.col(name)))
        for name, differs in others
    ]
    return pl.concat(found).sort("household_id", "commodity", "row", maintain_order=True)


def _told(table: Compared, column: str, stands: pl.Expr, recomputed: pl.Expr) -> list[pl.Expr]:
    more = [name for name in table.key if name not in KEY]
    named = {
        "household_id": pl.col("household_id") if "household_id" in table.key else pl.lit(None),
        "commodity": pl.col("commodity") if "commodity" in table.key else pl.lit(None),
        "table": pl.lit(table.name),
        "row": pl.concat_str(more, separator="/") if more else pl.lit(None),
        "column": pl.lit(column),
        "stands": stands,
        "recomputed": recomputed,
    }
    return [value.cast(DIFFERENCE_SCHEMA[name]).alias(name) for name, value in named.items()]


def difference(table: str, column: str, stands: object, recomputed: object) -> pl.DataFrame:
    """A single one, of something that is no household's; nothing where both are the same."""
    if stands == recomputed:
        return NO_DIFFERENCES
    texts = ["" if value is None else str(value) for value in (stands, recomputed)]
    row = {"table": table, "column": column, "stands": texts[0], "recomputed": texts[1]}
    return pl.DataFrame([row], schema=DIFFERENCE_SCHEMA)


def with_findings_in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """Findings are JSON: neither the order of their keys nor white space makes a difference. Almost no award has any."""
    texts = frame["findings"].unique()
    texts = texts.filter(texts != "[]")
    if texts.is_empty():
        return frame
    ordered = pl.Series([_in_order(text) for text in texts], dtype=pl.String)
    return frame.with_columns(pl.col("findings").replace(texts, ordered))


def _in_order(text: str) -> str:
    """What cannot be read stays as it is, and will differ."""
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def award_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """The awards as `rules.award_rows` gives them, as AWARD compares them; `review` as first decided."""
    texts = pl.col(*AWARD.columns, "commodity").cast(pl.String).fill_null("")
    return with_findings_in_order(rows.with_columns(texts).select(*AWARD.schema))


def with_decisions(awards: pl.DataFrame, decisions: pl.DataFrame) -> pl.DataFrame:
    """The awards with `review` as it must stand now. Args: decisions: as `decisions_on_trail` gives them."""
    decided = awards.join(decisions.select(*KEY, "decision"), on=KEY, how="left", maintain_order="left")
    return decided.with_columns(review=pl.coalesce("decision", "review")).drop("decision")


def kept_decisions(decisions: pl.DataFrame) -> pl.DataFrame:
    """Those that are kept with the awards. Args: decisions: REVIEW.schema, and what the trail tells beside, as `trail_by`."""
    return decisions.filter(pl.col("decision") != "").select(*REVIEW.schema)


def decisions_on_trail(decisions: pl.DataFrame, awards: pl.DataFrame) -> pl.DataFrame:
    """Those that must be there: the trail tells of them, and the award is held. Args: awards: as first decided."""
    told = decisions.filter(pl.col("trail_decision") != "")
    told = told.select(*KEY, *(pl.col(f"trail_{name}").alias(name) for name in REVIEW.columns))
    return told.join(awards.filter(pl.col("review") == "held"), on=KEY, how="semi").unique(KEY, maintain_order=True)


def postings_due(awards: pl.DataFrame, effective_on: str) -> pl.DataFrame:
    """A posting for each award that is paid. Args: awards: as they stand now."""
    is_paid = (pl.col("points") != "0") & pl.col("review").is_in(_PAID)
    due = awards.filter(is_paid)
    return due.select(*KEY, amount="points", contra=pl.lit("issuance"), effective_on=pl.lit(effective_on))


def totals(awards: pl.DataFrame) -> pl.DataFrame:
    """What awards come to, as numbers. Args: awards: as texts, as first decided."""
    number = pl.col("points", "avoided_g").replace("", "0").cast(pl.Int128)
    return (
        awards.with_columns(number)
        .group_by(TOTAL.key)
        .agg(pl.len().alias("awards"), pl.col("points", "avoided_g").sum())
    )


def add_totals(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The totals of several parts, as TOTAL compares them."""
    total = pl.concat(parts).group_by(TOTAL.key).agg(pl.col(TOTAL.columns).sum())
    return total.select(pl.col(*TOTAL.schema).cast(pl.String))


def population_texts(population: pl.DataFrame | None) -> pl.DataFrame:
    """The city's totals, as POPULATION compares them; nothing where the policy needs none."""
    if population is None:
        return pl.DataFrame(schema=POPULATION.schema)
    return population.with_row_index("place").select(pl.col(*POPULATION.schema).cast(pl.String).fill_null(""))


def by_household(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Differences of several tables, those of a household together."""
    return pl.concat(found).sort("household_id", "commodity", maintain_order=True)


def no_awards() -> pl.DataFrame:
    return pl.DataFrame(schema=AWARD.schema)
