"""What of a city belongs to somebody, as it could be written; and a search for it in files that everybody reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import psycopg

from carbon_bank import worker
from carbon_bank.audit.log.evidence_service import PUBLIC
from carbon_bank.demo.city import DemoCity
from carbon_bank.rewards.payout_account_service import opened
from carbon_bank.settings import Settings

TELLING, LONG = 5, 9
"""Characters: shorter values occur by chance; those in between count where they stand as a word of their own."""
WORD = re.compile(rb"[\w:.@*-]+")
PART = re.compile(rb"\w+")
QUERIES = (
    "SELECT number FROM household",
    "SELECT 'household:' || id FROM household",
    "SELECT customer_number FROM meter",
    "SELECT meter_number FROM meter",
    "SELECT 'meter:' || id FROM meter",
    "SELECT login FROM person",
    "SELECT 'person:' || id FROM person",
    "SELECT client_id FROM client",
    "SELECT code FROM voucher",
    "SELECT 'redemption:' || id FROM redemption",
    "SELECT requested_by FROM redemption",
    "SELECT encode(pickup_hash, 'hex') FROM redemption WHERE pickup_hash IS NOT NULL",
    "SELECT shown FROM payout_account UNION ALL SELECT sealed FROM payout_account",
    "SELECT end_to_end_id FROM payout_payment UNION ALL SELECT sealed FROM payout_payment",
    "SELECT quantity::text FROM reading WHERE quantity IS NOT NULL",
    "SELECT 'award:' || settlement_id || '-' || household_id || '-' || commodity FROM award",
    "SELECT encode(secret, 'hex') FROM log_secret UNION ALL SELECT encode(secret, 'hex') FROM log",
    "SELECT by FROM trail WHERE by LIKE '%:%' AND by NOT LIKE 'system:%'",
)
FIELDS = {
    "households": ("household_number",),
    "meters": ("customer_number", "meter_number"),
    "readings": ("customer_number", "quantity"),
    "revisions": ("customer_number", "quantity"),
}
"""Of the rows as utilities and the city sent them."""


def personal_values(owner: psycopg.Connection, city: DemoCity, settings: Settings) -> set[str]:
    found = {str(value) for query in QUERIES for (value,) in owner.execute(query).fetchall()}  # type: ignore[call-overload]
    for table, columns in FIELDS.items():
        found |= {value for column in columns for value in getattr(city, table)[column].to_list()}
    sealer = worker.sealer_of(settings)
    for household_id, sealed in owner.execute("SELECT household_id, sealed FROM payout_account").fetchall():
        holder, account = opened(sealer, household_id, sealed)
        found |= {holder, *(str(value) for value in vars(account).values() if value is not None)}
    query = """
        SELECT subject FROM trail WHERE subject NOT IN (SELECT subject FROM trail WHERE act = ANY(%s))
        UNION SELECT reason FROM trail WHERE reason IS NOT NULL
    """
    found |= {str(value) for (value,) in owner.execute(query, [list(PUBLIC)]).fetchall()}
    return {value for value in found if len(value) >= TELLING}


def told_of(values: Iterable[str], files: Iterable[bytes]) -> set[str]:
    """Those of some values that files tell, as they are or as a plain hash, which whoever guesses the value can make."""
    content = b"\n".join(files)
    folded, words = content.lower(), {*WORD.findall(content), *PART.findall(content)}
    found = set()
    for value in values:
        plain = value.encode()
        hashed = hashlib.sha256(plain)
        written = plain.lower() in folded if len(value) >= LONG else plain in words
        if written or hashed.hexdigest().encode() in words or hashed.digest() in content:
            found.add(value)
    return found


def files_below(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()]
