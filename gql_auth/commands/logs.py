"""Logs of the server: one structured line an event, on standard error, with no secret in it, of
bounded length.

A library leaves logging to its host; only `gql-auth serve` calls this.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from functools import cached_property
from typing import Any, Final

from gql_auth.commands.floods import Floodgate
from gql_auth.kernel import telemetry
from gql_auth.kernel.errors import Refused
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
_VALUE: Final = 8_000  # characters of one value, before it is spelled out
_NAME: Final = 100  # characters of a field's name
LINE: Final = 16_000  # bytes of a line, however much its values grow by being spelled out
_CORE: Final = ("timestamp", "level", "logger", "pid", "event", "request_id", "reference")


def configure(settings: Settings) -> Floodgate:
    """Send everything that is logged through one formatter and one bound on what repeats."""
    handler = Floodgate(sys.stderr, settings.log_lines)
    handler.setFormatter(_Late(as_json=is_json(settings)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gql_auth").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # It warns of each malformed `tracestate`, which any stranger may send, and quotes it.
    logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)
    return handler


class _Late(logging.Formatter):
    """Makes lines of records. What it makes them with is loaded for the first: a server says
    nothing when it starts."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return self._formatter.format(record)

    @cached_property
    def _formatter(self) -> logging.Formatter:
        return _formatter(as_json=self._as_json)


def _formatter(*, as_json: bool) -> logging.Formatter:
    import structlog  # noqa: PLC0415 - see `_Late`

    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    return structlog.stdlib.ProcessorFormatter(
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
            name_refusals,
            structlog.processors.format_exc_info,
            redact,
            Bounded(renderer, keep_in_line if as_json else keep_on_console),
        ],
    )


def is_json(settings: Settings) -> bool:
    """Whether lines are JSON, or text for a terminal."""
    if settings.log_format == "auto":
        return not sys.stderr.isatty()
    return settings.log_format == "json"


def name_refusals(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Any:
    """An expected refusal has no traceback, whoever logs it: libraries do, of what a task left."""
    raised = event.get("exc_info")
    if isinstance(raised, tuple) and isinstance(raised[1], Refused):
        del event["exc_info"]
        event["refused"] = raised[1].code
    return event


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Blank out what looks like a token, a hash, an address or a password in a URL."""
    return {name: _redacted(value) for name, value in event.items()}


class Bounded:
    """Renders a line of bounded length: values are spelled out, and cut until it fits."""

    def __init__(
        self, render: Callable[..., str], keep: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        self._render = render
        self._keep = keep

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        """The line."""
        for length in (_VALUE, 2_000, 400, 60):
            line = self._render(logger, method, self._keep(_cut(event, length)))
            if len(line.encode()) <= LINE:
                return line
        core = {name: event[name] for name in _CORE if name in event} | {"cut": len(event)}
        return self._render(logger, method, self._keep(_cut(core, 60)))


def _cut(event: MutableMapping[str, Any], length: int) -> dict[str, Any]:
    return {name[:_NAME]: _cut_value(value, length) for name, value in event.items()}


def _cut_value(value: Any, length: int) -> Any:
    if isinstance(value, list):
        return [_cut_value(each, length) for each in value[: length // 8]]
    return f"{value[:length]}…" if isinstance(value, str) and len(value) > length else value


def keep_in_line(event: dict[str, Any]) -> dict[str, Any]:
    """Spell out what would begin a line or steer a terminal, now or when somebody prints what
    the JSON holds; a traceback keeps its lines."""
    kept = {_spelled(name): _spelled(value) for name, value in event.items()}
    if "exception" in event:
        kept["exception"] = "\n".join(map(_spelled, str(event["exception"]).split("\n")))
    return kept


def keep_on_console(event: dict[str, Any]) -> dict[str, Any]:
    """The same for the console, which prints text as it stands: there a traceback is indented,
    so that nothing a client sends looks like a line of the log."""
    kept = keep_in_line(event)
    if "exception" in event:
        lines = str(kept["exception"]).split("\n")
        kept["exception"] = "\n".join("  | " + line for line in lines)
    return kept


def _spelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_spelled(each) for each in value]
    if not isinstance(value, str) or value.isprintable():
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
    text = str(value)[:_VALUE]
    if not any(mark in text for mark in _MARKS):
        return text
    for pattern, instead in _REDACTIONS:
        text = pattern.sub(instead, text)
    return text
