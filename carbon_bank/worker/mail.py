"""Sending notifications by e-mail, some at a time: whatever is left is another job's, so that other jobs have their turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path

import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.mail import Answer, Connection, Mailer, MailTrouble, SmtpMailer, Verdict
from carbon_bank.identity.addresses import is_mail_address
from carbon_bank.inbox import mail_service
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.letter import Letter, message_of
from carbon_bank.inbox.mail_states import JITTER_PERMILLE_MAX, LEASE
from carbon_bank.settings import Settings

PLANNED_AT_ONCE, PLANS_OF_A_RUN = 1000, 20
MAILS_AT_ONCE, BATCHES_OF_A_RUN = 100, 5

Now = Callable[[], datetime]

log = structlog.get_logger()


async def send_mail(database: Database, mailer: Mailer | None, default: Language, now: Now = clock.now) -> bool:
    """Plan and send some of the mails that are due. Returns whether more are.

    Args: mailer: null: there is no server, and no mail comes to wait. default: the language of households that chose none.
    """
    more_to_plan = await _planned(database, mailer, now)
    if mailer is None:
        return more_to_plan
    for _ in range(BATCHES_OF_A_RUN):
        async with database.write() as session:
            claimed_at = now()
            letters, claimed = await mail_service.claim(session, claimed_at, MAILS_AT_ONCE, default)
        if claimed == 0:
            return more_to_plan
        if letters and not await _sent(database, mailer, letters, claimed_at, now):
            return False
    return True


async def _planned(database: Database, mailer: Mailer | None, now: Now) -> bool:
    for _ in range(PLANS_OF_A_RUN):
        async with database.write() as session:
            if mailer is None:
                planned = await mail_service.pass_over(session, PLANNED_AT_ONCE)
            else:
                planned = await mail_service.plan(session, now(), PLANNED_AT_ONCE)
        if planned < PLANNED_AT_ONCE:
            return False
    return True


async def _sent(database: Database, mailer: Mailer, letters: list[Letter], claimed_at: datetime, now: Now) -> bool:
    """Send a batch over one connection. False where the server takes nothing: then all that is left of it waits."""
    left = list(letters)
    try:
        connection = await asyncio.to_thread(mailer.connect)
        try:
            while left and now() < claimed_at + LEASE / 2:  # those that are left then are taken up when the lease ends
                answer = await _handed_over(connection, mailer, left[0])
                await _record(database, left.pop(0), answer, now)
        finally:
            await asyncio.to_thread(connection.close)
    except MailTrouble as trouble:
        log.warning(
            "the mail server takes nothing now; mails wait",
            trouble=trouble.trouble,
            code=trouble.code,
            mails=len(left),
        )
        for letter in left:
            await _record(database, letter, trouble.answer, now)
        return False
    return True


async def _handed_over(connection: Connection, mailer: Mailer, letter: Letter) -> Answer:
    try:
        message = message_of(letter, mailer.sender)
    except (KeyError, ValueError) as error:  # it must not hold up those behind it; its text could name somebody
        log.error("a mail cannot be written", kind=letter.kind.value, error=type(error).__name__)
        return Answer(Verdict.LATER, "unwritable")
    return await asyncio.to_thread(connection.send, message, letter.address)


async def _record(database: Database, letter: Letter, answer: Answer, now: Now) -> None:
    jitter = secrets.randbelow(JITTER_PERMILLE_MAX + 1)
    async with database.write() as session:
        state = await mail_service.record_answer(session, now(), letter, answer, jitter)
    if answer.code is not None:
        log.info("mail not taken", code=answer.code, state=state.value, attempts=letter.attempts)


def mailer_of(settings: Settings) -> SmtpMailer | None:
    """The server that the settings name; null where they name none.

    Raises: InvalidInput `settings.mail_from`, `settings.smtp_password_file`, `settings.smtp_security`.
    """
    if settings.smtp_host is None:
        return None
    name, address = parseaddr(settings.mail_from or "")
    if not is_mail_address(address.lower()) or not (settings.mail_from or "").isprintable():
        raise InvalidInput(
            "settings.mail_from",
            f"CARBON_BANK_SMTP_HOST is set, and CARBON_BANK_MAIL_FROM is '{settings.mail_from or ''}', which is no e-mail "
            "address. Write bank@city.example, or Carbon Bank <bank@city.example>.",
        )
    if settings.smtp_user is not None and settings.smtp_security == "none":
        raise InvalidInput(
            "settings.smtp_security",
            "CARBON_BANK_SMTP_USER is set and CARBON_BANK_SMTP_SECURITY is none: a password is sent over TLS only. "
            "Set it to starttls or tls.",
        )
    return SmtpMailer(
        settings.smtp_host,
        settings.smtp_port,
        Address(name, addr_spec=address),
        settings.smtp_security,
        settings.smtp_user,
        _password(settings.smtp_password_file),
    )


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(
            "settings.smtp_password_file",
            f"CARBON_BANK_SMTP_PASSWORD_FILE names {path}, which cannot be read: {type(error).__name__}.",
        ) from None
