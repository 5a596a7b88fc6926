"""The outlook in words, in the reader's language: every number in them is one of the outlook's.

What may be used at most is rounded down, so that who keeps to the sentence keeps to the rule.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.units import BASE_UNITS_PER_DISPLAY_UNIT, COMBINED, DISPLAY_UNIT
from carbon_bank.programme.outlook import MAINTENANCE, Outlook, Rung
from carbon_bank.programme.rationals import half_up, hundredths_text, rational_text

LANGUAGES = ("en", "ko")
_UNITS = {commodity.value: unit.name for commodity, unit in DISPLAY_UNIT.items()} | {COMBINED: "kg CO2e"}

ENGLISH = {
    "electricity": "Electricity",
    "gas": "Gas",
    "water": "Water",
    "combined": "All together",
    "missing": "{commodity}: the reading of {months} is missing. Nothing can be paid for the period unless it arrives.",
    "none_read": "{commodity}: no month of the period is read yet.",
    "so_far": "{commodity}: in the {count} months read so far you used {used}; your baseline for them is {baseline}.",
    "so_far_alone": "{commodity}: in the {count} months read so far you used {used}.",
    "newcomer": "{commodity}: you have not held your meter long enough for a baseline, so no points can be given yet.",
    "newcomer_peers": "{commodity}: your baseline is what homes like yours use on the mean in this period; it is known when "
    "the period is over.",
    "no_baseline": "{commodity}: readings of earlier years are missing, so there is no baseline to save against.",
    "not_enough_commodities": "Too few of your meters have a baseline for points to be given.",
    "tier": "For {points} points ({bound}) you may use at most {most} in the {left} months left: {each} a month, {share} % of "
    "their baseline.",
    "reached": "{points} points ({bound}) are reached: all months are read.",
    "out_of_reach": "{points} points ({bound}) are out of reach in this period.",
    "from": "from {percent} less",
    "above": "more than {percent} less",
    "maintenance": "any reduction, after the ones before",
    "at_least": "at least {points}",
    "like_baseline": "If the months left are like your baseline: {rung}.",
    "like_so_far": "If you go on as so far: {rung}.",
    "rung": "{points} points",
    "nothing": "no points",
}
KOREAN = {
    "electricity": "전기",
    "gas": "도시가스",
    "water": "상수도",
    "combined": "합계",
    "missing": "{commodity}: {months} 검침값이 없습니다. 검침값이 들어오지 않으면 이번 기간에는 포인트가 지급되지 않습니다.",
    "none_read": "{commodity}: 이번 기간에 검침된 달이 아직 없습니다.",
    "so_far": "{commodity}: 검침이 끝난 {count}개월 동안 {used} 사용하셨습니다. 같은 달의 기준사용량은 {baseline}입니다.",
    "so_far_alone": "{commodity}: 검침이 끝난 {count}개월 동안 {used} 사용하셨습니다.",
    "newcomer": "{commodity}: 계량기 사용 기간이 짧아 기준사용량이 없으므로 아직 포인트를 드릴 수 없습니다.",
    "newcomer_peers": "{commodity}: 기준사용량은 비슷한 가구의 이번 기간 평균 사용량이며, 기간이 끝난 뒤에 정해집니다.",
    "no_baseline": "{commodity}: 지난해 검침값이 없어 비교할 기준사용량이 없습니다.",
    "not_enough_commodities": "기준사용량이 있는 계량기가 부족하여 포인트를 드릴 수 없습니다.",
    "tier": "{points}포인트({bound})를 받으려면 남은 {left}개월 동안 모두 합하여 {most} 이하로 사용하셔야 합니다. 한 달에 {each}, "
    "기준사용량의 {share} %입니다.",
    "reached": "{points}포인트({bound}): 모든 달의 검침이 끝나 달성하셨습니다.",
    "out_of_reach": "{points}포인트({bound})는 이번 기간에 받을 수 없습니다.",
    "from": "{percent} 이상 감축",
    "above": "{percent} 초과 감축",
    "maintenance": "연속 감축 후 유지",
    "at_least": "최소 {points}",
    "like_baseline": "남은 달에 기준사용량만큼 사용하시면: {rung}.",
    "like_so_far": "지금까지처럼 사용하시면: {rung}.",
    "rung": "{points}포인트",
    "nothing": "포인트 없음",
}
_TEXTS = {"en": ENGLISH, "ko": KOREAN}


def outlook_sentences(outlook: Outlook, language: str) -> list[str]:
    """The outlook of a commodity, sentence by sentence. Args: language: one of LANGUAGES."""
    texts, name = _TEXTS[language], outlook.commodity
    commodity = texts[name]
    told = []
    if outlook.months_missing:
        months = ", ".join(map(month_text, outlook.months_missing))
        told.append(texts["missing"].format(commodity=commodity, months=months))
    count = len(outlook.months_read)
    used = _amount(outlook.used, name)
    if outlook.baseline_so_far is None:
        if count:
            told.append(texts["so_far_alone"].format(commodity=commodity, count=count, used=used))
    elif count:
        baseline = _amount(outlook.baseline_so_far, name)
        told.append(texts["so_far"].format(commodity=commodity, count=count, used=used, baseline=baseline))
    else:
        told.append(texts["none_read"].format(commodity=commodity))
    if outlook.reason is not None:
        return [*told, texts[outlook.reason.value].format(commodity=commodity)]
    told += [_rung_sentence(outlook, rung, texts) for rung in outlook.rungs]
    if outlook.rungs and outlook.months_left:
        told.append(texts["like_baseline"].format(rung=_rung_text(outlook, outlook.like_baseline, texts)))
        if count:
            told.append(texts["like_so_far"].format(rung=_rung_text(outlook, outlook.like_so_far, texts)))
    return told


def _rung_sentence(outlook: Outlook, rung: Rung, texts: dict[str, str]) -> str:
    points, bound = _points(rung, texts), _bound(rung, texts)
    if rung.most_left is None:
        return texts["out_of_reach"].format(points=points, bound=bound)
    if not outlook.months_left:
        return texts["reached"].format(points=points, bound=bound)
    left, share = len(outlook.months_left), outlook.share_of_baseline_bp(rung) or 0
    return texts["tier"].format(
        points=points,
        bound=bound,
        most=_amount(rung.most_left, outlook.commodity, down=True),
        left=left,
        each=_amount(Fraction(rung.most_left, left), outlook.commodity, down=True),
        share=hundredths_text(share),
    )


def _rung_text(outlook: Outlook, number: int | None, texts: dict[str, str]) -> str:
    rung = next((each for each in outlook.rungs if each.number == number), None)
    return texts["nothing"] if rung is None else texts["rung"].format(points=_points(rung, texts))


def _points(rung: Rung, texts: dict[str, str]) -> str:
    points = f"{rung.points:,}"
    return texts["at_least"].format(points=points) if rung.at_least else points


def _bound(rung: Rung, texts: dict[str, str]) -> str:
    if rung.number == MAINTENANCE:
        return texts["maintenance"]
    percent = f"{rational_text(rung.bound * 100)} %"
    return texts["from" if rung.bound_itself else "above"].format(percent=percent)


def _amount(value: Fraction | int, commodity: str, down: bool = False) -> str:
    """In kWh, m3 or kg CO2e with one decimal at most, rounded half up, or down."""
    scaled = Fraction(value) * Fraction(10, BASE_UNITS_PER_DISPLAY_UNIT)
    tenths = floor(scaled) if down else half_up(scaled)
    part = f".{tenths % 10}" if tenths % 10 else ""
    return f"{tenths // 10:,}{part} {_UNITS[commodity]}"
