"""Notifications by e-mail, over a real SMTP server: delivered, tried again, ended, and never lost with a worker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.mail import Answer, Connection, Mailer, SmtpMailer
from carbon_bank.identity.addresses import is_mail_address
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.letter import Letter, message_of
from carbon_bank.inbox.mail_states import GIVE_UP_AFTER, LEASE, pause_after
from carbon_bank.inbox.service import Preference
from carbon_bank.settings import Settings
from tests.inbox.post_office import PASSWORD, SENDER, USER, PostOffice, certificate, open_post_office
from tests.inbox.test_service import tell_done
from tests.ledger.books import without_triggers
from tests.small_city import NOW, SmallCity

RESULTS = {"period": "2026-H1", "points": 15000, "held": 0, "electricity": 15000}
ALDER, BIRCH = "alder@here.test", "birch@here.test"


@dataclass
class Clock:
    """A clock that stands still until somebody moves it."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time

    def move(self, by: timedelta) -> None:
        self.time += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with open_post_office() as opened:
        yield opened


@pytest.fixture(autouse=True)
def nobody_is_named_in_the_log(capfd: pytest.CaptureFixture[str]) -> Any:
    yield
    told = "".join(capfd.readouterr())
    assert "@" not in told and PASSWORD not in told


async def prefer(database: Database, city: SmallCity, name: str, **wanted: Any) -> None:
    async with database.write() as session:
        await inbox.put_preference(session, city.actors[name], NOW, Preference(**wanted))


async def tell_results(database: Database, city: SmallCity, *households: int) -> None:
    async with database.write() as session:
        for household_id in households:
            place = {"city_id": city.city_id, "household_id": household_id}
            await inbox.notify(session, NOW, **place, kind=Kind.RESULTS_OUT, facts=RESULTS, subject="settlement:1")


def let_in(owner: psycopg.Connection, city: SmallCity, login: str, disabled: bool = False) -> None:
    owner.execute(
        "INSERT INTO person (login, password_hash, roles, city_id, household_id, created_at, disabled_at) "
        "VALUES (%s, '!', ARRAY['household'], %s, %s, now(), CASE WHEN %s THEN now() END)",
        [login, city.city_id, city.alder, disabled],
    )


def mails(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    return owner.execute(
        "SELECT state, attempts, trouble, code FROM inbox_mail ORDER BY household_id, notification_id, person_id"
    ).fetchall()


async def test_every_person_of_a_household_gets_it_in_the_households_language(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    let_in(owner, small_city, "second.alder@here.test")
    let_in(owner, small_city, "gone@here.test", disabled=True)
    for no_address in ("010-1234-5678", "x@here.test\r\nbcc: y@here.test", "no@domain"):
        let_in(owner, small_city, no_address)
    await prefer(database, small_city, "birch", language=Language.KO)
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    assert not await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert sorted(address for address, _ in office.received) == [ALDER, BIRCH, "second.alder@here.test"]
    by_address = dict(zip([address for address, _ in office.received], office.messages, strict=True))
    english, korean = by_address[ALDER], by_address[BIRCH]
    assert english["Subject"] == "Your results for the first half of 2026"
    assert english.get_content().splitlines()[:2] == [
        "The results for the first half of 2026 are out. You get 15,000 points.",
        "Electricity: 15,000 points.",
    ]
    assert korean["Subject"] == "2026년 상반기 산정 결과 안내"
    assert "전기: 15,000포인트" in korean.get_content()
    assert english["Date"].datetime == NOW
    assert (english["To"], english["From"]) == (ALDER, str(SENDER))
    assert (english["Auto-Submitted"], korean["Content-Language"]) == ("auto-generated", "ko")
    assert len({message["Message-ID"] for message in office.messages}) == 3
    for _, content in office.received:
        content.decode("ascii")  # what is not is encoded, in headers (RFC 2047) and text
        assert max(map(len, content.split(b"\r\n"))) <= 998
    assert mails(owner) == [("sent", 1, None, None)] * 3
    assert not await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert len(office.received) == 3


async def test_a_mail_that_is_turned_away_for_now_is_tried_again_after_a_growing_pause(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    office.answers[ALDER] = "450 the mailbox is busy"
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("waiting", 1, "later", 450), ("sent", 1, None, None)]
    clock.move(timedelta(minutes=4))
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner)[0] == ("waiting", 1, "later", 450), "its time has not come"
    clock.move(timedelta(minutes=3))
    office.answers, office.data = {}, "451 not now"
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner)[0] == ("waiting", 2, "later", 451)
    [(due_at,)] = owner.execute("SELECT due_at FROM inbox_mail WHERE state = 'waiting'").fetchall()
    assert timedelta(minutes=10) <= due_at - clock() <= timedelta(minutes=12.5)
    clock.move(timedelta(minutes=13))
    office.data = "250 taken"
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner)[0] == ("sent", 3, None, None)
    assert [address for address, _ in office.received] == [BIRCH, ALDER]


@pytest.mark.parametrize("where", ["recipient", "data"])
async def test_a_mail_that_is_refused_for_good_ends(
    database: Database,
    small_city: SmallCity,
    owner: psycopg.Connection,
    office: PostOffice,
    clock: Clock,
    where: str,
) -> None:
    await tell_results(database, small_city, small_city.alder)
    if where == "recipient":
        office.answers[ALDER] = f"550 nobody here is called {ALDER}"
    else:
        office.data = "554 not wanted"
    for _ in range(2):
        await worker.send_mail(database, office.mailer(), Language.EN, clock)
        clock.move(timedelta(days=1))
    assert mails(owner) == [("refused", 1, "refused", 550 if where == "recipient" else 554)]
    assert office.received == []


async def test_while_the_server_is_down_mails_wait_and_after_days_they_are_given_up(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    nowhere = office.mailer(port=1)
    await tell_results(database, small_city, small_city.alder)
    assert not await worker.send_mail(database, nowhere, Language.EN, clock)
    assert mails(owner) == [("waiting", 1, "unreachable", None)]
    clock.move(timedelta(hours=1))
    await tell_done(database, small_city, small_city.birch)
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("sent", 2, None, None), ("sent", 1, None, None)]
    await tell_done(database, small_city, small_city.alder)
    await worker.send_mail(database, nowhere, Language.EN, clock)
    clock.move(GIVE_UP_AFTER)
    await worker.send_mail(database, nowhere, Language.EN, clock)
    assert mails(owner)[1] == ("given_up", 2, "unreachable", None)


async def test_a_server_that_refuses_the_sender_ends_no_mail(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    office.sender = "550 who are you"
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("waiting", 1, "sender", 550)] * 2


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_over_tls_a_wrong_password_or_certificate_ends_no_mail_and_the_right_one_sends_it(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, clock: Clock, tmp_path: Path, security: Any
) -> None:
    server, client = certificate(tmp_path)
    await tell_results(database, small_city, small_city.alder)
    async with open_post_office(security, server) as office:
        signed_in = {"security": security, "user": USER, "password": PASSWORD, "tls": client}
        for wrong, trouble in (
            ({"password": "wrong"}, ("credentials", 535)),
            ({"tls": None}, ("tls", None)),
            ({"user": None}, ("sender", 530)),
        ):
            await worker.send_mail(database, office.mailer(**signed_in | wrong), Language.EN, clock)
            [(state, _, *found)] = mails(owner)
            assert (state, *found) == ("waiting", *trouble)
            clock.move(timedelta(hours=2))
        await worker.send_mail(database, office.mailer(**signed_in), Language.EN, clock)
        assert [address for address, _ in office.received] == [ALDER]
    assert mails(owner) == [("sent", 4, None, None)]


class Killed(Exception):
    pass


@dataclass
class Dies:
    """A worker that dies when it has handed over its first mail, before it can record that."""

    mailer: SmtpMailer
    connection: Connection | None = field(default=None)

    @property
    def sender(self) -> Address:
        return self.mailer.sender

    def connect(self) -> Dies:
        self.connection = self.mailer.connect()
        return self

    def send(self, message: EmailMessage, address: str) -> Answer:
        assert self.connection is not None
        self.connection.send(message, address)
        raise Killed

    def close(self) -> None:
        assert self.connection is not None
        self.connection.close()


async def test_a_worker_that_dies_between_sending_and_recording_sends_again_under_the_same_message_id(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    dying: Mailer = Dies(office.mailer())
    with pytest.raises(Killed):
        await worker.send_mail(database, dying, Language.EN, clock)
    assert [address for address, _ in office.received] == [ALDER]
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert len(office.received) == 1, "the dead worker still has them"
    clock.move(LEASE)
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert [address for address, _ in office.received] == [ALDER, ALDER, BIRCH]
    assert office.received[0] == office.received[1], "the same to the last byte, its Message-ID with it"
    assert mails(owner) == [("sent", 2, None, None)] * 2


async def test_workers_at_once_send_each_mail_once(
    database: Database, small_city: SmallCity, office: PostOffice, clock: Clock
) -> None:
    for number in range(10):
        await tell_done(database, small_city, small_city.alder, f"redemption:{number}")
    await asyncio.gather(*(worker.send_mail(database, office.mailer(), Language.EN, clock) for _ in range(3)))
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert len(office.received) == len({message["Message-ID"] for message in office.messages}) == 10


async def test_what_a_household_does_not_want_by_mail_is_not_sent_also_if_it_waits_already(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await prefer(database, small_city, "birch", muted=frozenset({Kind.REDEMPTION_DONE}))
    await prefer(database, small_city, "far_household", email=False)
    for household_id in (small_city.alder, small_city.birch, small_city.far_household):
        await tell_done(database, small_city, household_id)
    await worker.send_mail(database, office.mailer(port=1), Language.EN, clock)
    assert [mail[0] for mail in mails(owner)] == ["waiting"]
    await prefer(database, small_city, "alder", email=False)
    await tell_results(database, small_city, small_city.birch)
    clock.move(timedelta(hours=1))
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("dropped", 2, "not_wanted", None), ("sent", 1, None, None)]
    assert [address for address, _ in office.received] == [BIRCH]


async def test_a_mail_to_somebody_whose_login_is_taken_away_is_dropped(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_results(database, small_city, small_city.alder)
    await worker.send_mail(database, office.mailer(port=1), Language.EN, clock)
    owner.execute("UPDATE person SET disabled_at = now() WHERE login = %s", [ALDER])
    clock.move(timedelta(hours=1))
    assert not await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("dropped", 2, "no_address", None)]


async def test_one_that_cannot_be_written_holds_up_no_other(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    with without_triggers(owner):
        owner.execute("UPDATE notification SET facts = '{}' WHERE household_id = %s", [small_city.alder])
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert mails(owner) == [("waiting", 1, "unwritable", None), ("sent", 1, None, None)]


async def test_without_a_server_nothing_waits_and_one_that_comes_later_sends_nothing_old(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, office: PostOffice, clock: Clock
) -> None:
    await tell_done(database, small_city, small_city.alder)
    assert not await worker.send_mail(database, None, Language.EN, clock)
    await worker.send_mail(database, office.mailer(), Language.EN, clock)
    assert (mails(owner), office.received) == ([], [])


async def test_the_job_of_the_queue_sends_by_the_settings(
    database: Database, small_city: SmallCity, settings: Settings, office: PostOffice
) -> None:
    named = {"smtp_host": "127.0.0.1", "smtp_port": office.port, "smtp_security": "none", "language": "ko"}
    settings = settings.model_copy(update=named | {"mail_from": "Bank <bank@city.example>"})
    await tell_done(database, small_city, small_city.alder)
    async with worker.queue_of(database, settings).open_async() as app:
        await app.configure_task("send_mail", queue="bank").defer_async(timestamp=0)
    await worker.work(database, settings, until_empty=True)
    [message] = office.messages
    assert (message["Subject"], message["From"]) == ("포인트 교환이 완료되었습니다", "Bank <bank@city.example>")


async def test_staff_see_how_mail_goes_and_neither_whom_it_goes_to_nor_what_it_says(
    client: httpx.AsyncClient,
    app: FastAPI,
    database: Database,
    small_city: SmallCity,
    office: PostOffice,
) -> None:
    await tell_results(database, small_city, small_city.alder, small_city.birch)
    office.answers = {ALDER: f"450 {ALDER} is full"}
    await worker.send_mail(database, office.mailer(), Language.EN)
    app.state.sends_mail = True
    assert (await client.get("/v1/inbox/mail")).status_code == 401
    answer = await client.get("/v1/inbox/mail", headers=small_city.bearer("operator"))
    told = answer.json()
    assert told["states"] == {"waiting": 1, "sent": 1, "refused": 0, "given_up": 0, "dropped": 0}
    assert told["troubles"] == [{"state": "waiting", "trouble": "later", "code": 450, "mails": 1}]
    assert (told["is_on"], told["oldest_waiting_at"] is None) == (True, False)
    assert "@" not in answer.text and "15,000" not in answer.text
    theirs = (await client.get("/v1/inbox/mail", headers=small_city.bearer("far_operator"))).json()
    assert set(theirs["states"].values()) == {0}


@pytest.mark.parametrize(
    ("login", "is_one"),
    [
        ("a@b.co", True),
        ("kim.lee+bank@mail.city.example", True),
        ("a@b", False),
        ("a b@c.de", False),
        ("a@b.co\n", False),
        ("a@b.co\r\nbcc: c@d.co", False),
        ("a@b.co, c@d.co", False),
        ('"a b"@c.de', False),
        ("<a@b.co>", False),
        ("a..b@c.de", False),
        ("a@-b.co", False),
        ("김@b.co", False),
        ("a" * 65 + "@b.co", False),
        ("010-1234-5678", False),
    ],
)
def test_only_a_plain_address_is_written_to(login: str, is_one: bool) -> None:
    assert is_mail_address(login) is is_one


def test_a_line_break_makes_no_header() -> None:
    facts = {"redemption": 1, "points": 1}
    letter = Letter(1, 2, 3, 1, NOW, Kind.REDEMPTION_DONE, facts, Language.EN, "a@b.co\r\nBcc: c@d.co")
    with pytest.raises(ValueError, match=r"(?i)newline|carriage|invalid"):
        message_of(letter, SENDER)
    assert "b.co" not in repr(letter)


def test_pauses_double_up_to_hours_and_are_spread() -> None:
    minutes = [pause_after(attempts, 0) // timedelta(minutes=1) for attempts in (1, 2, 3, 4, 5, 6, 7, 100)]
    assert minutes == [5, 10, 20, 40, 80, 160, 240, 240]
    assert pause_after(1, 250) == timedelta(seconds=375)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"mail_from": None}, "settings.mail_from"),
        ({"mail_from": "the bank"}, "settings.mail_from"),
        ({"mail_from": "a@b.co\r\nBcc: c@d.co"}, "settings.mail_from"),
        ({"smtp_security": "none"}, "settings.smtp_security"),
        ({"smtp_password_file": Path("nowhere")}, "settings.smtp_password_file"),
    ],
)
def test_settings_that_cannot_send_stop_the_bank_as_it_starts(
    settings: Settings, tmp_path: Path, given: dict[str, Any], code: str
) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    good = {"smtp_host": "x.test", "smtp_user": USER, "smtp_password_file": tmp_path / "secret"}
    good |= {"mail_from": "Carbon Bank <bank@city.example>"}
    made = worker.mailer_of(settings.model_copy(update=good))
    assert made is not None and made.password == PASSWORD and PASSWORD not in repr(made)
    assert re.fullmatch(r"Carbon Bank <bank@city\.example>", str(made.sender))
    with pytest.raises(InvalidInput) as refused:
        worker.mailer_of(settings.model_copy(update=good | given))
    assert refused.value.code == code
