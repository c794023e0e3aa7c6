"""The settings of what makes requests cheap. Turned off, everything is answered alike, slower."""

from dataclasses import dataclass

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting
from gql_auth.kernel.parsing import switch


@dataclass(frozen=True, kw_only=True)
class Speeding:
    """What is kept so as not to be worked out twice. Part of `Settings`."""

    compiled_plans: bool = setting(
        True, switch, "Operations that come again are compiled once into a plan, instead of being "
        "interpreted each time. `off`: graphql-core's executor runs them all.", "off",
    )  # fmt: skip
    token_cache: int = setting(
        4_096, parsing.whole, "Access tokens of which a process remembers that their signature "
        "holds; their time and their session are looked at each time. About 4 kB each; `0`: none.",
        "0", between=(0, 1_000_000),
    )  # fmt: skip
