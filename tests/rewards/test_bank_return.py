"""What a bank answers is read payment by payment; only what is settled is paid, and what is in doubt decides nothing."""

from __future__ import annotations

import csv
import io
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Refusal, TooLarge
from carbon_bank.rewards import bank_return
from carbon_bank.rewards.bank_return import NAMESPACE, STATUSES, Mark, Outcome, follow, read_csv, read_pain002

PAID, REFUSED, RETURNED, OPEN = Outcome.PAID, Outcome.REFUSED, Outcome.RETURNED, Outcome.OPEN


def one(end_to_end_id: str, status: str, reasons: str = "") -> str:
    return (
        f"<TxInfAndSts><StsId>S</StsId><OrgnlEndToEndId>{escape(end_to_end_id)}</OrgnlEndToEndId>"
        f"<TxSts>{escape(status)}</TxSts>{reasons}</TxInfAndSts>"
    )


def reason(code: str, *words: str, kind: str = "Cd") -> str:
    added = "".join(f"<AddtlInf>{escape(each)}</AddtlInf>" for each in words)
    return f"<StsRsnInf><Rsn><{kind}>{escape(code)}</{kind}></Rsn>{added}</StsRsnInf>"


def report(*payments: str, group: str = "", block: str = "") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{NAMESPACE}"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>B-1</MsgId><CreDtTm>2026-01-08T09:00:00Z</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>RUN-2026-1</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>{group}"
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>RUN-2026-1</OrgnlPmtInfId>{block}{''.join(payments)}"
        "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def faults(content: bytes) -> list[tuple[str, str]]:
    read = read_pain002 if content.startswith(b"<") else read_csv
    return [(fault.where, fault.code) for fault in read(content, "answer").faults]


def test_a_report_tells_each_payment_with_the_banks_reason() -> None:
    found = read_pain002(
        report(
            one("R-1", "ACSC"),
            one("R-2", "RJCT", reason("AC04", "계좌 해지", "closed")),
            one("R-3", "RJCT", reason("X1", kind="Prtry")),
        ),
        "answer.xml",
    )
    assert found.original_id == "RUN-2026-1"
    assert found.marks == [
        Mark(1, "R-1", PAID), Mark(2, "R-2", REFUSED, "AC04", "계좌 해지 closed"), Mark(3, "R-3", REFUSED, "X1"),
    ]  # fmt: skip
    assert (found.whole, found.faults, found.in_doubt) == (None, [], set())


def test_only_what_is_settled_is_paid() -> None:
    assert {status for status, outcome in STATUSES.items() if outcome is PAID} == {"ACSC", "ACCC"}
    assert {status for status, outcome in STATUSES.items() if outcome is REFUSED} == {"RJCT", "CANC"}
    found = read_pain002(report(*(one(status, status) for status in STATUSES)), "answer.xml")
    assert {mark.end_to_end_id: mark.outcome for mark in found.marks} == STATUSES


def test_a_run_that_is_refused_as_a_whole_has_one_mark_without_an_id() -> None:
    for content in (
        report(group=f"<GrpSts>RJCT</GrpSts>{reason('DU01', 'seen before')}"),
        report(group="<GrpSts>PART</GrpSts>", block=f"<PmtInfSts>RJCT</PmtInfSts>{reason('DU01', 'seen before')}"),
    ):
        assert read_pain002(content, "answer.xml").whole == Mark(0, "", REFUSED, "DU01", "seen before")


def test_what_contradicts_the_whole_or_itself_counts_for_nothing() -> None:
    found = read_pain002(report(one("R-1", "ACSC"), one("R-2", "PDNG"), group="<GrpSts>RJCT</GrpSts>"), "answer.xml")
    assert [mark.end_to_end_id for mark in found.marks] == ["R-2"] and found.in_doubt == {"R-1"}
    assert [fault.code for fault in found.faults] == ["rewards.return_contradiction"]
    found = read_pain002(report(group="<GrpSts>RJCT</GrpSts>", block="<PmtInfSts>ACSC</PmtInfSts>"), "answer.xml")
    assert found.whole is None and [fault.code for fault in found.faults] == ["rewards.return_contradiction"]
    found = read_pain002(report(group="<GrpSts>WHAT</GrpSts>", block="<PmtInfSts>RJCT</PmtInfSts>"), "answer.xml")
    assert found.whole is None and [fault.code for fault in found.faults] == ["rewards.return_status"]


def test_a_payment_that_cannot_be_read_is_told_by_its_place_and_harms_no_other() -> None:
    content = report(
        one("", "ACSC"),
        one("R-1", "ACSC"),
        one("R-1", "ACSC"),
        one("R-2", "WHAT"),
        one("R-3", "ACSC"),
        one("R-3", "RJCT"),
    )
    assert faults(content) == [
        ("TxInfAndSts 1", "rewards.return_id"),
        ("TxInfAndSts 3", "rewards.return_repeated"),
        ("TxInfAndSts 4", "rewards.return_status"),
        ("TxInfAndSts 6", "rewards.return_contradiction"),
    ]
    found = read_pain002(content, "answer.xml")
    assert [mark.end_to_end_id for mark in found.marks] == ["R-1"] and found.in_doubt == {"R-2", "R-3"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<Document",
        b"<Document/>",
        report().replace(b"pain.002.001.10", b"pain.002.001.03"),
        report().replace(b"<Document", b'<!DOCTYPE Document [<!ENTITY a "b">]><Document'),
        report(one("&a;", "ACSC").replace("&amp;", "&")),
        report("<a>" * 40 + "</a>" * 40),
        report("<a/>" * 120_000),
    ],
)
def test_what_is_no_report_is_refused_as_a_whole(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_pain002(content, "answer.xml")
    assert refused.value.code == "rewards.return_unreadable"


def test_a_csv_answer_says_the_same() -> None:
    rows = [
        "\ufeffend_to_end_id,status,reason",
        "R-1,paid,",
        "R-2,Refused,closed",
        "R-3,returned,",
        "R-1,paid,",
        "R-4,lost,",
        "R-5",
        "R-2,paid,",
    ]
    content = "\r\n".join(rows).encode()
    found = read_csv(content, "answer.csv")
    assert found.marks == [Mark(2, "R-1", PAID), Mark(4, "R-3", RETURNED)]
    assert found.in_doubt == {"R-2", "R-4"} and found.fault_count == 4
    assert faults(content) == [
        ("line 5", "rewards.return_repeated"),
        ("line 6", "rewards.return_status"),
        ("line 7", "rewards.return_row"),
        ("line 8", "rewards.return_contradiction"),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "rewards.return_columns"),
        (b"end_to_end_id\nR-1\n", "rewards.return_columns"),
        (b"end_to_end_id,status,status\n", "rewards.return_columns"),
        (b"end_to_end_id,status,iban\n", "rewards.return_columns"),
        (b"end_to_end_id,status\n\xff,paid\n", "rewards.return_unreadable"),
        (b'end_to_end_id,status\n"R-1,paid\n', "rewards.return_unreadable"),
    ],
)
def test_what_is_no_csv_answer_is_refused_as_a_whole(content: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_csv(content, "answer.csv")
    assert refused.value.code == code


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_return, "MARKS_MAX", 2)
    monkeypatch.setattr(bank_return, "FAULTS_MAX", 1)
    assert len(faults(report(one("", ""), one("", ""), one("R-1", "ACSC")))) == 1
    with pytest.raises(TooLarge):
        read_csv(b"end_to_end_id,status\n1,paid\n2,paid\n3,paid\n", "answer.csv")
    monkeypatch.setattr(bank_return, "BYTES_MAX", 10)
    with pytest.raises(TooLarge):
        read_pain002(report(), "answer.xml")


def test_what_ended_stays_ended_and_money_that_came_back_is_returned() -> None:
    for said in Outcome:
        assert follow(OPEN, said) is said
        assert follow(said, said) is said
        assert follow(said, OPEN) is said
    assert follow(PAID, REFUSED) is follow(PAID, RETURNED) is follow(RETURNED, REFUSED) is RETURNED
    assert follow(REFUSED, RETURNED) is REFUSED
    assert follow(REFUSED, PAID) is follow(RETURNED, PAID) is None


ids = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=35)
words = st.none() | st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=35)
told = st.lists(st.tuples(ids, st.sampled_from(Outcome), words, words), unique_by=lambda each: each[0])


@settings(max_examples=100)
@given(told)
def test_an_answer_reads_back_as_it_was_written(rows: list[tuple[str, Outcome, str | None, str | None]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([("end_to_end_id", "status", "reason_code", "reason"), *rows])
    assert read_csv(out.getvalue().encode(), "a").marks == [Mark(line, *row) for line, row in enumerate(rows, start=2)]
    codes = {PAID: "ACSC", REFUSED: "RJCT", OPEN: "PDNG"}
    known = [row for row in rows if row[1] in codes]
    xml = report(*(one(name, codes[outcome], reason(code or "", added or "")) for name, outcome, code, added in known))
    assert read_pain002(xml, "a").marks == [Mark(number, *row) for number, row in enumerate(known, start=1)]
