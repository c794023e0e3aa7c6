"""What operators see: figures for Prometheus, traces for OpenTelemetry.

Nothing here is loaded unless it is switched on: `names` is plain, `prometheus` and `page` load
prometheus_client, `tracing` loads OpenTelemetry.
"""

from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.telemetry import Telemetry


def tracing() -> Telemetry:
    """Telemetry that traces, by the standard `OTEL_*` variables.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    try:
        from gql_auth.observing.tracing import Tracing  # noqa: PLC0415 - only where switched on
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise SettingsError(
            [
                "GQL_AUTH_TRACING=on needs OpenTelemetry, which is not installed: "
                "pip install 'gql-auth[tracing]'"
            ]
        ) from None
    return Tracing()
