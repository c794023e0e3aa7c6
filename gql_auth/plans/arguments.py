"""Arguments of a field: what can be found ahead is found once."""

from collections.abc import Callable
from typing import Any, Final

from graphql import (
    get_argument_values,
)

from gql_auth.plans.collecting import Site
from gql_auth.plans.running import Execution

Finder = Callable[[Execution], dict[str, Any]]

_NONE: Final[dict[str, Any]] = {}


def argument_values(site: Site) -> tuple[dict[str, Any], Finder | None]:
    """The arguments of a field; or, where they differ between executions, what finds them."""
    if not site.field.args:
        return _NONE, None

    field, node = site.field, site.nodes[0]

    def find(run: Execution) -> dict[str, Any]:
        return get_argument_values(field, node, run.values)

    return _NONE, find
