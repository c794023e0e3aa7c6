"""The schema: features' fields and the host's own, permissions printed, errors translated."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import strawberry
from graphql import DocumentNode, GraphQLError, GraphQLSyntaxError, parse
from strawberry.extensions import SchemaExtension
from strawberry.permission import PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition, has_object_definition
from strawberry.types.execution import ExecutionContext
from strawberry.types.field import StrawberryField

from gql_auth.serving import errors as answers
from gql_auth.serving.credentials import too_many
from gql_auth.serving.permissions import Guard

# The introspection query has about 400 tokens; validation time can grow with their square.
MAX_TOKENS: Final = 4_000


_TOKEN_BYTES: Final = 500  # of memory that a parsed document takes for each of its tokens


class DocumentCache:
    """Parsed and validated documents by their text, bounded in entries and in bytes of memory.

    Only valid documents are kept, and none larger than a tenth of the whole, so that a stranger
    cannot fill the memory; the least recently used go first.
    """

    def __init__(self, entries: int = 1_000, size: int = 32_000_000) -> None:
        self._entries = entries
        self._size = size
        self._held = 0
        self._documents: OrderedDict[str, tuple[DocumentNode, int]] = OrderedDict()

    def get(self, text: str) -> DocumentNode | None:
        """The document of that very text, if it was seen and found valid."""
        kept = self._documents.get(text)
        if kept is None:
            return None
        self._documents.move_to_end(text)
        return kept[0]

    def put(self, text: str, document: DocumentNode) -> None:
        """Keep a valid document."""
        size = _size_of(text, document)
        if size > self._size // 10 or text in self._documents:
            return
        self._documents[text] = (document, size)
        self._held += size
        while len(self._documents) > self._entries or self._held > self._size:
            _, (_, freed) = self._documents.popitem(last=False)
            self._held -= freed


def _size_of(text: str, document: DocumentNode) -> int:
    """What a document takes of memory, about; comments are tokens, too."""
    tokens = 0
    token = document.loc.start_token if document.loc else None
    while token is not None:
        tokens += 1
        token = token.next
    return 2 * len(text) + _TOKEN_BYTES * tokens


class CachedDocuments(SchemaExtension):
    """Takes documents from the cache instead of parsing and validating them again."""

    def __init__(self, cache: DocumentCache, credential_fields: int) -> None:
        self._cache = cache
        self._credential_fields = credential_fields
        self._hit = False

    def on_parse(self) -> Iterator[None]:
        """Find the document, or parse it within the bound of tokens."""
        context = self.execution_context
        context.parse_options["max_tokens"] = MAX_TOKENS
        text = context.query or ""
        document = self._cache.get(text)
        self._hit = document is not None
        if document is None:
            # What is wrong with a broken one, Strawberry finds and tells in the next step.
            try:
                document = parse(text, max_tokens=MAX_TOKENS)
            except (GraphQLSyntaxError, RecursionError):
                document = None
        context.graphql_document = document
        yield

    def on_validate(self) -> Iterator[None]:
        """Skip what was found valid before; keep what is found valid now."""
        context = self.execution_context
        if self._hit:
            context.pre_execution_errors = []
        if _is_ambiguous(context):
            problem = "The document holds several operations: say which by `operationName`"
            context.pre_execution_errors = [GraphQLError(problem)]
        elif context.graphql_document is not None and (
            refusal := too_many(
                context.schema._schema,  # noqa: SLF001 - Strawberry has no public face for it
                context.graphql_document,
                context._provided_operation_name,  # noqa: SLF001
                most=self._credential_fields,
            )
        ):
            context.pre_execution_errors = [refusal]
        yield
        if not self._hit and not context.pre_execution_errors and context.graphql_document:
            self._cache.put(context.query or "", context.graphql_document)


def _is_ambiguous(context: ExecutionContext) -> bool:
    """Whether which operation is meant would be a guess; Strawberry takes the first, the
    specification (6.1, GetOperation) none."""
    document = context.graphql_document
    if document is None or context._provided_operation_name is not None:  # noqa: SLF001
        return False
    kinds = [each.kind for each in document.definitions]
    return kinds.count("operation_definition") > 1


class AuthSchema(strawberry.Schema):
    """Strawberry's schema with our rules: what guards a field is printed on it, and errors leave
    with codes, logged only where they are defects."""

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """The fields of a type, each with the directives of its guards."""
        fields = super().get_fields(type_definition)
        for field in fields:
            for extension in field.extensions:
                if isinstance(extension, PermissionExtension):
                    _print_guards(field, extension)
        return fields

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Translate instead of logging every refusal with a traceback."""
        executed = execution_context is not None and execution_context.result is not None
        code = answers.BAD_INPUT if executed else answers.VALIDATION_FAILED
        answers.translate(errors, request_code=code)


def _print_guards(field: StrawberryField, extension: PermissionExtension) -> None:
    for permission in extension.permissions:
        guard = permission() if isinstance(permission, type) else permission
        if not isinstance(guard, Guard):
            continue
        directive = guard.schema_directive
        if directive is not None and directive not in field.directives:
            field.directives.append(directive)


def merge(
    name: str, types: Iterable[type], description: str, config: StrawberryConfig | None = None
) -> type | None:
    """One root type with the fields of all; None of none.

    Raises:
        ValueError: two of them claim one field name, or one is no Strawberry type.
    """
    parts = tuple(types)
    if not parts:
        return None
    converter = (config or StrawberryConfig()).name_converter
    told: Counter[str] = Counter()
    written: Counter[str] = Counter()
    for part in parts:
        if not has_object_definition(part):
            raise ValueError(f"{part.__name__} lacks its decorator, @strawberry.type")
        for field in part.__strawberry_definition__.fields:
            told[converter.from_field(field)] += 1
            written[field.python_name] += 1
    # Of two attributes of one name the second would silently take the place of the first.
    taken = {each for each, count in told.items() if count > 1} or {
        each for each, count in written.items() if count > 1
    }
    if taken:
        raise ValueError(f"{name} has two fields named {', '.join(sorted(taken))}; rename one")
    return strawberry.type(type(name, parts, {}), description=description)


def document_cache_extension(credential_fields: int) -> Any:
    """A factory of extensions that share one cache."""
    return partial(CachedDocuments, DocumentCache(), credential_fields)
