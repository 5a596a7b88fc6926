"""What a bank says became of a run's payments: ISO 20022 `pain.002.001.10`, or CSV.

Read defensively: bounded, XML without entities, DTD or network. A row that can't be read is a fault at its place and harms no
other payment; a payment of which something can't be read, or is contradicted, has no mark. Whose ids they are is for the caller.

CSV: UTF-8, commas, columns `end_to_end_id`, `status` (paid, refused, returned, open) and, where the bank has them,
`reason_code` and `reason`. Source: ISO 20022, CustomerPaymentStatusReportV10 and its external code sets.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from lxml import etree

from carbon_bank.foundation.errors import Fault, InvalidInput, TooLarge
from carbon_bank.foundation.sheet import hidden_character, sheet_rows

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
BYTES_MAX = 128 * 2**20
MARKS_MAX = 1_000_000
FAULTS_MAX = 1000
"""So many are told one by one; more are only counted."""
ID_CHARACTERS_MAX, REASON_CHARACTERS_MAX = 35, 500
DEPTH_MAX = 30
KEPT_MAX = 100_000
"""Elements of XML that are in memory at once."""
_GROUP, _BLOCK, _PAYMENT = (
    f"{{{NAMESPACE}}}{name}" for name in ("OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts")
)
_TAKEN = {_GROUP: 3, _BLOCK: 3, _PAYMENT: 4}
"""What is read, and how deep it stands."""
_COLUMNS = {"end_to_end_id", "status", "reason_code", "reason"}


class Outcome(StrEnum):
    """What became of a payment. `returned`: it was paid, and the money came back."""

    OPEN = "open"
    PAID = "paid"
    REFUSED = "refused"
    RETURNED = "returned"


STATUSES = {
    **dict.fromkeys(("ACCC", "ACSC"), Outcome.PAID),
    **dict.fromkeys(("CANC", "RJCT"), Outcome.REFUSED),
    **dict.fromkeys(
        ("ACCP", "ACFC", "ACSP", "ACTC", "ACWC", "ACWP", "BLCK", "PART", "PATC", "PDNG", "RCVD"), Outcome.OPEN
    ),
}
"""Only what is settled is paid: ACSP is in process, ACWP accepted and not booked, BLCK blocked. Source: external code set
ExternalPaymentTransactionStatus1Code, and for a run ExternalPaymentGroupStatus1Code."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a bank says of one payment, or of the whole run (then without an id).

    Args: at: the line in CSV; in pain.002, often one line in all, the number of the TxInfAndSts.
    """

    at: int
    end_to_end_id: str
    outcome: Outcome
    reason_code: str | None = None
    reason: str | None = None


@dataclass
class BankReturn:
    """A file as it was read. `original_id`: the message id of the run that it answers (pain.002 only).

    `whole`: what is said of the run as a whole, for each payment that has no mark of its own and is not in doubt. `in_doubt`:
    ids of which something can't be read or is contradicted. `fault_count` counts all faults, `faults` has the first ones.
    """

    original_id: str | None = None
    whole: Mark | None = None
    marks: list[Mark] = field(default_factory=list)
    in_doubt: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0


_OUTCOMES = {outcome.value: outcome for outcome in Outcome}


def follow(before: Outcome, said: Outcome) -> Outcome | None:
    """What a payment is, after what the bank said of it before and says now; null: the two contradict each other.

    A refusal of what was paid is a return. What ended stays ended: a late `open` changes nothing, and what was refused or
    returned cannot become paid, for its points were given back.
    """
    if said in (before, Outcome.OPEN):
        return before
    if before is Outcome.OPEN:
        return said
    if said is Outcome.PAID:
        return None
    return Outcome.RETURNED if before in (Outcome.PAID, Outcome.RETURNED) else Outcome.REFUSED


def read_csv(content: bytes, name: str) -> BankReturn:
    """Read a return file in CSV.

    Raises: InvalidInput `rewards.return_unreadable`, `rewards.return_columns`; TooLarge `rewards.return_size`.
    Faults: `rewards.return_row`, `rewards.return_id`, `rewards.return_status`, `rewards.return_repeated`,
            `rewards.return_contradiction`.
    """
    _bound(content, name)
    reading = _Reading(name, "line")
    try:
        rows = sheet_rows(content)
        header = _header(next(rows, (1, []))[1], name)
        for line, row in rows:
            if len(row) != len(header):
                reading.refuse(line, "row", f"It has {len(row)} fields, the header has {len(header)}.")
                continue
            values = dict(zip(header, (each.strip() for each in row), strict=True))
            reading.add(line, values, _OUTCOMES.get(values["status"].lower()), values["status"])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(name, f"is no UTF-8 CSV file with commas: {error}") from None
    return reading.result()


def read_pain002(content: bytes, name: str) -> BankReturn:
    """Read a CustomerPaymentStatusReport.

    Raises: InvalidInput `rewards.return_unreadable`; TooLarge `rewards.return_size`. Faults: as `read_csv`.
    """
    _bound(content, name)
    reading = _Reading(name, "TxInfAndSts")
    try:
        for number, element in _elements(content, name):
            _take(reading, number, element)
    except etree.XMLSyntaxError as error:
        raise _unreadable(name, f"is no XML: {str(error.msg)[:200]}") from None
    return reading.result()


@dataclass
class _Reading:
    name: str
    place: str
    found: BankReturn = field(default_factory=BankReturn)
    first: dict[str, Mark] = field(default_factory=dict)
    """The first mark of each id, in the order of the file."""
    is_whole_in_doubt: bool = False

    def add(self, at: int, values: dict[str, str], outcome: Outcome | None, said: str) -> None:
        end_to_end_id = values.get("end_to_end_id", "")
        if not 0 < len(end_to_end_id) <= ID_CHARACTERS_MAX or hidden_character(end_to_end_id) is not None:
            message = f"The end-to-end id must have 1 to {ID_CHARACTERS_MAX} characters that can be seen."
            self.refuse(at, "id", message, end_to_end_id)
        elif outcome is None:
            known = f"{', '.join(Outcome)}, or in pain.002 {', '.join(sorted(STATUSES))}"
            self.doubt(
                at, "status", f"The status of {end_to_end_id} is none that is known: {known}.", end_to_end_id, said
            )
        elif end_to_end_id in self.first:
            self._again(at, self.first[end_to_end_id], outcome)
        elif len(self.first) >= MARKS_MAX:
            raise TooLarge("rewards.return_size", f"{self.name} has more than {MARKS_MAX} payments. Split it.")
        else:
            self.first[end_to_end_id] = Mark(at, end_to_end_id, outcome, *_reason(values))

    def _again(self, at: int, before: Mark, outcome: Outcome) -> None:
        known, place = before.end_to_end_id, f"{self.place} {before.at}"
        if before.outcome is outcome:
            self.refuse(at, "repeated", f"{known} is at {place} already, with the same status: passed over.", known)
        else:
            message = f"{known} is at {place} with another status. Neither counts: ask the bank which is right."
            self.doubt(at, "contradiction", message, known)

    def say_of_all(self, mark: Mark) -> None:
        """A group's status comes before that of its payments as a whole, which may only say more."""
        before = self.found.whole
        if before is not None and follow(before.outcome, mark.outcome) is not mark.outcome:
            self.is_whole_in_doubt = True
            message = "The status of the run and that of its payments as a whole contradict each other: neither counts."
            self.refuse(mark.at, "contradiction", message)
        self.found.whole = mark

    def doubt(self, at: int, what: str, message: str, end_to_end_id: str, value: str | None = None) -> None:
        self.found.in_doubt.add(end_to_end_id)
        self.refuse(at, what, message, end_to_end_id if value is None else value)

    def refuse(self, at: int, what: str, message: str, value: str | None = None) -> None:
        self.found.fault_count += 1
        if len(self.found.faults) < FAULTS_MAX:
            shown = None if value is None else value[:80]
            self.found.faults.append(Fault(f"{self.place} {at}", f"rewards.return_{what}", message, shown))

    def result(self) -> BankReturn:
        whole = None if self.is_whole_in_doubt else self.found.whole
        ended = {Outcome.PAID, Outcome.REFUSED}
        for mark in self.first.values():
            if whole is not None and whole.outcome is not mark.outcome and {whole.outcome, mark.outcome} == ended:
                message = (
                    f"The run is {whole.outcome} as a whole, {mark.end_to_end_id} is {mark.outcome}: ask the bank."
                )
                self.doubt(mark.at, "contradiction", message, mark.end_to_end_id)
        self.found.whole = whole
        self.found.marks = [mark for mark in self.first.values() if mark.end_to_end_id not in self.found.in_doubt]
        return self.found


def _elements(content: bytes, name: str) -> Iterator[tuple[int, etree._Element]]:
    """Each element that says something, when it ends, with the number of payments so far; then it is thrown away."""
    events = etree.iterparse(
        io.BytesIO(content), events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False,
        huge_tree=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    depth, kept, number, kept_before = 0, 0, 0, 0
    for event, element in events:
        if event == "start":
            depth, kept = depth + 1, kept + 1
            if depth == 1:
                _check_root(element, name)
            if depth > DEPTH_MAX or kept > KEPT_MAX:
                raise _unreadable(
                    name, f"is nested more than {DEPTH_MAX} deep, or has other things than payments in it"
                )
            if element.tag == _PAYMENT:
                number, kept_before = number + 1, kept
            continue
        depth -= 1
        if depth + 1 != _TAKEN.get(element.tag):
            continue
        yield number, element
        element.clear()
        if element.tag == _PAYMENT:
            kept = kept_before
            _drop_one_before(element)


def _drop_one_before(element: etree._Element) -> None:
    """The payment before this one: so there is never more than one, and the tree does not grow with the file."""
    before, parent = element.getprevious(), element.getparent()
    if before is not None and parent is not None and before.tag == element.tag:
        parent.remove(before)


def _take(reading: _Reading, number: int, element: etree._Element) -> None:
    if element.tag == _PAYMENT:
        said = _text(element, "TxSts")
        values = {"end_to_end_id": _text(element, "OrgnlEndToEndId"), **_reasons(element)}
        reading.add(number, values, STATUSES.get(said), said)
        return
    if element.tag == _GROUP:
        reading.found.original_id = _text(element, "OrgnlMsgId")[:ID_CHARACTERS_MAX] or None
    said = _text(element, "GrpSts" if element.tag == _GROUP else "PmtInfSts")
    if said in STATUSES:
        reading.say_of_all(Mark(number, "", STATUSES[said], *_reason(_reasons(element))))
    elif said:
        reading.is_whole_in_doubt = True
        reading.refuse(
            number, "status", "The status of the run is none that is known, so that none of it counts.", said
        )


def _check_root(element: etree._Element, name: str) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise _unreadable(name, "has a DOCTYPE, which no bank's file needs. Send it without")
    if element.tag != f"{{{NAMESPACE}}}Document":
        raise _unreadable(name, f"is no pain.002.001.10: its root must be Document in {NAMESPACE}")


def _text(element: etree._Element, path: str) -> str:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
    return (element.findtext(steps) or "").strip()


def _reasons(element: etree._Element) -> dict[str, str]:
    """The first reason that a status has: a code of the external set or the bank's own, and what it adds in words."""
    code = _text(element, "StsRsnInf/Rsn/Cd") or _text(element, "StsRsnInf/Rsn/Prtry")
    added = element.iterfind("/".join(f"{{{NAMESPACE}}}{step}" for step in ("StsRsnInf", "AddtlInf")))
    return {"reason_code": code, "reason": " ".join(filter(None, ((each.text or "").strip() for each in added)))}


def _reason(values: dict[str, str]) -> tuple[str | None, str | None]:
    """Code and words. They are shown and decide nothing, so that what is too long is cut and what hides becomes a space."""
    code, words = (
        "".join(" " if hidden_character(each) else each for each in values.get(key, "")[:most]).strip()
        for key, most in (("reason_code", ID_CHARACTERS_MAX), ("reason", REASON_CHARACTERS_MAX))
    )
    return code or None, words or None


def _header(row: list[str], name: str) -> list[str]:
    names = [each.strip() for each in row]
    if not {"end_to_end_id", "status"} <= set(names) or len(set(names)) != len(names) or set(names) - _COLUMNS:
        message = (
            f"{name}: line 1 must name the columns end_to_end_id and status, perhaps reason_code and reason, each once. "
            "Mend it and send the file again."
        )
        raise InvalidInput("rewards.return_columns", message, {"file": name, "line": 1})
    return names


def _bound(content: bytes, name: str) -> None:
    if len(content) > BYTES_MAX:
        message = f"{name} has {len(content)} bytes; at most {BYTES_MAX} are read. Split it by payments."
        raise TooLarge("rewards.return_size", message, {"file": name, "bytes": len(content), "bytes_max": BYTES_MAX})


def _unreadable(name: str, what: str) -> InvalidInput:
    return InvalidInput("rewards.return_unreadable", f"{name} {what}. Ask the bank for it again.", {"file": name})
