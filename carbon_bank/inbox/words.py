"""The sentences of notifications, in each language in which a household can read them.

A sentence takes facts by name: `{points}`. Every language tells the same facts in the same sentences; tests/inbox/test_words.py
checks it, and that each fact is one that the kind carries. Pairs are what is said of one, and of more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from carbon_bank.inbox.kinds import Kind
from carbon_bank.inbox.languages import Language


@dataclass(frozen=True)
class Sentence:
    """Told where all facts that it names are there. Args: if_any, if_none: and where this fact is more than nothing, or nothing."""

    text: str
    if_any: str | None = None
    if_none: str | None = None


@dataclass(frozen=True)
class KindWords:
    """Args: codes: what stands for each code that a fact of this kind may have."""

    subject: str
    sentences: tuple[Sentence, ...]
    codes: Mapping[str, str]


@dataclass(frozen=True)
class Words:
    """What all kinds share, and each by itself. Args: closing: the last lines of an e-mail."""

    day: str
    month: str
    month_names: tuple[str, ...]
    half_year: tuple[str, str]
    quarter: str
    year: str
    months: str
    points: tuple[str, str]
    kinds: Mapping[Kind, KindWords]
    closing: str


EN = Words(
    day="{day} {month} {year}",
    month="{month} {year}",
    month_names=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    half_year=("the first half of {year}", "the second half of {year}"),
    quarter="quarter {quarter} of {year}",
    year="{year}",
    months="{first} to {last}",
    points=("{count} point", "{count} points"),
    kinds={
        Kind.CORRECTION: KindWords(
            "Your points were corrected",
            (
                Sentence("Your results for {period} were corrected. Your account changes by {points}."),
                Sentence("Your account was corrected. It changes by {points}.", if_none="period"),
                Sentence("Why: {reason}"),
                Sentence("If you think that this is wrong, you can object to it in your account, at the entry in question."),
            ),
            {
                "complaint_upheld": "you objected, and you were right.",
                "error": "something had been entered or worked out wrongly.",
                "goodwill": "the programme office decided so as a gesture of goodwill.",
                "other": "the programme office decided so; it can tell you more.",
                "readings_revised": "meter readings or records of that time were revised.",
            },
        ),
        Kind.OBJECTION_ANSWERED: KindWords(
            "Your objection was answered",
            (
                Sentence("Objection no. {objection} was answered: {answer}"),
                Sentence("The reasons are in your account, with the objection."),
            ),
            {
                "rejected": "the decision stands.",
                "upheld": "you are right.",
            },
        ),
        Kind.POINTS_EXPIRE: KindWords(
            "Some of your points expire soon",
            (
                Sentence("Points that expire: {points}."),
                Sentence("You can use them until {day}, that day included."),
            ),
            {},
        ),
        Kind.REDEMPTION_DONE: KindWords(
            "Your redemption is done",
            (Sentence("Redemption no. {redemption}, for {points}, is done."),),
            {},
        ),
        Kind.REDEMPTION_EXPIRED: KindWords(
            "Your redemption has ended",
            (
                Sentence("Redemption no. {redemption}, for {points}, was not completed in time and has ended."),
                Sentence("The points are back in your account."),
            ),
            {},
        ),
        Kind.REDEMPTION_REFUSED: KindWords(
            "Your redemption was refused",
            (
                Sentence("Redemption no. {redemption}, for {points}, was refused."),
                Sentence("Why: {reason}"),
                Sentence("The points are back in your account."),
            ),
            {
                "account_unknown": "the account that you named could not be paid into. Check its number and try again.",
                "not_eligible": "this reward is not for your household.",
                "other": "the programme office can tell you more.",
                "out_of_stock": "nothing was left of this reward.",
                "partner_refused": "the shop or organisation that gives this reward refused it.",
                "reward_withdrawn": "this reward is no longer given.",
            },
        ),
        Kind.RESULTS_OUT: KindWords(
            "Your results for {period}",
            (
                Sentence("The results for {period} are out. You get {points}.", if_any="points"),
                Sentence("The results for {period} are out. You get no points.", if_none="points"),
                Sentence("All together: {combined}.", if_any="combined"),
                Sentence("Electricity: {electricity}.", if_any="electricity"),
                Sentence("Gas: {gas}.", if_any="gas"),
                Sentence("Water: {water}.", if_any="water"),
                Sentence("Results that a person has to look at first: {held}.", if_any="held"),
                Sentence("In your account, each award says why it is what it is."),
            ),
            {},
        ),
    },
    closing="This message was sent automatically; nobody reads what is sent back.\n"
    "In the preferences of your account you choose what comes by e-mail, and in which language.",
)  # fmt: skip

KO = Words(
    day="{year}년 {month} {day}일",
    month="{year}년 {month}",
    month_names=("1월", "2월", "3월", "4월", "5월", "6월", "7월", "8월", "9월", "10월", "11월", "12월"),
    half_year=("{year}년 상반기", "{year}년 하반기"),
    quarter="{year}년 {quarter}분기",
    year="{year}년",
    months="{first}~{last}",
    points=("{count}포인트", "{count}포인트"),
    kinds={
        Kind.CORRECTION: KindWords(
            "포인트가 정정되었습니다",
            (
                Sentence("{period} 산정 결과가 정정되었습니다. 포인트 변동: {points}"),
                Sentence("계정의 포인트가 정정되었습니다. 포인트 변동: {points}", if_none="period"),
                Sentence("사유: {reason}"),
                Sentence("정정 내용이 잘못되었다고 생각하시면 계정의 해당 거래 내역에서 이의를 신청하실 수 있습니다."),
            ),
            {
                "complaint_upheld": "신청하신 이의가 받아들여졌습니다.",
                "error": "입력 또는 산정 과정에 착오가 있었습니다.",
                "goodwill": "운영기관이 고객 배려 차원에서 결정하였습니다.",
                "other": "운영기관의 결정에 따른 것이며, 자세한 내용은 운영기관에 문의하시기 바랍니다.",
                "readings_revised": "해당 기간의 검침 자료 또는 등록 정보가 수정되었습니다.",
            },
        ),
        Kind.OBJECTION_ANSWERED: KindWords(
            "이의신청 결과 안내",
            (
                Sentence("이의신청 {objection}번의 결과: {answer}"),
                Sentence("결정 사유는 계정의 이의신청 내역에서 확인하실 수 있습니다."),
            ),
            {
                "rejected": "기존 결정이 유지됩니다.",
                "upheld": "인정되었습니다.",
            },
        ),
        Kind.POINTS_EXPIRE: KindWords(
            "포인트 소멸 예정 안내",
            (
                Sentence("소멸 예정 포인트: {points}"),
                Sentence("{day}까지 사용하실 수 있습니다."),
            ),
            {},
        ),
        Kind.REDEMPTION_DONE: KindWords(
            "포인트 교환이 완료되었습니다",
            (Sentence("교환 {redemption}번({points})이 완료되었습니다."),),
            {},
        ),
        Kind.REDEMPTION_EXPIRED: KindWords(
            "포인트 교환이 기한 경과로 종료되었습니다",
            (
                Sentence("교환 {redemption}번({points})이 기한 내에 완료되지 않아 종료되었습니다."),
                Sentence("포인트는 계정으로 반환되었습니다."),
            ),
            {},
        ),
        Kind.REDEMPTION_REFUSED: KindWords(
            "포인트 교환이 거절되었습니다",
            (
                Sentence("교환 {redemption}번({points})이 거절되었습니다."),
                Sentence("사유: {reason}"),
                Sentence("포인트는 계정으로 반환되었습니다."),
            ),
            {
                "account_unknown": "입력하신 계좌로 입금할 수 없습니다. 계좌번호를 확인하신 후 다시 신청하시기 바랍니다.",
                "not_eligible": "해당 세대는 이 보상의 대상이 아닙니다.",
                "other": "자세한 내용은 운영기관에 문의하시기 바랍니다.",
                "out_of_stock": "해당 보상이 모두 소진되었습니다.",
                "partner_refused": "보상을 제공하는 제휴처에서 거절하였습니다.",
                "reward_withdrawn": "해당 보상은 더 이상 제공되지 않습니다.",
            },
        ),
        Kind.RESULTS_OUT: KindWords(
            "{period} 산정 결과 안내",
            (
                Sentence("{period} 산정 결과가 나왔습니다. 지급 포인트: {points}", if_any="points"),
                Sentence("{period} 산정 결과가 나왔습니다. 지급되는 포인트가 없습니다.", if_none="points"),
                Sentence("통합: {combined}", if_any="combined"),
                Sentence("전기: {electricity}", if_any="electricity"),
                Sentence("도시가스: {gas}", if_any="gas"),
                Sentence("상수도: {water}", if_any="water"),
                Sentence("담당자 확인을 기다리는 항목: {held}건", if_any="held"),
                Sentence("항목별 산정 사유는 계정의 지급 내역에서 확인하실 수 있습니다."),
            ),
            {},
        ),
    },
    closing="이 메일은 자동으로 발송되었으며, 회신하셔도 확인되지 않습니다.\n"
    "이메일로 받을 알림의 종류와 언어는 계정의 알림 설정에서 바꾸실 수 있습니다.",
)

WORDS: dict[Language, Words] = {Language.EN: EN, Language.KO: KO}
