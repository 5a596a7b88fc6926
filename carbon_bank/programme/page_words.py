"""The sentences of a policy's page, in each language in which citizens can read it.

A sentence takes its numbers by name: `{share}`. Every language tells the same numbers in the same sentences;
tests/programme/test_page.py checks it. Pairs are what is said of one, and of more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from carbon_bank.programme.findings import Code


class PageLanguage(StrEnum):
    EN = "en"
    KO = "ko"


@dataclass(frozen=True)
class Words:
    """What the page says: headings, sentences, and names."""

    date: str
    month_names: tuple[str, ...]
    months: tuple[str, str]
    years: tuple[str, str]
    years_before: tuple[str, str]
    periods: tuple[str, str]
    points: tuple[str, str]
    percent: str
    comma: str
    last_comma: str
    commodities: Mapping[str, str]

    made_from: str
    reference: str
    digest: str
    effective_from: str
    period: str
    period_monthly: str
    pays_for: str

    baseline: str
    baseline_mean: str
    baseline_years: str
    baseline_months: str
    baseline_every_month: str
    month_whole: str
    month_partly: str
    history: Mapping[str, str]
    newcomer: Mapping[str, str]
    rate: str

    reduction: str
    reduction_each: str
    reduction_combined: str
    required: str
    min_commodities: str
    saving_column: str
    points_column: str
    commodity_column: str
    from_: str
    above: str
    less_than: str
    up_to: str
    from_to: str
    per_unit: str
    rounded_down: str
    counted_max: str

    maintenance: str
    maintenance_when: str
    maintenance_run: str
    standard_use: str
    standard_use_when: str
    cap: str
    cap_is: str
    cap_cuts: str

    nothing: str
    nothing_month: str
    nothing_month_combined: str
    nothing_baseline: str
    nothing_saved: str
    nothing_below: str
    nothing_below_maintained: str
    nothing_but_standard: str

    review: str
    review_holds: str
    review_holds_nothing: str
    review_notes: str
    findings: Mapping[Code, str]
    vacant_limit: str
    vacant_no_limit: str

    validity: str
    valid: str
    valid_always: str

    factors: str
    factors_report: str
    factors_decide: str
    factor_column: str
    source_column: str
    factor: str
    sources: str
    as_written: str
    notes: str


EN = Words(
    date="{day} {month} {year}",
    month_names=(
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    months=("{count} month", "{count} months"),
    years=("{count} year", "{count} years"),
    years_before=("the year before", "the {count} years before"),
    periods=("{count} period", "{count} periods"),
    points=("{count} point", "{count} points"),
    percent="{number} %",
    comma=", ",
    last_comma=" and ",
    commodities={"electricity": "electricity", "gas": "gas", "water": "water", "combined": "all together"},
    made_from="This page was made from the policy document. Where the two seem to differ, the exact text of the document "
    "counts.",
    reference="Policy: `{reference}`",
    digest="Digest of the exact text (SHA-256): `{digest}`",
    effective_from="It settles periods that begin on {date} or later.",
    period="A period is {months} long and begins in {begins}.",
    period_monthly="Every month is a period.",
    pays_for="It pays for using less {commodities}.",
    baseline="What your use is compared with",
    baseline_mean="For each month of the period, we take the mean of what you used in the same month of {years}. "
    "These means added up are your baseline.",
    baseline_years="Such a mean needs the month's use of {years} at least.",
    baseline_months="There must be such a mean for at least {months} of the period; a month without one takes the mean of the "
    "others.",
    baseline_every_month="There must be such a mean for every month of the period ({months}).",
    month_whole="The use of a month is known when readings cover every day of it.",
    month_partly="The use of a month is known when readings cover at least {share} of its days; it is then scaled up to the "
    "whole month.",
    history={
        "tenure": "Only whole months in which you held the meter yourself count. After a move you begin anew.",
        "dwelling": "What was used in your home before you moved in counts too.",
    },
    newcomer={
        "wait": "If you are new and have too little history, you wait until there is enough of it to compare with.",
        "peer_mean": "If you are new and have too little history, your use is compared with the mean of at least "
        "{peer_min} households in the same kind of dwelling with as many residents ({residents_max} and more count alike).",
    },
    rate="Your saving in percent is baseline minus use, divided by the baseline. It is compared exactly, before any rounding.",
    reduction="What a saving earns",
    reduction_each="Each kind of use is judged by itself, once for each period.",
    reduction_combined="Use and baseline are turned into emissions and added, and judged together.",
    required="There is no award unless both use and baseline are known of {commodities}.",
    min_commodities="Both use and baseline must be known of at least {count} of these: {commodities}. Those of which they "
    "are not known are left out.",
    saving_column="Saving",
    points_column="Points",
    commodity_column="For",
    from_="{share} or more",
    above="more than {share}",
    less_than="less than {share}",
    up_to="at most {share}",
    from_to="{low}, {high}",
    per_unit="{points} for each {unit} saved",
    rounded_down="Points for each unit are rounded down to whole points. The rate of your row is paid for the whole saving.",
    counted_max="Of what you save, at most {share} of the baseline is paid by the unit.",
    maintenance="Points for staying low",
    maintenance_when="If you used less than the baseline but saved too little for the table above, and the {periods} just "
    "before were all paid by the table, you get:",
    maintenance_run="Periods paid for staying low neither add to this run nor break it. Any other result, and a move, does.",
    standard_use="Points for using little",
    standard_use_when="If you used at most {share} of the mean of all households in the city whose use is known for the "
    "whole period, you get these points on top:",
    cap="At most",
    cap_is="A household gets at most {points} for a period.",
    cap_cuts="If it is more, the points are cut in this order: {commodities}.",
    nothing="When nothing is paid",
    nothing_month="A month of the period is missing. Missing is not zero: without it we do not know what you saved.",
    nothing_month_combined="Too few have both use and baseline. One with a missing month in the period does not count: "
    "missing is not zero.",
    nothing_baseline="There is no baseline, or it is zero.",
    nothing_saved="You used as much as the baseline, or more.",
    nothing_below="Your saving is below the first row of the table ({bound}).",
    nothing_below_maintained="Your saving is below the first row of the table ({bound}), and you get no points for staying "
    "low.",
    nothing_but_standard="Points for using little are paid nevertheless, unless a month of the period is missing.",
    review="What a person looks at first",
    review_holds="In these cases the points wait until a person has looked at them, and released or rejected them with a "
    "reason that you can read:",
    review_holds_nothing="No points wait for a person.",
    review_notes="These are only noted:",
    findings={
        Code.REDUCTION_UNUSUAL: "You saved more than {share}.",
        Code.USAGE_VACANT: "So little was used that the home may stand empty: {limits}.",
        Code.USAGE_ESTIMATED: "More than {share} of the days read were estimated.",
        Code.USAGE_REPEATED: "All months of the period have the same use.",
        Code.USAGE_SCALED: "A month was covered in part and scaled up.",
        Code.BASELINE_SPIKE: "A month of the baseline is above {times} times the median of its months.",
        Code.BASELINE_PEER: "The baseline is the mean of comparable households.",
        Code.METER_SHARED: "Two households claim the same meter.",
        Code.STANDARD_USE: "Points for using little were paid.",
        Code.POINTS_CAPPED: "Points were cut to the most that a household gets.",
    },
    vacant_limit="{commodity} below {number} {unit} a day",
    vacant_no_limit="this policy sets no limits for it",
    validity="How long points are valid",
    valid="Points expire at the end of the month that is {months} after they were posted.",
    valid_always="Points do not expire.",
    factors="Emission factors",
    factors_report="They turn savings into avoided emissions, for reports. Points do not depend on them.",
    factors_decide="They weigh what is added together, so points depend on them.",
    factor_column="Emissions",
    source_column="From where",
    factor="{number} kg CO₂e per {unit}",
    sources="Where these rules are from",
    as_written="As the document has it:",
    notes="What is uncertain, and remarks",
)  # fmt: skip

KO = Words(
    date="{year}년 {month} {day}일",
    month_names=("1월", "2월", "3월", "4월", "5월", "6월", "7월", "8월", "9월", "10월", "11월", "12월"),
    months=("{count}개월", "{count}개월"),
    years=("{count}년", "{count}년"),
    years_before=("직전 {count}년간", "직전 {count}년간"),
    periods=("{count}회", "{count}회"),
    points=("{count}포인트", "{count}포인트"),
    percent="{number}%",
    comma=", ",
    last_comma=", ",
    commodities={"electricity": "전기", "gas": "도시가스", "water": "상수도", "combined": "통합"},
    made_from="이 안내문은 정책 문서를 바탕으로 자동 작성되었습니다. 내용이 서로 다르게 보이는 경우에는 정책 문서의 원문이 "
    "우선합니다.",
    reference="정책: `{reference}`",
    digest="원문 식별값(SHA-256): `{digest}`",
    effective_from="{date} 이후에 시작하는 산정기간부터 적용합니다.",
    period="산정기간은 {months}이며, {begins}에 시작합니다.",
    period_monthly="산정기간은 매월입니다.",
    pays_for="지급 대상: {commodities} 사용량을 줄인 세대",
    baseline="기준사용량 산정 방법",
    baseline_mean="산정기간의 각 월에 대하여 {years} 같은 달 사용량의 평균을 구하고, 이를 모두 더하여 기준사용량으로 "
    "합니다.",
    baseline_years="월별 평균은 위 기간 중 {years} 이상 같은 달의 사용량이 확인되는 경우에만 인정합니다.",
    baseline_months="산정기간 중 {months} 이상 월별 평균이 있어야 하며, 평균이 없는 달은 나머지 달의 평균으로 대신합니다.",
    baseline_every_month="산정기간({months})의 모든 달에 월별 평균이 있어야 합니다.",
    month_whole="한 달의 모든 날에 대한 검침 자료가 있어야 그 달의 사용량이 확인된 것으로 봅니다.",
    month_partly="한 달의 날수 가운데 {share} 이상에 대한 검침 자료가 있으면 그 달의 사용량이 확인된 것으로 보고, 한 달 전체의 "
    "사용량으로 환산합니다.",
    history={
        "tenure": "해당 세대가 한 달 전체를 거주한 달의 사용량만 인정합니다. 이사한 경우에는 새 주소지에서 처음부터 다시 산정합니다.",
        "dwelling": "입주하기 전에 해당 주택에서 사용한 양도 과거 사용량으로 인정합니다.",
    },
    newcomer={
        "wait": "새로 참여하여 과거 사용량이 부족한 세대는 비교할 수 있는 사용량이 쌓일 때까지 산정에서 제외됩니다.",
        "peer_mean": "새로 참여하여 과거 사용량이 부족한 세대는 주택 유형과 거주 인원이 같은 {peer_min}세대 이상의 평균 사용량과 "
        "비교합니다. 거주 인원이 {residents_max}명 이상인 세대는 같은 인원으로 봅니다.",
    },
    rate="감축률은 기준사용량에서 사용량을 뺀 값을 기준사용량으로 나누어 계산하며, 반올림하기 전의 정확한 값으로 비교합니다.",
    reduction="감축 인센티브",
    reduction_each="산정기간마다 항목별로 따로 산정합니다.",
    reduction_combined="사용량과 기준사용량을 각각 온실가스 배출량으로 환산하여 합산한 뒤 한꺼번에 산정합니다.",
    required="다음 항목은 사용량과 기준사용량이 모두 확인되어야 하며, 그렇지 않으면 지급하지 않습니다: {commodities}.",
    min_commodities="다음 항목 중 {count}개 이상은 사용량과 기준사용량이 모두 확인되어야 합니다: {commodities}. 확인되지 않는 "
    "항목은 합산에서 제외합니다.",
    saving_column="감축률",
    points_column="지급 포인트",
    commodity_column="구분",
    from_="{share} 이상",
    above="{share} 초과",
    less_than="{share} 미만",
    up_to="{share} 이하",
    from_to="{low} {high}",
    per_unit="감축량 1 {unit}당 {points}",
    rounded_down="단위당 포인트로 계산한 결과의 소수점 이하는 버립니다. 해당 구간의 단가는 감축량 전체에 적용합니다.",
    counted_max="단위당 포인트를 계산할 때 감축량은 기준사용량의 {share}까지만 인정합니다.",
    maintenance="유지 인센티브",
    maintenance_when="사용량이 기준사용량보다 적지만 감축 인센티브 기준에는 미치지 못하는 경우, 직전까지 {periods} 이상 연속으로 "
    "감축 인센티브를 받은 세대에 다음과 같이 지급합니다.",
    maintenance_run="유지 인센티브를 받은 산정기간은 연속 횟수에 포함하지 않으나 연속이 끊긴 것으로 보지도 않습니다. 그 밖의 결과가 "
    "나오거나 이사한 경우에는 횟수를 처음부터 다시 셉니다.",
    standard_use="표준사용량 인센티브",
    standard_use_when="사용량이 시 전체 참여 세대(산정기간 전체의 사용량이 확인된 세대) 평균의 {share} 이하인 경우, 다음 포인트를 "
    "추가로 지급합니다.",
    cap="지급 한도",
    cap_is="세대별로 산정기간마다 최대 {points}까지 지급합니다.",
    cap_cuts="한도를 넘는 경우 다음 순서로 포인트를 줄입니다: {commodities}.",
    nothing="지급하지 않는 경우",
    nothing_month="산정기간 중 사용량이 확인되지 않는 달이 있는 경우. 자료가 없는 것은 사용량 0과 다르며, 절감량을 알 수 없습니다.",
    nothing_month_combined="사용량과 기준사용량이 모두 확인되는 항목이 부족한 경우. 산정기간 중 사용량이 확인되지 않는 달이 있는 "
    "항목은 제외하며, 자료가 없는 것을 사용량 0으로 보지 않습니다.",
    nothing_baseline="기준사용량이 없거나 0인 경우",
    nothing_saved="사용량이 기준사용량과 같거나 더 많은 경우",
    nothing_below="사용량은 줄었으나 감축률이 지급 기준({bound})에 미치지 못하는 경우",
    nothing_below_maintained="사용량은 줄었으나 감축률이 지급 기준({bound})에 미치지 못하고, 유지 인센티브 대상도 아닌 경우",
    nothing_but_standard="표준사용량 인센티브는 위의 경우에도 지급합니다. 다만, 산정기간 중 사용량이 확인되지 않는 달이 있으면 "
    "지급하지 않습니다.",
    review="지급 전 확인",
    review_holds="다음의 경우 담당자가 확인하여 지급 여부를 결정할 때까지 포인트 지급을 보류합니다. 결정 사유는 본인이 열람할 수 "
    "있습니다.",
    review_holds_nothing="담당자 확인을 위하여 지급을 보류하는 경우는 없습니다.",
    review_notes="다음의 경우에는 참고 사항으로만 기록합니다.",
    findings={
        Code.REDUCTION_UNUSUAL: "감축률이 {share} 초과인 경우",
        Code.USAGE_VACANT: "사용량이 매우 적어 빈집일 가능성이 있는 경우({limits})",
        Code.USAGE_ESTIMATED: "검침 자료가 있는 날 가운데 추정 검침의 비율이 {share} 초과인 경우",
        Code.USAGE_REPEATED: "산정기간의 월별 사용량이 모두 같은 경우",
        Code.USAGE_SCALED: "일부 날의 검침 자료만 있어 한 달 사용량으로 환산한 경우",
        Code.BASELINE_SPIKE: "기준사용량에 포함된 어느 달의 사용량이 월별 사용량 중앙값의 {times}배를 초과한 경우",
        Code.BASELINE_PEER: "비슷한 세대의 평균을 기준사용량으로 적용한 경우",
        Code.METER_SHARED: "같은 계량기를 두 세대가 등록한 경우",
        Code.STANDARD_USE: "표준사용량 인센티브를 지급한 경우",
        Code.POINTS_CAPPED: "지급 한도에 따라 포인트를 줄인 경우",
    },
    vacant_limit="{commodity} 하루 {number} {unit} 미만",
    vacant_no_limit="이 정책에는 기준값이 정해져 있지 않음",
    validity="포인트 유효기간",
    valid="포인트는 적립된 달로부터 {months}이 되는 달의 말일에 소멸됩니다.",
    valid_always="포인트는 소멸되지 않습니다.",
    factors="온실가스 배출계수",
    factors_report="절감량을 온실가스 감축량으로 환산하여 보고하는 데에만 사용하며, 포인트에는 영향을 주지 않습니다.",
    factors_decide="항목별 사용량을 합산할 때 사용하므로 포인트에 영향을 줍니다.",
    factor_column="배출계수",
    source_column="출처",
    factor="{number} kg CO₂e/{unit}",
    sources="근거 자료",
    as_written="정책 문서에 적힌 내용을 그대로 옮겼습니다.",
    notes="불확실한 사항 및 참고 사항",
)

WORDS: dict[PageLanguage, Words] = {PageLanguage.EN: EN, PageLanguage.KO: KO}
