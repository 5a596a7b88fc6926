"""A Green Button feed as a stream: its entries one after the other, and how they hang together by their links.

Defensive: no entities, no DTD, no network; what was read is thrown away, so that memory does not grow with the feed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from lxml import etree

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.formats.source import Source

TEXT_MAX = 1000
RESOURCES = ("UsagePoint", "MeterReading", "ReadingType", "LocalTimeParameters", "UsageSummary")
_FORMERLY = {"ElectricPowerUsageSummary": "UsageSummary"}
_OF_SUMMARY = ("billingPeriod", "overallConsumptionLastPeriod")
"""What is kept of a summary. Their parts have names of their own, and other elements the same ones."""
RESOURCES_MAX = 1_000_000
PORTION_BYTES_MAX = 2**18
"""Between two readings or entries. All of it is in memory, where an element takes thirty times its bytes."""
_CUSTOMER = re.compile(r"(?:RetailCustomer|User|Customer|BillingAccount|Subscription)/([^/]+)/")
_HOST = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_POINT = re.compile(r"UsagePoint/([^/]+)")


@dataclass(frozen=True)
class Reading:
    """One IntervalReading as it stands there."""

    at: int
    start: str
    duration: str
    value: str
    quality: str | None
    tou: str


@dataclass
class Entry:
    """An entry of the feed: a resource with its values and links, or an IntervalBlock (then `path` is its own or the one above)."""

    kind: str
    at: int
    path: str
    related: list[str]
    updated: str
    values: dict[str, str] = field(default_factory=dict)

    @property
    def customer(self) -> str | None:
        found = _CUSTOMER.search(self.path)
        return found[1] if found else None

    @property
    def point(self) -> str:
        found = _POINT.search(self.path)
        return found[1] if found else self.path


def resources(source: Source) -> tuple[dict[str, list[Entry]], int]:
    """Everything but the readings, by kind; and how many blocks there are.

    Raises: InvalidInput `formats.not_xml`, `formats.xml_entities`, `formats.espi_not_feed`, `formats.espi_portion`.
    """
    found: dict[str, list[Entry]] = {name: [] for name in RESOURCES}
    blocks = 0
    for entry, _ in _walk(source, with_readings=False):
        if entry.kind == "IntervalBlock":
            blocks += 1
        elif entry.kind in found:
            found[entry.kind].append(entry)
            if sum(map(len, found.values())) > RESOURCES_MAX:
                raise _refuse(source, entry.at, "formats.espi_too_many", f"has more than {RESOURCES_MAX} resources")
    return found, blocks


def readings(source: Source) -> Iterator[tuple[Entry, Reading]]:
    """Every IntervalReading with the block that it stands in, in the order of the feed."""
    for entry, reading in _walk(source, with_readings=True):
        if reading is not None:
            yield entry, reading


def path_of(href: str) -> str:
    """A link without its host, so that relative and absolute ones compare."""
    return _HOST.sub("", href.strip()).partition("?")[0].strip("/")


def _walk(source: Source, *, with_readings: bool) -> Iterator[tuple[Entry, Reading | None]]:
    """Entries when they end; with readings, each reading (of an entry whose links have been read) before.

    Links stand before the content in an entry; in one where they come after, its readings have only what is known by then.
    """
    with source.open() as file:
        try:
            yield from _events(source, _Portions(source, file), with_readings)
        except etree.XMLSyntaxError as error:
            told = " ".join(str(error.msg).split())[:200]
            raise _refuse(source, error.lineno or 1, "formats.not_xml", f"is no XML: {told}") from None


class _Portions:
    """The bytes of a feed, no more than so many of them before something has been read and let go."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source, self._file = source, file
        self._taken = 0
        self.line = 1

    def read(self, size: int) -> bytes:
        if self._taken > PORTION_BYTES_MAX:
            told = f"has no reading and no end of an entry in {PORTION_BYTES_MAX} bytes from here on"
            raise _refuse(self._source, self.line, "formats.espi_portion", told)
        block = self._file.read(size)
        self._taken += len(block)
        return block

    def let_go(self, line: int) -> None:
        self._taken, self.line = 0, line


def _events(source: Source, file: _Portions, with_readings: bool) -> Iterator[tuple[Entry, Reading | None]]:
    events = etree.iterparse(
        file, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    entry = Entry("", 0, "", [], "")
    depth, is_root = 0, True
    for event, element in events:
        name = _name(element)
        if event == "start":
            depth += 1
            if is_root:
                _check_root(source, element, name)
                is_root = False
            if name == "entry":
                entry = Entry("", element.sourceline or 0, "", [], "")
            if depth > 30:
                raise _refuse(source, element.sourceline or 0, "formats.not_xml", "is nested more than 30 deep")
            continue
        depth -= 1
        if name == "link":
            _link(entry, element)
        elif name == "updated":
            entry.updated = _text(element)
        elif name == "IntervalReading":
            entry.kind = "IntervalBlock"
            if with_readings:
                yield entry, _reading(element)
            _forget(file, element)
        elif name == "IntervalBlock":
            entry.kind = "IntervalBlock"
        elif (resource := _FORMERLY.get(name, name)) in RESOURCES:
            entry.kind = resource
            parts = (
                [each for each in element if _name(each) in _OF_SUMMARY] if resource == "UsageSummary" else [element]
            )
            entry.values = {key: text for part in parts for key, text in _values(part).items()}
        elif name == "entry":
            yield entry, None
            _forget(file, element)


def _check_root(source: Source, element: Any, name: str) -> None:
    if element.getroottree().docinfo.internalDTD is not None:
        raise _refuse(source, 1, "formats.xml_entities", "has a DOCTYPE, which could hold anything; none is read")
    if name != "feed":
        raise _refuse(
            source,
            element.sourceline or 1,
            "formats.espi_not_feed",
            f"begins with <{name[:40]}>, not with an Atom feed",
        )


def _link(entry: Entry, element: Any) -> None:
    path = path_of(str(element.get("href", ""))[:TEXT_MAX])
    relation = element.get("rel")
    if relation == "self":
        entry.path = path
    elif relation == "up" and not entry.path:
        entry.path = path  # replaced where the entry names itself
    elif relation == "related" and len(entry.related) < 100:
        entry.related.append(path)


def _values(element: Any) -> dict[str, str]:
    return {_name(each): _text(each) for each in element.iter() if isinstance(each.tag, str) and not len(each)}


def _reading(element: Any) -> Reading:
    values = _values(element)
    return Reading(
        element.sourceline or 0, values.get("start", ""), values.get("duration", ""), values.get("value", ""),
        values.get("quality"), values.get("tou", ""),
    )  # fmt: skip


def _forget(file: _Portions, element: Any) -> None:
    file.let_go(element.sourceline or 1)
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _text(element: Any) -> str:
    return (element.text or "").strip()[:TEXT_MAX]


def _refuse(source: Source, at: int, code: str, what: str) -> InvalidInput:
    return InvalidInput(
        code,
        f"{source.name} line {at} {what}. Send a Green Button feed as it was downloaded.",
        {"file": source.name, "line": at},
    )
