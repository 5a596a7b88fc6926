"""SQL for whole files of the registry: rows go in as arrays, what stands in the way comes out as line numbers.

Each kind has statements over `sent`: `strangers` (column -> lines whose reference is not there), `differing` (lines whose
thing is there with other values), `insert` (what is not there yet).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from carbon_bank.foundation.columns import fetch_columns
from carbon_bank.foundation.database import ReadSession, WriteSession, driver
from carbon_bank.registry.import_rows import COLUMNS, Kind


@dataclass(frozen=True)
class Statements:
    differing: str
    insert: str
    strangers: dict[str, str] = field(default_factory=dict)


_COMMODITIES = "ARRAY(SELECT DISTINCT unnest(string_to_array(sent.commodities, ';')) ORDER BY 1)"
_DISTRICT = "LEFT JOIN district ON district.city_id = %(city_id)s AND district.code = sent.district"
_UTILITY = "LEFT JOIN utility ON utility.city_id = %(city_id)s AND utility.code = sent.utility"
_METER = f"""{_UTILITY}
    LEFT JOIN meter ON meter.utility_id = utility.id AND meter.commodity = sent.commodity
         AND meter.customer_number = sent.customer_number AND meter.meter_number = coalesce(sent.meter_number, '')"""
_HOUSEHOLD = "LEFT JOIN household ON household.city_id = %(city_id)s AND household.number = sent.household_number"

STATEMENTS: dict[Kind, Statements] = {
    Kind.DISTRICTS: Statements(
        strangers={
            "parent": "FROM sent LEFT JOIN district AS above ON above.city_id = %(city_id)s AND above.code = sent.parent "
            "WHERE sent.parent IS NOT NULL AND above.id IS NULL AND sent.parent NOT IN (SELECT code FROM sent)"
        },
        differing="""FROM sent JOIN district ON district.city_id = %(city_id)s AND district.code = sent.code
            LEFT JOIN district AS above ON above.id = district.parent_id
            WHERE (district.name ->> 'en', district.name ->> 'ko', above.code)
                  IS DISTINCT FROM (sent.name_en, sent.name_ko, sent.parent)""",
        insert="""INSERT INTO district (city_id, code, name) SELECT %(city_id)s, code,
                jsonb_strip_nulls(jsonb_build_object('en', name_en, 'ko', name_ko)) FROM sent
            ON CONFLICT (city_id, code) DO NOTHING""",
    ),
    Kind.UTILITIES: Statements(
        differing=f"""FROM sent JOIN utility ON utility.city_id = %(city_id)s AND utility.code = sent.code
            WHERE (utility.name, utility.commodities) IS DISTINCT FROM (sent.name, {_COMMODITIES})""",
        insert=f"""INSERT INTO utility (city_id, code, name, commodities)
            SELECT %(city_id)s, code, name, {_COMMODITIES} FROM sent
            ON CONFLICT (city_id, code) DO NOTHING""",
    ),
    Kind.HOUSEHOLDS: Statements(
        strangers={"district": f"FROM sent {_DISTRICT} WHERE district.id IS NULL"},
        differing=f"""FROM sent {_DISTRICT}
            JOIN household ON household.city_id = %(city_id)s AND household.number = sent.household_number
            WHERE (household.district_id, household.dwelling_type, household.residents, household.joined_on)
                  IS DISTINCT FROM (district.id, sent.dwelling_type, sent.residents::smallint, sent.joined_on::date)""",
        insert=f"""WITH added AS (
                INSERT INTO household (city_id, number, district_id, dwelling_type, residents, joined_on)
                SELECT %(city_id)s, household_number, district.id, dwelling_type, residents::smallint, joined_on::date
                FROM sent {_DISTRICT} ORDER BY sent.line
                ON CONFLICT (city_id, number) DO NOTHING RETURNING id
            ) SELECT id FROM added""",
    ),
    Kind.METERS: Statements(
        strangers={
            "utility": f"FROM sent {_UTILITY} WHERE utility.id IS NULL",
            "commodity": f"FROM sent {_UTILITY} WHERE sent.commodity <> ALL (utility.commodities)",
        },
        differing=f"""FROM sent {_METER} WHERE meter.id IS NOT NULL AND (meter.digits, meter.calorific_value)
            IS DISTINCT FROM (sent.digits::smallint, sent.calorific_value::numeric(7, 3))""",
        insert=f"""INSERT INTO meter (city_id, utility_id, commodity, customer_number, meter_number, digits, calorific_value)
            SELECT %(city_id)s, utility.id, commodity, customer_number, coalesce(meter_number, ''), digits::smallint,
                   calorific_value::numeric(7, 3)
            FROM sent {_UTILITY} ORDER BY sent.line
            ON CONFLICT (utility_id, commodity, customer_number, meter_number) DO NOTHING""",
    ),
    Kind.TENURES: Statements(
        strangers={
            "household_number": f"FROM sent {_HOUSEHOLD} WHERE household.id IS NULL",
            "customer_number": f"FROM sent {_METER} WHERE meter.id IS NULL",
        },
        # The same claim again is no difference; another one of the same household on the same meter on the same day is.
        differing=f"""FROM sent {_HOUSEHOLD} {_METER}
            JOIN tenure ON tenure.household_id = household.id AND tenure.meter_id = meter.id
            WHERE tenure.starts_on < coalesce(sent.ends_on::date, 'infinity')
              AND coalesce(tenure.ends_on, 'infinity') > sent.starts_on::date
              AND (tenure.starts_on, tenure.ends_on) IS DISTINCT FROM (sent.starts_on::date, sent.ends_on::date)""",
        insert=f"""INSERT INTO tenure (city_id, household_id, meter_id, starts_on, ends_on, recorded_at, ended_at)
            SELECT %(city_id)s, household.id, meter.id, sent.starts_on::date, sent.ends_on::date, %(moment)s,
                   CASE WHEN sent.ends_on IS NOT NULL THEN %(moment)s END
            FROM sent {_HOUSEHOLD} {_METER} ORDER BY sent.line
            ON CONFLICT (household_id, meter_id, starts_on) DO NOTHING""",
    ),
}


def _sent(kind: Kind) -> str:
    columns = list(COLUMNS[kind])
    arrays = ", ".join(["%(line)s::int[]", *(f"%({name})s::text[]" for name in columns)])
    return f"sent AS (SELECT * FROM unnest({arrays}) AS sent (line, {', '.join(columns)}))"


def _parameters(rows: pl.DataFrame, city_id: int, **others: object) -> dict[str, object]:
    return {"city_id": city_id, **rows.to_dict(as_series=False), **others}


async def lines(session: ReadSession, kind: Kind, condition: str, rows: pl.DataFrame, city_id: int) -> list[int]:
    """The lines of the rows for which a condition of STATEMENTS holds."""
    query = f"WITH {_sent(kind)} SELECT DISTINCT sent.line {condition}"
    found = await fetch_columns(session, query, _parameters(rows, city_id), {"line": pl.Int32})
    return sorted(found["line"].to_list())


async def insert(
    session: WriteSession, kind: Kind, rows: pl.DataFrame, city_id: int, **others: object
) -> tuple[int, list[int]]:
    """Add what is not there yet. Returns how many were added, and for households their ids."""
    statement = STATEMENTS[kind].insert
    joined = (
        statement.replace("WITH ", f"WITH {_sent(kind)}, ", 1)
        if statement.startswith("WITH")
        else f"WITH {_sent(kind)} {statement}"
    )
    async with (await driver(session)).cursor() as cursor:
        await cursor.execute(joined, _parameters(rows, city_id, **others))
        ids = [int(row[0]) for row in await cursor.fetchall()] if kind is Kind.HOUSEHOLDS else []
        return (len(ids) if kind is Kind.HOUSEHOLDS else cursor.rowcount), ids


async def join_parents(session: WriteSession, rows: pl.DataFrame, city_id: int) -> None:
    """Hang districts under their parents, which may stand in the same file."""
    statement = f"""
        WITH {_sent(Kind.DISTRICTS)}
        UPDATE district SET parent_id = above.id FROM sent JOIN district AS above ON above.code = sent.parent
        WHERE above.city_id = %(city_id)s AND district.city_id = %(city_id)s AND district.code = sent.code
    """
    async with (await driver(session)).cursor() as cursor:
        await cursor.execute(statement, _parameters(rows, city_id))
