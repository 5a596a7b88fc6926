"""The list of events, and the pauses between attempts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.permissions import Role
from carbon_bank.webhooks.events import MAY_SEE, Event, body_of, check_events, subscribable
from carbon_bank.webhooks.retries import ATTEMPTS_MAX, next_attempt

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def test_events_are_kept_in_order_and_each_says_who_may_see_it() -> None:
    assert list(Event) == sorted(Event)
    assert list(MAY_SEE) == list(Event)
    assert set().union(*MAY_SEE.values()) <= {Role.PARTNER, Role.UTILITY}


def test_a_client_asks_for_events_that_its_role_may_see() -> None:
    assert check_events(["settlement.posted", "import.finished", "import.finished"], Role.UTILITY) == [
        Event.IMPORT_FINISHED,
        Event.SETTLEMENT_POSTED,
    ]
    with pytest.raises(InvalidInput) as refused:
        check_events(["settlement.posted", "redemption.requested", "nothing.of_it"], Role.UTILITY)
    assert refused.value.code == "webhooks.events"
    assert refused.value.facts == {
        "refused": ["nothing.of_it", "redemption.requested"],
        "events": ["import.finished", "restatement.due", "settlement.posted"],
    }
    assert "webhook.test" not in subscribable(Role.PARTNER)


def test_a_body_is_what_the_specification_describes() -> None:
    body = body_of(Event.IMPORT_FINISHED, NOW, {"import_id": 7, "name": "광주"})
    assert body == '{"type":"import.finished","timestamp":"2026-11-23T03:00:00Z","data":{"import_id":7,"name":"광주"}}'
    assert json.loads(body)["data"]["name"] == "광주"


def test_ten_attempts_spread_over_three_days_and_then_no_more() -> None:
    at, moments = NOW, [NOW]
    for attempts in range(1, ATTEMPTS_MAX):
        following = next_attempt(at, attempts, 0)
        assert following is not None
        at = following
        moments.append(at)
    assert next_attempt(at, ATTEMPTS_MAX, 0) is None
    assert [str(moment - NOW) for moment in moments[1:4]] == ["0:00:05", "0:05:05", "0:35:05"]
    assert str(moments[-1] - NOW) == "3 days, 3:35:05"


def test_a_pause_grows_by_up_to_a_tenth_and_to_what_the_receiver_asks_for() -> None:
    assert next_attempt(NOW, 2, 0.5) == NOW + timedelta(minutes=5, seconds=15)
    assert next_attempt(NOW, 2, 0, 600) == NOW + timedelta(minutes=10)
    assert next_attempt(NOW, 2, 0, 6) == NOW + timedelta(minutes=5)
    assert next_attempt(NOW, 2, 0, 999_999) == NOW + timedelta(hours=24)
