"""Which rule of the database a refused statement broke."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import IntegrityError


def violated(error: IntegrityError) -> str:
    """The name of the constraint behind an integrity error, or an empty text."""
    cause = error.orig
    return (cause.diag.constraint_name or "") if isinstance(cause, psycopg.Error) else ""
