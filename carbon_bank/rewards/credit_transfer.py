"""A payout run as a file for the city's bank: ISO 20022 `pain.001.001.09`, or CSV.

Both are written as a stream, payment by payment; the same run gives the same bytes. Nothing is changed on the way: what
the bank would not take is refused, with the payment's end-to-end id. Only `fit_remittance` cuts, and only when asked.
Source: ISO 20022, CustomerCreditTransferInitiationV09; EPC132-08 for characters of ids and the service level SEPA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import BinaryIO

from lxml import etree

from carbon_bank.foundation.errors import Conflict, Fault, InvalidInput, TooLarge
from carbon_bank.foundation.sheet import hidden_character, safe_cell, sheet_line
from carbon_bank.rewards.bank_account import BankAccount, Iban, check_account

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
PAYMENTS_MAX = 1_000_000
ID_CHARACTERS_MAX, NAME_CHARACTERS_MAX, REMITTANCE_CHARACTERS_MAX = 35, 140, 140
AMOUNT_MAX, TOTAL_MAX = Decimal(10**12), Decimal(10**15)
"""With three places they fit the 18 digits of ISO 20022."""
CSV_COLUMNS = (
    "end_to_end_id", "execute_on", "amount", "currency", "creditor", "iban", "bic", "bank_code", "account_number", "remittance",
)  # fmt: skip
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9?:().,'+-]|/(?!/|$)){0,34}")
_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE "
        "CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR "
        "KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB "
        "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY "
        "TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
CURRENCY_PLACES = {code: places for places, codes in _PLACES.items() for code in codes.split()}
"""Decimal places of each currency in use. Source: ISO 4217, list one of 2026, without funds, metals and test codes."""


@dataclass(frozen=True)
class Run:
    """What all payments of a run have in common. `service_level`: a code that the bank agreed on, as `SEPA`."""

    message_id: str
    created_at: datetime
    execute_on: date
    debtor: str
    account: BankAccount
    currency: str
    service_level: str | None = None


@dataclass(frozen=True)
class Payment:
    """One transfer to a household. `end_to_end_id`: the redemption's, by which the bank's answer is known again."""

    end_to_end_id: str
    amount: Decimal
    creditor: str
    account: BankAccount
    remittance: str


@dataclass(frozen=True)
class Totals:
    """How many payments a run has, and their exact sum: told in the file before the first of them."""

    payments: int
    amount: Decimal


def totals(payments: Iterable[Payment]) -> Totals:
    """Count and sum of payments that are at hand."""
    amounts = [payment.amount for payment in payments]
    return Totals(len(amounts), sum(amounts, Decimal(0)))


def fit_remittance(text: str) -> str:
    """A remittance text cut to what a file takes: harmless, for a payment is known by its id. An ellipsis says that it was cut."""
    return text if len(text) <= REMITTANCE_CHARACTERS_MAX else f"{text[: REMITTANCE_CHARACTERS_MAX - 1]}…"


def check_run(run: Run) -> list[Fault]:
    """What a bank would not take of a run.

    Faults: `rewards.payment_id`, `rewards.currency`, `rewards.service_level`, `rewards.name`, and those of the account.
    """
    faults = [_id_fault(run.message_id, "message_id"), _text_fault(run.debtor, "debtor", NAME_CHARACTERS_MAX)]
    if run.currency not in CURRENCY_PLACES:
        faults.append(
            Fault(
                "currency", "rewards.currency", "This is no currency in use. Give its ISO 4217 code.", run.currency[:80]
            )
        )
    if run.service_level is not None and not re.fullmatch(r"[A-Z0-9]{1,4}", run.service_level):
        faults.append(
            Fault("service_level", "rewards.service_level", "A service level is a code of 1 to 4 letters, as SEPA.")
        )
    faults.append(check_account(run.account, "account"))
    return [fault for fault in faults if fault is not None]


def check_payment(payment: Payment, currency: str) -> list[Fault]:
    """What a bank would not take of a payment; each with `payment <id>/<field>`.

    Faults: `rewards.payment_id`, `rewards.amount`, `rewards.name`, `rewards.remittance`, and those of the account.
    """
    place = f"payment {payment.end_to_end_id[:ID_CHARACTERS_MAX]!a}"
    faults = [
        _id_fault(payment.end_to_end_id, f"{place}/end_to_end_id"),
        _amount_fault(payment.amount, currency, f"{place}/amount"),
        _text_fault(payment.creditor, f"{place}/creditor", NAME_CHARACTERS_MAX),
        check_account(payment.account, f"{place}/account"),
        _text_fault(payment.remittance, f"{place}/remittance", REMITTANCE_CHARACTERS_MAX, "rewards.remittance"),
    ]
    return [fault for fault in faults if fault is not None]


def write_xml(run: Run, payments: Iterable[Payment], expected: Totals, out: BinaryIO) -> None:
    """Write a run as pain.001.001.09, UTF-8, one line for each payment.

    What was written before a refusal is no file: the caller throws it away.
    Raises: InvalidInput `rewards.payout_run`, `rewards.payout_empty`, `rewards.payout_payment`, `rewards.payout_repeated`;
            TooLarge `rewards.payout_size`; Conflict `rewards.payout_totals`, where the payments are not those expected.
    """
    checked = _checked(run, payments, expected)
    with etree.xmlfile(out, encoding="UTF-8") as file:
        file.write_declaration()
        # Elements are made without a namespace and get the document's as they are written: it is declared once.
        with file.element("Document", nsmap={None: NAMESPACE}), file.element("CstmrCdtTrfInitn"):
            file.write("\n", _group_header(run, expected), "\n")
            with file.element("PmtInf"):
                file.write(*_payment_information(run, expected), "\n")
                for payment in checked:
                    file.write(_transaction(payment, run.currency), "\n")


def csv_lines(run: Run, payments: Iterable[Payment], expected: Totals) -> Iterator[str]:
    """A run as CSV, in the columns CSV_COLUMNS: a line at a time, to be encoded as UTF-8.

    Of an IBAN `iban` and `bic` are filled, of another account `bank_code` and `account_number`. Cells that a spreadsheet would
    run begin with an apostrophe. Raises: as `write_xml`.
    """
    checked = _checked(run, payments, expected)
    yield sheet_line(CSV_COLUMNS)
    for payment in checked:
        account = payment.account
        if isinstance(account, Iban):
            numbers = [account.number, account.bic or "", "", ""]
        else:
            numbers = ["", "", account.bank_code, account.number]
        amount = amount_text(payment.amount, run.currency)
        first = [payment.end_to_end_id, run.execute_on.isoformat(), amount, run.currency, safe_cell(payment.creditor)]
        yield sheet_line([*first, *numbers, safe_cell(payment.remittance)])


def amount_text(amount: Decimal, currency: str) -> str:
    """An amount with all places of its currency: 5000 in KRW, 5.00 in EUR, 5.000 in JOD."""
    return format(amount, f".{CURRENCY_PLACES[currency]}f")


def _checked(run: Run, payments: Iterable[Payment], expected: Totals) -> Iterator[Payment]:
    """The payments, each looked at before it is written. Only their ids are kept."""
    assert run.created_at.tzinfo is not None, "an instant"
    faults = check_run(run)
    if faults:
        raise InvalidInput("rewards.payout_run", f"The run cannot be written: {faults[0].message}", faults=faults)
    if expected.payments < 1:
        raise InvalidInput("rewards.payout_empty", "The run has no payments, so that there is nothing to write.")
    if expected.payments > PAYMENTS_MAX or not expected.amount.is_finite() or expected.amount >= TOTAL_MAX:
        message = f"A file takes {PAYMENTS_MAX} payments and a sum below {TOTAL_MAX}. Split the run."
        raise TooLarge("rewards.payout_size", message, {"payments": expected.payments, "payments_max": PAYMENTS_MAX})
    return _looked_at(run, payments, expected)


def _looked_at(run: Run, payments: Iterable[Payment], expected: Totals) -> Iterator[Payment]:
    seen: set[str] = set()
    total = Decimal(0)
    for payment in payments:
        faults = check_payment(payment, run.currency)
        if faults:
            message = f"{faults[0].where} cannot be paid: {faults[0].message}"
            raise InvalidInput("rewards.payout_payment", message, {"end_to_end_id": payment.end_to_end_id[:80]}, faults)
        if payment.end_to_end_id in seen:
            message = f"The end-to-end id {payment.end_to_end_id} is there twice. Give each payment its own."
            raise InvalidInput("rewards.payout_repeated", message, {"end_to_end_id": payment.end_to_end_id})
        seen.add(payment.end_to_end_id)
        total += payment.amount
        if len(seen) > expected.payments:
            break
        yield payment
    if Totals(len(seen), total) != expected:
        raise Conflict(
            "rewards.payout_totals",
            f"The run was to have {expected.payments} payments of {expected.amount} in all, and has others. Write it again.",
            {"payments_expected": expected.payments, "amount_expected": str(expected.amount)},
        )


def _id_fault(text: str, where: str) -> Fault | None:
    if _ID.fullmatch(text):
        return None
    message = (
        f"An id has 1 to {ID_CHARACTERS_MAX} letters, digits or any of ? : ( ) . , ' + - /; it begins with a letter or digit, "
        "has no // and does not end with /."
    )
    return Fault(where, "rewards.payment_id", message, text[:80])


def _text_fault(text: str, where: str, characters_max: int, code: str = "rewards.name") -> Fault | None:
    if not text.strip() or text != text.strip():
        return Fault(where, code, "It must not be empty, nor begin or end with a space.")
    if len(text) > characters_max:
        return Fault(where, code, f"A bank takes {characters_max} characters; this has {len(text)}. Shorten it.")
    hidden = hidden_character(text)
    return (
        None if hidden is None else Fault(where, code, f"It has the character {hidden}, which nobody sees. Remove it.")
    )


def _amount_fault(amount: Decimal, currency: str, where: str) -> Fault | None:
    places = CURRENCY_PLACES[currency]
    if not amount.is_finite() or not 0 < amount < AMOUNT_MAX:
        message = f"An amount is more than nothing and less than {AMOUNT_MAX}."
        return Fault(where, "rewards.amount", message, str(amount)[:80])
    if amount != amount.quantize(Decimal(1).scaleb(-places)):
        message = f"An amount in {currency} has at most {places} decimal places."
        return Fault(where, "rewards.amount", message, str(amount)[:80])
    return None


def _group_header(run: Run, expected: Totals) -> etree._Element:
    header = etree.Element("GrpHdr")
    _add(header, "MsgId", run.message_id)
    _add(header, "CreDtTm", _instant(run.created_at))
    _add(header, "NbOfTxs", str(expected.payments))
    _add(header, "CtrlSum", amount_text(expected.amount, run.currency))
    _add(_add(header, "InitgPty"), "Nm", run.debtor)
    return header


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _payment_information(run: Run, expected: Totals) -> Sequence[etree._Element]:
    """What stands in PmtInf before the payments: one block for the run, so that its id is the message's."""
    block = etree.Element("PmtInf")
    _add(block, "PmtInfId", run.message_id)
    _add(block, "PmtMtd", "TRF")
    _add(block, "NbOfTxs", str(expected.payments))
    _add(block, "CtrlSum", amount_text(expected.amount, run.currency))
    if run.service_level is not None:
        _add(_add(_add(block, "PmtTpInf"), "SvcLvl"), "Cd", run.service_level)
    _add(_add(block, "ReqdExctnDt"), "Dt", run.execute_on.isoformat())
    _add(_add(block, "Dbtr"), "Nm", run.debtor)
    _account(_add(block, "DbtrAcct"), run.account)
    _agent(_add(block, "DbtrAgt"), run.account)
    _add(block, "ChrgBr", "SLEV")
    return list(block)


def _transaction(payment: Payment, currency: str) -> etree._Element:
    one = etree.Element("CdtTrfTxInf")
    _add(_add(one, "PmtId"), "EndToEndId", payment.end_to_end_id)
    _add(_add(one, "Amt"), "InstdAmt", amount_text(payment.amount, currency)).set("Ccy", currency)
    if not isinstance(payment.account, Iban) or payment.account.bic is not None:
        _agent(_add(one, "CdtrAgt"), payment.account)
    _add(_add(one, "Cdtr"), "Nm", payment.creditor)
    _account(_add(one, "CdtrAcct"), payment.account)
    _add(_add(one, "RmtInf"), "Ustrd", payment.remittance)
    return one


def _account(parent: etree._Element, account: BankAccount) -> None:
    identification = _add(parent, "Id")
    if isinstance(account, Iban):
        _add(identification, "IBAN", account.number)
    else:
        _add(_add(identification, "Othr"), "Id", account.number)


def _agent(parent: etree._Element, account: BankAccount) -> None:
    """The bank of an account. The schema wants the debtor's; where only its IBAN is known, EPC132-08 has NOTPROVIDED."""
    institution = _add(parent, "FinInstnId")
    if not isinstance(account, Iban):
        member = _add(institution, "ClrSysMmbId")
        if account.system is not None:
            _add(_add(member, "ClrSysId"), "Cd", account.system)
        _add(member, "MmbId", account.bank_code)
    elif account.bic is not None:
        _add(institution, "BICFI", account.bic)
    else:
        _add(_add(institution, "Othr"), "Id", "NOTPROVIDED")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, name)
    child.text = text
    return child
