"""UUID version 7 (RFC 9562): unique anywhere, sortable by the millisecond in which it was made.

The standard library has it from Python 3.14 and PostgreSQL from 18; the bank runs on older ones as well.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID


def uuid7(at: datetime) -> UUID:
    """A new UUID of version 7 for a moment."""
    milliseconds = int(at.timestamp()) * 1000 + at.microsecond // 1000
    random = secrets.randbits(74)
    value = milliseconds << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return UUID(int=value)
