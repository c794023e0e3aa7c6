"""The page behind the links in mails, where the front end has none of its own.

Loading it changes nothing: mail scanners follow links, and what comes after the `#` of one does not
even reach the server. The page reads the token there, and a person presses the button that sends
the mutation.
"""

from functools import cache
from importlib.resources import files
from typing import Final

from starlette.responses import Response

from gql_auth.serving import inline

ACTIONS: Final = frozenset({"verify-email", "reset-password", "magic-link", "change-email"})


@cache
def _page() -> tuple[bytes, str]:
    folder = files(__name__)
    parts = {kind: inline.read(folder, f"page.{kind}") for kind in ("html", "css", "js")}
    return inline.joined(parts["html"], style=parts["css"], script=parts["js"])


def answer(action: str) -> Response | None:
    """The page of an action; None where there is no such action."""
    if action not in ACTIONS:
        return None
    content, policy = _page()
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(content, headers=headers, media_type="text/html")
