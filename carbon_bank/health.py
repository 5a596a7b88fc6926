"""Is the process alive, and can it do its work?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.exc import ProgrammingError

from carbon_bank import __version__
from carbon_bank.foundation.errors import Unavailable
from carbon_bank.foundation.web import Reading
from carbon_bank.identity.access import open_to_all

router = APIRouter(prefix="/health", tags=["health"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"
    version: str = __version__


class Ready(BaseModel):
    status: Literal["ready"] = "ready"


@router.get("/live", summary="The process runs")
@open_to_all
async def live() -> Alive:
    return Alive()


@router.get("/ready", summary="The database answers and is migrated")
@open_to_all
async def ready(session: Reading) -> Ready:
    """Answers 503 with what to check where the database cannot be used."""
    try:
        await session.sql("SELECT 1 FROM posting LIMIT 1")
    except ProgrammingError:
        raise Unavailable(
            "database.not_migrated",
            "The database lacks the bank's tables. Operators: run `carbon-bank db upgrade`, then `carbon-bank db status`.",
        ) from None
    return Ready()
