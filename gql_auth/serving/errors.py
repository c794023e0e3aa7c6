"""GraphQL errors as clients get them: every one has a code, none says more than it should."""

import logging
from collections.abc import Iterable
from typing import Any, Final

from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.serving.concealing import conceal

_log = logging.getLogger("gql_auth.errors")

PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
BAD_INPUT: Final = "BAD_USER_INPUT"
INTERNAL: Final = "INTERNAL_SERVER_ERROR"
NO_OPERATION: Final = "`operationName` names no operation of the document, or is missing"
_MESSAGE_LENGTH: Final = 500


def translate(
    errors: Iterable[GraphQLError], *, request_code: str = BAD_INPUT, written: str | None = None
) -> None:
    """Give each error its code, in place. An expected refusal is told as it stands, a defect is
    masked with a reference that the log explains.

    Args:
        request_code: for errors of the request itself, which have no path.
        written: what the client sent, where errors may name nothing else of the schema.
    """
    for error in errors:
        _translate(error, request_code, written)


def _translate(error: GraphQLError, request_code: str, written: str | None) -> None:
    cause = _root(error)
    # Before anything else: graphql-core copies `message` and `extensions` of whatever exception
    # has them, so a refusal would go out with the message of its class.
    if isinstance(cause, Refused):
        if isinstance(cause, Unavailable) and cause.cause is not None:
            _log.warning("unavailable", extra={"cause": cause.cause})
        error.message = str(cause)
        error.extensions = dict(cause.extensions)
    elif isinstance(cause, CannotGetOperationTypeError):  # over HTTP, the endpoint tells it
        error.message = NO_OPERATION
        error.extensions = {"code": BAD_INPUT}
    elif isinstance(cause, InvalidOperationTypeError):  # over HTTP likewise; in a stream here
        error.message = "GET runs queries and subscriptions only; use POST"
        error.extensions = {"code": BAD_INPUT}
    elif (cause is None or isinstance(cause, GraphQLError)) and "code" in (error.extensions or {}):
        return
    elif isinstance(error, GraphQLSyntaxError):
        error.message = error.message[:_MESSAGE_LENGTH]
        error.extensions = {"code": PARSE_FAILED}
    elif isinstance(cause, RecursionError) and error.path is None:
        error.message = "The document nests too deeply"
        error.extensions = {"code": PARSE_FAILED}
    elif error.path is None and (cause is None or isinstance(cause, GraphQLError)):
        message = error.message if written is None else conceal(error.message, written)
        error.message = message[:_MESSAGE_LENGTH]
        error.extensions = {"code": request_code}
    elif cause is None or isinstance(cause, GraphQLError):
        # A resolver raised a GraphQLError of its own: a message meant for the client.
        error.extensions = {"code": BAD_INPUT, **(error.extensions or {})}
    else:
        mask(error, cause)


def _root(error: GraphQLError) -> BaseException | None:
    """The exception at the bottom of a chain of located errors."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def mask(error: GraphQLError, cause: BaseException) -> None:
    """Hide a defect behind a reference; the log has the rest."""
    masked = internal_error(cause, path=error.path)
    error.message = masked["message"]
    error.extensions = masked["extensions"]


def refusal(refused: Refused) -> dict[str, Any]:
    """A refusal as an error, where no operation of the schema tells it."""
    return {"message": str(refused), "extensions": refused.extensions}


def refusal_body(refused: Refused) -> dict[str, Any]:
    """The body of an answer that holds nothing but a refusal."""
    return {"errors": [refusal(refused)]}


def internal_error(cause: BaseException, **where: Any) -> dict[str, Any]:
    """The masked form of a defect, after logging it under its reference."""
    reference = random_name(9)
    _log.error("internal error", extra={"reference": reference, **where}, exc_info=cause)
    return {
        "message": f"Internal server error (reference {reference})",
        "extensions": {"code": INTERNAL, "reference": reference},
    }
