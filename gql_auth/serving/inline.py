"""Pages that travel in one answer, with one style and one script of ours, and the policy that lets
a browser run these and nothing else."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import Final

_STYLE: Final = "<style></style>"
_SCRIPT: Final = '<script type="module"></script>'


def read(folder: Traversable, name: str) -> str:
    """Read one source file; line ends become LF, as the browser hashes them."""
    return folder.joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")


def joined(page: str, *, style: str, script: str) -> tuple[bytes, str]:
    """The page, and the ``Content-Security-Policy`` to send with it.

    The two belong together: the policy allows exactly the style and script of these bytes, so
    neither may be changed (minified, templated, re-encoded) after this.

    Raises:
        ValueError: the page has not one empty element for each, or a content would leave its own.
    """
    style, script = f"\n{style}", f"\n{script}"
    page = _fill(_fill(page, _STYLE, style), _SCRIPT, script)
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


def _fill(page: str, slot: str, content: str) -> str:
    """Put the content into its empty element, which must be there once."""
    if page.count(slot) != 1:
        raise ValueError(f"the page needs {slot} exactly once")
    opening, closing = slot[: slot.index("</")], slot[slot.index("</") :]
    if closing[:-1] in content.lower() or "<!--" in content:
        raise ValueError(f"the content of {opening} would end or comment out its element")
    return page.replace(slot, opening + content + closing)


def _source(content: str) -> str:
    """Name an inline style or script in the policy, by its hash."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
