"""The ledger as anybody would keep it in a notebook: lists and loops, and nothing of the bank's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

NEVER = date.max


class Refused(Exception):
    """What the bank must refuse, by its code."""


@dataclass
class Lot:
    number: int
    granted: int
    left: int
    last_day: date


@dataclass
class Hold:
    number: int
    points: int
    until: date
    took: list[tuple[Lot, int]]
    ended: bool = False


@dataclass
class Line:
    """A posting: kind, amount and what was left after it; `took`: lots and what came out of them, below zero what went in."""

    kind: str
    amount: int
    available: int
    held: int
    debt: int
    day: date
    forgiven: int = 0
    took: list[tuple[Lot, int]] = field(default_factory=list)
    award: tuple[int, str] | None = None
    undone: bool = False


@dataclass
class Book:
    """One household's account."""

    available: int = 0
    held: int = 0
    debt: int = 0
    closed: bool = False
    lines: list[Line] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    holds: dict[int, Hold] = field(default_factory=dict)

    def open(self, today: date) -> None:
        """What expired goes first, whatever is done next."""
        for day in sorted({lot.last_day for lot in self.lots if lot.left and lot.last_day < today}):
            took = [(lot, lot.left) for lot in self.lots if lot.last_day == day and lot.left]
            for lot, points in took:
                lot.left -= points
            gone = sum(points for _, points in took)
            self.available -= gone
            self.write("expiry", -gone, day + timedelta(1), took)

    def write(self, kind: str, amount: int, day: date, took: Sequence[tuple[Lot, int]] = (), forgiven: int = 0) -> Line:
        line = Line(kind, amount, self.available, self.held, self.debt, day, forgiven, list(took))
        self.lines.append(line)
        return line

    def grant(self, kind: str, points: int, day: date, last_day: date, award: tuple[int, str] | None = None) -> Line:
        repaid = min(points, self.debt)
        self.debt -= repaid
        self.available += points - repaid
        lot = Lot(len(self.lines) + 1, points, points - repaid, last_day)
        self.lots.append(lot)
        line = self.write(kind, points, day, [(lot, repaid)] if repaid else [])
        line.award = award
        return line

    def hold(self, points: int, until: date, today: date) -> None:
        if self.closed:
            raise Refused("ledger.closed")
        if points > sum(lot.left for lot in self.lots if lot.last_day >= today):
            raise Refused("ledger.insufficient")
        self.open(today)
        took = self.burn(points)
        self.available -= points
        self.held += points
        self.write("hold", 0, today, took)
        self.holds[len(self.lines)] = Hold(len(self.lines), points, until, took)

    def burn(self, points: int, first: Lot | None = None) -> list[tuple[Lot, int]]:
        took = []
        for lot in sorted(self.lots, key=lambda each: (each is not first, each.last_day, each.number)):
            part = min(points, lot.left)
            if part:
                lot.left -= part
                points -= part
                took.append((lot, part))
        assert points == 0
        return took

    def end_hold(self, number: int, spent: int, today: date) -> None:
        hold = self.holds.get(number)
        if hold is None:
            raise Refused("ledger.hold_unknown")
        if hold.ended:
            raise Refused("ledger.hold_ended")
        if spent > hold.points:
            raise Refused("ledger.hold_exceeded")
        if spent and today >= hold.until:
            raise Refused("ledger.hold_lapsed")
        self.open(today)
        hold.ended = True
        repaid = min(hold.points - spent, self.debt)
        back = hold.points - spent - repaid
        self.debt -= repaid
        self.held -= hold.points
        self.available += back
        line = self.write("redemption" if spent else "release", -spent, today)
        line.took = put_back(hold.took, back)[0]
        hold.took = merged([*hold.took, *line.took])

    def claw(
        self, kind: str, points: int, first: Lot | None, debt_max: int, day: date, award: tuple[int, str] | None = None
    ) -> None:
        lost = sum(
            part for line in self.lines if line.kind in {"expiry", "closing"} for lot, part in line.took if lot is first
        )
        if award and kind == "restatement":
            lost -= sum(line.forgiven for line in self.lines if line.kind == kind and line.award == award)
        lost = min(points, max(lost, 0)) if first else 0
        taken = min(points - lost, self.available)
        owed = max(min(points - lost - taken, debt_max - self.debt), 0)
        took = self.burn(taken, first)
        self.available -= taken
        self.debt += owed
        self.write(kind, -taken - owed, day, took, points - taken - owed).award = award

    def is_restated(self, number: int) -> bool:
        """Whether a restatement of an award stands."""
        line = self.lines[number - 1]
        return line.kind == "award" and any(
            each.kind == "restatement" and each.award == line.award and not each.undone for each in self.lines
        )

    def reverse(self, number: int, debt_max: int) -> None:
        line = self.lines[number - 1]
        assert not line.undone
        line.undone = True
        if line.amount > 0:
            self.claw("reversal", line.amount, self.lot(number), debt_max, line.day)
            return
        points = -line.amount
        repaid = min(points, self.debt)
        self.debt -= repaid
        self.available += points - repaid
        hold = next(
            (each for each in self.holds.values() if line.kind == "redemption" and self.ends(each, number)), None
        )
        took = hold.took if hold else line.took
        undone = self.write("reversal", points, line.day)
        undone.took, homeless = put_back(took, points - repaid)
        if homeless:
            self.lots.append(Lot(len(self.lines), homeless, homeless, NEVER))

    ended_by: dict[int, int] = field(default_factory=dict)

    def ends(self, hold: Hold, number: int) -> bool:
        return self.ended_by.get(hold.number) == number

    def lot(self, number: int) -> Lot:
        return next(lot for lot in self.lots if lot.number == number)

    def close(self, today: date) -> None:
        if self.held:
            raise Refused("ledger.held")
        self.open(today)
        if self.available:
            took = self.burn(self.available)
            gone, self.available = self.available, 0
            self.write("closing", -gone, today, took)
        self.closed = True


def put_back(took: Sequence[tuple[Lot, int]], points: int) -> tuple[list[tuple[Lot, int]], int]:
    """Points return to the lots that they came from, the last to expire first. Returns the moves, and what found no lot."""
    moves = []
    for lot, part in sorted(merged(took), key=lambda each: (each[0].last_day, each[0].number), reverse=True):
        back = min(part, points)
        if back > 0:
            lot.left += back
            points -= back
            moves.append((lot, -back))
    return moves, points


def merged(took: Sequence[tuple[Lot, int]]) -> list[tuple[Lot, int]]:
    sums: dict[int, tuple[Lot, int]] = {}
    for lot, part in took:
        sums[lot.number] = (lot, sums.get(lot.number, (lot, 0))[1] + part)
    return [each for each in sums.values() if each[1]]
