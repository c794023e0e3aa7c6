"""An application of somebody's own with a protected field that needs no database."""

import strawberry
from fastapi import FastAPI

from gql_auth import GraphQLAuth, IsAuthenticated


@strawberry.type
class Query:
    @strawberry.field(permission_classes=[IsAuthenticated])
    def secret(self) -> str:
        return "for members only"


auth = GraphQLAuth()
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router(query=Query, health=True))
