"""A policy as a page for citizens: Markdown that is made from the document, so that it cannot say anything else.

Every key that a policy has changes the page; tests/programme/test_page.py changes each and looks. Numbers that no key
gives (a spike, the largest band of residents) are those of the law.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from fractions import Fraction

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR
from carbon_bank.foundation.units import COMBINED, DISPLAY_UNIT, Commodity
from carbon_bank.programme.baseline import SPIKE_TIMES
from carbon_bank.programme.evaluation import RESIDENTS_BAND_MAX
from carbon_bank.programme.findings import Code
from carbon_bank.programme.page_words import WORDS, PageLanguage, Words
from carbon_bank.programme.policy import Policy, Tier
from carbon_bank.programme.rationals import rational_text

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<|"})
_UNITS = {"kWh": "kWh", "m3": "m³"}


def policy_page(policy: Policy, language: PageLanguage = PageLanguage.EN) -> str:
    """The rules of a policy in words and tables, as Markdown.

    `title`, `source` and `notes` stand as the document has them; the title in the language, where it has one.
    """
    words = WORDS[language]
    sections = [
        _head(policy, words, language),
        _baseline(policy, words),
        _reduction(policy, words),
        _maintenance(policy, words),
        _standard_use(policy, words),
        _cap(policy, words),
        _nothing(policy, words),
        _review(policy, words),
        _validity(policy, words),
        _factors(policy, words),
        _as_written(words, words.sources, policy.source),
        _as_written(words, words.notes, policy.notes),
    ]
    blocks = [block for section in sections for block in section]
    return "\n\n".join(blocks) + "\n"


def _head(policy: Policy, words: Words, language: PageLanguage) -> Iterator[str]:
    titles = policy.title or {}
    title = titles.get(language) or titles.get(PageLanguage.EN) or next(iter(titles.values()), policy.reference)
    yield f"# {_plain(title)}"
    yield words.made_from
    yield _bullets(
        [
            words.reference.format(reference=policy.reference),
            words.digest.format(digest=policy.digest),
            words.effective_from.format(date=_date(words, policy.effective_from)),
            _period(policy, words),
            words.pays_for.format(commodities=_named(words, policy.commodities)),
        ]
    )


def _period(policy: Policy, words: Words) -> str:
    if policy.period_months == 1:
        return words.period_monthly
    first = (policy.anchor_month - 1) % policy.period_months
    begins = [words.month_names[month] for month in range(first, MONTHS_PER_YEAR, policy.period_months)]
    return words.period.format(months=_count(words.months, policy.period_months), begins=_listed(words, begins))


def _baseline(policy: Policy, words: Words) -> Iterator[str]:
    rule, coverage = policy.baseline, policy.usage.min_month_coverage
    newcomer = words.newcomer[rule.newcomer].format(peer_min=f"{rule.peer_min:,}", residents_max=RESIDENTS_BAND_MAX)
    is_every_month = policy.baseline_months_min == policy.period_months
    with_mean = words.baseline_every_month if is_every_month else words.baseline_months
    yield f"## {words.baseline}"
    yield _bullets(
        [
            words.baseline_mean.format(years=_count(words.years_before, rule.lookback_years)),
            words.baseline_years.format(years=_count(words.years, rule.min_years)),
            with_mean.format(months=_count(words.months, policy.baseline_months_min)),
            words.month_whole if coverage == 1 else words.month_partly.format(share=_share(words, coverage)),
            words.history[rule.history],
            newcomer,
            words.rate,
        ]
    )


def _reduction(policy: Policy, words: Words) -> Iterator[str]:
    rule = policy.reduction
    yield f"## {words.reduction}"
    yield words.reduction_combined if policy.is_combined else words.reduction_each
    if policy.is_combined:
        conditions = [words.required.format(commodities=_named(words, rule.required))] if rule.required else []
        all_of_them = _named(words, policy.commodities)
        conditions.append(words.min_commodities.format(count=rule.min_commodities, commodities=all_of_them))
        yield _bullets(conditions)
    for name in [COMBINED] if policy.is_combined else policy.commodities:
        rungs = rule.tiers[name]
        rows = [
            (_bounds(words, tier, following), _tier_points(words, tier, name))
            for tier, following in zip(rungs, [*rungs[1:], None], strict=True)
        ]
        if not policy.is_combined:
            yield f"### {_capital(words.commodities[name])}"
        yield _table((words.saving_column, words.points_column), rows)
    if any(tier.points_per_unit is not None for rungs in rule.tiers.values() for tier in rungs):
        yield words.rounded_down
    if rule.counted_max is not None:
        yield words.counted_max.format(share=_share(words, rule.counted_max))


def _maintenance(policy: Policy, words: Words) -> Iterator[str]:
    rule = policy.maintenance
    if rule is not None:
        yield f"## {words.maintenance}"
        yield words.maintenance_when.format(periods=_count(words.periods, rule.after))
        yield _points_table(words, rule.points)
        yield words.maintenance_run


def _standard_use(policy: Policy, words: Words) -> Iterator[str]:
    rule = policy.standard_use
    if rule is not None:
        yield f"## {words.standard_use}"
        yield words.standard_use_when.format(share=_share(words, rule.share))
        yield _points_table(words, {commodity.value: points for commodity, points in rule.points.items()})


def _cap(policy: Policy, words: Words) -> Iterator[str]:
    most = policy.household_points_max
    if most is not None:
        yield f"## {words.cap}"
        yield words.cap_is.format(points=_count(words.points, most))
        if not policy.is_combined and len(policy.commodities) > 1:
            order = [words.commodities[name] for name in reversed(policy.commodities)]
            yield words.cap_cuts.format(commodities=words.comma.join(order))


def _nothing(policy: Policy, words: Words) -> Iterator[str]:
    cases = [
        words.nothing_month_combined if policy.is_combined else words.nothing_month,
        words.nothing_baseline,
        words.nothing_saved,
    ]
    lowest = {_lower(words, rungs[0]): None for rungs in policy.reduction.tiers.values() if rungs[0].above != 0}
    below = words.nothing_below if policy.maintenance is None else words.nothing_below_maintained
    cases += [below.format(bound=bound) for bound in lowest]
    yield f"## {words.nothing}"
    yield _bullets(cases)
    if policy.standard_use is not None:
        yield words.nothing_but_standard


def _review(policy: Policy, words: Words) -> Iterator[str]:
    hold, told = policy.review.hold, _findings(policy, words)
    noted = [code for code in Code if code not in hold and _can_occur(policy, code)]
    yield f"## {words.review}"
    if hold:
        yield words.review_holds
        yield _bullets(told[code] for code in Code if code in hold)
    else:
        yield words.review_holds_nothing
    if noted:
        yield words.review_notes
        yield _bullets(told[code] for code in noted)


def _findings(policy: Policy, words: Words) -> dict[Code, str]:
    rule = policy.review
    limits = [
        words.vacant_limit.format(commodity=words.commodities[name], number=rational_text(least), unit=_unit(name))
        for name, least in sorted(rule.usage_per_day_below.items())
    ]
    numbers = {
        Code.REDUCTION_UNUSUAL: {"share": _share(words, rule.reduction_above)},
        Code.USAGE_ESTIMATED: {"share": _share(words, rule.estimated_share_above)},
        Code.USAGE_VACANT: {"limits": words.comma.join(limits) or words.vacant_no_limit},
        Code.BASELINE_SPIKE: {"times": str(SPIKE_TIMES)},
    }
    return {code: words.findings[code].format(**numbers.get(code, {})) for code in Code}


def _can_occur(policy: Policy, code: Code) -> bool:
    """Whether the rules that a policy has can make a finding at all."""
    needed = {
        Code.USAGE_REPEATED: policy.period_months > 1,
        Code.USAGE_SCALED: policy.usage.min_month_coverage < 1,
        Code.BASELINE_PEER: policy.baseline.newcomer == "peer_mean",
        Code.STANDARD_USE: policy.standard_use is not None,
        Code.POINTS_CAPPED: policy.household_points_max is not None,
    }
    return needed.get(code, True)


def _validity(policy: Policy, words: Words) -> Iterator[str]:
    months = policy.points.valid_months
    yield f"## {words.validity}"
    yield words.valid_always if months is None else words.valid.format(months=_count(words.months, months))


def _factors(policy: Policy, words: Words) -> Iterator[str]:
    yield f"## {words.factors}"
    yield words.factors_decide if policy.is_combined else words.factors_report
    rows = [
        (
            _capital(words.commodities[name]),
            words.factor.format(number=rational_text(rule.factor), unit=_unit(name)),
            _plain(rule.source or ""),
        )
        for name, rule in policy.commodities.items()
    ]
    yield _table((words.commodity_column, words.factor_column, words.source_column), rows)


def _as_written(words: Words, heading: str, texts: tuple[str, ...]) -> Iterator[str]:
    if texts:
        yield f"## {heading}"
        yield words.as_written
        yield _bullets(_plain(text) for text in texts)


def _bounds(words: Words, tier: Tier, following: Tier | None) -> str:
    low = _lower(words, tier)
    if following is None:
        return low
    template, bound = (words.up_to, following.above) if following.from_ is None else (words.less_than, following.from_)
    return words.from_to.format(low=low, high=template.format(share=_share(words, bound)))


def _lower(words: Words, tier: Tier) -> str:
    template, bound = (words.above, tier.above) if tier.from_ is None else (words.from_, tier.from_)
    return template.format(share=_share(words, bound))


def _tier_points(words: Words, tier: Tier, name: str) -> str:
    rate = tier.points_per_unit
    if rate is None:
        return _count(words.points, tier.points or 0)
    points = words.points[rate != 1].format(
        count=f"{rate.numerator:,}" if rate.denominator == 1 else rational_text(rate)
    )
    return words.per_unit.format(points=points, unit="kg CO₂e" if name == COMBINED else _unit(Commodity(name)))


def _points_table(words: Words, points: Mapping[str, int]) -> str:
    rows = [(_capital(words.commodities[name]), _count(words.points, each)) for name, each in sorted(points.items())]
    return _table((words.commodity_column, words.points_column), rows)


def _share(words: Words, share: Fraction | None) -> str:
    """`5 %`, exact; a share that has no decimal in percent stays a fraction, `1/3`."""
    assert share is not None
    percent = rational_text(share * 100)
    return rational_text(share) if "/" in percent else words.percent.format(number=percent)


def _count(forms: tuple[str, str], count: int) -> str:
    return forms[count != 1].format(count=f"{count:,}")


def _unit(commodity: Commodity) -> str:
    return _UNITS[DISPLAY_UNIT[commodity].name]


def _named(words: Words, commodities: Iterable[Commodity]) -> str:
    return _listed(words, [words.commodities[name] for name in commodities])


def _listed(words: Words, items: list[str]) -> str:
    return words.last_comma.join([words.comma.join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _date(words: Words, day: date) -> str:
    return words.date.format(year=day.year, month=words.month_names[day.month - 1], day=day.day)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _plain(text: str) -> str:
    """Text of the document on one line, with nothing in it that Markdown would take for its own."""
    return " ".join(text.split()).translate(_SPECIAL)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ("---",) * len(head), *rows])
