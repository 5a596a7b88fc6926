"""Payout runs: from redemptions that wait to a bank that has paid, refused and sent back."""

from __future__ import annotations

import hashlib

import psycopg

from tests.rewards.shop import ACCOUNT, Shop, all_rows, problem

DAY = {"execute_on": "2026-12-15"}
RETURN = {"headers": {"Content-Type": "text/csv"}}


async def ready(shop: Shop) -> tuple[int, list[int]]:
    """A bank transfer of any amount, and redemptions of 100, 200 and 300 points that wait."""
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    cash = await shop.reward("bank_transfer", points_least=100, points_most=900, points_step=100)
    return cash, [(await shop.redeem(cash, points))["id"] for points in (100, 200, 300)]


async def said(shop: Shop, run_id: int, *lines: str) -> dict[str, object]:
    content = "\n".join(["end_to_end_id,status,reason_code,reason", *lines]).encode()
    answer = await shop.send("operator", "POST", f"/v1/payouts/{run_id}/return", content=content, **RETURN)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sent(shop: Shop) -> int:
    """A run that is with the bank."""
    run = await shop.do("operator", "/v1/payouts", DAY, 201)
    await shop.do("approver", f"/v1/payouts/{run['id']}/approve", {"digest": run["csv_sha256"]})
    assert (await shop.send("operator", "POST", f"/v1/payouts/{run['id']}/file")).status_code == 200
    return int(run["id"])


async def test_a_run_is_approved_by_another_who_names_the_digest_and_only_then_handed_out(
    shop: Shop, owner: psycopg.Connection
) -> None:
    await ready(shop)
    assert (await shop.send(None, "POST", "/v1/payouts", DAY)).status_code == 401
    assert problem(await shop.send("approver", "POST", "/v1/payouts", DAY)) == (403, "identity.forbidden")
    run = await shop.do("both", "/v1/payouts", DAY, 201)
    path = f"/v1/payouts/{run['id']}"
    assert (run["payments"], run["total"], run["state"]) == (3, "1200", "prepared")
    named = {"digest": run["pain001_sha256"]}
    before = all_rows(owner)
    assert problem(await shop.send("both", "POST", f"{path}/approve", named)) == (403, "rewards.payout_own")
    assert problem(await shop.send("approver", "POST", f"{path}/approve", {"digest": "0" * 64})) == (
        409,
        "rewards.payout_digest",
    )
    assert problem(await shop.send("operator", "POST", f"{path}/file")) == (409, "rewards.payout_state")
    assert problem(await shop.send("far_approver", "POST", f"{path}/approve", named)) == (404, "rewards.unknown_payout")
    assert problem(await shop.send("operator", "POST", "/v1/payouts", DAY)) == (409, "rewards.nothing_to_pay")
    assert all_rows(owner) == before
    await shop.do("approver", f"{path}/approve", named)
    first, again = [await shop.send("operator", "POST", f"{path}/file") for _ in range(2)]
    assert first.content == again.content
    assert hashlib.sha256(first.content).hexdigest() == run["pain001_sha256"]
    assert b"12345601987654" in first.content and b"Member Alder" in first.content
    handed_out = owner.execute("SELECT count(*) FROM trail WHERE act = 'payout.downloaded'").fetchone()
    assert handed_out == (2,)
    assert problem(await shop.send("operator", "POST", f"{path}/withdraw", {"reason": "too late"})) == (
        409,
        "rewards.payout_state",
    )


async def test_what_the_bank_says_ends_each_redemption(shop: Shop, owner: psycopg.Connection) -> None:
    _, (paid, refused, returned) = await ready(shop)
    run_id = await sent(shop)
    assert problem(await shop.send("alder", "POST", f"/v1/me/redemptions/{paid}/cancel")) == (
        409,
        "rewards.being_fulfilled",
    )
    words = {"words": "not this one", "reason": "other"}
    assert problem(await shop.send("operator", "POST", f"/v1/redemptions/{paid}/refuse", words)) == (
        409,
        "rewards.in_payout",
    )
    told = await said(
        shop, run_id, f"R{paid}-1,paid,,", f"R{refused}-1,refused,AC01,no such account", f"R{returned}-1,paid,,",
        "R999-1,paid,,", f"R{paid}-1,paid,,",
    )  # fmt: skip
    assert told["counts"] == {"paid": 2, "refused": 1}
    faults = {(each["where"], each["code"]) for each in told["faults"]}  # type: ignore[attr-defined]
    assert faults == {("line 5", "rewards.return_unknown"), ("line 6", "rewards.return_repeated")}
    assert told["state"] == "closed"
    assert (await shop.own(paid))["state"] == "fulfilled"
    own = await shop.own(refused)
    assert (own["state"], own["reason"], own["reason_text"]) == ("refused", "account_unknown", "AC01 no such account")
    assert await shop.balance() == (600, 0)
    before = all_rows(owner)["posting"]
    repeated = await said(shop, run_id, f"R{paid}-1,paid,,", f"R{refused}-1,paid,,")
    codes = [each["code"] for each in repeated["faults"]]  # type: ignore[attr-defined]
    assert sorted(codes) == ["rewards.return_contradiction", "rewards.return_known"]
    assert all_rows(owner)["posting"] == before
    await said(shop, run_id, f"R{returned}-1,returned,MD07,holder has died")
    own = await shop.own(returned)
    assert (own["state"], own["reason"]) == ("fulfilled", "account_unknown") and own["returned_at"]
    assert await shop.balance() == (900, 0)
    assert (await shop.get("auditor", f"/v1/payouts/{run_id}"))["outcomes"] == {"paid": 1, "refused": 1, "returned": 1}


async def test_a_run_that_is_withdrawn_leaves_its_redemptions_to_the_next(shop: Shop) -> None:
    _, (first, second, third) = await ready(shop)
    run = await shop.do("operator", "/v1/payouts", DAY, 201)
    await shop.do("operator", f"/v1/payouts/{run['id']}/withdraw", {"reason": "wrong day"})
    await shop.do("alder", f"/v1/me/redemptions/{first}/cancel")
    again = await shop.do("operator", "/v1/payouts", DAY, 201)
    payments = (await shop.get("auditor", f"/v1/payouts/{again['id']}/payments"))["items"]
    assert [each["end_to_end_id"] for each in payments] == [f"R{second}-2", f"R{third}-2"]
    assert problem(await shop.send("far_auditor", "GET", f"/v1/payouts/{again['id']}/payments")) == (
        404,
        "rewards.unknown_payout",
    )


async def test_an_account_is_sealed_masked_and_the_members_own(shop: Shop, owner: psycopg.Connection) -> None:
    path = "/v1/me/payout-account"
    assert problem(await shop.send("alder", "GET", path)) == (404, "rewards.account_missing")
    others = ACCOUNT | {"own_account": False}
    assert problem(await shop.send("alder", "PUT", path, others)) == (422, "rewards.own_account")
    wrong = await shop.send(
        "alder", "PUT", path, {"holder": "A", "own_account": True, "iban": "DE89370400440532013001"}
    )
    assert problem(wrong) == (422, "rewards.account")
    assert "DE89" not in wrong.text
    shown = await shop.do("alder", path, ACCOUNT, method="PUT")
    assert shown["shown"] == "••••7654"
    assert "987654" not in str(owner.execute("SELECT * FROM payout_account").fetchall())
    _, (paid, *_) = await ready(shop)
    run_id = await sent(shop)
    await said(shop, run_id, f"R{paid}-1,refused,BE01,name does not fit")
    assert (await shop.get("alder", path))["refused_reason"] == "BE01 name does not fit"
    cash = (await shop.get("alder", "/v1/rewards"))["items"][-1]["id"]
    assert problem(await shop.ask(cash, 100)) == (409, "rewards.no_account")
    assert (await shop.send("alder", "DELETE", path)).status_code == 204
