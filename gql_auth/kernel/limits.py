"""How much one GraphQL operation may ask for: the settings that bound it before anything runs."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting
from gql_auth.kernel.parsing import choice, switch

DocumentsMode = Literal["off", "on", "strict"]


@dataclass(frozen=True, kw_only=True)
class OperationLimits:
    """The bounds of one operation, and which documents may run at all. Part of `Settings`."""

    max_document_size: int = setting(
        100_000, parsing.whole, "Characters of a document at most.", "100000",
        between=(1_000, 1_000_000),
    )  # fmt: skip
    max_tokens: int = setting(
        2_000, parsing.whole, "Lexical tokens of a document at most. The introspection query of "
        "the usual tools has about 500.", "2000", between=(500, 20_000),
    )  # fmt: skip
    max_depth: int = setting(
        15, parsing.whole, "How deep fields may nest, fragments followed; `{ me { id } }` is 2.",
        "15", between=(2, 200),
    )  # fmt: skip
    max_aliases: int = setting(
        30, parsing.whole, "Aliases of an operation at most, those in fragments counted each time "
        "they are spread.", "30", between=(0, 10_000),
    )  # fmt: skip
    max_root_fields: int = setting(
        20, parsing.whole, "Different fields at the root of an operation at most.", "20",
        between=(1, 1_000),
    )  # fmt: skip
    max_repeats: int = setting(
        30, parsing.whole, "How often one selection may name the same response field, its "
        "fragments included. Comparing them takes time with the square.", "30",
        between=(1, 1_000),
    )  # fmt: skip
    max_directives: int = setting(
        10, parsing.whole, "Directives on one field, fragment or operation at most.", "10",
        between=(1, 1_000),
    )  # fmt: skip
    max_complexity: int = setting(
        1_000, parsing.whole, "What an operation may cost: each object 1 (a mutation 10) or what "
        "`@cost` says, times the length of the lists it is in: `first`, or what `@listSize` says, "
        "or 10.", "1000", between=(1, 10_000_000),
    )  # fmt: skip
    max_introspection_depth: int = setting(
        16, parsing.whole, "How deep fields may nest inside `__schema` and `__type`. The usual "
        "introspection query has 15.", "16", between=(2, 200),
    )  # fmt: skip
    max_variables_size: int = setting(
        100_000, parsing.whole, "Bytes of an operation's variables at most, as JSON.", "100000",
        between=(100, 1_000_000),
    )  # fmt: skip
    max_input_depth: int = setting(
        15, parsing.whole, "How deep lists and objects may nest in variables and in arguments.",
        "15", between=(1, 200),
    )  # fmt: skip
    max_batch: int = setting(
        1, parsing.whole, "Operations in one request (a JSON array) at most. They run one after "
        "the other.", "10", between=(1, 100),
    )  # fmt: skip
    operation_timeout: timedelta = setting(
        timedelta(seconds=30), parsing.duration, "How long a query or a mutation may take; then "
        "it is ended and what it has not committed is undone.", "30s", between=(1, 600),
    )  # fmt: skip
    introspection: bool = setting(
        True, switch, "`off`: no `__schema`, no `__type`, and errors that name nothing of the "
        "schema but what the client wrote itself. Advised in production.", "off",
    )  # fmt: skip
    explorer: bool = setting(
        True, switch, "`off`: no page at `/graphql` for browsers. Where only documents of the "
        "manifest run, there is none anyway.", "off",
    )  # fmt: skip
    persisted_queries: bool = setting(
        True, switch, "Automatic persisted queries (Apollo's protocol): clients send the hash of a "
        "document instead of its text.", "off",
    )  # fmt: skip
    trusted_documents: DocumentsMode = setting(
        "off", choice("off", "on", "strict"), "`on`: documents of the manifest run by their id. "
        "`strict`: and nothing else runs.", "strict",
    )  # fmt: skip
    trusted_documents_manifest: Path | None = setting(
        None, lambda text: Path(text).expanduser(), "The manifest, a JSON file: Apollo's "
        "(`apollo-persisted-query-manifest`) or Relay's (ids to texts). Read at start.",
        "/etc/gql-auth/documents.json",
    )  # fmt: skip
    document_max_age: timedelta = setting(
        timedelta(0), parsing.duration, "How long caches may keep the answer to a GET by a "
        "document's id that nobody signed; `0`: not at all.", "1m", between=(0, 31_536_000),
    )  # fmt: skip
