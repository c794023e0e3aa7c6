"""The schema: features' fields and the host's own, permissions printed, errors translated."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import strawberry
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLObjectType,
    is_named_type,
    specified_rules,
)
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.permission import PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition, has_object_definition
from strawberry.types.execution import ExecutionContext, PreExecutionError
from strawberry.types.field import StrawberryField

from gql_auth.kernel.limits import OperationLimits
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.serving import errors as answers
from gql_auth.serving.context import RequestContext
from gql_auth.serving.costs.exceeding import Exceeded
from gql_auth.serving.documents import DocumentCache
from gql_auth.serving.judging import Judge
from gql_auth.serving.permissions import Guard
from gql_auth.serving.persisted import Manifest, Persisted
from gql_auth.serving.planning import Planner
from gql_auth.serving.waiting import Rest, within

_log = logging.getLogger("gql_auth.documents")


class AuthSchema(strawberry.Schema):
    """Strawberry's schema with our rules: what guards a field is printed on it, and errors leave
    with codes, logged only where they are defects."""

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """The fields of a type, each with the directives of its guards."""
        fields = super().get_fields(type_definition)
        for field in fields:
            for guard in guards_of(field):
                directive = guard.schema_directive
                if directive is not None and directive not in field.directives:
                    field.directives.append(directive)
        return fields

    def _extend_introspection(self) -> None:
        """Let lists and non-null types, too, be asked whether they are one-of inputs: Strawberry's
        resolver fails on each of them, with a traceback for every field of the schema."""
        super()._extend_introspection()
        kind = cast(GraphQLObjectType, self._schema.type_map["__Type"])
        asked = kind.fields["isOneOf"]
        of_named = cast(Callable[..., bool], asked.resolve)
        asked.resolve = lambda each, info: is_named_type(each) and of_named(each, info)

    def open_documents(
        self,
        limits: OperationLimits,
        *,
        credentials: int,
        manifest: Manifest | None = None,
        compiled: bool = True,
        hosts: Sequence[object] = (),
    ) -> None:
        """Bound what may be asked, and keep what was found valid.

        Args:
            compiled: operations that come again run by a plan.
            hosts: the host's extensions.
        """
        cache = DocumentCache()
        self.conceals = not limits.introspection
        self.judge = Judge(self._schema, limits, credentials=credentials, cache=cache)
        self.persisted = Persisted(
            cache,
            manifest=manifest,
            strict=limits.trusted_documents == "strict",
            automatic=limits.persisted_queries,
        )
        self.timeout = limits.operation_timeout.total_seconds()
        self.planner = Planner(
            self._schema, hosts, enabled=compiled, directives=bool(self.directives)
        )
        if manifest is not None:
            self._look_over(manifest)

    def _look_over(self, manifest: Manifest) -> None:
        """Tell of documents that are trusted and cannot run: a front end is about to fail."""
        for document_id, text in manifest.documents.items():
            try:
                found = self.judge.validate(text, self.judge.parse(text), specified_rules)
            except GraphQLError as error:
                found = [error]
            if isinstance(found, list):
                _log.warning(
                    "a trusted document does not fit the schema",
                    extra={"document": document_id[:200], "why": found[0].message[:500]},
                )

    async def _prepare_operation_async(
        self, context: ExecutionContext, extensions_runner: SchemaExtensionsRunner
    ) -> PreExecutionError | None:
        """Parse and validate; what our extension refuses while parsing is an error of the
        request, as what Strawberry itself finds then is."""
        try:
            return await super()._prepare_operation_async(context, extensions_runner)
        except GraphQLError as error:
            context.pre_execution_errors = [error]
            return PreExecutionError(data=None, errors=[error])

    async def _execute_operation(self, *args: Any, **options: Any) -> Any:
        """Run a query or a mutation within its time, whatever carries it."""
        try:
            async with asyncio.timeout(self.timeout) as limit:
                return await super()._execute_operation(*args, **options)
        except TimeoutError:
            if not limit.expired():
                raise
            raise Exceeded("time", limit=round(self.timeout)) from None

    async def in_time(self, rest: Rest[ExecutionResult]) -> ExecutionResult:
        """The result of an operation that a plan runs, within its time.

        Raises:
            Exceeded: it took longer.
        """
        try:
            return await within(self.timeout, rest)
        except TimeoutError:
            raise Exceeded("time", limit=round(self.timeout)) from None

    def tell(
        self,
        errors: list[GraphQLError],
        text: str,
        variables: Mapping[str, Any] | None,
        context: RequestContext,
    ) -> None:
        """Translate the errors of an operation that a plan ran, or that was refused to it."""
        self._tell(errors, self._spelled(text, variables), context)

    def written(self, execution: ExecutionContext) -> str | None:
        """What the client sent, where errors may name nothing else of the schema."""
        return self._spelled(execution.query, execution.variables)

    def _spelled(self, text: str | None, variables: Mapping[str, Any] | None) -> str | None:
        return f"{text} {variables}" if self.conceals else None

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Translate instead of logging every refusal with a traceback."""
        written = self.written(execution_context) if execution_context else None
        self._tell(errors, written, execution_context.context if execution_context else None)

    def _tell(self, errors: list[GraphQLError], written: str | None, context: object) -> None:
        answers.translate(errors, written=written)
        if isinstance(context, RequestContext):
            for error in errors:
                if isinstance(error, Exceeded):
                    context.system.part(Telemetry).exceeded(error.bound)


def guards_of(field: StrawberryField) -> list[Guard]:
    """What guards a field, in either form."""
    given = [
        permission() if isinstance(permission, type) else permission
        for extension in field.extensions
        if isinstance(extension, PermissionExtension)
        for permission in extension.permissions
    ]
    return [each for each in given if isinstance(each, Guard)]


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
