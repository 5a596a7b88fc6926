"""A household's account statement as a file: CSV for its spreadsheet, PDF to keep or print; in English or Korean.

It names the member number and never a person. The same statement gives the same bytes. Points are whole numbers: `balance` is what
the household owns (available and held, less debt), of which `held` is set aside for rewards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import pylopdf_fonts_ko
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.sheet import safe_cell, sheet_line
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger.statement_words import WORDS, day_words, entry_words

LINES_MAX = 2000
CSV_COLUMNS = ("seq", "date", "kind", "entry", "belongs_to", "amount", "balance", "held", "journal")


@dataclass(frozen=True)
class StatementHead:
    """Whose account, which days (both included), and what stood before and after them.

    Args: member_number: how the household is known outside. created_at: when the statement was asked for, in the city's zone.
    """

    city: str
    member_number: str
    first_day: date
    last_day: date
    opening: int
    opening_held: int
    closing: int
    closing_held: int
    created_at: datetime


@dataclass(frozen=True)
class StatementLine:
    """One posting. `day`: when it was made, in the city. `belongs_to`: the last day of the months that it is for.
    `forgiven`: what it would have taken beyond `amount`, and did not ask for."""

    seq: int
    journal_id: UUID
    day: date
    kind: str
    commodity: str | None
    belongs_to: date
    amount: int
    balance: int
    held: int
    forgiven: int = 0


@dataclass(frozen=True)
class ExpiringLot:
    """Points that are there and end together; `expires_on` is the last day to spend them."""

    points: int
    expires_on: date


def statement_csv(head: StatementHead, lines: Sequence[StatementLine], language: Language) -> Iterator[str]:
    """A statement as CSV, a line at a time, in the columns CSV_COLUMNS; only `entry` is in the language.

    The first row has the kind `opening`, the last `closing`; they have no amount.
    """
    words = WORDS[language]
    yield sheet_line(CSV_COLUMNS)
    yield sheet_line(
        ["", head.first_day.isoformat(), "opening", words.opening, "", "", *_texts(head.opening, head.opening_held), ""]
    )
    for line in lines:
        entry = entry_words(line.kind, line.commodity, None, language)
        if line.forgiven:
            entry = f"{entry}; {words.forgiven.format(points=line.forgiven)}"
        first = [str(line.seq), line.day.isoformat(), line.kind, safe_cell(entry), line.belongs_to.isoformat()]
        yield sheet_line([*first, *_texts(line.amount, line.balance, line.held), str(line.journal_id)])
    yield sheet_line(
        ["", head.last_day.isoformat(), "closing", words.closing, "", "", *_texts(head.closing, head.closing_held), ""]
    )


def statement_pdf(
    head: StatementHead, lines: Sequence[StatementLine], lots: Sequence[ExpiringLot], language: Language
) -> bytes:
    """A statement as PDF, A4, with the font in it.

    Raises: TooLarge `ledger.statement_lines`.
    """
    if len(lines) + len(lots) > LINES_MAX:
        message = f"A statement as PDF has at most {LINES_MAX} lines; this has {len(lines)}. Ask for a shorter period, or for CSV."
        raise TooLarge("ledger.statement_lines", message, {"lines": len(lines), "lines_max": LINES_MAX})
    page = _Pages(head, language)
    page.heading()
    page.postings(lines)
    page.lots(lots)
    return bytes(page.output())


_MARGIN, _WIDTH, _ROW, _BOTTOM = 18, 174, 6.5, 275
_POSTING_WIDTHS = (21, 84, 22, 25, 22)
_LOT_WIDTHS = (60, 30)
_TEXT, _SMALL, _LARGE = 9, 8, 18
_INK, _PALE, _RULE = (30, 30, 30), (105, 105, 105), (200, 200, 200)


class _Pages(FPDF):
    """The pages of one statement. Sizes in millimetres, type in points."""

    def __init__(self, head: StatementHead, language: Language) -> None:
        super().__init__(format="A4")
        self.statement, self.language, self.words = head, language, WORDS[language]
        self.add_font("body", fname=pylopdf_fonts_ko.sans_path())
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(False)
        self.set_creation_date(head.created_at)
        self.set_title(f"{self.words.title} {head.member_number}")
        self.set_author(head.city)
        self.set_lang(language)
        self.set_font("body", size=_TEXT)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-15)
        self._ink(_SMALL, _PALE)
        # The number of pages is filled in at the end, so that only what stands at the left keeps its place.
        self._put(self.words.page.format(page=self.page_no(), pages=self.str_alias_nb_pages), 40)
        whose = f"{self.statement.city} · {self.words.member_number} {self.statement.member_number}"
        self._put(whose, _WIDTH - 40, align=Align.R)

    def heading(self) -> None:
        head, words = self.statement, self.words
        self._ink(_TEXT, _PALE)
        self._put(head.city, _WIDTH, is_last=True)
        self._ink(_LARGE, _INK)
        self._put(words.title, _WIDTH, height=11, is_last=True)
        self.ln(2)
        days = words.days.format(
            first=day_words(head.first_day, self.language), last=day_words(head.last_day, self.language)
        )
        issued = day_words(head.created_at.date(), self.language)
        for label, value in ((words.member_number, head.member_number), (words.period, days), (words.created, issued)):
            self._ink(_TEXT, _PALE)
            self._put(label, 36)
            self._ink(_TEXT, _INK)
            self._put(value, _WIDTH - 36, is_last=True)
        self.ln(5)

    def postings(self, lines: Sequence[StatementLine]) -> None:
        head, words = self.statement, self.words
        columns = (words.date, words.entry, words.amount, words.balance, words.held)
        self._columns(columns, _POSTING_WIDTHS)
        first = (head.first_day.isoformat(), words.opening, "", _points(head.opening), _points(head.opening_held))
        self._row(first, _POSTING_WIDTHS)
        for line in lines:
            self._room(columns, _POSTING_WIDTHS, rows=2 if line.forgiven else 1)
            belongs_to = None if line.belongs_to == line.day else line.belongs_to
            entry = entry_words(line.kind, line.commodity, belongs_to, self.language)
            amount = _signed(line.amount) if line.amount else ""
            self._ink(_TEXT, _INK)
            self._cells(
                (line.day.isoformat(), entry, amount, _points(line.balance), _points(line.held)), _POSTING_WIDTHS
            )
            if line.forgiven:
                self._ink(_SMALL, _PALE)
                self._cells(("", words.forgiven.format(points=_points(line.forgiven)), "", "", ""), _POSTING_WIDTHS)
            self._rule(_RULE, _POSTING_WIDTHS)
        self._room(columns, _POSTING_WIDTHS, rows=1)
        self._rule(_INK, _POSTING_WIDTHS)
        last = (head.last_day.isoformat(), words.closing, "", _points(head.closing), _points(head.closing_held))
        self._row(last, _POSTING_WIDTHS)
        self.ln(3)
        self._room((), (), rows=2)
        self._ink(_SMALL, _PALE)
        self.multi_cell(w=_WIDTH, h=4.5, text=words.note, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def lots(self, lots: Sequence[ExpiringLot]) -> None:
        words, columns = self.words, (self.words.expires_on, self.words.points)
        self.ln(6)
        self._room((), (), rows=4)
        self._ink(_TEXT + 2, _INK)
        self._put(words.lots, _WIDTH, height=8, is_last=True)
        if not lots:
            self._ink(_TEXT, _INK)
            self._put(words.no_lots, _WIDTH, is_last=True)
            return
        self._columns(columns, _LOT_WIDTHS)
        for lot in lots:
            self._room(columns, _LOT_WIDTHS, rows=1)
            self._row((day_words(lot.expires_on, self.language), _points(lot.points)), _LOT_WIDTHS)

    def _room(self, columns: Sequence[str], widths: Sequence[int], rows: int) -> None:
        """A new page, with the columns' names again, where so many rows do not fit."""
        if self.get_y() + rows * _ROW > _BOTTOM:
            self.add_page()
            if columns:
                self._columns(columns, widths)

    def _columns(self, names: Sequence[str], widths: Sequence[int]) -> None:
        self._ink(_SMALL, _PALE)
        self._cells(names, widths)
        self._rule(_INK, widths)

    def _row(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        self._ink(_TEXT, _INK)
        self._cells(cells, widths)
        self._rule(_RULE, widths)

    def _cells(self, cells: Sequence[str], widths: Sequence[int]) -> None:
        """Words to the left, numbers to the right: they are the columns from the third on, and a table's last."""
        for place, (text, width) in enumerate(zip(cells, widths, strict=True)):
            is_number = place >= 2 or place == len(cells) - 1
            self._put(text, width, is_last=place == len(cells) - 1, align=Align.R if is_number else Align.L)

    def _rule(self, colour: tuple[int, int, int], widths: Sequence[int]) -> None:
        self.set_draw_color(*colour)
        self.set_line_width(0.2)
        self.line(_MARGIN, self.get_y(), _MARGIN + sum(widths), self.get_y())

    def _ink(self, points: int, colour: tuple[int, int, int]) -> None:
        self.set_font_size(points)
        self.set_text_color(*colour)

    def _put(
        self, text: str, width: float, height: float = _ROW, is_last: bool = False, align: Align = Align.L
    ) -> None:
        """Text in its column; what is too long for it ends in an ellipsis."""
        room = width - 2 * self.c_margin
        if self.get_string_width(text) > room:
            while text and self.get_string_width(f"{text}…") > room:
                text = text[:-1]
            text = f"{text}…"
        new_x, new_y = (XPos.LMARGIN, YPos.NEXT) if is_last else (XPos.RIGHT, YPos.TOP)
        self.cell(w=width, h=height, text=text, align=align, new_x=new_x, new_y=new_y)


def _texts(*numbers: int) -> list[str]:
    return [str(number) for number in numbers]


def _points(number: int) -> str:
    return f"{number:,}".replace("-", "−")


def _signed(number: int) -> str:
    return f"{number:+,}".replace("-", "−")
