"""Languages: which ones somebody wants, and which of those that there are fits."""

import re
from typing import Final

TAG: Final = re.compile(r"(?=.{2,35}\Z)[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_LANGUAGES: Final = 10  # of a header; more are not looked at


def choose(wanted: str | None, offered: tuple[str, ...], default: str) -> str:
    """The offered language that a tag or an `Accept-Language` header asks for first (lookup,
    RFC 4647, section 3.4), or the default."""
    by_key = {each.lower(): each for each in offered}
    for tag in wanted_of(wanted or ""):
        parts = tag.lower().split("-")
        while parts:
            found = by_key.get("-".join(parts))
            if found:
                return found
            parts.pop()
    return default


def wanted_of(header: str) -> list[str]:
    """The tags of an `Accept-Language` header (RFC 9110, section 12.5.4), or of one tag alone, the
    most wanted first."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:_LANGUAGES]:
        tag, _, more = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", more)
        weight = float(quality[1]) if quality else 1.0
        if weight and TAG.fullmatch(tag.strip()):
            found.append((-weight, tag.strip()))
    return [tag for _, tag in sorted(found, key=lambda each: each[0])]
