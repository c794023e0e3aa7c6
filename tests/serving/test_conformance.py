"""GraphQL over HTTP as others judge it: every server audit of the npm package graphql-http."""

import pytest

from tests import node

# How many audits of each level graphql-http 1.23.1 holds; fewer would prove less.
AUDITS = {"MUST": 13, "SHOULD": 23, "MAY": 25}


def test_audits(url: str, subtests: pytest.Subtests) -> None:
    """Each audit passes: what the specification demands (MUST), advises (SHOULD) and allows."""
    results = node.run("audits", url=url)
    for each in results:
        with subtests.test(f"{each['id']} {each['name']}"):
            assert each["status"] == "ok", each["reason"]
    levels = [each["name"].split()[0] for each in results]
    assert {level: levels.count(level) for level in AUDITS} == AUDITS
