"""Structured log lines. Each line of a request carries its id; none carries personal data or a token."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def _without_addresses(logger: Any, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Where a request came from is for the trail."""
    event.pop("client_address", None)
    return event


def configure(form: str, level: str) -> None:
    """Send log lines to standard error, as JSON or for a person's eyes."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _without_addresses,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        # Plain: the richer one shows the values of local variables, and some of those are secrets.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    errors: list[structlog.typing.Processor] = [structlog.processors.format_exc_info] if form == "json" else []
    structlog.configure(
        processors=[*shared, *errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log by the standard module; their warnings are worth a line, their chatter is not.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
