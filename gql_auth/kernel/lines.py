"""The line that the log gets of each request."""

import logging
from collections.abc import Mapping
from typing import Any, Final

REQUESTS: Final = "gql_auth.requests"
REQUEST: Final = "request"
_log = logging.getLogger(REQUESTS)


class Lines:
    """Writes them as any other line: by the standard library, to wherever the host sends them."""

    def request(self, note: Mapping[str, Any]) -> None:
        """A request was answered.

        Args:
            note: `request_id`, `method`, `status` and `ms`, and what else is known of it; neither
                secrets nor anything that a client chose at any length.
        """
        _log.info(REQUEST, extra=note)
