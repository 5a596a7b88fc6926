"""A mail as it goes out.

Nothing in it depends on when it is sent, so that one that goes out twice is the same to the last byte. The library refuses a
header with a line break.
Source: RFC 5322; RFC 2047 (subjects); RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID, uuid5

from carbon_bank.inbox.kinds import Facts, Kind
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.telling import tell
from carbon_bank.inbox.words import WORDS

_MAILS = UUID("6f1c3a52-5a0e-5c53-9d0b-0d1a3f7f2c11")


@dataclass(frozen=True)
class Letter:
    """A mail that a worker has claimed. `attempts` counts this one; `address` is shown in no log."""

    household_id: int
    notification_id: int
    person_id: int
    attempts: int
    planned_at: datetime
    kind: Kind
    facts: Facts
    language: Language
    address: str = field(repr=False)


def message_of(letter: Letter, sender: Address) -> EmailMessage:
    """The message, from the bank's address to one person."""
    told = tell(letter.kind, letter.facts, letter.language)
    text = "\n\n".join(["\n".join(told.sentences), WORDS[letter.language].closing]) + "\n"
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = _message_id(letter, sender.domain)
    message["Date"] = letter.planned_at
    message["From"] = sender
    message["To"] = Address(addr_spec=letter.address)
    message["Subject"] = told.subject
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable" if text.isascii() else "base64")
    message["Content-Language"] = letter.language.value
    return message


def _message_id(letter: Letter, domain: str) -> str:
    """The same for each attempt, and telling nobody a number of the bank."""
    return f"<{uuid5(_MAILS, f'{letter.household_id}/{letter.notification_id}/{letter.person_id}')}@{domain}>"
