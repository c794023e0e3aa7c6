import strawberry
from fastapi import FastAPI
from gql_auth import GraphQLAuth, HasRole, IsAuthenticated

@strawberry.type
class Query:
    @strawberry.field(permission_classes=[IsAuthenticated])
    def secret(self, info: strawberry.Info) -> str:
        return f"for {info.context.user_id} only"

    @strawberry.field(permission_classes=[HasRole("admin")])      # refused: FORBIDDEN, ROLE_REQUIRED
    async def audit(self) -> list[str]:
        return ["for admins only"]

auth = GraphQLAuth()                       # settings from the environment, or passed
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router(query=Query))   # /graphql: the auth fields and the application's own
