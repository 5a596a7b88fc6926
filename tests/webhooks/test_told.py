"""What the bank tells of: a finished import its utility, a posted settlement everybody; and the page that says so."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from carbon_bank import worker
from carbon_bank.foundation import clock
from carbon_bank.settings import Settings
from carbon_bank.webhooks.calling import TIMEOUT_SECONDS
from carbon_bank.webhooks.delivery_service import OF_ONE_ENDPOINT_MAX
from carbon_bank.webhooks.endpoint_service import ENDPOINTS_MAX
from carbon_bank.webhooks.events import MAY_SEE, Event
from carbon_bank.webhooks.retries import ATTEMPTS_MAX
from carbon_bank.webhooks.signatures import headers_of, secret_text
from carbon_bank.webhooks.targets import PORTS
from carbon_bank.worker.webhooks import AT_ONCE_MAX
from tests.settlement.town import adopt, found_town
from tests.webhooks.receiver import Receiver
from tests.webhooks.sending import Office

PAGE = Path(__file__).parent.parent.parent / "docs" / "webhooks.md"
HEADER = b"commodity,customer_number,period_start,period_end,quantity,unit\n"


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(got.body) for got in receiver.got]


async def test_a_utility_hears_of_its_finished_imports_and_of_no_others(
    office: Office, receiver: Receiver, other_receiver: Receiver, settings: Settings
) -> None:
    await office.register(receiver.url, "elec", "import.finished")
    await office.register(other_receiver.url, "gas", "import.finished")
    sent = {
        "done": HEADER
        + b"electricity,A-e,2026-03-01,2026-04-01,100,kWh\nelectricity,A-e,2026-04-01,2026-05-01,x,kWh\n",
        "failed": b"customer,amount\n1,2\n",
    }
    numbers = {}
    for state, content in sent.items():
        headers = office.city.bearer("elec") | {"Content-Type": "text/csv"}
        answer = await office.client.post("/v1/imports", content=content, headers=headers)
        numbers[state] = answer.json()["id"]
        await worker.work(office.database, settings, until_empty=True)
    done, failed = told(receiver)
    assert done["type"] == failed["type"] == "import.finished"
    assert done["data"] == {
        "import_id": numbers["done"],
        "state": "done",
        "failure_code": None,
        "rows": 2,
        "accepted": 1,
        "duplicate": 0,
        "revised": 0,
        "refused": 1,
        "quarantined": 0,
        "passed_over": 0,
    }
    assert (failed["data"]["import_id"], failed["data"]["state"]) == (numbers["failed"], "failed")
    assert failed["data"]["failure_code"].startswith("formats.")
    assert other_receiver.got == []


async def test_partners_and_utilities_hear_of_a_posted_settlement_once(
    office: Office, receiver: Receiver, other_receiver: Receiver, settings: Settings
) -> None:
    await adopt(office.database, office.city.city_id)
    await found_town(office.database, office.city, 8)
    await office.register(receiver.url, "partner")
    await office.register(other_receiver.url, "gas")
    number = (await office.ask("POST", "/v1/settlements", "operator", json={"period": "2024-H1"})).json()["id"]
    await worker.work(office.database, settings, until_empty=True)
    await office.ask("POST", f"/v1/settlements/{number}/approve", "approver")
    await office.ask("POST", f"/v1/settlements/{number}/post", "operator")
    await worker.work(office.database, settings, until_empty=True)
    await worker.post(office.database, number, 100)
    await worker.work(office.database, settings, until_empty=True)
    for each in (receiver, other_receiver):
        [message] = told(each)
        assert message["type"] == "settlement.posted"
        data = message["data"]
        assert (data["settlement_id"], data["period"]) == (number, "2024-H1")
        assert data["points"] > 0
        assert data["postings"] > 0


def test_the_page_lists_every_event_and_who_may_ask_for_it() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| ([a-z, ]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert dict(rows) == {
        event.value: ", ".join(sorted(MAY_SEE[event])) for event in Event if event is not Event.WEBHOOK_TEST
    }


def test_the_page_names_the_limits_that_hold() -> None:
    text = re.sub(r"\s+", " ", PAGE.read_text("utf-8"))
    assert f"A client has up to {ENDPOINTS_MAX} endpoints" in text
    assert f"no answer within {TIMEOUT_SECONDS:g} seconds" in text
    assert f"So there are {ATTEMPTS_MAX} attempts" in text
    assert f"up to {AT_ONCE_MAX} at a time" in text
    assert f"on port {PORTS[0]} or {PORTS[1]}" in text
    assert OF_ONE_ENDPOINT_MAX == 2
    assert "Up to two deliveries" in text


def test_the_lines_of_python_on_the_page_check_a_message() -> None:
    [lines] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    page: dict[str, Any] = {}
    exec(lines, page)
    secret, other, body = secret_text(bytes(32)), secret_text(bytes([1]) * 32), b'{"type":"webhook.test"}'
    headers = headers_of([other, secret], "msg_1", clock.now(), body)
    assert page["verified"](secret, headers, body) == {"type": "webhook.test"}
    with pytest.raises(ValueError, match="not from the bank"):
        page["verified"](secret, headers, body + b" ")
    with pytest.raises(ValueError, match="an old one"):
        page["verified"](secret, headers | {"webhook-timestamp": str(int(time.time()) - 400)}, body)
