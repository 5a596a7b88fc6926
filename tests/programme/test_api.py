"""The rules over HTTP: open to everyone, without a token."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from jsonschema import Draft202012Validator

from carbon_bank.foundation.database import Database
from carbon_bank.programme.page import policy_page
from carbon_bank.programme.page_words import PageLanguage
from carbon_bank.programme.policy import load_shipped, shipped_policies
from tests.settlement.town import adopt, policy_with
from tests.small_city import SmallCity

PROBLEM = "urn:carbon-bank:problem:"


async def test_anyone_reads_which_policies_there_are_and_their_exact_texts(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/policies")).json()
    assert [each["reference"] for each in listed] == shipped_policies()
    for each in listed:
        answer = await client.get(f"/v1/policies/{each['reference']}")
        assert answer.headers["content-type"].startswith("application/yaml")
        assert hashlib.sha256(answer.content).hexdigest() == each["digest"]


@pytest.mark.parametrize("language", PageLanguage)
async def test_anyone_reads_the_rules_as_a_page_in_their_language(
    client: httpx.AsyncClient, language: PageLanguage
) -> None:
    for reference in shipped_policies():
        answer = await client.get(f"/v1/policies/{reference}/page", params={"language": language.value})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
        assert answer.text == policy_page(load_shipped(reference), language)


async def test_without_a_language_the_page_is_english_and_an_unknown_one_is_refused(client: httpx.AsyncClient) -> None:
    path = "/v1/policies/seoul-eco-mileage@2024/page"
    assert (await client.get(path)).text == policy_page(load_shipped("seoul-eco-mileage@2024"))
    refused = await client.get(path, params={"language": "tlh"})
    assert (refused.status_code, refused.json()["type"]) == (422, f"{PROBLEM}http.invalid")


async def test_the_page_of_a_citys_own_policy_goes_by_the_digest_once_it_is_approved(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    own = policy_with(version="own", title={"en": "Points of our own"})
    path = f"/v1/policies/{own.digest}/page"
    before = await client.get(path)
    assert (before.status_code, before.json()["type"]) == (404, f"{PROBLEM}programme.policy_unknown")
    await adopt(database, small_city.city_id, own)
    assert (await client.get(path)).text == policy_page(own)


async def test_the_schema_is_there_for_editors_and_hides_no_policy(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/policies/schema")
    assert answer.status_code == 200
    Draft202012Validator.check_schema(answer.json())
    assert answer.json()["properties"]["commodities"]
