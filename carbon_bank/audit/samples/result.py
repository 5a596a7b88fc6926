"""What a sample came to, once its working papers are filled in: differences, and what they say of the whole. Exact fractions.

Source: AICPA, Audit Guide: Audit Sampling (monetary unit sampling: projection by tainting, basic precision, incremental allowance, and
the confidence factors at a risk of 5 %); ISA 530, paragraph 14 (projection).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from csv import Error as CsvError
from dataclasses import dataclass
from fractions import Fraction

from carbon_bank.audit.samples.sampling import Method
from carbon_bank.audit.samples.sheet import COLUMNS, WHOLE
from carbon_bank.foundation.errors import Fault, InvalidInput
from carbon_bank.foundation.sheet import sheet_rows

FACTORS_95 = tuple(
    Fraction(hundredths, 100)
    for hundredths in (
        *(300, 475, 630, 776, 916, 1052, 1185, 1315, 1444, 1571, 1697),
        *(1821, 1945, 2067, 2189, 2310, 2431, 2550, 2670, 2788, 2907),
    )
)
"""By number of overstated awards, from 0: the mean of a Poisson distribution that gives so few with a chance of 5 %, rounded up. Beyond
20 of them no limit is given: so many differences need another look at all."""
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True)
class Checked:
    """One award as it was checked. difference: points less agreed; above zero it got too many."""

    award: str
    points: int
    agreed: int
    stratum: str
    stratum_items: int

    @property
    def difference(self) -> int:
        return self.points - self.agreed


@dataclass(frozen=True)
class Result:
    """too_many, too_few: projected to the whole, in points. upper_limit: of `points` only, at 95 %: no more than so many are too
    many; null where it cannot be said."""

    method: Method
    checked: int
    items: int
    points: int
    differences: tuple[Checked, ...]
    too_many: Fraction
    too_few: Fraction
    interval: Fraction | None = None
    basic_precision: Fraction | None = None
    allowance: Fraction | None = None
    upper_limit: Fraction | None = None
    items_not_covered: int = 0


def evaluate(content: bytes) -> Result:
    """The result of a filled-in file.

    Raises: InvalidInput `audit.sample_file`, with a fault for each cell that cannot be used.
    """
    method, items, points, interval, rows = _read(content)
    differences = tuple(row for row in rows if row.difference)
    if method is Method.POINTS:
        assert interval is not None
        return _by_points(items, points, interval, rows, differences)
    strata: dict[str, list[Checked]] = {}
    for row in rows:
        strata.setdefault(row.stratum, []).append(row)
    too_many = too_few = Fraction(0)
    covered = 0
    for part in strata.values():
        whole = part[0].stratum_items if method is Method.STRATIFIED else items
        covered += whole
        too_many += Fraction(whole * sum(max(row.difference, 0) for row in part), len(part))
        too_few += Fraction(whole * sum(max(-row.difference, 0) for row in part), len(part))
    return Result(method, len(rows), items, points, differences, too_many, too_few, items_not_covered=items - covered)


def _by_points(
    items: int, points: int, interval: Fraction, rows: Sequence[Checked], differences: tuple[Checked, ...]
) -> Result:
    """An award of an interval or more stands for itself; of the others each stands for an interval, tainted by its difference."""
    above = [row for row in differences if row.points >= interval]
    below = [row for row in differences if row.points < interval]
    taints = sorted((Fraction(row.difference, row.points) for row in below if row.difference > 0), reverse=True)
    known = sum(max(row.difference, 0) for row in above)
    too_many = interval * sum(taints) + known
    too_few = interval * sum(Fraction(-row.difference, row.points) for row in below if row.difference < 0)
    too_few += sum(max(-row.difference, 0) for row in above)
    basic = FACTORS_95[0] * interval
    allowance = upper = None
    if len(taints) < len(FACTORS_95):
        steps = (FACTORS_95[at] - FACTORS_95[at - 1] - 1 for at in range(1, len(taints) + 1))
        allowance = interval * sum(step * taint for step, taint in zip(steps, taints, strict=True))
        upper = too_many + basic + allowance
    return Result(
        Method.POINTS, len(rows), items, points, differences, too_many, too_few, interval, basic, allowance, upper
    )


def _read(content: bytes) -> tuple[Method, int, int, Fraction | None, list[Checked]]:
    try:
        lines = list(sheet_rows(content))
    except (UnicodeDecodeError, CsvError):
        raise _unusable("it is no CSV in UTF-8. Save it as CSV with commas, in UTF-8.") from None
    header = [name.strip() for name in lines[0][1]] if lines else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise _unusable(f"it lacks the columns {', '.join(missing)}. Keep those that it was made with.")
    faults: list[Fault] = []
    rows: list[dict[str, str]] = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            faults.append(
                Fault(f"line {line}", "audit.sample_row", f"It has {len(cells)} cells, the header {len(header)}.")
            )
            continue
        rows.append({name: cell.strip() for name, cell in zip(header, cells, strict=True)} | {"line": str(line)})
    checked = [each for row in rows if (each := _checked(row, faults)) is not None]
    whole = _whole(rows, faults)
    if faults or whole is None:
        raise InvalidInput(
            "audit.sample_file",
            f"{len(faults)} places of the file cannot be used. Mend them and evaluate it again.",
            {"faults": len(faults)},
            faults=faults,
        )
    return (*whole, checked)


def _checked(row: dict[str, str], faults: list[Fault]) -> Checked | None:
    points = _number(row, "points", faults)
    agreed = _number(row, "agreed_points", faults)
    stratum_items = _number(row, "stratum_items", faults) if row["stratum_items"] else 0
    difference = _number(row, "difference", faults) if row["difference"] else None
    if points is None or agreed is None or stratum_items is None:
        return None
    if agreed < 0:
        faults.append(_fault(row, "agreed_points", "An award is never below zero.", row["agreed_points"]))
    if difference is not None and difference != points - agreed:
        message = f"It is points less agreed_points, {points - agreed}. Leave it empty or mend one of them."
        faults.append(_fault(row, "difference", message, row["difference"]))
    return Checked(row["award"], points, agreed, row["stratum"], stratum_items)


def _whole(rows: list[dict[str, str]], faults: list[Fault]) -> tuple[Method, int, int, Fraction | None] | None:
    """What every row says of the whole, which must be the same in all, with no row missing or there twice."""
    if not rows:
        raise _unusable("it has no rows.")
    first = rows[0]
    for row in rows:
        for name in WHOLE[:5]:
            if row[name] != first[name]:
                faults.append(_fault(row, name, f"It differs from '{first[name]}' in another row.", row[name]))
    numbers = sorted(row["row"] for row in rows)
    if numbers != sorted(map(str, range(1, len(rows) + 1))) or first["of"] != str(len(rows)):
        message = f"The sample has {first['of'][:20]} rows, and the file {len(rows)}; each has its number once."
        faults.append(Fault("column row", "audit.sample_row", message))
    items, points = _number(first, "population_items", faults), _number(first, "population_points", faults)
    if first["method"] not in set(Method):
        faults.append(_fault(first, "method", f"It is one of {', '.join(Method)}.", first["method"]))
        return None
    interval = None
    if first["method"] == Method.POINTS:
        if not re.fullmatch(r"[0-9]{1,18}(/[1-9][0-9]{0,17})?", first["interval"]):
            faults.append(_fault(first, "interval", "It is a number or a fraction, as 1234/5.", first["interval"]))
            return None
        interval = Fraction(first["interval"])
    if items is None or points is None:
        return None
    return Method(first["method"]), items, points, interval


def _number(row: dict[str, str], name: str, faults: list[Fault]) -> int | None:
    text = row[name].removeprefix("'")
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    message = "It is empty: fill it in." if not text else "It is no whole number."
    faults.append(_fault(row, name, message, row[name]))
    return None


def _fault(row: dict[str, str], name: str, message: str, value: str) -> Fault:
    return Fault(f"line {row['line']}, column {name}", "audit.sample_cell", message, value[:80])


def _unusable(why: str) -> InvalidInput:
    return InvalidInput("audit.sample_file", f"The file cannot be used: {why}")
