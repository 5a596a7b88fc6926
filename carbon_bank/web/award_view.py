"""An explained award as its page shows it: every number written out in the reader's language, every drawing measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from carbon_bank.ledger.statement_words import WORDS
from carbon_bank.programme.award import Outcome
from carbon_bank.programme.explanation_steps import Explanation
from carbon_bank.programme.explanation_words import Topic, Words, sentences
from carbon_bank.programme.rationals import hundredths_text
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.explain_service import ExplainedAward, ReadingHistory
from carbon_bank.web.chart_view import RateScale, UsageChart, rate_scale, usage_chart
from carbon_bank.web.words import PageWords

_HEADINGS: dict[Topic, str] = {"baseline": "baseline_steps", "points": "points_steps"}
_IN_THE_HEAD: set[Topic] = {"award", "outcome"}


@dataclass(frozen=True)
class Section:
    heading: str
    sentences: list[str]


@dataclass(frozen=True)
class RevisionRow:
    number: int
    quantity: str
    quality: str
    recorded: str
    why: str
    stood: bool


@dataclass(frozen=True)
class ReadingRows:
    meter: int
    days: str
    revisions: list[RevisionRow]


@dataclass(frozen=True)
class PostingRow:
    seq: int
    entry: str
    points: str
    day: str
    journal: str
    spend_by: str
    left: str
    leaf: int | None


@dataclass(frozen=True)
class AwardPage:
    """`said`: what to know before all else, with whether it is a warning."""

    name: str
    title: str
    points: str
    outcome: str
    change: str | None
    said: list[tuple[str, bool]]
    charts: list[UsageChart]
    scale: RateScale | None
    sections: list[Section]
    readings: list[ReadingRows]
    policy: str
    digest: str
    settlement: str
    postings: list[PostingRow]
    no_postings: str


@dataclass(frozen=True)
class AwardRow:
    """An award in the list of a household's own."""

    name: str
    period: str
    commodity: str
    outcome: str
    points: str


def award_row(award_id: AwardId, period: str, outcome: str, points: int, words: PageWords) -> AwardRow:
    numbers = Words(words.language.value)
    told = numbers.outcome(Outcome(outcome))
    return AwardRow(str(award_id), period, numbers.commodity(award_id.commodity), told, numbers.number(points))


def award_page(
    explained: ExplainedAward, words: PageWords, time_zone: str, leaves: Mapping[int, int | None]
) -> AwardPage:
    """Args: time_zone: of the city, for moments. leaves: of each posting in the log; null while it is not sealed."""
    told, numbers = explained.explanation, Words(words.language.value)
    zone = ZoneInfo(time_zone)
    as_of = explained.settlement.as_of
    return AwardPage(
        name=str(explained.award_id),
        title=words(
            "title", commodity=numbers.commodity(explained.award.commodity), period=explained.settlement.period
        ),
        points=words("points_of", points=numbers.number(explained.award.points)),
        outcome=numbers.outcome(told.outcome) if told else "",
        change=_change(told, words) if told else None,
        said=list(_said(explained, words, zone)),
        charts=[usage_chart(each, numbers, words) for each in told.commodities] if told else [],
        scale=rate_scale(told, numbers, words) if told else None,
        sections=_sections(told, words) if told else [],
        readings=[_reading(each, explained, numbers, words, zone) for each in explained.readings],
        policy=explained.policy.reference,
        digest=explained.policy.digest,
        settlement=words("settlement_read", id=explained.settlement.id, as_of=_moment(as_of, zone) if as_of else "?"),
        postings=list(_postings(explained, numbers, words, leaves)),
        no_postings=words("account_none" if _is_open(explained) else "account_nothing"),
    )


def _is_open(explained: ExplainedAward) -> bool:
    return explained.settlement.posted_at is None or explained.award.review == "held"


def _said(explained: ExplainedAward, words: PageWords, zone: ZoneInfo) -> Iterator[tuple[str, bool]]:
    decided = explained.decided
    if explained.settlement.posted_at is None:
        yield words("not_posted"), True
    if explained.award.review == "held":
        yield words("held"), True
    if decided is not None:
        yield words(decided.decision, at=_moment(decided.at, zone), reason=decided.reason), False
    if explained.explanation is None:
        yield words("no_such_award"), True
    elif explained.differs:
        yield words("disagrees", names=", ".join(explained.differs)), True
    else:
        yield words("agrees"), False


def _change(told: Explanation, words: PageWords) -> str | None:
    if told.reduction is None:
        return None
    bp = told.reduction.rate_bp
    return words("less", percent=hundredths_text(bp)) if bp >= 0 else words("more", percent=hundredths_text(-bp))


def _sections(told: Explanation, words: PageWords) -> list[Section]:
    spoken = [each for each in sentences(told, words.language.value) if each.about not in _IN_THE_HEAD]
    return [
        Section(words(_HEADINGS.get(topic, topic)), [each.text for each in group])
        for topic, group in groupby(spoken, key=lambda each: each.about)
    ]


def _reading(
    history: ReadingHistory, explained: ExplainedAward, numbers: Words, words: PageWords, zone: ZoneInfo
) -> ReadingRows:
    first, _ = history.revisions[0]
    commodity = _commodity_of_meter(explained.explanation, first.meter_id) or explained.award.commodity
    return ReadingRows(
        meter=first.meter_id,
        days=f"{first.period_start} – {first.period_end}",
        revisions=[
            RevisionRow(
                number=row.revision,
                quantity=words("cancelled") if row.quantity is None else numbers.amount(row.quantity, commodity),
                quality=words(row.quality),
                recorded=_moment(row.recorded_at, zone),
                why=": ".join(filter(None, (row.reason and words(f"reason_{row.reason}"), row.reason_text))),
                stood=stood,
            )
            for row, stood in history.revisions
        ],
    )


def _commodity_of_meter(told: Explanation | None, meter_id: int) -> str | None:
    steps = told.commodities if told else ()
    return next(
        (step.commodity for step in steps if any(each.meter_id == meter_id for each in step.tenures)),
        None,
    )


def _postings(
    explained: ExplainedAward, numbers: Words, words: PageWords, leaves: Mapping[int, int | None]
) -> Iterator[PostingRow]:
    kinds = WORDS[words.language].entries
    for posting, lot in explained.postings:
        ends = lot.expires_on if lot else None
        yield PostingRow(
            seq=posting.seq,
            entry=kinds[posting.kind],
            points=numbers.number(posting.amount),
            day=posting.effective_on.isoformat(),
            journal=str(posting.journal_id),
            spend_by="" if lot is None else words("never") if ends is None else ends.isoformat(),
            left="" if lot is None else numbers.number(lot.remaining),
            leaf=leaves.get(posting.seq),
        )


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
