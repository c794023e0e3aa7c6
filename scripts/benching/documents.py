"""Twenty documents that all read `me { id email }`, as different clients would spell it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_PLAIN: Final = ("me", "id", "email")


@dataclass(frozen=True, slots=True)
class Document:
    """One of them.

    Args:
        keys: under which the answer has the account, its id and its address.
    """

    text: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, str, str] = _PLAIN

    def data(self, user_id: str, email: str) -> bytes:
        """The one right answer."""
        me, key, mail = self.keys
        return orjson.dumps({"data": {me: {key: user_id, mail: email}}})


def plain(user_id: str, email: str) -> bytes:
    """What a server answers that does not read the document."""
    return orjson.dumps({"data": {"me": {"id": user_id, "email": email}}})


_YES: Final = {"yes": True}
_NO: Final = {"no": False}
_BOTH: Final = {"yes": True, "no": False}

DOCUMENTS: Final[Sequence[Document]] = (
    Document("{ me { id email } }"),
    Document("query { me { id email } }"),
    Document("query Me { me { id email } }"),
    Document("query Header {\n  me {\n    id\n    email\n  }\n}\n"),
    Document("{me{id,email}}"),
    Document("# who is signed in\n{ me { id email } }"),
    Document("query Own { viewer: me { id email } }", keys=("viewer", "id", "email")),
    Document("{ me { key: id mail: email } }", keys=("me", "key", "mail")),
    Document("query A { me { key: id email } }", keys=("me", "key", "email")),
    Document("{ user: me { id address: email } }", keys=("user", "id", "address")),
    Document("query F { me { ...Names } } fragment Names on User { id email }"),
    Document(
        "{ me { ...Key ...Mail } } fragment Key on User { id } fragment Mail on User { email }"
    ),
    Document("{ me { ... on User { id email } } }"),
    Document("{ me { id ... { email } } }"),
    Document("{ ...Root } fragment Root on Query { me { id email } }"),
    Document("query I($yes: Boolean!) { me { id email @include(if: $yes) } }", _YES),
    Document("query S($no: Boolean!) { me { id @skip(if: $no) email } }", _NO),
    Document("query D($yes: Boolean = true) { me { id email @include(if: $yes) } }"),
    Document("query N($no: Boolean = true) { me { id email username @skip(if: $no) } }"),
    Document(
        "query B($yes: Boolean!, $no: Boolean = true) "
        "{ who: me @include(if: $yes) { id email ... @include(if: $no) { name } } }",
        _BOTH,
        ("who", "id", "email"),
    ),
)

Right = Callable[[Document, str, str], bytes]  # the right body, of a document, an id, an address
