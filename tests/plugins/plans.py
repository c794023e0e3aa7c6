"""A pytest plugin: operations run by plans the first time, too, so that every test of an operation
is one of its plan. GQL_AUTH_TEST_PLANS=off: all by graphql-core's executor, but where a test itself
turns plans on."""

import os

import pytest

from gql_auth.kernel.settings import Settings
from gql_auth.serving.planning import Planner


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("GQL_AUTH_TEST_PLANS") == "off":
        defaults = Settings.__init__.__kwdefaults__
        assert defaults is not None
        assert defaults["compiled_plans"]
        defaults["compiled_plans"] = False
    else:
        Planner.at_once = True
