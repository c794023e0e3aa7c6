"""A flood of documents that are all different, through what reads, judges and keeps them."""

import gc
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graphql import GraphQLError, specified_rules

from gql_auth.building import build_schema
from gql_auth.serving.documents import Known

_KINDS = (
    "{{ a{n}: __typename }}",
    "query Q{n} {{ me {{ id }} }}",
    "{{ me {{ x{n} }} }}",
    "{{ # {n}\n",
)
_HOT = [f"query Hot{n} {{ me {{ id email }} sessions {{ id }} }}" for n in range(20)]
_OFTEN = 500  # documents of the flood between two rounds of those in use


@dataclass(frozen=True)
class Flooded:
    """What was seen.

    Args:
        before, after: bytes of memory, once the first tenth was through, and at the end.
        hot: how often a document in use was asked for, and how often it was there.
        kept: documents, and bytes of them, at the end.
    """

    before: int
    after: int
    hot: tuple[int, int]
    kept: tuple[int, int]


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def flood(count: int) -> Flooded:
    """Send so many documents, valid and not, and those in use now and then."""
    judge = build_schema().judge
    asked = found = before = 0

    def take(text: str) -> bool:
        if judge.find(text) is not None:
            return True
        with suppress(GraphQLError):
            judge.validate(text, judge.parse(text), specified_rules)
        return False

    for number in range(count):
        take(_KINDS[number % len(_KINDS)].format(n=number))
        if number % _OFTEN == 0:
            for text in _HOT:
                asked += 1
                found += take(text)
        if number == count // 10:
            gc.collect()
            before = resident()
    gc.collect()
    cache = judge.cache
    assert isinstance(judge.find(_HOT[0]), Known)
    return Flooded(before, resident(), (asked, found), (len(cache), cache.size))
