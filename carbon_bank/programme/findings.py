"""Findings: what a rule noticed about an award, with its numbers.

A finding holds the award back until a person decides, or is a note. Which codes hold is the policy's (`review.hold`).

Source: rules.md sections 5 and 6; decision record 0003 (severities).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE


class Code(StrEnum):
    """In the order in which an award lists them."""

    REDUCTION_UNUSUAL = "reduction.unusual"
    USAGE_VACANT = "usage.vacant"
    USAGE_ESTIMATED = "usage.estimated"
    USAGE_REPEATED = "usage.repeated"
    USAGE_SCALED = "usage.scaled"
    BASELINE_SPIKE = "baseline.spike"
    BASELINE_PEER = "baseline.peer"
    METER_SHARED = "meter.shared"
    STANDARD_USE = "standard_use"
    POINTS_CAPPED = "points.capped"


class Severity(StrEnum):
    HOLD = "hold"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """A rule that may notice something: its code, when it does, and the numbers to tell (columns or constants)."""

    code: Code
    when: pl.Expr
    numbers: Mapping[str, pl.Expr]


NO_FINDINGS = "[]"
_LINE = ["household_id", "commodity"]


def lines(frame: pl.DataFrame, findings: list[Finding], holding: tuple[Code, ...]) -> pl.DataFrame:
    """One line for each finding about each row: almost no row has any.

    Args:    frame: has `household_id`, `commodity` (of the award that the finding is about) and what the findings read.
    Returns: `household_id, commodity, rank, code, told` (the finding as a JSON object), `holds`.
    """
    parts = [_nothing()]
    for finding in findings:
        holds = finding.code in holding
        severity = Severity.HOLD if holds else Severity.NOTE
        numbers = pl.struct([number.alias(name) for name, number in finding.numbers.items()])
        told = pl.struct(
            code=pl.lit(finding.code.value), severity=pl.lit(severity.value), numbers=numbers
        ).struct.json_encode()
        found = frame.filter(finding.when)
        parts.append(
            found.select(
                pl.col("household_id"),
                pl.col("commodity").cast(AWARD_COMMODITY_DTYPE),
                rank=pl.lit(list(Code).index(finding.code), dtype=pl.Int8),
                code=pl.lit(finding.code.value),
                told=told,
                holds=pl.lit(holds),
            )
        )
    return pl.concat(parts)


def attach(awards: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The awards with their findings.

    Returns: awards with `findings` (a JSON array as text), `finding_codes` (joined by `;`, each once) and `held`.
    """
    gathered = (
        found.sort(*_LINE, "rank", "told")
        .group_by(_LINE, maintain_order=True)
        .agg(
            findings=pl.lit("[") + pl.col("told").str.join(",") + pl.lit("]"),
            finding_codes=pl.col("code").unique(maintain_order=True).str.join(";"),
            held=pl.col("holds").any(),
        )
    )
    joined = awards.join(gathered, on=_LINE, how="left", maintain_order="left")
    return joined.with_columns(
        pl.col("findings").fill_null(NO_FINDINGS),
        pl.col("finding_codes").fill_null(""),
        pl.col("held").fill_null(False),
    )


def _nothing() -> pl.DataFrame:
    names = {"code": pl.String, "told": pl.String, "holds": pl.Boolean}
    return pl.DataFrame(schema={"household_id": pl.Int64, "commodity": AWARD_COMMODITY_DTYPE, "rank": pl.Int8, **names})
