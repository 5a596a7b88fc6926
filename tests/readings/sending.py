"""Rows as a utility sends them, and what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from carbon_bank.readings.service import BatchResult

Row = dict[str, str | int | None]
Send = Callable[..., Awaitable[BatchResult]]
"""Record rows of a utility, in a transaction of their own: the fixture `send`."""

MARCH, APRIL, MID = ("2026-03-01", "2026-04-01"), ("2026-04-01", "2026-05-01"), ("2026-03-16", "2026-04-16")


def row(customer: str = "A-e", period: tuple[str, str] = MARCH, quantity: str = "100", **more: str) -> Row:
    commodity, unit = {"e": ("electricity", "kWh"), "g": ("gas", "m3"), "w": ("water", "m3")}[customer[-1]]
    start, end = period
    sent = {"customer_number": customer, "period_start": start, "period_end": end, "quantity": quantity}
    return {"commodity": commodity, "unit": unit, **sent, **more}


def codes(result: BatchResult) -> list[str]:
    """For each row its status, or the code of its refusal."""
    refused = {each.line: each.code for each in result.refused}
    return [refused.get(line, status) for line, status in enumerate(result.statuses, start=1)]
