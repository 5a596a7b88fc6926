"""A statement says in words what each posting was, adds up on every page, and is the same file each time."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pypdfium2
import pytest

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger.statement_file import (
    CSV_COLUMNS,
    LINES_MAX,
    ExpiringLot,
    StatementHead,
    StatementLine,
    statement_csv,
    statement_pdf,
)
from carbon_bank.ledger.statement_words import WORDS, entry_words
from tests.ledger.books import JOURNAL

HEAD = StatementHead(
    "광주광역시",
    "G-0012345",
    date(2026, 1, 1),
    date(2026, 6, 30),
    12000,
    0,
    15250,
    3000,
    datetime(2026, 7, 2, 1, tzinfo=UTC),
)
LINES = [
    StatementLine(1, JOURNAL, date(2026, 2, 3), "award", "gas", date(2025, 12, 31), 4250, 16250, 0),
    StatementLine(2, JOURNAL, date(2026, 3, 4), "hold", None, date(2026, 3, 4), 0, 16250, 3000),
    StatementLine(3, JOURNAL, date(2026, 3, 5), "adjustment", None, date(2026, 3, 5), -1000, 15250, 3000, 500),
]
LOTS = [ExpiringLot(4250, date(2027, 2, 28)), ExpiringLot(11000, date(2028, 12, 31))]


def pages_of(content: bytes) -> list[str]:
    """The text of each page, as the reader of a browser finds it."""
    with pypdfium2.PdfDocument(content) as document:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            Language.EN,
            [
                "광주광역시", "Statement of points", "G-0012345", "1 January 2026 to 30 June 2026", "2 July 2026", "Opening balance",
                "Points earned: gas, period to 2025-12-31", "+4,250", "16,250", "Set aside for a reward", "3,000",
                "Adjustment by the city", "−1,000",
                "500 more would have been taken and are not asked back",
                "Closing balance", "15,250", "Points that expire", "28 February 2027",
                "11,000", "Page 1 of 1",
            ],
        ),
        (
            Language.KO,
            [
                "광주광역시", "포인트 거래내역서", "회원번호", "2026년 1월 1일 ~ 2026년 6월 30일", "2026년 7월 2일", "이월 잔액",
                "포인트 지급: 도시가스 (2025-12-31까지의 기간)", "+4,250", "보상 신청으로 사용 대기", "시의 포인트 조정", "−1,000",
                "추가 회수 대상 500포인트는 면제됨",
                "기말 잔액", "소멸 예정 포인트", "2027년 2월 28일", "1쪽 중 1쪽",
            ],
        ),
    ],
)  # fmt: skip
def test_a_statement_reads_back_in_both_languages(language: Language, told: list[str]) -> None:
    content = statement_pdf(HEAD, LINES, LOTS, language)
    (text,) = pages_of(content)
    places = [text.find(each) for each in told]
    assert [each for each, place in zip(told, places, strict=True) if place < 0] == []
    with pypdfium2.PdfDocument(content) as document:
        assert [round(side / 72 * 25.4) for side in document[0].get_size()] == [210, 297]
    assert len(content) < 60_000, "only the characters that are used are in the file"


def test_the_same_statement_is_the_same_file() -> None:
    assert statement_pdf(HEAD, LINES, LOTS, Language.KO) == statement_pdf(HEAD, LINES, LOTS, Language.KO)
    later = replace(HEAD, created_at=HEAD.created_at + timedelta(seconds=1))
    assert statement_pdf(later, LINES, LOTS, Language.KO) != statement_pdf(HEAD, LINES, LOTS, Language.KO)


def test_every_page_has_the_columns_and_its_number_and_no_line_is_lost() -> None:
    lines = [replace(LINES[0], amount=number, balance=100_000 + number) for number in range(1, 151)]
    pages = pages_of(statement_pdf(HEAD, lines, [], Language.EN))
    assert len(pages) == 5
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of 5" in text and "Set aside" in text and "G-0012345" in text
    told = "\n".join(pages)
    assert [number for number in range(1, 151) if f"{100_000 + number:,}" not in told] == []
    assert "None of these points expire." in pages[-1]


def test_each_kind_of_posting_and_commodity_has_words_in_each_language_that_fit() -> None:
    kinds = {
        "adjustment", "award", "closing", "expiry", "hold", "redemption", "release", "restatement", "reversal",
    }  # fmt: skip
    for language, words in WORDS.items():
        assert words.entries.keys() == kinds
        assert words.commodities.keys() == set(AWARD_COMMODITY_DTYPE.categories)
        lines = [
            replace(LINES[0], kind=kind, commodity=each)
            for kind in ("award", "restatement", "reversal")
            for each in words.commodities
        ]
        lines += [replace(LINES[0], kind=kind, commodity=None) for kind in sorted(kinds)]
        told = "\n".join(pages_of(statement_pdf(HEAD, lines, [], language)))
        entries = {entry_words(line.kind, line.commodity, line.belongs_to, language) for line in lines}
        assert [each for each in entries if each not in told] == []


def test_csv_has_the_same_lines_with_the_words_in_one_column() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(statement_csv(HEAD, LINES, Language.KO)), newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["kind"] for row in rows] == ["opening", "award", "hold", "adjustment", "closing"]
    assert list(rows[1].values()) == [
        "1",
        "2026-02-03",
        "award",
        "포인트 지급: 도시가스",
        "2025-12-31",
        "4250",
        "16250",
        "0",
        str(JOURNAL),
    ]
    assert rows[3]["entry"] == "시의 포인트 조정; 추가 회수 대상 500포인트는 면제됨"
    assert (rows[3]["amount"], rows[-1]["balance"], rows[-1]["held"]) == ("-1000", "15250", "3000")


def test_a_name_that_is_too_long_is_cut_in_the_picture_and_a_statement_that_is_too_long_is_refused() -> None:
    (text,) = pages_of(statement_pdf(replace(HEAD, city="긴 이름 " * 100), LINES, LOTS, Language.KO))
    assert "…" in text and "1쪽 중 1쪽" in text
    with pytest.raises(TooLarge):
        statement_pdf(HEAD, LINES * LINES_MAX, LOTS, Language.KO)
