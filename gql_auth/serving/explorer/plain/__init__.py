"""The plain page: what a browser is shown where GraphiQL was not built into the package.

Everything on it is ours and travels in one answer, so the page works without Node to build it and
nothing from another host ever runs beside an access token. Its policy names the one style and
the one script by their hashes: injected markup, inline or remote, does not run.
"""

from functools import cache
from importlib.resources import files

from gql_auth.serving import inline

# In the order in which they build on each other: together they are one module script.
_SCRIPTS = (
    "dom.js",
    "document.js",
    "session.js",
    "transport.js",
    "account.js",
    "schema.js",
    "docs.js",
    "examples.js",
    "editor.js",
    "response.js",
    "main.js",
)


@cache
def render() -> tuple[bytes, str]:
    """Return the page and the ``Content-Security-Policy`` to send with it.

    The two belong together: the policy allows exactly the style and script of these bytes, so
    neither may be changed (minified, templated, re-encoded) after this.
    """
    folder = files(__name__)
    script = "\n".join(inline.read(folder, name) for name in _SCRIPTS)
    style = inline.read(folder, "page.css")
    return inline.joined(inline.read(folder, "page.html"), style=style, script=script)
