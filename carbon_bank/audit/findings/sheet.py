"""A findings report as a file: JSON as the API gives it, or CSV with a line for each case."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from carbon_bank.audit.findings.kinds import Found
from carbon_bank.foundation.sheet import safe_cell, sheet_line

COLUMNS = (
    *("kind", "expect", "looked_at", "found", "case", "settlement_id", "commodity", "households", "figures", "link"),
    *("looks_for", "thresholds", "numbers", "passed_over", "then"),
)


def as_document(months: str, report: Sequence[Found]) -> dict[str, Any]:
    """The report as JSON values."""
    return {"months": months, "findings": [_document(each) for each in report]}


def report_json(months: str, report: Sequence[Found]) -> str:
    return json.dumps(as_document(months, report), ensure_ascii=False, indent=2) + "\n"


def report_csv(report: Sequence[Found]) -> Iterator[str]:
    """Lines of CSV: each kind has its case 0, which says what was looked at, and then its cases."""
    yield sheet_line(COLUMNS)
    for each in report:
        kind = each.kind
        head = [kind.code.value, kind.expect.value, str(each.looked_at), str(each.found)]
        told = [kind.looks_for, _pairs(kind.thresholds), _pairs(each.numbers), each.passed_over or "", kind.then]
        yield _line([*head, "0", "", "", "", "", "", *told])
        for number, case in enumerate(each.cases, start=1):
            households = " ".join(map(str, case.households))
            whose = ["" if case.settlement_id is None else str(case.settlement_id), case.commodity or "", households]
            yield _line([*head, str(number), *whose, _pairs(case.figures), case.link, *[""] * len(told)])


def _document(each: Found) -> dict[str, Any]:
    kind = each.kind
    return {
        "kind": kind.code.value,
        "expect": kind.expect.value,
        "looks_for": kind.looks_for,
        "then": kind.then,
        "thresholds": dict(kind.thresholds),
        "looked_at": each.looked_at,
        "found": each.found,
        "numbers": dict(each.numbers),
        "passed_over": each.passed_over,
        "cases": [
            {
                "households": list(case.households),
                "settlement_id": case.settlement_id,
                "commodity": case.commodity,
                "figures": dict(case.figures),
                "link": case.link,
            }
            for case in each.cases
        ],
    }


def _pairs(values: Any) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _line(cells: Sequence[str]) -> str:
    return sheet_line([safe_cell(cell) for cell in cells])
