"""Signatures after Standard Webhooks: ours hold for its own library, its hold for us, and nothing else does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import Unauthenticated
from carbon_bank.webhooks.signatures import headers_of, secret_text, sign, verify

SECRET, OTHER, THIRD = (secret_text(bytes([number]) * 32) for number in (1, 2, 3))
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
BODY = b'{"type":"redemption.accepted","timestamp":"2026-11-23T03:00:00Z","data":{"id":7}}'


def refused(secrets: list[str], headers: dict[str, str], body: bytes = BODY, now: datetime = NOW) -> str:
    with pytest.raises(Unauthenticated) as refusal:
        verify(secrets, headers, body, now)
    return refusal.value.code


def test_the_example_of_the_librarys_own_documentation_is_signed_alike() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == signature


def test_the_public_library_takes_our_signature() -> None:
    headers = headers_of([SECRET, OTHER], "msg_1", clock.now(), BODY)
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, headers) == json.loads(BODY)


@given(st.text(max_size=200), st.binary(min_size=24, max_size=64))
def test_we_take_the_signature_of_the_public_library(text: str, key: bytes) -> None:
    text = text.encode(errors="replace").decode()
    secret = secret_text(key)
    signature = Webhook(secret).sign("msg_1", NOW, text)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(NOW.timestamp())),
        "Webhook-Signature": f"v1a,AAAA v2,x {signature}",
    }
    assert verify([OTHER, secret], headers, text.encode(), NOW) == "msg_1"


def test_a_forged_callback_is_refused() -> None:
    sound = headers_of([SECRET], "msg_1", NOW, BODY)
    assert verify([SECRET], sound, BODY, NOW) == "msg_1"
    assert refused([OTHER, THIRD], sound) == "webhooks.signature"
    assert refused([], sound) == "webhooks.signature"
    assert refused([SECRET], sound, BODY + b" ") == "webhooks.signature"
    later = str(int(NOW.timestamp()) + 1)
    for header, value in {
        "webhook-id": "msg_2",
        "webhook-timestamp": later,
        "webhook-signature": sound["webhook-signature"].removeprefix("v1,"),
    }.items():
        assert refused([SECRET], sound | {header: value}) == "webhooks.signature"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", " ", "v1,", "v1,!", "é", "1e9", "٣", "a.b", "-1", "9" * 400])
def test_a_header_that_is_missing_or_none_of_its_kind_is_refused_and_breaks_nothing(
    header: str, value: str | None
) -> None:
    headers = headers_of([SECRET], "msg_1", NOW, BODY)
    headers.pop(header)
    if value is not None:
        headers[header] = value
    assert refused([SECRET], headers) == "webhooks.signature"


def test_what_was_signed_with_a_full_stop_in_its_id_is_refused() -> None:
    """`a.1` and `2.x` would be signed as `a` and `1.2.x`."""
    assert refused([SECRET], headers_of([SECRET], "a.1", NOW, BODY)) == "webhooks.signature"


@pytest.mark.parametrize(("seconds", "holds"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_callback_holds_for_five_minutes(seconds: int, holds: bool) -> None:
    headers = headers_of([SECRET], "msg_1", NOW, BODY)
    now = NOW + timedelta(seconds=seconds)
    if holds:
        assert verify([SECRET], headers, BODY, now) == "msg_1"
    else:
        assert refused([SECRET], headers, BODY, now) == "webhooks.timestamp"


def test_whether_it_is_stale_is_told_only_to_who_knows_the_secret() -> None:
    stale = headers_of([OTHER], "msg_1", NOW - timedelta(days=1), BODY)
    assert refused([SECRET], stale) == "webhooks.signature"
