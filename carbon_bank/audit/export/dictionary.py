"""The words of an export package: its data dictionary and its first page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from carbon_bank.audit.export.form import Table

_HEAD = """# Data dictionary

CSV: UTF-8, commas, one header line, lines end with a line feed. An empty field is nothing: not known, or not there. A text that a
spreadsheet would run as a formula has an apostrophe before it, in CSV alone. Where there is a folder `parquet`, each of its files
has the rows of the CSV file of its name, texts as they were written.

Days are of the calendar; a day that ends something is the day after the last one. Units are whole: Wh, litres, grams, points.
"""


def dictionary_text(tables: Iterable[Table], rows: Mapping[str, int]) -> str:
    """The dictionary of the tables that are in a package. Args: rows: how many each has, by its name."""
    return "\n".join([_HEAD, *(_described(table, rows[table.name]) for table in tables)])


def _described(table: Table, rows: int) -> str:
    lines = [f"## {table.name}.csv", "", table.holds, "", f"{rows:,} rows.", ""]
    lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in table.columns:
        lines.append(f"| `{column.name}` | {column.type.value} | {column.unit} | {column.meaning} |")
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Cover:
    """What the first page tells. `leaf`: the settlement's last one."""

    city: str
    settlement_id: int
    period: str
    policy: str
    origin: str
    size: int
    leaf: int
    with_numbers: bool


def readme_text(cover: Cover) -> str:
    """The first page of a package."""
    return _README.format(
        **vars(cover),
        people=_WITH_NUMBERS if cover.with_numbers else _PSEUDONYMS,
    )


_PSEUDONYMS = """Households and meters have pseudonyms, the same in all files here and others in every other package. The
bank's own numbers stand in the folder `log` alone, since what the log commits to has them: whoever shall only recompute
does without it."""
_WITH_NUMBERS = """A privacy officer took this package: `numbers.csv` tells the member number of each household and the customer
number of each meter. All other files are those of the package that an auditor gets."""

_README = """# Settlement {settlement_id} of {city}: {period}

All that it takes to recompute what a settlement awarded, and to see that it stands in the city's public log unchanged:
without the bank, its software or a connection. The policy is {policy}.

{people}

Who of the city's staff did what stands in it by number. In the folder `log` each act has their role and the address that they
acted from, too, since what the log commits to has them: personal data of the staff.

`dictionary.md` describes every file and column.

## Three commands

You need Python 3.11 or newer with two packages (`pip install cryptography PyYAML`). KEY is the verifier key of the log
`{origin}`, as `name+id+key`. Have it from someone you trust, and not from whoever gave you this package.

    python verify_package.py . --vkey KEY
    python recompute.py --package .
    python verify_receipt.py log/receipts/settlement-posted.tlog-proof --vkey KEY \\
        --opening log/receipts/settlement-posted.opening.json

Each ends with exit code 0 where all is well, 1 where something is not, 2 where a file cannot be read. The programs are those of
the project Carbon Bank (its folder `scripts`): whoever does not trust this package takes them from there.

## What they prove

The first: the bank signed these files as they are. The log has, under the checkpoint in `log/checkpoint` ({size} entries),
the postings of every household of this settlement, its approval, the approval of its policy, and its end; the last of
them is entry {leaf}. What these entries commit to is what `postings.csv`, `awards.csv`, `reviews.csv`, `trail.csv` and
`policy.yaml` say. Each award that is to be paid was posted once, and nothing else was. The readings that end in the period
are those, and all those, that the log closed for its months.

The second: a second implementation of the rules makes of these readings, under this policy, exactly these awards: outcome,
usage, baseline, tier, points, emissions, findings.

The third does for one entry what the first does for all, in a format that other tools for such logs can read, too.

## What they do not prove

- That a utility's readings are true, or that the bank recorded all that it was sent.
- That tenures, dwellings and the readings of the years before are what the bank had then. For these there is the signature
  over `SHA256SUMS` alone. The packages of the settlements of those years bind their readings to the log.
- That `streaks.csv` is what the settlement before left: compare it with the column `streak` of that settlement's awards.
- That `usage.csv`, `baselines.csv`, `factors.csv` and the files in `parquet` say the same as the rest: they are for reading.
- That the log has no other entry of this settlement: its entries are public, and each says of which settlement it is.
- That the log shows everybody the same. Compare `log/checkpoint` with the city's latest one, by a proof of consistency, and
  ask for the signatures of witnesses.
- What came afterwards: restatements, reversals and adjustments are acts of their own.

Entries of a household that was erased cannot be opened any more. They are counted, and accepted with `--erased N`.
"""
