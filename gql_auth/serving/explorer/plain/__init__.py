"""The plain page: what a browser is shown where GraphiQL was not built into the package.

Everything on it is ours and travels in one answer, so the page works without Node to build it and
nothing from another host ever runs beside an access token. Its policy names the one style and
the one script by their hashes: injected markup, inline or remote, does not run.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

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
_STYLE_SLOT = "<style></style>"
_SCRIPT_SLOT = '<script type="module"></script>'


@cache
def render() -> tuple[bytes, str]:
    """Return the page and the ``Content-Security-Policy`` to send with it.

    The two belong together: the policy allows exactly the style and script of these bytes, so
    neither may be changed (minified, templated, re-encoded) after this.
    """
    style = "\n" + _read("page.css")
    script = "\n" + "\n".join(_read(name) for name in _SCRIPTS)
    page = _fill(_read("page.html"), _STYLE_SLOT, style)
    page = _fill(page, _SCRIPT_SLOT, script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )
    return page.encode(), policy


def _read(name: str) -> str:
    """Read one source file; line ends become LF, as the browser hashes them."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _fill(page: str, slot: str, content: str) -> str:
    """Put the content into its empty element, which must be there once."""
    if page.count(slot) != 1:
        raise ValueError(f"page.html needs {slot} exactly once")
    opening, closing = slot[: slot.index("</")], slot[slot.index("</") :]
    if closing[:-1] in content.lower() or "<!--" in content:
        raise ValueError(f"the content of {opening} would end or comment out its element")
    return page.replace(slot, opening + content + closing)


def _source(content: str) -> str:
    """Name an inline style or script in the policy, by its hash."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
