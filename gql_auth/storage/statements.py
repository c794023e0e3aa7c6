"""Statements that are asked so often that what surrounds them costs more than they do: built by
SQLAlchemy once, then run by the driver itself, as prepared statements.

How values are stored is SQLAlchemy's law for these columns (SQLite: ids as 32 hexadecimal digits,
instants as text without a zone, in UTC); a test holds the two against each other.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import orjson
from sqlalchemy import Boolean, Integer, String, Uuid
from sqlalchemy.sql import Executable
from sqlalchemy.types import TypeDecorator, TypeEngine

from gql_auth.storage.types import Json, UtcDateTime

Row = tuple[Any, ...]
Values = Mapping[str, Any]
E = TypeVar("E", bound=Executable)
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


_OPTION: Final = "gql_auth_statement"


class Unsettled(Exception):  # noqa: N818 - a state of affairs, not an error
    """The quick way cannot answer now; the ordinary way can, or knows why not."""


class Statement:
    """One statement in both dialects, with its columns' codecs.

    Args:
        name: unique; what PostgreSQL prepares it as.
        built: by SQLAlchemy, its parameters by `bindparam`.
    """

    def __init__(self, name: str, built: Executable) -> None:
        self.name = name.encode()
        self.is_read = bool(getattr(built, "is_select", False))
        self._built = built

    @cached_property
    def sqlite(self) -> "Form":
        """As SQLite takes it."""
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - the other is not loaded

        dialect: Any = sqlite.dialect
        return Form(self._built, dialect(), _SQLITE)

    @cached_property
    def postgres(self) -> "Form":
        """As PostgreSQL takes it."""
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - the other is not loaded

        dialect: Any = postgresql.dialect
        return Form(self._built, dialect(paramstyle="numeric_dollar"), _POSTGRES)


def swift(name: str, built: E) -> E:
    """A statement that `Units.swiftly` can run; in other units it runs as any other.

    Args:
        name: unique.
    """
    return built.execution_options(**{_OPTION: Statement(name, built)})


def statement_of(built: Executable) -> Statement | None:
    """What `swift` made of a statement."""
    found: Statement | None = built.get_execution_options().get(_OPTION)
    return found


class Form:
    """A statement in one dialect."""

    def __init__(
        self, built: Executable, dialect: Any, codecs: dict[type, tuple[Any, Any]]
    ) -> None:
        compiled: Any = cast(Any, built).compile(dialect=dialect)
        self.text: str = str(compiled)
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        self._parameters = [
            (name, _codec(codecs, compiled.binds[name].type)[0]) for name in compiled.positiontup
        ]
        columns = getattr(built, "selected_columns", ())
        decoders = [_codec(codecs, each.type)[1] for each in columns]
        self._decoders = [(place, each) for place, each in enumerate(decoders) if each]
        make: Any = namedtuple
        row = make("Row", [each.name for each in columns])
        self._row: Callable[[list[Any]], Row] = row._make

    def encode(self, values: Values) -> list[Any]:
        """Values as the driver's parameters."""
        found = []
        for name, codec in self._parameters:
            value = values[name] if name in values else self._constants[name]
            found.append(value if value is None or codec is None else codec(value))
        return found

    def decode(self, raw: Sequence[Any]) -> Row:
        """A row of the driver's as values, by place and by name."""
        row = list(raw)
        for place, codec in self._decoders:
            if (value := row[place]) is not None:
                row[place] = codec(value)
        return self._row(row)


def _codec(
    codecs: dict[type, tuple[_Codec | None, _Codec | None]], kind: TypeEngine[Any]
) -> tuple[_Codec | None, _Codec | None]:
    for known, codec in codecs.items():
        if isinstance(kind, known):
            return codec
    if isinstance(kind, TypeDecorator):  # SQLModel's own strings
        return _codec(codecs, kind.impl_instance)
    raise TypeError(f"no codec for {kind!r}")
