"""What the server tells of itself: the settings of metrics, traces and the log."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting
from gql_auth.kernel.parsing import Rate, choice, switch

LogFormat = Literal["auto", "json", "console"]


@dataclass(frozen=True, kw_only=True)
class Watching:
    """How a server is watched. Part of `Settings`."""

    metrics_port: int = setting(
        0, parsing.whole, "Port of /metrics (Prometheus), apart from the public one; 0: none.",
        "9464", between=(0, 65535),
    )  # fmt: skip
    metrics_host: str = setting(
        "127.0.0.1", str.strip, "Address that /metrics listens on.", "10.0.0.5"
    )
    tracing: bool = setting(
        False, switch, "OpenTelemetry traces, sent where the standard `OTEL_*` variables say. "
        "Wants the extra `gql-auth[tracing]`.", "on",
    )  # fmt: skip
    log_format: LogFormat = setting(
        "auto", choice("auto", "json", "console"), "`auto`: JSON lines, or coloured text on a "
        "terminal.", "json",
    )  # fmt: skip
    log_lines: Rate | None = setting(
        Rate(600, timedelta(minutes=1)), parsing.rate, "Lines of one kind that one account or "
        "address may cause in the log of a process, and ten times as many all together; what "
        "repeats more often is counted, and told of in one line.", "600/1m",
    )  # fmt: skip
