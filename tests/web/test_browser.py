"""A household and an auditor in a real browser: sign in, follow points back to readings, take the proof away.

Needs Debian's chromium, which `.ci/run` installs.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from carbon_bank.demo import stages
from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings
from tests.audit.demo_bank import Bank, serving_demo_city

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_receipt.py"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium here; on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest.fixture
async def bank(settings: Settings, database_url: str, database: Database) -> AsyncIterator[Bank]:
    async with serving_demo_city(settings, database_url, database, 60) as served:
        yield served


async def opened(browser: Browser, bank: Bank, path: str, login: str, viewport: dict[str, int], **more: str) -> Page:
    """A page, by somebody who was not signed in and asked for it all the same."""
    context = await browser.new_context(base_url=bank.url, viewport=viewport, **more)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(path)
    await page.get_by_label("Login").or_(page.get_by_label("아이디")).fill(login)
    await page.locator("input[type=password]").fill(stages.PASSWORD)
    await page.locator("main button").click()
    return page


async def test_a_household_follows_its_points_in_a_browser_and_takes_the_proof_away(
    browser: Browser, bank: Bank, tmp_path: Path
) -> None:
    page = await opened(browser, bank, "/awards", stages.HOUSEHOLD, DESKTOP)
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("console", lambda message: failed.append(message.text))
    paid = page.locator("main tbody tr").filter(has_not=page.get_by_role("cell", name="0", exact=True))
    addresses = [await each.get_attribute("href") for each in await paid.get_by_role("link", name="Explain").all()]
    for address in addresses:  # of those with points some may still be held
        await page.goto(address or "")
        if await page.get_by_role("link", name="Receipt").count():
            break

    assert await page.locator("rect.used").count() == 6
    await page.get_by_role("heading", name="Use of each month beside its baseline").wait_for()
    # As drawn: a bar has the colour of the style sheet, and is as high as its share of the scale.
    colour = await page.locator("rect.used").first.evaluate("bar => getComputedStyle(bar).fill")
    assert colour == "rgb(29, 122, 76)"
    readings = page.get_by_role("heading", name="The readings behind it")
    assert not await page.locator("details table").is_visible()
    await readings.click()
    assert await page.locator("details table").is_visible()
    assert await page.evaluate("document.querySelectorAll('script').length") == 0

    assert failed == []

    files = {}
    for name in ("Receipt", "Opening"):
        async with page.expect_download() as coming:
            await page.get_by_role("link", name=name).first.click()
        download = await coming.value
        files[name] = tmp_path / download.suggested_filename
        await download.save_as(files[name])
    proved = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(SCRIPT), str(files["Receipt"]), "--vkey", bank.key, "--opening", str(files["Opening"])),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await proved.communicate()
    assert proved.returncode == 0, output
    assert b'"amount"' in output
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    await page.goto("/awards")
    await page.get_by_role("heading", name="Sign in").wait_for()


async def test_on_a_phone_in_korean_nothing_is_wider_than_the_screen(browser: Browser, bank: Bank) -> None:
    page = await opened(browser, bank, "/awards", stages.HOUSEHOLD, PHONE, locale="ko-KR")
    await page.get_by_role("heading", name="내 포인트 지급 내역").wait_for()
    await page.get_by_role("link", name="자세히 보기").first.click()
    await page.get_by_role("heading", name="달마다 사용량과 기준사용량").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    await page.get_by_role("link", name="English").click()
    await page.get_by_role("heading", name="Use of each month beside its baseline").wait_for()


async def test_an_auditor_comes_back_to_the_page_that_was_asked_for(browser: Browser, bank: Bank) -> None:
    page = await opened(browser, bank, "/awards/3-1-electricity?reason=sample", stages.AUDITOR, DESKTOP)
    await page.get_by_role("heading", name="Electricity, 2026-H1").wait_for()
    assert page.url.endswith("/awards/3-1-electricity?reason=sample")
    await page.get_by_role("link", name="한국어").click()
    await page.get_by_role("heading", name="전기, 2026-H1").wait_for()
