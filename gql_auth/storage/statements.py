"""Statements that are asked so often that what surrounds them costs more than they do: built by
SQLAlchemy once, then run by the driver itself, as prepared statements.

How values are stored is SQLAlchemy's law for these columns (SQLite: ids as 32 hexadecimal digits,
instants as text without a zone, in UTC); a test holds the two against each other.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Boolean, Integer, String, Uuid
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from gql_auth.storage.types import Json, UtcDateTime

Row = list[Any]
_Codec = Callable[[Any], Any]

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's, of its binary instants
_MICROSECOND: Final = timedelta(microseconds=1)


def _to_text(at: datetime) -> str:
    if at.tzinfo is None:
        raise TypeError("an instant without a zone was about to be stored")
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _of_text(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, signed=True)


# Type of column -> what makes a parameter of a value, what makes a value of a result; None where
# they are the same. PostgreSQL takes parameters as text and gives results in binary.
_SQLITE: Final[dict[type, tuple[_Codec | None, _Codec | None]]] = {
    Uuid: (lambda value: value.hex, UUID),
    UtcDateTime: (_to_text, _of_text),
    Json: (lambda value: orjson.dumps(value).decode(), orjson.loads),
    Boolean: (int, bool),
    Integer: (None, None),
    String: (None, None),
}
_POSTGRES: Final[dict[type, tuple[_Codec, _Codec]]] = {
    Uuid: (lambda value: str(value).encode(), lambda raw: UUID(bytes=raw)),
    UtcDateTime: (
        lambda at: at.isoformat().encode(),
        lambda raw: _EPOCH + timedelta(microseconds=_number(raw)),
    ),
    Json: (orjson.dumps, lambda raw: orjson.loads(raw[1:])),  # jsonb: a version, then the text
    Boolean: (lambda value: b"t" if value else b"f", lambda raw: raw == b"\1"),
    Integer: (lambda value: b"%d" % value, _number),
    String: (str.encode, bytes.decode),
}


class Unsettled(Exception):  # noqa: N818 - a state of affairs, not an error
    """The quick way cannot answer now; the ordinary way can, or knows why not."""


class Statement:
    """One statement in both dialects, with its columns' codecs.

    Args:
        name: unique; what PostgreSQL prepares it as.
        built: by SQLAlchemy, its parameters by `bindparam`.
        parameters: the names of its parameters, in the order in which values are given.
    """

    def __init__(self, name: str, built: ClauseElement, *parameters: str) -> None:
        self.name = name.encode()
        self._built = built
        self._parameters = parameters

    @cached_property
    def sqlite(self) -> "Form":
        """As SQLite takes it."""
        dialect: Any = sqlite.dialect
        return Form(self._built, dialect(), self._parameters, _SQLITE)

    @cached_property
    def postgres(self) -> "Form":
        """As PostgreSQL takes it."""
        dialect: Any = postgresql.dialect
        return Form(self._built, dialect(paramstyle="numeric_dollar"), self._parameters, _POSTGRES)


class Form:
    """A statement in one dialect."""

    def __init__(
        self,
        built: ClauseElement,
        dialect: Any,
        parameters: Sequence[str],
        codecs: dict[type, tuple[Any, Any]],
    ) -> None:
        compiled: Any = built.compile(dialect=dialect)
        self.text: str = str(compiled)
        columns = getattr(built, "selected_columns", ())
        given = {name: place for place, name in enumerate(parameters)}
        self._given = [
            (given.get(name), compiled.params[name], _codec(codecs, compiled.binds[name].type)[0])
            for name in compiled.positiontup
        ]
        decoders = [_codec(codecs, each.type)[1] for each in columns]
        self._decoders = [(place, each) for place, each in enumerate(decoders) if each]

    def encode(self, values: Sequence[Any]) -> list[Any]:
        """Values as the driver's parameters."""
        found = []
        for place, constant, codec in self._given:
            value = constant if place is None else values[place]
            found.append(value if value is None or codec is None else codec(value))
        return found

    def decode(self, raw: Sequence[Any]) -> Row:
        """A row of the driver's as values."""
        row = list(raw)
        for place, codec in self._decoders:
            if (value := row[place]) is not None:
                row[place] = codec(value)
        return row


def _codec(
    codecs: dict[type, tuple[_Codec | None, _Codec | None]], kind: TypeEngine[Any]
) -> tuple[_Codec | None, _Codec | None]:
    for known, codec in codecs.items():
        if isinstance(kind, known):
            return codec
    if isinstance(kind, TypeDecorator):  # SQLModel's own strings
        return _codec(codecs, kind.impl_instance)
    raise TypeError(f"no codec for {kind!r}")
