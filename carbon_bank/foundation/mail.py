"""Handing e-mail to a server.

A `Mailer` opens connections; a connection hands over one message at a time and says what the server made of it. What concerns
the server as a whole (nobody answers, the password is wrong) is a `MailTrouble`: no message of the batch is to blame.
"""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from enum import StrEnum
from typing import Literal, Protocol

TIMEOUT_SECONDS = 30
_TEMPORARY, _PERMANENT = 400, 500

Security = Literal["none", "starttls", "tls"]


class Verdict(StrEnum):
    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What a server made of one message. `trouble`: in one word why it did not take it. `code`: its reply code, if it gave one."""

    verdict: Verdict
    trouble: str = ""
    code: int | None = None


class MailTrouble(Exception):
    """The server takes nothing now. `trouble`: `unreachable`, `tls`, `credentials` or `sender`."""

    def __init__(self, trouble: str, code: int | None = None) -> None:
        super().__init__(trouble)
        self.trouble, self.code = trouble, code

    @property
    def answer(self) -> Answer:
        return Answer(Verdict.LATER, self.trouble, self.code)


class Connection(Protocol):
    """An open connection. All of it blocks, and is called from a thread."""

    def send(self, message: EmailMessage, address: str) -> Answer:
        """Hand a message over, to one address. Raises: MailTrouble."""

    def close(self) -> None: ...


class Mailer(Protocol):
    @property
    def sender(self) -> Address: ...

    def connect(self) -> Connection:
        """Raises: MailTrouble."""


@dataclass(frozen=True)
class SmtpMailer:
    """A server that takes mail by SMTP (RFC 5321).

    Args: tls: whom to trust; left out, what the system trusts.
    """

    host: str
    port: int
    sender: Address
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    timeout_seconds: int = TIMEOUT_SECONDS

    def connect(self) -> SmtpConnection:
        """Raises: MailTrouble."""
        try:
            server = self._open()
        except smtplib.SMTPResponseException as error:
            raise MailTrouble("unreachable", error.smtp_code) from None
        except ssl.SSLError:
            raise MailTrouble("tls") from None
        except OSError:  # of which every error of smtplib is one
            raise MailTrouble("unreachable") from None
        try:
            self._secure(server)
            self._sign_in(server)
        except BaseException:
            server.close()
            raise
        return SmtpConnection(server, self.sender.addr_spec)

    def _open(self) -> smtplib.SMTP:
        name, seconds = self.sender.domain, self.timeout_seconds
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, name, timeout=seconds, context=self._trust())
        return smtplib.SMTP(self.host, self.port, name, timeout=seconds)

    def _secure(self, server: smtplib.SMTP) -> None:
        if self.security != "starttls":
            return
        try:
            server.starttls(context=self._trust())
        except smtplib.SMTPResponseException as error:
            raise MailTrouble("tls", error.smtp_code) from None
        except OSError:
            raise MailTrouble("tls") from None

    def _sign_in(self, server: smtplib.SMTP) -> None:
        if self.user is None:
            return
        try:
            server.login(self.user, self.password or "")
        except smtplib.SMTPResponseException as error:
            raise MailTrouble("credentials", error.smtp_code) from None
        except smtplib.SMTPServerDisconnected:
            raise MailTrouble("unreachable") from None
        except smtplib.SMTPException:
            raise MailTrouble("credentials") from None
        except OSError:
            raise MailTrouble("unreachable") from None

    def _trust(self) -> ssl.SSLContext:
        return self.tls or ssl.create_default_context()


class SmtpConnection:
    def __init__(self, server: smtplib.SMTP, sender: str) -> None:
        self._server, self._sender = server, sender

    def send(self, message: EmailMessage, address: str) -> Answer:
        try:
            self._server.send_message(message, self._sender, [address])
        except smtplib.SMTPRecipientsRefused as error:
            return _answer(next(iter(error.recipients.values()))[0])
        except smtplib.SMTPSenderRefused as error:  # it would refuse the next one, too
            raise MailTrouble("sender", error.smtp_code) from None
        except smtplib.SMTPResponseException as error:
            return _answer(error.smtp_code)
        except OSError:
            raise MailTrouble("unreachable") from None
        return Answer(Verdict.TAKEN)

    def close(self) -> None:
        with suppress(OSError):
            self._server.quit()
        self._server.close()


def _answer(code: int) -> Answer:
    if code >= _PERMANENT:
        return Answer(Verdict.REFUSED, "refused", code)
    return Answer(Verdict.LATER, "later", code if code >= _TEMPORARY else None)
