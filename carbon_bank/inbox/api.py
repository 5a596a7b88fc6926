"""The inbox of a household, and how it wants to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.inbox import service
from carbon_bank.inbox.kinds import Kind
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.service import Notification, Preference
from carbon_bank.inbox.telling import tell

router = APIRouter(prefix="/v1/me", tags=["household"])

Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Owner = Annotated[Actor, Depends(allowed(Permission.OWN_WRITE))]
Accepted = Annotated[
    str | None,
    Header(alias="Accept-Language", max_length=500, description="Counts where the household has chosen no language."),
]


class NotificationRead(BaseModel):
    """One thing that the household was told. `subject` and `sentences` are in `language`; the facts are in none."""

    id: int
    kind: Kind
    about: str = Field(description="What it is about, as `settlement:12`.")
    language: Language
    subject: str
    sentences: list[str]
    facts: dict[str, Any] = Field(description="The numbers, days, periods and codes in the sentences.")
    created_at: datetime
    read_at: datetime | None

    @classmethod
    def of(cls, row: Notification, language: Language) -> NotificationRead:
        assert row.id is not None
        told = tell(Kind(row.kind), row.facts, language)
        return cls(
            id=row.id,
            kind=Kind(row.kind),
            about=row.subject,
            language=language,
            subject=told.subject,
            sentences=list(told.sentences),
            facts=row.facts,
            created_at=row.created_at,
            read_at=row.read_at,
        )


class InboxPage(Page[NotificationRead]):
    unread: int = Field(description="Of the whole inbox, not of this page.")


class AllRead(BaseModel):
    read: int = Field(description="How many were unread.")


class PreferenceBody(BaseModel):
    """Everything is in the inbox; this is about the language, and about e-mail."""

    model_config = ConfigDict(extra="forbid")

    language: Language | None = Field(description="Null: what the program asks for (Accept-Language), or the bank's.")
    email: bool = Field(description="To every person of the household whose login is an e-mail address.")
    muted: set[Kind] = Field(description="Kinds that do not come by e-mail.")

    @classmethod
    def of(cls, preference: Preference) -> PreferenceBody:
        return cls(language=preference.language, email=preference.email, muted=set(preference.muted))


@router.get("/inbox", summary="What you were told, the newest first")
async def get_inbox(
    request: Request,
    session: Reading,
    actor: Member,
    accepted: Accepted = None,
    unread: Annotated[bool, Query(description="Only what is not marked as read.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> InboxPage:
    key = read_cursor(cursor, (int,))
    rows = await service.listed(session, actor, unread, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    language = await service.language_of(session, actor, accepted, request.app.state.language)
    count = await service.count_unread(session, actor)
    return InboxPage(items=[NotificationRead.of(item, language) for item in items], next=following, unread=count)


@router.post("/inbox/read-all", summary="Mark everything as read")
async def read_all(session: Writing, now: Now, actor: Owner) -> AllRead:
    return AllRead(read=await service.mark_all_read(session, actor, now))


@router.post("/inbox/{notification_id}/read", summary="Mark one as read")
async def read_one(
    notification_id: Annotated[int, Path(ge=1, lt=2**63)],
    request: Request,
    session: Writing,
    now: Now,
    actor: Owner,
    accepted: Accepted = None,
) -> NotificationRead:
    """Again changes nothing: the first moment stays."""
    row = await service.mark_read(session, actor, now, notification_id)
    return NotificationRead.of(row, await service.language_of(session, actor, accepted, request.app.state.language))


@router.get("/preferences", summary="How you want to be told")
async def get_preferences(session: Reading, actor: Member) -> PreferenceBody:
    return PreferenceBody.of(await service.get_preference(session, actor))


@router.put("/preferences", summary="Choose how you want to be told")
async def put_preferences(wanted: PreferenceBody, session: Writing, now: Now, actor: Owner) -> PreferenceBody:
    """The whole of it, for the whole household."""
    preference = Preference(wanted.language, wanted.email, frozenset(wanted.muted))
    return PreferenceBody.of(await service.put_preference(session, actor, now, preference))
