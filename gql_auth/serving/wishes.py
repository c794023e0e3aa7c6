"""What a client wants by its `Accept`: a page, a stream, or which JSON. Clients send few different
ones, so each is weighed once."""

from functools import lru_cache
from typing import Final

from gql_auth.serving import http, negotiation, streams


class Wish:
    """What an `Accept` asks for.

    `page`: a browser asks for one. `form`: of an answer that stays open. `media_type`: of any
    other; `can_be_met` says whether it is among those that the client takes.
    """

    def __init__(self, accept: str | None) -> None:
        self.page = negotiation.wants_page(accept)
        self.form = streams.form_for(accept)
        self.media_type = negotiation.type_of_problem(accept)
        try:
            negotiation.prefers(accept)
        except http.BadRequest:
            self.can_be_met = False
        else:
            self.can_be_met = True


_read: Final = lru_cache(256)(Wish)


def wish_of(accept: str | None) -> Wish:
    """The wish of a client; None where it sent no `Accept`."""
    return _read(accept[: negotiation.MAX_ACCEPT] if accept else None)
