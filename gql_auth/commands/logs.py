"""Logs of the server: one structured line an event, on standard error, with no secret in it.

A library leaves logging to its host; only `gql-auth serve` calls this.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from gql_auth.kernel import telemetry
from gql_auth.kernel.settings import Settings

# The last line of defence: nothing of ours logs these on purpose, but an exception's text might.
# Each pattern takes time in proportion to the text, whatever the text is.
_REDACTIONS: Final = (
    (re.compile(r"eyJ[\w-]*(?:\.[\w-]*){0,2}"), "[token]"),  # one that was cut, too
    (re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]*"), "[hash]"),
    (re.compile(r"(postgres(?:ql)?(?:\+\w{1,20})?://)[^\s@]{0,500}@"), r"\1[credentials]@"),
    (re.compile(r"[^\s@<>\"'()\[\],:;=]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "[e-mail]"),
)
_MARKS: Final = ("eyJ", "$2", "@")  # no expression above matches a text without one of these
_LINE: Final = 8_000  # characters


def configure(settings: Settings) -> None:
    """Send everything that is logged through one formatter."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            _name_process,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _name_trace,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            *([] if as_json else [keep_in_line]),
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gql_auth").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # It warns of each malformed `tracestate`, which any stranger may send, and quotes it.
    logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Blank out what looks like a token, a hash, an address or a password in a URL."""
    return {name: _redacted(value) for name, value in event.items()}


def keep_in_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """For the console, which prints text as it stands: spell out what would begin a line or
    steer a terminal, and indent tracebacks, so that nothing a client sends looks like a line of
    the log. JSON does that by itself."""
    kept = {name: _spelled(value) for name, value in event.items()}
    if "exception" in event:
        lines = str(event["exception"]).split("\n")
        kept["exception"] = "\n".join("  | " + _spelled(line) for line in lines)
    return kept


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if not isinstance(value, str):
        return value
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in value
    )


def _name_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Which of several workers it was."""
    event["pid"] = event["_record"].process
    return event


def _name_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """Which trace, and where spans are recorded which span, it was logged in."""
    trace = telemetry.here()
    if trace is not None:
        event["trace_id"] = trace.trace_id
        if trace.span_id is not None:
            event["span_id"] = trace.span_id
    return event


def _redacted(value: Any) -> Any:
    if isinstance(value, int | float | bool | None):
        return value
    if isinstance(value, list | tuple):
        return [_redacted(each) for each in value]
    text = str(value)[:_LINE]
    if not any(mark in text for mark in _MARKS):
        return text
    for pattern, instead in _REDACTIONS:
        text = pattern.sub(instead, text)
    return text
