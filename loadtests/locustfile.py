"""Households that look, and utilities that send, at a running bank. `scripts/loadtest` starts one and runs this against it.

Who signs in, and which meters a utility reads, stands in the JSON file that CARBON_BANK_LOADTEST_CAST names: `households`
(login and password) and `utilities` (client_id, client_secret, and of each meter its keys, unit and last reading).
"""

from __future__ import annotations

import itertools
import json
import os
import random
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, stats, task
from locust.exception import StopUser

stats.CSV_STATS_INTERVAL_SEC = 0.1  # type: ignore[assignment]  # so that the CSV report holds the last requests, too

BATCH_ROWS_MIN, BATCH_ROWS_MAX = 100, 1000
_NEWCOMERS = itertools.count()


@cache
def cast() -> dict[str, Any]:
    path = os.environ.get("CARBON_BANK_LOADTEST_CAST")
    if not path:
        raise SystemExit(
            "Name the file with logins and meters in CARBON_BANK_LOADTEST_CAST; scripts/loadtest makes one."
        )
    found: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return found


class _SignedIn(FastHttpUser):
    """Somebody with a token."""

    abstract = True
    host = "http://127.0.0.1:8000"
    headers: dict[str, str]

    def sign_in(self, form: dict[str, str]) -> None:
        with self.client.post("/v1/token", data=form, name="POST /v1/token", catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"{answer.status_code}: {answer.text}")
                raise StopUser
            self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}


class Household(_SignedIn):
    """Looks at its points, its use, its awards."""

    weight = 9
    wait_time = between(0.2, 1)

    def on_start(self) -> None:
        everybody = cast()["households"]
        own = everybody[next(_NEWCOMERS) % len(everybody)]
        self.sign_in({"grant_type": "password", **own})

    def look(self, path: str) -> None:
        self.client.get(path, headers=self.headers, name=f"GET {path}")

    @task(3)
    def look_at_points(self) -> None:
        self.look("/v1/me/points")

    @task(3)
    def look_at_usage(self) -> None:
        self.look("/v1/me/usage")

    @task(2)
    def look_at_awards(self) -> None:
        self.look("/v1/me/awards")

    @task(1)
    def look_at_itself(self) -> None:
        self.look("/v1/me")


class Supplier:
    """What a utility still has to send: of each meter a reading for each day since its last one, up to yesterday."""

    def __init__(self, of: dict[str, Any]) -> None:
        self.client_id, self.client_secret = of["client_id"], of["client_secret"]
        self._meters: list[dict[str, Any]] = of["meters"]
        self._new = self._days()
        self.sent: list[dict[str, str]] = []

    def _days(self) -> Any:
        for number in itertools.count():
            still_open = False
            for meter in self._meters:
                start = date.fromisoformat(meter["last_end"]) + timedelta(days=number)
                if start + timedelta(days=1) < date.today():  # noqa: DTZ011  (the day before is over in every zone)
                    still_open = True
                    yield self._row(meter, start, start + timedelta(days=1))
            if not still_open:
                return

    def new_rows(self, count: int) -> list[dict[str, str]]:
        """Fewer, or none, when everything is sent."""
        return list(itertools.islice(self._new, count))

    def restated_rows(self, count: int) -> list[dict[str, str]]:
        """The last readings before the test, with other quantities, and why."""
        chosen = random.sample(self._meters, min(count, len(self._meters)))
        return [
            self._row(each, date.fromisoformat(each["last_start"]), date.fromisoformat(each["last_end"]))
            | {"reason": "corrected"}
            for each in chosen
        ]

    @staticmethod
    def _row(meter: dict[str, Any], start: date, end: date) -> dict[str, str]:
        keys = {name: meter[name] for name in ("commodity", "customer_number", "meter_number", "unit")}
        quantity = f"{random.uniform(1, 20):.1f}"
        return {**keys, "period_start": start.isoformat(), "period_end": end.isoformat(), "quantity": quantity}


@cache
def suppliers() -> list[Supplier]:
    """One of each utility, shared by all users that send for it: no row is new twice."""
    return [Supplier(each) for each in cast()["utilities"]]


class Utility(_SignedIn):
    """Sends batches: most of them new, some twice by mistake, some restated."""

    weight = 1
    wait_time = between(0.5, 2)
    _turns = itertools.count()

    def on_start(self) -> None:
        self.supplier = suppliers()[next(self._turns) % len(suppliers())]
        credentials = {"client_id": self.supplier.client_id, "client_secret": self.supplier.client_secret}
        self.sign_in({"grant_type": "client_credentials", **credentials})

    def send(self, rows: list[dict[str, str]], name: str) -> bool:
        """Every row has to be taken: 207 says that some were not."""
        with self.client.post(
            "/v1/readings", json={"readings": rows}, headers=self.headers, name=name, catch_response=True
        ) as answer:
            if answer.status_code == 200:
                return True
            refused = [each for each in answer.json().get("results", []) if each["status"] == "refused"]
            answer.failure(f"{answer.status_code}: {(refused or [answer.text])[0]}")
            return False

    @task(6)
    def send_new(self) -> None:
        rows = self.supplier.new_rows(random.randint(BATCH_ROWS_MIN, BATCH_ROWS_MAX))
        if rows and self.send(rows, "POST /v1/readings (new)"):
            self.supplier.sent = rows

    @task(2)
    def send_again(self) -> None:
        if self.supplier.sent:
            self.send(self.supplier.sent, "POST /v1/readings (again)")

    @task(2)
    def restate(self) -> None:
        rows = self.supplier.restated_rows(random.randint(BATCH_ROWS_MIN, BATCH_ROWS_MAX))
        self.send(rows, "POST /v1/readings (restated)")
