"""Background jobs: the loops around the steps of long work, each step a transaction of its own.

Runs inside `serve`, or as processes of its own (`carbon-bank work`). Any of them may be killed at any moment: the next one
goes on at the next chunk or bucket.
"""

from __future__ import annotations

from carbon_bank.worker.comparisons import compare_over_city
from carbon_bank.worker.expiries import book_expiries
from carbon_bank.worker.imports import import_readings, look_after_readings, store_of
from carbon_bank.worker.mail import mailer_of, send_mail
from carbon_bank.worker.notices import notify_expiring
from carbon_bank.worker.queue import queue_of, work, working_inside
from carbon_bank.worker.replays import replay
from carbon_bank.worker.restatements import compute_restatement, post_restatement
from carbon_bank.worker.rewards import look_after_rewards, note_taken_back, pay_out_daily, pay_out_settlement
from carbon_bank.worker.sealing import log_keys_of, seal_all, seal_city
from carbon_bank.worker.settlements import compute, post
from carbon_bank.worker.webhooks import Post, caller_of, deliver_webhooks, sealer_of
from carbon_bank.worker.witnesses import look_after_cosignatures, post_by, request_cosignatures

__all__ = [
    "Post",
    "book_expiries",
    "caller_of",
    "compare_over_city",
    "compute",
    "compute_restatement",
    "deliver_webhooks",
    "import_readings",
    "log_keys_of",
    "look_after_cosignatures",
    "look_after_readings",
    "look_after_rewards",
    "mailer_of",
    "note_taken_back",
    "notify_expiring",
    "pay_out_daily",
    "pay_out_settlement",
    "post",
    "post_by",
    "post_restatement",
    "queue_of",
    "replay",
    "request_cosignatures",
    "seal_all",
    "seal_city",
    "sealer_of",
    "send_mail",
    "store_of",
    "work",
    "working_inside",
]
