"""Saving what a utility's own columns mean."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.readings import mapping_service as service
from carbon_bank.readings.formats.mapping import MAPPING_CHARACTERS_MAX
from carbon_bank.registry import service as registry

router = APIRouter(prefix="/v1/mappings", tags=["readings"])

Reader = Annotated[Actor, Depends(allowed(Permission.READINGS_READ))]
Name = Annotated[str, Path(pattern=f"^{service.NAME}$", examples=["monthly-export"])]
Utility = Annotated[
    str | None, Query(max_length=100, description="Code of the utility; a utility's client leaves it out.")
]


class Save(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(
        max_length=MAPPING_CHARACTERS_MAX, description="The document, as YAML or JSON. docs/formats.md tells its keys."
    )


class MappingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    version: int
    text: str
    by: str
    recorded_at: datetime


@router.put("/{name}", summary="Save what a CSV's own columns mean")
async def save(
    name: Name,
    document: Save,
    session: Writing,
    now: Now,
    actor: Annotated[Actor, Depends(allowed(Permission.READINGS_WRITE))],
) -> MappingRead:
    """Name it as `mapping` with a file. An earlier version stays with the imports that were read by it."""
    place = await registry.place_of_utility(session, actor.of_utility())
    return MappingRead.model_validate(await service.save(session, actor, now, place, name, document.text))


@router.get("", summary="The mappings of a utility")
async def list_mappings(session: Reading, actor: Reader, utility: Utility = None) -> list[MappingRead]:
    return [MappingRead.model_validate(each) for each in await service.listed(session, actor, utility)]


@router.get("/{name}", summary="A mapping of a utility, in its last version")
async def get_mapping(name: Name, session: Reading, actor: Reader, utility: Utility = None) -> MappingRead:
    utility_id = await service.utility_of(session, actor, utility)
    return MappingRead.model_validate(await service.named(session, utility_id, name))
