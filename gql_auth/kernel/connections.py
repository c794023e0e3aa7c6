"""Settings: how many connections one client may hold open, and what one may be used for."""

from dataclasses import dataclass
from datetime import timedelta

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Bounds on WebSockets and event streams, each counted in one process."""

    connections_per_address: int = setting(
        200, parsing.whole, "WebSockets and event streams that one address (IPv6: /64) may hold "
        "open in one process; more are refused with 429.", "200", between=(1, 100_000),
    )  # fmt: skip
    connections_per_account: int = setting(
        50, parsing.whole, "WebSockets and event streams that may act as one account in one "
        "process; on more, protected fields are refused.", "50", between=(1, 100_000),
    )  # fmt: skip
    operations_per_socket: int = setting(
        50, parsing.whole, "Operations that run on one WebSocket at once, subscriptions among "
        "them; more are refused.", "50", between=(1, 10_000),
    )  # fmt: skip
    socket_init_timeout: timedelta = setting(
        timedelta(seconds=10), parsing.duration, "How long a WebSocket may stay open before it "
        "sends `connection_init`; then it is closed (4408).", "10s", between=(1, 300),
    )  # fmt: skip
