"""The states of a settlement, in the order in which it goes through them; `withdrawn` ends it before it is approved."""

from __future__ import annotations

from enum import StrEnum


class SettlementState(StrEnum):
    REQUESTED = "requested"
    COMPUTING = "computing"
    COMPUTED = "computed"
    APPROVED = "approved"
    POSTING = "posting"
    POSTED = "posted"
    WITHDRAWN = "withdrawn"
