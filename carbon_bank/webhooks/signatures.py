"""Signatures of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, made for what is sent, checked on what comes in.

Source: Standard Webhooks 1.0.0, "Signature scheme" and "Verifying signatures".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from carbon_bank.foundation.errors import Unauthenticated

SECRET_PREFIX = "whsec_"  # noqa: S105  (what a secret begins with)
SECRET_BYTES = 32
TOLERANCE = timedelta(minutes=5)
_SIGNATURES_MAX = 20
# No full stop: it separates the id from the timestamp in what is signed.
_ID = re.compile(r"[!-\-/-~]{1,200}")
_SECONDS = re.compile(r"[0-9]{1,12}")


def secret_text(key: bytes) -> str:
    """A secret as it is shown: `whsec_` and the key in base64."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,...`, of a secret."""
    return f"v1,{base64.b64encode(_hmac(secret, webhook_id, timestamp, body)).decode()}"


def headers_of(secrets: Iterable[str], webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one attempt: signed by each secret, so that a receiver may hold any of them."""
    timestamp = int(at.timestamp())
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, webhook_id, timestamp, body) for secret in secrets),
    }


def verify(secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The webhook-id of a callback that was signed by one of the secrets, and lately.

    It may have come before: see `received_service.remember`.

    Raises: Unauthenticated `webhooks.signature` (401) where no signature fits, or a header is missing or no header of this
            kind; `webhooks.timestamp` (401) where it fits and is more than 5 minutes old, or ahead.
    """
    given = {name.lower(): value for name, value in headers.items()}
    webhook_id, timestamp = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    sent = [_bytes_of(each) for each in given.get("webhook-signature", "").split(" ")[:_SIGNATURES_MAX]]
    readable = _ID.fullmatch(webhook_id) and _SECONDS.fullmatch(timestamp)
    wanted = [_hmac(secret, webhook_id, int(timestamp), body) for secret in secrets] if readable else []
    # Every pair is compared, in constant time: how long it takes tells nothing.
    fits = sum(hmac.compare_digest(one, other) for one in wanted for other in sent)
    if not fits:
        raise Unauthenticated(
            "webhooks.signature",
            "The callback is not signed with the shared secret. Send webhook-id, webhook-timestamp and webhook-signature as "
            "Standard Webhooks has them, signed over the body exactly as it is sent.",
        )
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        minutes = int(TOLERANCE.total_seconds()) // 60
        raise Unauthenticated(
            "webhooks.timestamp",
            f"The callback was signed more than {minutes} minutes from now. Sign it at the moment it is sent, with a clock that "
            "is right.",
            {"timestamp": int(timestamp), "tolerance_seconds": int(TOLERANCE.total_seconds())},
        )
    return webhook_id


def _hmac(secret: str, webhook_id: str, timestamp: int, body: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)


def _bytes_of(signature: str) -> bytes:
    """The digest in `v1,...`; nothing where it is of another kind."""
    version, _, text = signature.partition(",")
    try:
        return base64.b64decode(text, validate=True) if version == "v1" else b""
    except ValueError:
        return b""
