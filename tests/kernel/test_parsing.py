"""Rates and networks: what an operator may write, and what is said of the rest."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from gql_auth.kernel.declaring import PREFIX, SettingsError
from gql_auth.kernel.parsing import Rate, networks, rate
from gql_auth.kernel.settings import Settings, declared

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
THROTTLES = [name for name in declared() if name.startswith("throttle_")]

RATES = {
    "20/1h": Rate(20, HOUR),
    " 20 / 1h ": Rate(20, HOUR),
    "20/1H": Rate(20, HOUR),
    "20/3600": Rate(20, HOUR),
    "10/15m": Rate(10, 15 * MINUTE),
    "1/1s": Rate(1, SECOND),
    "1/1": Rate(1, SECOND),
    "1000000/1s": Rate(1_000_000, SECOND),
    "1/7d": Rate(1, timedelta(days=7)),
    "1/1w": Rate(1, timedelta(weeks=1)),
    "0020/1h": Rate(20, HOUR),
}


@pytest.mark.parametrize("text", RATES)
def test_a_rate(text: str) -> None:
    """A rate is a limit within a span; both ends of what is allowed are."""
    found = rate(text)
    assert found == RATES[text]
    assert rate(str(found)) == found


@pytest.mark.parametrize("text", ["off", "OFF", " Off "])
def test_no_rate(text: str) -> None:
    """`off`, in any case, is no limit at all."""
    assert rate(text) is None


NO_RATES = [
    "20", "20/", "/1h", "/", "", " ", "1h", "1h/20", "20 per hour", "20/hour", "20/1y", "20/1.5h",
    "1.5/1h", "1e3/1h", "20/-1h", "+20/1h", "0x10/1h", "20/1h/1h", "20//1h", "20\\1h",
    "20:1h", "on", "none", "null", "false", "0", "infinity/1h", "1_000/1h", "20/1h 30/1d",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_RATES)
def test_what_is_no_rate(text: str) -> None:
    """Anything else is refused, with the form that is wanted: a typo must not be no limit."""
    with pytest.raises(ValueError, match="is neither `off` nor <limit>/<period>"):
        rate(text)


@pytest.mark.parametrize(
    "text",
    ["0/1h", "-1/1h", "1000001/1h", "20/0s", "20/0", "20/604801s", "20/8d", "999999999999/1h"],
)
def test_rates_out_of_bounds(text: str) -> None:
    """The bounds are told: 1 to 1,000,000 within a second to a week."""
    with pytest.raises(ValueError, match="a limit from 1 to 1000000 and a period from 1s to 7d"):
        rate(text)


NETWORKS = {
    "": (),
    " , ": (),
    "127.0.0.1": ("127.0.0.1/32",),
    "10.0.0.0/8,127.0.0.1": ("10.0.0.0/8", "127.0.0.1/32"),
    " 10.0.0.0/8 ,\t127.0.0.1 ": ("10.0.0.0/8", "127.0.0.1/32"),
    "10.0.0.0/8 192.168.0.0/16": ("10.0.0.0/8", "192.168.0.0/16"),
    "::1": ("::1/128",),
    "2001:DB8::/32": ("2001:db8::/32",),
    "10.0.0.0/255.0.0.0": ("10.0.0.0/8",),
    "0.0.0.0/0,::/0": ("0.0.0.0/0", "::/0"),
}


@pytest.mark.parametrize("text", NETWORKS)
def test_networks(text: str) -> None:
    """Addresses and networks of both families, with commas or spaces between."""
    assert networks(text) == tuple(ip_network(each) for each in NETWORKS[text])


@pytest.mark.parametrize(
    "word",
    ["10.0.0.1/8", "10.0.0", "10.0.0.0/33", "010.0.0.1", "localhost", "proxy.internal", "*", "all",
     "10.*", "10.0.0.1-10.0.0.9", "2001:db8::1/32", "::1/129", "[::1]", "127.0.0.1:80", "x" * 200],
)  # fmt: skip
def test_what_is_no_network(word: str) -> None:
    """The word that is neither is named, and not at any length; one wrong word spoils all."""
    with pytest.raises(ValueError, match="no address and no network") as caught:
        networks(f"127.0.0.1,{word}")
    assert repr(word[:60]) in str(caught.value)


# ------------------------------------------------------------------------ as settings


@pytest.mark.parametrize("name", THROTTLES)
def test_each_policy_is_a_setting(name: str) -> None:
    """`GQL_AUTH_THROTTLE_<NAME>` sets each policy and turns it off; off is warned of by name."""
    variable = f"{PREFIX}{name.upper()}"
    found = Settings.from_environment({variable: "7/3m"})
    assert getattr(found, name) == Rate(7, 3 * MINUTE)
    assert not found.warnings
    found = Settings.from_environment({variable: "off"})
    assert getattr(found, name) is None
    assert found.warnings == (f"{variable}=off: nothing limits these attempts",)
    found = Settings.from_environment({variable: " "})
    assert getattr(found, name) == declared()[name].default
    assert declared()[name].default is not None


def test_the_names_of_the_policies() -> None:
    """Every policy has its setting, and the other way round, by the same name."""
    from gql_auth.features.throttle.core import Policy

    names = {f"throttle_{policy.value.replace('.', '_')}" for policy in Policy}
    assert names == set(THROTTLES)
    assert names >= {
        "throttle_login_account_address", "throttle_login_address", "throttle_login_account",
        "throttle_signup_address", "throttle_refresh_session",
    }  # fmt: skip
    for policy in Policy:
        assert policy.rate(Settings()) == declared()[f"throttle_{policy.name.lower()}"].default


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GQL_AUTH_THROTTLE_SIGNUP_ADDRESS", "20 per hour"),
        ("GQL_AUTH_THROTTLE_SIGNUP_ADDRESS", "0/1h"),
        ("GQL_AUTH_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("GQL_AUTH_CREDENTIAL_FIELDS", "0"),
        ("GQL_AUTH_CREDENTIAL_FIELDS", "101"),
        ("GQL_AUTH_CREDENTIAL_FIELDS", "many"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    """A wrong value keeps the server from starting: the variable, the value and an example."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: value})
    (problem,) = caught.value.problems
    example = declared()[variable.removeprefix(PREFIX).lower()].metadata["example"]
    assert problem.startswith(f"{variable} '{value}' ")
    assert problem.endswith(f"Example: {variable}={example}")


def test_by_default_nobody_is_trusted() -> None:
    """Out of the box no proxy is believed, and one credential field an operation is allowed."""
    assert Settings().trusted_proxies == ()
    assert Settings().credential_fields == 1
