"""Pages with an opaque cursor: the key of the last row, so that a page costs the same wherever it stands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from carbon_bank.foundation.errors import InvalidInput

PAGE_SIZE_MAX = 500

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description=f"Rows on a page, at most {PAGE_SIZE_MAX}.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before; leave out for the first.")]


class Page(BaseModel, Generic[T]):
    """Some rows and the cursor of the next page; `next` is null on the last one."""

    items: list[T]
    next: str | None = None


def read_cursor(cursor: str | None, kinds: Sequence[type]) -> list[int | str] | None:
    """The key in a cursor, or null for the first page. `kinds`: the type of each part of the key.

    Raises: InvalidInput `paging.cursor` (422).
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
        if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
            raise ValueError
        if any(isinstance(part, int) and not -(2**63) <= part < 2**63 for part in key):
            raise ValueError
        if any("\0" in part.encode().decode() for part in key if isinstance(part, str)):  # or half a surrogate pair
            raise ValueError
    except ValueError:
        raise InvalidInput(
            "paging.cursor", "The cursor is not one that this list gave. Leave it out to begin at the first page."
        ) from None
    return key


def id_in(cursor: str | None) -> int:
    """The id in the cursor of a list that is in order of it; 0 for the first page.

    Raises: InvalidInput `paging.cursor` (422).
    """
    key = read_cursor(cursor, (int,))
    return int(key[0]) if key else 0


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[int | str]]) -> tuple[list[T], str | None]:
    """Cut `limit + 1` fetched rows into a page and its cursor. `key`: the sort key of a row."""
    if len(rows) <= limit:
        return list(rows), None
    kept = list(rows[:limit])
    return kept, cursor_of(key(kept[-1]))


def cursor_of(key: Sequence[int | str]) -> str:
    """The cursor of the page behind a key."""
    text = json.dumps(list(key), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
