"""Green Button feeds made for tests, entry by entry."""

from __future__ import annotations

from pathlib import Path

from carbon_bank.readings.formats.source import Source

HOUR = 3600
POINT = "RetailCustomer/7/UsagePoint/70"


def entry(kind: str, path: str, body: str, *related: str, updated: str = "2026-01-01T00:00:00Z") -> str:
    links = "".join(f'<link rel="related" href="{each}"/>' for each in related)
    return (
        f'<entry><link rel="self" href="https://utility.test/espi/{path}"/>{links}<updated>{updated}</updated>'
        f"<content><{kind} xmlns='http://naesb.org/espi'>{body}</{kind}></content></entry>"
    )


def usage_point(kind: str = "0", path: str = POINT, *related: str) -> str:
    return entry("UsagePoint", path, f"<ServiceCategory><kind>{kind}</kind></ServiceCategory>", *related)


def reading_type(number: int = 1, **values: object) -> str:
    given = {"powerOfTenMultiplier": 0, "uom": 72} | values
    body = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
    return entry("ReadingType", f"ReadingType/{number}", body)


def meter_reading(number: int = 1, kind: int = 1, path: str = POINT) -> str:
    return entry("MeterReading", f"{path}/MeterReading/{number}", "", f"https://utility.test/espi/ReadingType/{kind}")


def reading(
    start: object, seconds: object = HOUR, value: object = 1000, quality: object = None, tou: object = None
) -> str:
    tariff = "" if tou is None else f"<tou>{tou}</tou>"
    told = "" if quality is None else f"<ReadingQuality><quality>{quality}</quality></ReadingQuality>"
    period = f"<timePeriod><duration>{seconds}</duration><start>{start}</start></timePeriod>"
    return f"<IntervalReading>{told}{period}<value>{value}</value>{tariff}</IntervalReading>"


def block(
    *readings: str, number: int = 1, meter: int = 1, path: str = POINT, updated: str = "2026-01-02T00:00:00Z"
) -> str:
    return entry(
        "IntervalBlock", f"{path}/MeterReading/{meter}/IntervalBlock/{number}", "".join(readings), updated=updated
    )


def summary(start: int, seconds: int, value: int, multiplier: int = 0, uom: int = 72, path: str = POINT) -> str:
    def amount(name: str, used: int) -> str:
        told = f"<powerOfTenMultiplier>{multiplier}</powerOfTenMultiplier><uom>{uom}</uom><value>{used}</value>"
        return f"<{name}>{told}</{name}>"

    period = f"<billingPeriod><duration>{seconds}</duration><start>{start}</start></billingPeriod>"
    since = amount("currentBillingPeriodOverAllConsumption", value + 9)
    return entry(
        "UsageSummary", f"{path}/UsageSummary/1", period + amount("overallConsumptionLastPeriod", value) + since
    )


def feed(*entries: str) -> str:
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'


def source(folder: Path, text: str | bytes) -> Source:
    path = folder / "feed.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Source(path, "feed.xml")
