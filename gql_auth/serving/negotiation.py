"""Which media type answers, by the client's `Accept`."""

import re
from collections.abc import Mapping
from typing import Final

from gql_auth.serving.http import GRAPHQL_RESPONSE, HTML, JSON, BadRequest

MAX_ACCEPT: Final = 1000  # characters of `Accept` that are looked at
_QVALUE: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")  # RFC 9110, section 12.4.2


def prefers(accept: str | None) -> str:
    """The media type of the answer, by the client's `Accept` (RFC 9110, section 12.5.1).

    Without preference it is `application/json`, which every client reads. Named alike, the newer
    type wins: whoever lists it can read its status codes.

    Raises:
        BadRequest: 406, neither is acceptable.
    """
    ranges = _ranges(accept) if accept and accept.strip() else {"*/*": 1.0}
    newer, older = _quality(ranges, GRAPHQL_RESPONSE), _quality(ranges, JSON)
    if newer == older == 0:
        raise BadRequest(406, f"Accept must allow {GRAPHQL_RESPONSE} or {JSON}")
    if newer > older or (newer == older and GRAPHQL_RESPONSE in ranges):
        return GRAPHQL_RESPONSE
    return JSON


def type_of_problem(accept: str | None) -> str:
    """The media type that says why a request was not served: the client's choice, so that it
    reads the code, and plain JSON where it takes neither."""
    try:
        return prefers(accept)
    except BadRequest:
        return JSON


def wants_page(accept: str | None) -> bool:
    """Whether a browser asks for a page rather than a client for data."""
    ranges = _ranges(accept or "")
    page = ranges.get(HTML, 0.0)
    data = max(_quality(ranges, GRAPHQL_RESPONSE), _quality(ranges, JSON))
    named = GRAPHQL_RESPONSE in ranges or JSON in ranges
    return page > data or (page == data > 0 and not named)


def _quality(ranges: Mapping[str, float], media_type: str) -> float:
    """How much a type is wanted: the most specific range that takes it says so."""
    return next(
        (ranges[each] for each in (media_type, "application/*", "*/*") if each in ranges), 0.0
    )


def _ranges(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept[:MAX_ACCEPT].split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = float(value) if _QVALUE.fullmatch(value.strip()) else 0.0
        found[media] = max(quality, found.get(media, 0.0))
    return found
