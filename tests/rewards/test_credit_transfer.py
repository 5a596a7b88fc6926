"""A payout run is a file that the published schema accepts, with exact totals, or it is refused."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sepaxml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from carbon_bank.foundation.errors import Refusal
from carbon_bank.rewards.bank_account import Iban, LocalAccount
from carbon_bank.rewards.credit_transfer import (
    CSV_COLUMNS,
    CURRENCY_PLACES,
    NAMESPACE,
    REMITTANCE_CHARACTERS_MAX,
    Payment,
    Run,
    Totals,
    csv_lines,
    fit_remittance,
    totals,
    write_xml,
)

SCHEMA = etree.XMLSchema(file=str(Path(sepaxml.__file__).parent / "schemas" / "pain.001.001.09.xsd"))
IN_KOREA = LocalAccount("004", "00012345678901")
IN_GERMANY = Iban("DE89370400440532013000", "COBADEFFXXX")
RUN = Run("RUN-2026-1", datetime(2026, 1, 5, 9, 0, 5, 7, tzinfo=UTC), date(2026, 1, 7), "광주광역시", IN_KOREA, "KRW")
PAYMENT = Payment("R-1", Decimal(5000), "홍길동", LocalAccount("088", "110123456789"), "탄소은행 2026-1")


def xml_of(run: Run, payments: Iterable[Payment], expected: Totals | None = None) -> bytes:
    payments = list(payments)
    out = io.BytesIO()
    write_xml(run, payments, expected or totals(payments), out)
    return out.getvalue()


def told(content: bytes, path: str) -> list[str]:
    found = etree.fromstring(content).iterfind(".//" + "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/")))
    return [each.text or "" for each in found]


def refused(run: Run, payments: Iterable[Payment], expected: Totals | None = None) -> Refusal:
    payments = list(payments)
    expected = expected or totals(payment for payment in payments if payment.amount.is_finite())
    with pytest.raises(Refusal) as in_xml:
        xml_of(run, payments, expected)
    with pytest.raises(Refusal) as in_csv:
        list(csv_lines(run, payments, expected))
    assert in_xml.value.code == in_csv.value.code
    return in_xml.value


def test_a_run_in_korea_is_valid_by_the_published_schema() -> None:
    content = xml_of(RUN, [PAYMENT, replace(PAYMENT, end_to_end_id="R-2", amount=Decimal("7000.0"))])
    SCHEMA.assertValid(etree.fromstring(content))
    assert told(content, "GrpHdr/NbOfTxs") == told(content, "PmtInf/NbOfTxs") == ["2"]
    assert told(content, "GrpHdr/CtrlSum") == told(content, "PmtInf/CtrlSum") == ["12000"]
    assert told(content, "GrpHdr/CreDtTm") == ["2026-01-05T09:00:05Z"]
    assert told(content, "Amt/InstdAmt") == ["5000", "7000"]
    assert told(content, "Cdtr/Nm") == ["홍길동", "홍길동"]
    assert told(content, "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId") == ["088", "088"]


@pytest.mark.parametrize(
    "account", [IN_GERMANY, Iban("DE89370400440532013000"), LocalAccount("021000021", "123456789", "USABA")]
)
def test_a_run_with_ibans_or_clearing_systems_is_valid_too(account: Iban | LocalAccount) -> None:
    run = replace(RUN, account=account, currency="EUR", service_level="SEPA")
    content = xml_of(run, [replace(PAYMENT, account=account, amount=Decimal("0.5"))])
    SCHEMA.assertValid(etree.fromstring(content))
    assert told(content, "Amt/InstdAmt") == ["0.50"]


@pytest.mark.parametrize(
    ("currency", "amount", "written"), [("KRW", "1", "1"), ("EUR", "1.10", "1.10"), ("JOD", "1.105", "1.105")]
)
def test_an_amount_has_the_places_of_its_currency(currency: str, amount: str, written: str) -> None:
    content = xml_of(replace(RUN, currency=currency), [replace(PAYMENT, amount=Decimal(amount))])
    assert told(content, "Amt/InstdAmt") == [written]
    too_fine = Decimal(amount) + Decimal(1).scaleb(-CURRENCY_PLACES[currency] - 1)
    faults = refused(replace(RUN, currency=currency), [replace(PAYMENT, amount=too_fine)]).faults
    assert [fault.code for fault in faults] == ["rewards.amount"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": Decimal(0)}, "rewards.amount"),
        ({"amount": Decimal("NaN")}, "rewards.amount"),
        ({"amount": Decimal(10) ** 12}, "rewards.amount"),
        ({"creditor": "홍\u0007길동"}, "rewards.name"),
        ({"creditor": "홍" * 141}, "rewards.name"),
        ({"creditor": " "}, "rewards.name"),
        ({"creditor": "\u202eevil"}, "rewards.name"),
        ({"remittance": "x" * 141}, "rewards.remittance"),
        ({"end_to_end_id": "R" * 36}, "rewards.payment_id"),
        ({"end_to_end_id": "R//1"}, "rewards.payment_id"),
        ({"end_to_end_id": "-1"}, "rewards.payment_id"),
        ({"account": Iban("DE89370400440532013001")}, "rewards.iban_check"),
        ({"account": LocalAccount("004", "12345")}, "rewards.account_number"),
    ],
)
def test_what_a_bank_would_not_take_is_refused_by_its_payment(change: dict[str, object], code: str) -> None:
    refusal = refused(RUN, [PAYMENT, replace(PAYMENT, **{"end_to_end_id": "R-2", **change})])  # type: ignore[arg-type]
    assert refusal.code == "rewards.payout_payment"
    assert [fault.code for fault in refusal.faults] == [code]


def test_an_end_to_end_id_is_given_once() -> None:
    assert refused(RUN, [PAYMENT, PAYMENT]).code == "rewards.payout_repeated"


def test_a_run_that_is_not_what_was_approved_is_refused() -> None:
    other = replace(PAYMENT, end_to_end_id="R-2")
    expected = totals([PAYMENT])
    assert refused(RUN, [PAYMENT, other], expected).code == "rewards.payout_totals"
    assert refused(RUN, [replace(PAYMENT, amount=Decimal(4999))], expected).code == "rewards.payout_totals"
    assert refused(RUN, [], expected).code == "rewards.payout_totals"
    assert refused(RUN, []).code == "rewards.payout_empty"
    assert refused(RUN, [PAYMENT], Totals(1_000_001, Decimal(1))).code == "rewards.payout_size"


def test_a_run_says_all_that_is_wrong_with_it() -> None:
    run = replace(RUN, message_id="", debtor="", currency="ABC", service_level="sepa!", account=IN_GERMANY)
    assert [fault.code for fault in refused(run, [PAYMENT]).faults] == [
        "rewards.payment_id", "rewards.name", "rewards.currency", "rewards.service_level",
    ]  # fmt: skip


def test_csv_has_the_same_payments_and_no_cell_that_runs() -> None:
    trap = replace(PAYMENT, end_to_end_id="R-2", creditor="=HYPERLINK(1)", remittance='@a,"b"', account=IN_GERMANY)
    lines = "".join(csv_lines(RUN, [PAYMENT, trap], totals([PAYMENT, trap])))
    first, second = csv.DictReader(io.StringIO(lines, newline=""))
    assert list(first) == list(CSV_COLUMNS)
    assert first["account_number"] == "110123456789"
    assert (second["creditor"], second["remittance"]) == ("'=HYPERLINK(1)", '\'@a,"b"')
    assert (second["iban"], second["bic"]) == (IN_GERMANY.number, IN_GERMANY.bic)


def test_a_remittance_text_is_cut_only_when_asked_and_says_so() -> None:
    assert fit_remittance("x" * REMITTANCE_CHARACTERS_MAX) == "x" * REMITTANCE_CHARACTERS_MAX
    assert fit_remittance("x" * 500) == "x" * (REMITTANCE_CHARACTERS_MAX - 1) + "…"


def test_ten_thousand_payments_are_written_as_they_come() -> None:
    """Nothing is written late: when half of the payments have been asked for, about half of the file is out."""
    out, seen = io.BytesIO(), []

    def payments() -> Iterator[Payment]:
        for number in range(10_000):
            if number == 5_000:
                seen.append(out.tell())
            yield replace(PAYMENT, end_to_end_id=f"R-{number}")

    write_xml(RUN, payments(), Totals(10_000, Decimal(5000) * 10_000), out)
    assert abs(2 * seen[0] - out.tell()) < out.tell() // 20


texts = st.text(st.characters(codec="utf-8"), max_size=150)
accounts = st.sampled_from([IN_KOREA, IN_GERMANY, Iban("DE89370400440532013000"), Iban("DE00"), LocalAccount("1", "2")])
amounts = st.decimals(allow_nan=True, allow_infinity=True) | st.integers(1, 10**6).map(Decimal)
made_up = st.builds(Payment, st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9/:-]{0,40}\Z"), amounts, texts, accounts, texts)
good = st.builds(
    Payment,
    st.uuids().map(lambda each: each.hex),
    st.integers(1, 10**9).map(Decimal),
    st.text(st.characters(categories=["L", "N", "S", "P"]), min_size=1, max_size=140),
    accounts.filter(lambda each: len(each.number) > 5),
    st.text(st.characters(categories=["L", "N", "S", "P"]), min_size=1, max_size=140),
)


@settings(max_examples=200)
@given(st.lists(made_up, max_size=3))
def test_whatever_is_asked_is_a_valid_file_or_a_refusal(payments: list[Payment]) -> None:
    out = io.BytesIO()
    try:
        write_xml(
            RUN,
            payments,
            Totals(len(payments), sum((p.amount for p in payments if p.amount.is_finite()), Decimal(0))),
            out,
        )
    except Refusal:
        return
    SCHEMA.assertValid(etree.fromstring(out.getvalue()))


@settings(max_examples=100)
@given(st.lists(good, min_size=1, max_size=4, unique_by=lambda each: each.end_to_end_id))
def test_a_run_reads_back_as_it_was_and_the_same_run_gives_the_same_bytes(payments: list[Payment]) -> None:
    content = xml_of(RUN, payments)
    SCHEMA.assertValid(etree.fromstring(content))
    assert content == xml_of(RUN, payments)
    assert told(content, "PmtId/EndToEndId") == [each.end_to_end_id for each in payments]
    assert told(content, "Cdtr/Nm") == [each.creditor for each in payments]
    assert told(content, "RmtInf/Ustrd") == [each.remittance for each in payments]
    assert list(map(Decimal, told(content, "Amt/InstdAmt"))) == [each.amount for each in payments]
    assert Decimal(told(content, "GrpHdr/CtrlSum")[0]) == sum(each.amount for each in payments)
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(RUN, payments, totals(payments))), newline="")))
    assert [row["creditor"].removeprefix("'") for row in rows] == [each.creditor.removeprefix("'") for each in payments]
