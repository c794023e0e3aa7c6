"""How a setting is declared, and how a problem with one is told. What the settings are is in
`gql_auth.kernel.settings`."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import field
from datetime import timedelta
from typing import Any, Final, cast

from gql_auth.kernel import parsing

PREFIX: Final = "GQL_AUTH_"


class SettingsError(ValueError):
    """One or more settings are wrong. Every problem is listed, each with its mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def setting(
    default: Any,
    parse: Callable[[str], Any],
    doc: str,
    example: str,
    *,
    between: tuple[float, float] | None = None,
) -> Any:
    """A field of `Settings`.

    Args:
        parse: from the text of the environment; raises ValueError with what is wrong.
        between: the least and the greatest value, spans in seconds.
    """
    told = {"parse": parse, "doc": doc, "example": example, "between": between}
    return field(default=default, metadata=told)


def fields_of(settings: Any) -> dict[str, dataclasses.Field[Any]]:
    """The settings of a class or an instance by field name, in the order of the documentation."""
    kind = settings if isinstance(settings, type) else type(settings)
    known = {each.name: each for each in dataclasses.fields(kind) if "doc" in each.metadata}
    # A class before what it inherits, as somebody reads it.
    written = [name for each in kind.__mro__ for name in inspect.get_annotations(each)]
    return {name: known[name] for name in written if name in known}


def problem(settings: Any, name: str, value: object, why: str, *, mend: str | None = None) -> str:
    """One problem; `mend` is the setting whose example helps, where it is another one."""
    text = parsing.spell(value) if isinstance(value, timedelta) else str(value)
    hidden = name in {"secret", "database_url", "database_direct_url", "mail_url"}
    shown = "" if hidden else f" {text[:80]!r}"
    mend = mend or name
    example = cast(str, fields_of(settings)[mend].metadata["example"])
    return f"{PREFIX}{name.upper()}{shown} {why}. Example: {PREFIX}{mend.upper()}={example}"
