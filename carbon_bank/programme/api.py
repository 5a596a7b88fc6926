"""The rules of the bank, for everyone to read."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from carbon_bank.foundation.web import Reading
from carbon_bank.identity.access import open_to_all
from carbon_bank.programme.adoption_service import approved_policy_text
from carbon_bank.programme.document import policy_schema
from carbon_bank.programme.page import policy_page
from carbon_bank.programme.page_words import PageLanguage
from carbon_bank.programme.policy import load_shipped, parse_policy, shipped_policies

router = APIRouter(prefix="/v1/policies", tags=["programme"])


Reference = Annotated[
    str,
    Path(
        max_length=100,
        examples=["korea-carbon-point@2024"],
        description="One that comes with the bank; or the digest of any that a city approved.",
    ),
]


class PolicySummary(BaseModel):
    reference: str = Field(examples=["korea-carbon-point@2024"])
    title: dict[str, str]
    digest: str = Field(description="SHA-256 of the text, in hexadecimal.")


@router.get("", summary="The policies that come with the bank")
@open_to_all
async def list_policies() -> list[PolicySummary]:
    policies = (load_shipped(reference) for reference in shipped_policies())
    return [
        PolicySummary(reference=policy.reference, title=policy.title or {}, digest=policy.digest) for policy in policies
    ]


@router.get("/schema", summary="JSON Schema of a policy document, for editors")
@open_to_all
async def get_schema() -> dict[str, Any]:
    """It knows keys and single values; what contradicts itself between keys only the bank sees."""
    return policy_schema()


@router.get("/{reference}", summary="The exact text of a policy", response_class=PlainTextResponse)
@open_to_all
async def get_policy(reference: Reference, session: Reading) -> PlainTextResponse:
    """YAML. Its SHA-256 is the digest that settlements and awards name."""
    text = await approved_policy_text(session, reference)
    return PlainTextResponse(text or load_shipped(reference).text, media_type="application/yaml")


@router.get("/{reference}/page", summary="A policy's rules as citizens read them", response_class=PlainTextResponse)
@open_to_all
async def get_page(
    reference: Reference, session: Reading, language: PageLanguage = PageLanguage.EN
) -> PlainTextResponse:
    """Markdown, made from the document and nothing else."""
    text = await approved_policy_text(session, reference)
    policy = load_shipped(reference) if text is None else parse_policy(text)
    return PlainTextResponse(policy_page(policy, language), media_type="text/markdown")
