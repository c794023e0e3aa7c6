"""The files that the built page loads: compressed when they were built, named by their content."""

import gzip
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Final

from starlette.responses import Response

_TYPES: Final[Mapping[str, str]] = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "ttf": "font/ttf",
}
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # the smaller first; each file is there in both

# A worker runs under the policy of its own script, not of its page's.
_HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}


class Assets:
    """The files of a folder, none where it is not there."""

    def __init__(self, folder: Traversable) -> None:
        found = folder.iterdir() if folder.is_dir() else ()
        self._files = {file.name: file for file in found}

    def answer(self, name: str, accepted: str) -> Response | None:
        """The file, in the best coding that the client takes; None where there is no such file.

        Args:
            accepted: the client's `Accept-Encoding`.
        """
        kind = _TYPES.get(name.rpartition(".")[2])
        if kind is None or f"{name}.gz" not in self._files:
            return None
        for coding, suffix in _CODINGS:
            if _takes(accepted, coding):
                content = self._files[name + suffix].read_bytes()
                headers = {**_HEADERS, "Content-Encoding": coding}
                return Response(content, headers=headers, media_type=kind)
        content = gzip.decompress(self._files[f"{name}.gz"].read_bytes())
        return Response(content, headers=_HEADERS, media_type=kind)


def _takes(accepted: str, coding: str) -> bool:
    """Whether `Accept-Encoding` names a coding, and not to refuse it (RFC 9110, section 12.5.3)."""
    for part in accepted.lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        if name == coding:
            return weight.strip("0.") != "" or weight == ""
    return False
