"""Errors that tell nothing of the schema but what the client wrote itself, for servers that do not
let everybody introspect."""

import re
from typing import Final

_SUGGESTION: Final = re.compile(r",? ?Did you mean .*", re.DOTALL)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAME: Final = re.compile(r"[_A-Za-z]\w*")
_BUILT_IN: Final = frozenset({"Int", "Float", "String", "Boolean", "ID", "Query", "Mutation",
                              "Subscription", "true", "false", "null"})  # fmt: skip


def conceal(message: str, written: str) -> str:
    """A message of validation or coercion without the names that the client did not write.

    Args:
        written: the document, and what else the client sent.
    """
    known = _BUILT_IN.union(_NAME.findall(written))

    def hide(name: re.Match[str]) -> str:
        return name[0] if name[0] in known else "…"

    return _QUOTED.sub(lambda quoted: _NAME.sub(hide, quoted[0]), _SUGGESTION.sub("", message))
