"""The words of an account statement, in each language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from carbon_bank.inbox.languages import Language


@dataclass(frozen=True)
class Words:
    """`entries`: what each kind of posting is called; `forgiven`: what is said of points that were not asked back.

    `{...}` are filled in.
    """

    title: str
    member_number: str
    period: str
    created: str
    days: str
    day: str
    date: str
    entry: str
    amount: str
    balance: str
    held: str
    opening: str
    closing: str
    lots: str
    no_lots: str
    expires_on: str
    points: str
    note: str
    page: str
    of_commodity: str
    belongs_to: str
    forgiven: str
    commodities: dict[str, str]
    entries: dict[str, str]


WORDS: dict[Language, Words] = {
    Language.EN: Words(
        title="Statement of points",
        member_number="Member number",
        period="Period",
        created="Issued",
        days="{first} to {last}",
        day="{day} {month} {year}",
        date="Date",
        entry="Entry",
        amount="Points",
        balance="Balance",
        held="Set aside",
        opening="Opening balance",
        closing="Closing balance",
        lots="Points that expire",
        no_lots="None of these points expire.",
        expires_on="Last day",
        points="Points",
        note=(
            "The balance is what you own, with the points set aside for rewards that you have asked for. A negative balance is "
            "paid off by the next points that you earn."
        ),
        page="Page {page} of {pages}",
        of_commodity="{entry}: {commodity}",
        belongs_to="{entry}, period to {day}",
        forgiven="{points} more would have been taken and are not asked back",
        commodities={"electricity": "electricity", "gas": "gas", "water": "water", "combined": "all together"},
        entries={
            "adjustment": "Adjustment by the city",
            "award": "Points earned",
            "closing": "Account closed",
            "expiry": "Points expired",
            "hold": "Set aside for a reward",
            "redemption": "Reward received",
            "release": "No longer set aside",
            "restatement": "Points corrected",
            "reversal": "Entry reversed",
        },
    ),
    Language.KO: Words(
        title="포인트 거래내역서",
        member_number="회원번호",
        period="기간",
        created="발급일",
        days="{first} ~ {last}",
        day="{year}년 {number}월 {day}일",
        date="날짜",
        entry="내용",
        amount="포인트",
        balance="잔액",
        held="사용 대기",
        opening="이월 잔액",
        closing="기말 잔액",
        lots="소멸 예정 포인트",
        no_lots="소멸 예정인 포인트가 없습니다.",
        expires_on="사용 가능한 마지막 날",
        points="포인트",
        note=(
            "잔액은 보유하신 포인트이며, 신청하신 보상을 위해 사용 대기 중인 포인트를 포함합니다. 잔액이 음수이면 다음에 지급되는 "
            "포인트에서 먼저 차감됩니다."
        ),
        page="{pages}쪽 중 {page}쪽",
        of_commodity="{entry}: {commodity}",
        belongs_to="{entry} ({day}까지의 기간)",
        forgiven="추가 회수 대상 {points}포인트는 면제됨",
        commodities={"electricity": "전기", "gas": "도시가스", "water": "상수도", "combined": "통합"},
        entries={
            "adjustment": "시의 포인트 조정",
            "award": "포인트 지급",
            "closing": "계정 해지",
            "expiry": "포인트 소멸",
            "hold": "보상 신청으로 사용 대기",
            "redemption": "보상 수령",
            "release": "사용 대기 해제",
            "restatement": "포인트 정정",
            "reversal": "거래 취소",
        },
    ),
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day_words(day: date, language: Language) -> str:
    """`30 June 2026`, or `2026년 6월 30일`."""
    return WORDS[language].day.format(day=day.day, month=_MONTHS[day.month - 1], number=day.month, year=day.year)


def entry_words(kind: str, commodity: str | None, belongs_to: date | None, language: Language) -> str:
    """What a posting is: `Points earned: gas, period to 2026-06-30`. `belongs_to`: null where that says nothing more."""
    words = WORDS[language]
    entry = words.entries[kind]
    if commodity is not None:
        entry = words.of_commodity.format(entry=entry, commodity=words.commodities[commodity])
    if belongs_to is not None:
        entry = words.belongs_to.format(entry=entry, day=belongs_to.isoformat())
    return entry
