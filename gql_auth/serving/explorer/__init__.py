"""The explorer: the page that `GET /graphql` serves to a browser, and what that page loads.

It is GraphiQL with a pane for the account, built from `web/explorer` into `built/`, or else the
plain page. Either way nothing comes from another host: no foreign code runs beside an access token.
"""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from gql_auth.kernel.limits import OperationLimits
from gql_auth.serving.explorer import plain
from gql_auth.serving.explorer.assets import Assets
from gql_auth.serving.schema import AuthSchema

BUILT: Final = files(__name__) / "built"

# Monaco writes styles into the page, as elements and attributes, and has no place for a nonce.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


class Explorer:
    """What a browser gets at the address of the API, and at the addresses below it.

    Args:
        schema: whose text the page reads.
        limits: whether there is a page at all, and whether anybody may have that text: who may not
            introspect may not.
        built: the folder that `scripts/web` builds.
    """

    def __init__(
        self, schema: AuthSchema, limits: OperationLimits, built: Traversable = BUILT
    ) -> None:
        self._schema = schema
        self.is_open = limits.explorer and limits.trusted_documents != "strict"
        self._shows_schema = limits.introspection
        self._text: str | None = None
        page = built / "index.html"
        self._page = page.read_text(encoding="utf-8") if page.is_file() else None
        self._assets = Assets(built / "assets")

    def page(self, request: Request) -> Response:
        """The page. Its files are named relative to the address that the browser has asked for,
        whatever comes before that: a host's prefix, a proxy's path."""
        if self._page is None:
            content, policy = plain.render()
        else:
            last = quote(request.url.path.rpartition("/")[2], safe="")
            below = f"./{last}/explorer" if last else "./explorer"
            content = self._page.replace('"./assets/', f'"{below}/assets/').encode()
            policy = _POLICY
        headers = {"Content-Security-Policy": policy, "Vary": "Accept"}
        return _revalidated(request, content, "text/html", headers)

    def below(self, request: Request) -> Response | None:
        """What is at an address below the API's; None where there is nothing."""
        if not self.is_open:
            return None
        name = request.path_params["name"]
        if name == "schema.graphql":
            return self._sdl(request) if self._shows_schema else None
        folder, _, file = name.partition("/")
        if folder != "assets":
            return None
        return self._assets.answer(file, ", ".join(request.headers.getlist("accept-encoding")))

    def _sdl(self, request: Request) -> Response:
        """The schema as text: introspection would not tell what directives are on a field."""
        if self._text is None:
            self._text = self._schema.as_str()
        return _revalidated(request, self._text.encode(), "text/plain", {})


def _revalidated(
    request: Request, content: bytes, media_type: str, headers: dict[str, str]
) -> Response:
    """The content, or word that the browser's copy of it is the newest (RFC 9110, 13.1.2)."""
    policy = headers.get("Content-Security-Policy", "").encode()
    tag = f'"{sha256(content + policy).hexdigest()[:32]}"'
    headers |= {"ETag": tag, "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match", "")
    if tag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=media_type)
