"""A household's visit to the demo bank, over HTTP: what it reads must be what the ledger holds."""

from __future__ import annotations

from typing import Any

import httpx

from carbon_bank import main
from carbon_bank.demo.stages import HOUSEHOLD, PASSWORD, PERIODS, Demo, check


async def visit_as_household(demo: Demo, url: str) -> str:
    """Sign in, look at awards and points, and see that the two agree."""
    app = main.create_app(demo.settings.model_copy(update={"work_inside": False}), url)
    app.state.database = demo.database
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=demo.settings.public_url) as client:
        form = {"grant_type": "password", "username": HOUSEHOLD, "password": PASSWORD}
        token = (await _get(client, "POST", "/v1/token", data=form))["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        awards = await _get(client, "GET", "/v1/me/awards")
        points = await _get(client, "GET", "/v1/me/points")
        usage = await _get(client, "GET", "/v1/me/usage", params={"months": 12})
    earned = sum(award["points"] for award in awards if award["review"] in ("clear", "released"))
    check(points["available"] == earned, f"awards come to {earned} points and the account shows {points['available']}")
    check(sum(lot["remaining"] for lot in points["lots"]) == earned, "the lots do not add up to the account")
    check({award["period"] for award in awards} == set(PERIODS), "the household does not see every period")
    return f"{len(awards)} awards, {earned:,} points, {len(usage)} commodities seen over HTTP"


async def _get(client: httpx.AsyncClient, method: str, path: str, **given: Any) -> Any:
    answer = await client.request(method, path, **given)
    check(answer.is_success, f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
    return answer.json()
