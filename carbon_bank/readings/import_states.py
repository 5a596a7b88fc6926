"""The life of an import: waiting, running, and then done, failed or cancelled."""

from __future__ import annotations

from enum import StrEnum


class ImportState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (ImportState.WAITING, ImportState.RUNNING)
