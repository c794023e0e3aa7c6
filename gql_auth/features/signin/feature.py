"""What the sign-in flows plug in."""

from gql_auth.features.passwords.core import InvalidCredentials
from gql_auth.features.sessions.refusals import RefreshRejected
from gql_auth.features.signin.answers import InvalidCredentialsType, RefreshTokenRejectedType
from gql_auth.features.signin.graph import SignInMutation
from gql_auth.kernel.errors import InvalidInput
from gql_auth.kernel.feature import Feature
from gql_auth.serving.refusals import InvalidInputType

feature = Feature(
    name="signin",
    mutations=(SignInMutation,),
    refusals={
        InvalidInput: InvalidInputType,
        InvalidCredentials: InvalidCredentialsType,
        RefreshRejected: RefreshTokenRejectedType,
    },
)
