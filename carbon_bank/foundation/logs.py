"""Structured log lines. Each line of a request carries its id; none carries personal data, an address or a token."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from typing import Any, TextIO

import structlog

_VALUES = re.compile(
    r"^(?:DETAIL|CONTEXT): .*?"
    r"(?=^(?:HINT: |\[SQL|Traceback \(|The above exception|During handling|  File )|\Z)",
    re.MULTILINE | re.DOTALL,
)
"""What PostgreSQL adds to an error: the row or the key that it is about, with its values."""


def trace_of(exc_info: Any) -> str:
    """The traceback of an exception that was caught, as `sys.exc_info()` has it, without values of rows."""
    return _VALUES.sub("", "".join(traceback.format_exception(*exc_info))).rstrip()


def _write_trace(out: TextIO, exc_info: Any) -> None:
    out.write("\n" + trace_of(exc_info))


class _OfLibraries(logging.Formatter):
    """Lines of the standard module, with traces as ours."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  (the standard module's name)
        return trace_of(ei)


def configure(form: str, level: str) -> None:
    """Send log lines to standard error, as JSON or for a person's eyes."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        # Plain: the richer one shows the values of local variables, and some of those are secrets.
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_trace)
    )
    errors: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(trace_of)] if form == "json" else []
    )
    structlog.configure(
        processors=[*shared, *errors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log by the standard module; their warnings are worth a line, their chatter is not.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OfLibraries("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
