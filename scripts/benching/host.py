"""A host's FastAPI application with our router in it; run as a module, with a port, it serves."""

import sys

import uvicorn
from fastapi import FastAPI

from gql_auth import GraphQLAuth

auth = GraphQLAuth()
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router(health=True))

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", access_log=False, log_level="warning")
