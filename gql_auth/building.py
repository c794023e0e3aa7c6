"""The schema: the features' fields and the host's own."""

from collections.abc import Iterable
from typing import Any

from strawberry.schema.config import StrawberryConfig

from gql_auth.catalog import FEATURES
from gql_auth.kernel.settings import Settings
from gql_auth.serving.operations import JudgedOperations
from gql_auth.serving.persisted import Manifest
from gql_auth.serving.refusals import RefusalHandler
from gql_auth.serving.schema import AuthSchema, merge

_QUERY = "What can be asked. Fields marked @authenticated or @hasRole want an access token."
_MUTATION = (
    "What can be done. Expected refusals are members of the result union and implement "
    "`AuthError`; they never appear in `errors`."
)
_SUBSCRIPTION = (
    "What can be listened to, over a WebSocket (graphql-transport-ws) or a response that stays "
    "open (server-sent events, multipart). Either ends with the access token it is used with."
)


def build_schema(
    *,
    query: type | None = None,
    mutation: type | None = None,
    subscription: type | None = None,
    extensions: Iterable[Any] = (),
    types: Iterable[Any] = (),
    config: StrawberryConfig | None = None,
    settings: Settings | None = None,
) -> AuthSchema:
    """The features' fields and the host's own in one schema.

    Args:
        settings: bounds of operations, which documents may run, whether it is a subgraph; the
            defaults unless given.

    Raises:
        ValueError: a field name is claimed twice, or a root type is no Strawberry type; a type
            does not fit a subgraph.
        SettingsError: the manifest of trusted documents cannot be read.
    """
    settings = settings or Settings()
    extensions = list(extensions)
    queries = [each for feature in FEATURES for each in feature.queries]
    mutations = [each for feature in FEATURES for each in feature.mutations]
    subscriptions = [each for feature in FEATURES for each in feature.subscriptions]

    def root(*more: type) -> type:
        made = merge("Query", [*queries, *more, *([query] if query else [])], _QUERY, config)
        assert made is not None  # noqa: S101 - the features have queries
        return made

    options: dict[str, Any] = {
        "mutation": merge(
            "Mutation", [*mutations, *([mutation] if mutation else [])], _MUTATION, config
        ),
        "subscription": merge(
            "Subscription",
            [*subscriptions, *([subscription] if subscription else [])],
            _SUBSCRIPTION,
            config,
        ),
        "types": [*(each for feature in FEATURES for each in feature.types), *types],
        "extensions": [*extensions, JudgedOperations],
        "config": config,
        "exception_handlers": [
            RefusalHandler(refusal, told_as)
            for feature in FEATURES
            for refusal, told_as in feature.refusals.items()
        ],
    }
    if settings.federation:
        # Loaded only where it is wanted.
        from gql_auth.serving.federation import FederatedSchema  # noqa: PLC0415

        finders = {kind: find for feature in FEATURES for kind, find in feature.entities.items()}
        schema: AuthSchema = FederatedSchema(
            root=root, finders=finders, most=settings.max_representations, **options
        )
    else:
        schema = AuthSchema(query=root(), **options)
    schema.open_documents(
        settings,
        credentials=settings.credential_fields,
        manifest=Manifest.load(settings),
        compiled=settings.compiled_plans,
        hosts=extensions,
    )
    return schema
