"""The context that resolvers get: `info.context` of our fields and of a host's own."""

from gql_auth.features.users.core import User, UserGlance
from gql_auth.kernel.errors import Unauthenticated
from gql_auth.serving.context import RequestContext


class AuthContext(RequestContext):
    """Who is calling. Subclass it to add what a host's resolvers need, and give the class to
    `GraphQLAuth.router(context_class=…)`; `self.request` is Starlette's.

    `user_id`, `session_id`, `roles` and `claims` come from the access token and cost no database
    read; outside of guarded fields they are empty for anybody who does not prove who they are.
    """

    async def user(self) -> User:
        """The caller's account, read from the database.

        Raises:
            Unauthenticated: nobody is signed in, or the account no longer exists.
        """
        caller = self.require_caller()
        user = await self.units.glance(UserGlance).get(caller.user_id)
        if user is None:
            raise Unauthenticated(Unauthenticated.Reason.REVOKED)
        return user
