"""The tables of an export package: every file with its columns, their types, units and what they mean.

One place for the order of columns in the files and for the data dictionary that goes with them.
"""

from __future__ import annotations

from carbon_bank.audit.export.form import Column, Table, Type

TEXT, WHOLE, EXACT, DAY, MOMENT, TRUTH = Type
BASE = "Wh, or litres of gas or water"
BASE_OR_GRAMS = f"{BASE}; of `combined` grams CO2e"

HOUSEHOLD = Column("household_id", TEXT, "Pseudonym of the household, the same in all files of this package.")
METER = Column("meter_id", TEXT, "Pseudonym of the meter.")
COMMODITY = Column("commodity", TEXT, "electricity, gas or water.")
PAID_COMMODITY = Column("commodity", TEXT, "electricity, gas, water, or combined: the emissions of all of them.")
JOURNAL = Column("journal_id", TEXT, "The journal, in journals.csv.")
SEQ = Column("seq", WHOLE, "Number of the posting in the household's account: 1, 2, 3, ... without a gap.")
WHO = "as person:12: an id that means nothing outside the bank."

READINGS = Table(
    "readings",
    "What the meters took on the days that decide: of the period, and of the same months in the years that it is compared with. "
    "Every revision that was recorded when the settlement read. The highest one of a meter and period counts; one without a "
    "quantity takes the reading back. By meter, period and revision.",
    (
        METER,
        COMMODITY,
        Column("period_start", DAY, "First day of the reading."),
        Column("period_end", DAY, "Day after its last one."),
        Column("revision", WHOLE, "1 for what came first, counted on with each revision."),
        Column("quantity", WHOLE, "What the meter took.", BASE),
        Column("unit", TEXT, "Unit of the quantity: Wh or L."),
        Column("quality", TEXT, "actual, estimated, customer or corrected."),
        Column("reason", TEXT, "Why it was revised. Words that the utility added are left out."),
        Column("batch_id", WHOLE, "The batch it came in: the log has an entry of `reading_batch:<id>`."),
        Column("recorded_at", MOMENT, "When it was recorded."),
    ),
)
METERS = Table(
    "meters",
    "The meters of readings.csv and tenures.csv.",
    (METER, Column("utility", TEXT, "Code of the utility.", is_written=True), COMMODITY),
)
HOUSEHOLDS = Table(
    "households",
    "The households that held a meter in the period.",
    (
        HOUSEHOLD,
        Column("dwelling_type", TEXT, "Kind of dwelling, as the city calls it.", is_written=True),
        Column("residents", WHOLE, "How many people live there.", "people"),
    ),
)
TENURES = Table(
    "tenures",
    "Which household held which meter in the period, as recorded when the settlement read.",
    (
        HOUSEHOLD,
        METER,
        COMMODITY,
        Column("starts_on", DAY, "First day on which it held the meter."),
        Column("ends_on", DAY, "Day after the last one; empty: it had not ended."),
    ),
)
STREAKS = Table(
    "streaks",
    "The runs of reductions that the settlement before left its households with, where there was one; for maintenance.",
    (HOUSEHOLD, PAID_COMMODITY, Column("streak", WHOLE, "Periods of reduction in a row.", "periods")),
)
USAGE = Table(
    "usage",
    "Usage by calendar month, of the period and of the months that it is compared with. Made anew from the readings by the bank's "
    "law; nothing stored.",
    (
        HOUSEHOLD,
        COMMODITY,
        Column("month", TEXT, "As 2026-01."),
        Column("usage", WHOLE, "What was used; empty: too few days have a reading. Missing is not zero.", BASE),
        Column("days_covered", WHOLE, "Days of the month that have a reading of a meter held.", "days"),
        Column("days_estimated", WHOLE, "Of these, days of an estimate.", "days"),
    ),
)
BASELINES = Table(
    "baselines",
    "Usage of the period and what would have been used, before peers and combination. Made anew, as usage.csv.",
    (
        HOUSEHOLD,
        COMMODITY,
        Column("tenure_since", DAY, "Since when the household held all of its meters."),
        Column("usage", WHOLE, "Usage of the period; empty where a month is missing.", BASE),
        Column("days_covered", WHOLE, "Days of the period that have a reading.", "days"),
        Column("days_estimated", WHOLE, "Of these, days of an estimate.", "days"),
        Column("months_missing", WHOLE, "Months of the period without a usage.", "months"),
        Column("months_scaled", WHOLE, "Months whose usage was made up from most of their days.", "months"),
        Column("baseline_num", EXACT, "The baseline, exact: this divided by baseline_den.", BASE),
        Column("baseline_den", EXACT, "See baseline_num."),
        Column("baseline_months", WHOLE, "Months of the period that have a baseline of their own.", "months"),
        Column("newcomer", TRUTH, "Whether the tenure is too young for a baseline."),
    ),
)
AWARDS = Table(
    "awards",
    "What the settlement awarded: a row for each household and commodity, by household and commodity.",
    (
        Column("period", TEXT, "The settlement's period."),
        HOUSEHOLD,
        PAID_COMMODITY,
        Column("outcome", TEXT, "What the rules found."),
        Column("usage", WHOLE, "Usage of the period.", BASE_OR_GRAMS),
        Column("baseline_num", EXACT, "The baseline, exact: this divided by baseline_den.", BASE_OR_GRAMS),
        Column("baseline_den", EXACT, "See baseline_num."),
        Column("tier", WHOLE, "Which tier of the policy was reached, counted from 1."),
        Column("streak", WHOLE, "Periods of reduction in a row, this one included.", "periods"),
        Column("points", WHOLE, "What it is worth.", "points"),
        Column("avoided_g", WHOLE, "Emissions avoided; below zero where use rose.", "grams CO2e"),
        Column("review", TEXT, "clear: paid; held: waits for a person; released: paid; rejected: not paid."),
        Column("findings", TEXT, "Codes of what the rules noticed, joined by `;`."),
        Column("findings_told", TEXT, "The same with their numbers, in JSON."),
    ),
)
REVIEWS = Table(
    "reviews",
    "What people decided on held awards.",
    (
        HOUSEHOLD,
        PAID_COMMODITY,
        Column("decision", TEXT, "released or rejected."),
        Column("by", TEXT, f"Who decided, {WHO}"),
        Column("at", MOMENT, "When."),
        Column("reason", TEXT, "Why, in their words.", is_written=True),
    ),
)
TOTALS = Table(
    "totals",
    "What the settlement came to when it was computed.",
    (
        PAID_COMMODITY,
        Column("outcome", TEXT, "What the rules found."),
        Column("review", TEXT, "clear or held."),
        Column("awards", WHOLE, "How many.", "awards"),
        Column("points", WHOLE, "Worth how many points.", "points"),
        Column("avoided_g", EXACT, "Emissions avoided.", "grams CO2e"),
    ),
)
FACTORS = Table(
    "factors",
    "The policy's emission factors.",
    (
        COMMODITY,
        Column("factor", TEXT, "Decimal or fraction, exact.", "kg CO2e for each unit"),
        Column("unit", TEXT, "kWh or m3."),
        Column("source", TEXT, "Where the factor is from.", is_written=True),
    ),
)
JOURNALS = Table(
    "journals",
    "The journals that posted the settlement's awards: one for each bucket of households.",
    (
        JOURNAL,
        Column("kind", TEXT, "award."),
        Column("city_id", WHOLE, "The bank's number of the city."),
        Column("settlement_id", WHOLE, "The settlement."),
        Column("by", TEXT, f"Who approved it, {WHO}"),
        Column("recorded_at", MOMENT, "When it was posted."),
        Column("made_in", TEXT, "The database's number of the transaction."),
    ),
)
POSTINGS = Table(
    "postings",
    "The postings of these journals, in the order of the log: with journals.csv, lots.csv and lot_uses.csv all that their leaves "
    "commit to.",
    (
        JOURNAL,
        HOUSEHOLD,
        SEQ,
        Column("kind", TEXT, "award."),
        Column("contra", TEXT, "The programme's account on the other side."),
        Column("amount", WHOLE, "What the household owns more.", "points"),
        Column("available_after", WHOLE, "What it could spend afterwards.", "points"),
        Column("held_after", WHOLE, "What was set aside for rewards afterwards.", "points"),
        Column("debt_after", WHOLE, "What it owed afterwards.", "points"),
        Column("effective_on", DAY, "The day to which it belongs: the last of the period."),
        Column("recorded_at", MOMENT, "When it was posted."),
        Column("settlement_id", WHOLE, "The settlement."),
        PAID_COMMODITY,
        Column("hold_id", WHOLE, "Empty: an award begins and ends no hold."),
        Column("reverses", WHOLE, "Empty: an award takes nothing back."),
        Column("restatement_id", WHOLE, "Empty: an award is no restatement."),
        Column("forgiven", WHOLE, "0: an award asks for nothing.", "points"),
    ),
)
LOTS = Table(
    "lots",
    "The points of each posting, which expire together, as they were granted. What is left of them changes and is not told.",
    (
        HOUSEHOLD,
        SEQ,
        Column("granted", WHOLE, "How many.", "points"),
        Column("expires_on", DAY, "Last day to spend them; empty: they do not expire."),
    ),
)
LOT_USES = Table(
    "lot_uses",
    "What these postings took from lots: points that paid a debt off at once.",
    (
        HOUSEHOLD,
        SEQ,
        Column("lot_id", WHOLE, "The lot: `seq` of the posting that made it."),
        Column("amount", WHOLE, "Taken.", "points"),
    ),
)
TRAIL = Table(
    "trail",
    "Acts about the settlement and its held awards, and the approval of its policy, in the order of the log.",
    (
        Column("leaf", WHOLE, "Its place in the log."),
        Column("at", MOMENT, "When."),
        Column("by", TEXT, f"Who, {WHO}"),
        Column("act", TEXT, "What was done."),
        Column("subject", TEXT, "To what, as settlement:12."),
        Column("reason", TEXT, "Why, in their words.", is_written=True),
        Column("facts", TEXT, "Numbers and names that go with it, in JSON."),
    ),
)
LEAVES = Table(
    "log/leaves",
    "The log's leaves of the settlement's postings: one for each household in each journal.",
    (
        Column("leaf", WHOLE, "Its place in the log."),
        JOURNAL,
        HOUSEHOLD,
        Column("commitment", TEXT, "What the log's entry has of it: 64 hex digits."),
        Column("key", TEXT, "What opens the commitment: 64 hex digits; empty: it was erased."),
    ),
    with_parquet=False,
)
IDS = Table(
    "log/ids",
    "The bank's own numbers behind the pseudonyms: what the log commits to has these.",
    (
        Column("pseudonym", TEXT, "As in the other files."),
        Column("id", WHOLE, "Number of the household (pseudonym h...) or meter (m...)."),
    ),
    with_parquet=False,
)
NUMBERS = Table(
    "numbers",
    "Who is behind the pseudonyms. Only where a privacy officer took the package.",
    (
        Column("pseudonym", TEXT, "As in the other files."),
        Column("number", TEXT, "Member number of a household; customer number of a meter.", is_written=True),
        Column("meter_number", TEXT, "Number of the meter.", is_written=True),
        Column("utility", TEXT, "Whose meter it is.", is_written=True),
    ),
    with_parquet=False,
)

TABLES = (
    *(READINGS, METERS, HOUSEHOLDS, TENURES, STREAKS, USAGE, BASELINES, AWARDS, REVIEWS, TOTALS, FACTORS),
    *(JOURNALS, POSTINGS, LOTS, LOT_USES, TRAIL, LEAVES, IDS, NUMBERS),
)
"""All tables, in the order of the dictionary."""
