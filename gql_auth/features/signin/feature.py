"""What the sign-in flows plug in."""

from gql_auth.features.passwords.core import InvalidCredentials
from gql_auth.features.sessions.core import RefreshRejected
from gql_auth.features.signin.graph import (
    InvalidCredentialsType,
    RefreshTokenRejectedType,
    SignInMutation,
)
from gql_auth.kernel.feature import Feature

feature = Feature(
    name="signin",
    mutations=(SignInMutation,),
    refusals={
        InvalidCredentials: InvalidCredentialsType,
        RefreshRejected: RefreshTokenRejectedType,
    },
)
