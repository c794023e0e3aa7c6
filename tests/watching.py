"""A server with /metrics, read as Prometheus reads it."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.live import free_port
from tests.process import Server, serving
from tests.support import GraphQLClient


def read(page: str) -> dict[str, float]:
    """The samples of a page by name and labels, as Prometheus's own parser reads them."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{sample.labels[name]}"' for name in sorted(sample.labels))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


class Watched:
    """A server and its figures."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.seen: dict[str, float] = {}

    def page(self, path: str = "/metrics", **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers)

    def figures(self) -> dict[str, float]:
        answer = self.page()
        assert answer.status_code == 200
        return read(answer.text)

    def grown(self, name: str) -> dict[str, float]:
        """What of one counter has grown since the last look at it, and by how much."""
        counted = {key: value for key, value in self.figures().items() if key.startswith(name)}
        more = {key.partition("{")[2].rstrip("}"): value - self.seen.get(key, 0)
                for key, value in counted.items()}  # fmt: skip
        self.seen |= counted
        return {key: value for key, value in more.items() if value}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GraphQLClient]:
        """A client whose requests go to any of the workers: each has a connection of its own."""
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=self.server.url, limits=limits, timeout=30) as http:
            yield GraphQLClient(http)


@contextmanager
def watched(data_dir: Path, *arguments: str, **settings: object) -> Iterator[Watched]:
    """Serve with /metrics on a port of its own."""
    port = free_port()
    with serving(*arguments, data_dir=data_dir, metrics_port=port, **settings) as server:
        yield Watched(server, port)


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    """Run a statement on the server's database, as an accident or an operator would."""
    with closing(sqlite3.connect(folder / "gql_auth.sqlite3", timeout=10)) as connection:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
    return rows
