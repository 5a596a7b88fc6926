"""`carbon-bank rewards ...` and `carbon-bank payouts ...`: a payout run from the command line, each step in a person's name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.cli.typed import Done, typed
from tests.rewards.conftest import shop as shop
from tests.rewards.shop import ACCOUNT, Shop

OPERATOR, APPROVER, BOTH = "operator@here.test", "approver@here.test", "both@here.test"


@pytest.fixture
async def waiting(shop: Shop) -> tuple[int, int]:
    """A redemption that waits to be paid, and an empty pool."""
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    made = await shop.redeem(await shop.reward("bank_transfer"))
    return made["id"], await shop.reward("voucher_pool")


def test_a_run_is_prepared_approved_written_and_answered(
    waiting: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    tmp_path: Path,
) -> None:
    made, pool = waiting
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    monkeypatch.setenv("CARBON_BANK_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def told(*arguments: str) -> str:
        done: Done = carbon_bank(*arguments)
        assert done.returncode == 0, done
        return done.stdout

    assert "voucher-pool" in told("rewards", "list", "--as", OPERATOR)
    codes = tmp_path / "codes.csv"
    codes.write_text("code\nA1\nA2\n")
    assert "2 codes were added" in told("rewards", "vouchers", str(pool), str(codes), "--as", OPERATOR)
    prepared = told("payouts", "prepare", "--execute-on", "2026-12-15", "--as", BOTH)
    assert "1 payments, 200 KRW" in prepared
    digest = re.findall(r"[0-9a-f]{64}", prepared)[1]
    own = carbon_bank("payouts", "approve", "1", "--digest", digest, "--as", BOTH)
    assert (own.returncode, "rewards.payout_own" in own.stderr) == (2, True)
    assert "approved as csv" in told("payouts", "approve", "1", "--digest", digest, "--as", APPROVER)
    written = tmp_path / "run.csv"
    told("payouts", "file", "1", str(written), "--as", OPERATOR)
    assert hashlib.sha256(written.read_bytes()).hexdigest() == digest
    answer = tmp_path / "answer.csv"
    answer.write_text(f"end_to_end_id,status\nR{made}-1,paid\nR99-1,paid\n")
    said = told("payouts", "return", "1", str(answer), "--as", OPERATOR)
    assert "1 paid" in said and "line 3" in said and "rewards.return_unknown" in said
    assert "closed" in told("payouts", "list", "--as", OPERATOR)
    assert "fulfilled" in told("rewards", "redemptions", "--as", OPERATOR)
