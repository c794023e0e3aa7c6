"""Settings: a wrong one names the variable, what is wrong with its value and an example."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import PREFIX, SettingsError
from gql_auth.kernel.settings import Settings, declared

SECRET = "Zx3vQ9_kLw7TbN2mRc8YpHs5Ju1Fg6Dd"  # 32 characters, the least
POSTGRES = "postgresql://app:hunter2@db.internal:5432/app"


def settings(**variables: str) -> Settings:
    """The settings of an environment that holds these variables."""
    return Settings.from_environment({PREFIX + name: value for name, value in variables.items()})


def problems(**variables: str) -> list[str]:
    """What is wrong with such an environment."""
    with pytest.raises(SettingsError) as caught:
        settings(**variables)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


WRONG: list[tuple[str, str, str]] = [
    ("HOST", "0.0.0.0", "is not loopback"),
    ("HOST", "192.168.1.2", "is not loopback"),
    ("HOST", "::", "is not loopback"),
    ("HOST", "example.com", "is not loopback"),
    ("PORT", "x", "is not a whole number"),
    ("PORT", "8000.5", "is not a whole number"),
    ("PORT", "0x50", "is not a whole number"),
    ("PORT", "9" * 5000, "is not a whole number"),
    ("WORKERS", "0", "is not between 1 and 64"),
    ("WORKERS", "65", "is not between 1 and 64"),
    ("WORKERS", "many", "is not a whole number"),
    ("DATABASE_URL", "mysql://localhost/x", "is neither postgresql:// nor sqlite:///"),
    ("DATABASE_URL", "localhost", "is neither postgresql:// nor sqlite:///"),
    ("DATABASE_POOL_SIZE", "0", "is not between 1 and 1000"),
    ("SECRET", "short", "is shorter than 32 characters"),
    ("SECRET", SECRET[:-1], "is shorter than 32 characters"),
    ("SECRET", "changeme" * 8, "looks like an example"),
    ("SECRET", "your-secret-key-goes-here-1234567890", "looks like an example"),
    ("SECRET", "a" * 64, "looks like an example"),
    ("SECRET", "abcd" * 16, "looks like an example"),
    ("SECRET", "0123456789" * 5, "looks like an example"),
    ("SECRET", "ThisIsAnInsecureDefaultKey-92841", "looks like an example"),
    ("SECRET", "CHANGE-ME-9x8y7z6w5v4u3t2s1r0qQpO", "looks like an example"),
    ("PUBLIC_URL", "auth.example.com", "is not an http(s) URL"),
    ("PUBLIC_URL", "ftp://auth.example.com", "is not an http(s) URL"),
    ("PUBLIC_URL", "https://?", "is not an http(s) URL"),
    ("PUBLIC_URL", "javascript:alert(1)", "is not an http(s) URL"),
    ("PUBLIC_URL", "https://user@auth.example.com", "must not hold a user name"),
    ("PUBLIC_URL", "https://auth.example.com?x=1", "must not hold a user name, a query"),
    ("PUBLIC_URL", "https://auth.example.com#x", "must not hold a user name, a query"),
    ("PUBLIC_URL", "https://auth.example.com:99999", "ort"),
    ("PUBLIC_URL", "https://[::1", "IPv6"),
    ("PUBLIC_URL", "http://auth.example.com", "is plain http and not loopback"),
    ("PUBLIC_URL", "http://192.168.1.2:8000", "is plain http and not loopback"),
    ("PUBLIC_URL", "http://localhost.example.com", "is plain http and not loopback"),
    ("PUBLIC_URL", "http://127.0.0.1.example.com", "is plain http and not loopback"),
    ("ALLOWED_ORIGINS", "app.example.com", "is not an http(s) URL"),
    ("ALLOWED_ORIGINS", "*", "is not an http(s) URL"),
    ("ALLOWED_ORIGINS", "null", "is not an http(s) URL"),
    ("ALLOWED_ORIGINS", "http://app.example.com", "is plain http and not loopback"),
    ("SIGNING_ALGORITHM", "none", "is none of ES256, EdDSA, RS256, HS256"),
    ("SIGNING_ALGORITHM", "HS512", "is none of ES256, EdDSA, RS256, HS256"),
    ("ACCESS_TOKEN_TTL", "15 minutes", "is not a duration"),
    ("ACCESS_TOKEN_TTL", "1.5h", "is not a duration"),
    ("ACCESS_TOKEN_TTL", "-1", "is not a duration"),
    ("ACCESS_TOKEN_TTL", "m", "is not a duration"),
    ("ACCESS_TOKEN_TTL", "9999999999w", "is longer than any calendar"),
    ("ACCESS_TOKEN_TTL", "0s", "is not between 1s and 1d"),
    ("ACCESS_TOKEN_TTL", "86401s", "is not between 1s and 1d"),
    ("REFRESH_TOKEN_TTL", "367d", "is not between 1s and 366d"),
    ("REFRESH_TOKEN_TTL", "14m", "is shorter than GQL_AUTH_ACCESS_TOKEN_TTL"),
    ("SESSION_MAX_AGE", "4000d", "is not between 1s and 3660d"),
    ("REFRESH_RACE_WINDOW", "301s", "is not between 1s and 5m"),
    ("CLOCK_LEEWAY", "301s", "is not between 0s and 5m"),
    ("REVOCATION_POLL", "31s", "is not between 1s and 30s"),
    ("COOKIE_SAME_SITE", "loose", "is none of lax, strict, none"),
    ("COOKIE_SAME_SITE", "none", "needs an https GQL_AUTH_PUBLIC_URL"),
    ("REFRESH_TRANSPORTS", "cookie,pigeon", "wants cookie, body, or both"),
    ("REFRESH_TRANSPORTS", ",", "wants cookie, body, or both"),
    ("PASSWORD_MIN_LENGTH", "7", "is not between 8 and 128"),
    ("PASSWORD_MIN_LENGTH", "129", "is not between 8 and 128"),
    ("BCRYPT_COST", "9", "is not between 10 and 16"),
    ("BCRYPT_COST", "17", "is not between 10 and 16"),
    ("HASH_QUEUE", "0", "is not between 1 and 10000"),
    ("LOG_FORMAT", "xml", "is none of auto, json, console"),
]


@pytest.mark.parametrize(("name", "value", "why"), WRONG)
def test_a_wrong_value_is_explained(name: str, value: str, why: str) -> None:
    """The message names the variable, the problem and an example, and never a secret; where the
    mend is another variable, the example is that one's."""
    (problem,) = problems(**{name: value})
    mend = "PUBLIC_URL" if "not loopback" in why or "https GQL_AUTH" in why else name
    mend = name if name == "ALLOWED_ORIGINS" else mend
    example = declared()[mend.lower()].metadata["example"]
    assert problem.startswith(PREFIX + name)
    assert why in problem
    assert problem.endswith(f"Example: {PREFIX}{mend}={example}")
    assert (repr(value[:80]) in problem) == (name not in {"SECRET", "DATABASE_URL"})


RIGHT: list[tuple[str, str, Any]] = [
    ("HOST", "::1", "::1"),
    ("HOST", "127.0.0.2", "127.0.0.2"),
    ("PORT", "0", 0),
    ("PORT", "65535", 65535),
    ("WORKERS", "64", 64),
    ("DATA_DIR", "/tmp/x", Path("/tmp/x")),
    ("DATABASE_URL", "sqlite:////tmp/x.sqlite3", "sqlite:////tmp/x.sqlite3"),
    ("SECRET", SECRET, SECRET),
    ("PUBLIC_URL", "https://auth.example.com/", "https://auth.example.com"),
    ("PUBLIC_URL", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
    ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
    ("SIGNING_ALGORITHM", "eddsa", "EdDSA"),
    ("ACCESS_TOKEN_TTL", "1", timedelta(seconds=1)),
    ("ACCESS_TOKEN_TTL", "24h", timedelta(hours=24)),
    ("REFRESH_TOKEN_TTL", "15m", timedelta(minutes=15)),
    ("REFRESH_TOKEN_TTL", "2W", timedelta(days=14)),
    ("CLOCK_LEEWAY", "0", timedelta(0)),
    ("PASSWORD_MIN_LENGTH", "128", 128),
    ("BCRYPT_COST", "10", 10),
    ("BCRYPT_COST", "16", 16),
    ("LOG_FORMAT", " JSON ", "json"),
    ("PORT", "  ", 8000),
    ("SECRET", "", ""),
]


@pytest.mark.parametrize(("name", "value", "expected"), RIGHT)
def test_a_right_value_is_taken(name: str, value: str, expected: object) -> None:
    """The last accepted value of each range, and every spelling that a person would try."""
    assert getattr(settings(**{name: value}), name.lower()) == expected


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_out_of_range_is_explained(port: str) -> None:
    """The port is named first; the default `PUBLIC_URL` that holds it is no URL either."""
    first, *_ = problems(PORT=port)
    assert (
        first == f"GQL_AUTH_PORT '{port}' is not between 0 and 65535. Example: GQL_AUTH_PORT=8000"
    )


def test_every_problem_is_told_at_once() -> None:
    """An operator mends all mistakes in one go."""
    found = problems(PORT="x", BCRYPT_COST="y", ACCESS_TOKEN_TTL="z")
    assert len(found) == 3
    found = problems(WORKERS="0", BCRYPT_COST="4", SECRET="short")
    assert [each.split()[0] for each in found] == [
        "GQL_AUTH_WORKERS",
        "GQL_AUTH_BCRYPT_COST",
        "GQL_AUTH_SECRET",
    ]


@pytest.mark.parametrize("url", [POSTGRES, POSTGRES.replace("postgresql", "postgres")])
def test_postgresql_needs_a_secret(url: str) -> None:
    """Every replica needs the same secret, so none is made up where there may be several."""
    (problem,) = problems(DATABASE_URL=url)
    assert problem.startswith("GQL_AUTH_SECRET is required with PostgreSQL")
    assert "hunter2" not in problem
    made = settings(DATABASE_URL=url, SECRET=SECRET)
    assert not made.embedded
    assert "hunter2" not in f"{made} {made!r}"
    assert SECRET not in f"{made} {made!r}"


def test_a_wrong_database_url_is_not_repeated() -> None:
    """A URL holds a password: the message names the variable alone."""
    (problem,) = problems(DATABASE_URL="mysql://app:hunter2@db/app")
    assert "hunter2" not in problem


def test_a_secret_of_no_text_is_refused() -> None:
    """Bytes that are no UTF-8 in the variable are refused like any wrong value."""
    (problem,) = problems(SECRET=SECRET + "\udcff")
    assert problem.startswith("GQL_AUTH_SECRET")


def test_over_https_any_address_is_served() -> None:
    """Behind a proxy that speaks https the server may listen anywhere."""
    made = settings(HOST="0.0.0.0", PUBLIC_URL="https://auth.example.com")
    assert made.https
    assert made.origins == {"https://auth.example.com"}


@pytest.mark.parametrize(
    ("unknown", "meant"),
    [
        ("GQL_AUTH_ACCESS_TOKEN_TTLS", "GQL_AUTH_ACCESS_TOKEN_TTL"),
        ("GQL_AUTH_ALLOWED_ORIGIN", "GQL_AUTH_ALLOWED_ORIGINS"),
        ("GQL_AUTH_PUBLICURL", "GQL_AUTH_PUBLIC_URL"),
        ("GQL_AUTH_SECRETS", "GQL_AUTH_SECRET"),
        ("GQL_AUTH_ALGORITHM", "GQL_AUTH_SIGNING_ALGORITHM"),
    ],
)
def test_an_unknown_variable_is_warned_of(unknown: str, meant: str) -> None:
    """A misspelt variable is named with the one that was probably meant, without its value."""
    (warning,) = Settings.from_environment({unknown: "hunter2"}).warnings
    assert warning == f"{unknown} is no setting and was ignored; did you mean {meant}?"


def test_variables_of_others_are_not_ours() -> None:
    """Other programs' variables, and those of our own tests, are no matter for a warning."""
    environment = {"PATH": "/bin", "GQL_AUTHOR": "x", "GQL_AUTH_TEST_POSTGRES_URL": "x"}
    assert Settings.from_environment(environment).warnings == ()


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told where, settings come from the process's own environment."""
    monkeypatch.setenv("GQL_AUTH_PORT", "8123")
    assert Settings.from_environment().port == 8123


def test_options_win_over_the_environment() -> None:
    """What was chosen on the command line counts; what was not chosen there does not."""
    made = Settings.from_environment({"GQL_AUTH_PORT": "8123"}, port=9000, host=None)
    assert (made.port, made.host) == (9000, "127.0.0.1")


def test_an_option_is_checked_like_a_variable() -> None:
    """A wrong option is refused for the same reason."""
    with pytest.raises(SettingsError, match=r"GQL_AUTH_HOST '0\.0\.0\.0' is not loopback"):
        Settings.from_environment({}, host="0.0.0.0")


def test_defaults_are_the_contracts() -> None:
    """Without any variable: loopback, SQLite, the lives and the cost that the contract names."""
    made = settings()
    assert made.public_url == made.issuer == made.audience == "http://localhost:8000"
    assert made.embedded
    assert not made.https
    assert made.access_token_ttl == timedelta(minutes=15)
    assert made.refresh_token_ttl == timedelta(days=7)
    assert made.session_max_age == timedelta(days=90)
    assert made.refresh_race_window == timedelta(seconds=10)
    assert made.password_min_length == 8
    assert made.bcrypt_cost == 12
    assert made.signing_algorithm == "ES256"
    assert made.cookie_same_site == "lax"
    assert made.refresh_transports == ("cookie",)
    assert made.warnings == ()


def test_the_default_url_has_the_port_that_is_served() -> None:
    """`PUBLIC_URL` follows the port, and issuer and audience follow it."""
    made = settings(PORT="9000", AUDIENCE="https://api.example.com")
    assert made.public_url == made.issuer == "http://localhost:9000"
    assert made.audience == "https://api.example.com"


def test_same_site_none_is_warned_of() -> None:
    """What weakens a protection on purpose is allowed and said."""
    proxied = {"PUBLIC_URL": "https://auth.example.com", "TRUSTED_PROXIES": "10.0.0.1",
               "INTROSPECTION": "off", "MAIL_URL": "smtps://mail.example.com"}  # fmt: skip
    (warning,) = settings(COOKIE_SAME_SITE="none", **proxied).warnings
    assert "GQL_AUTH_ALLOWED_ORIGINS" in warning
    (warning,) = settings(THROTTLE_LOGIN_ADDRESS="off", **proxied).warnings
    assert warning.startswith("GQL_AUTH_THROTTLE_LOGIN_ADDRESS=off")
    assert settings(**proxied).warnings == ()


def test_https_without_a_trusted_proxy_is_warned_of() -> None:
    """By https there is a proxy in front: whose word is taken must be said, or all clients are
    one to the throttles."""
    (warning,) = settings(
        PUBLIC_URL="https://auth.example.com",
        INTROSPECTION="off",
        MAIL_URL="smtps://mail.example.com",
    ).warnings
    assert "GQL_AUTH_TRUSTED_PROXIES" in warning


def test_introspection_in_public_is_warned_of() -> None:
    """On is right where somebody develops; at an https address everybody reads the schema."""
    proxied = {"PUBLIC_URL": "https://auth.example.com", "TRUSTED_PROXIES": "10.0.0.1",
               "MAIL_URL": "smtps://mail.example.com"}  # fmt: skip
    (warning,) = settings(**proxied).warnings
    assert warning.startswith("GQL_AUTH_INTROSPECTION is on")
    assert settings().warnings == ()


def test_trusted_documents_want_a_manifest() -> None:
    """A mode without its file is a problem that names the file's setting."""
    with pytest.raises(SettingsError, match="GQL_AUTH_TRUSTED_DOCUMENTS_MANIFEST=/"):
        settings(TRUSTED_DOCUMENTS="strict")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com:443", "https://auth.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://auth.example.com:8443/path", "https://auth.example.com:8443"),
        ("HTTPS://AUTH.EXAMPLE.COM", "https://auth.example.com"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_origins_are_spelled_as_browsers_send_them(url: str, origin: str) -> None:
    """What an operator writes is compared in the form that `Origin` has (RFC 6454)."""
    assert parsing.origin(url) == origin
    assert origin in settings(PUBLIC_URL="https://x.example", ALLOWED_ORIGINS=url).origins


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_loopback(host: str) -> None:
    """What can only mean this machine."""
    assert parsing.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "localhost.", "localhost.example", "127.0.0.1.example",
             "2130706433", "0x7f000001", "127.1", "10.0.0.1", "169.254.169.254", "::ffff:8.8.8.8"],
)  # fmt: skip
def test_not_loopback(host: str) -> None:
    """What could mean another machine, or is spelled in a way that only some programs read."""
    assert not parsing.is_loopback(host)


@pytest.mark.parametrize("text", ["0s", "1s", "59s", "15m", "90m", "12h", "7d", "2w", "90d"])
def test_a_duration_is_spelled_as_it_is_read(text: str) -> None:
    """Documentation prints durations in the form that the settings take."""
    assert parsing.duration(parsing.spell(parsing.duration(text))) == parsing.duration(text)


def test_every_setting_is_documented_and_has_an_example_that_is_accepted() -> None:
    """Each setting says what it does, and its example is a value it takes."""
    for name, field in declared().items():
        assert field.metadata["doc"]
        if name not in {"secret", "host", "cookie_same_site"}:
            field.metadata["parse"](field.metadata["example"])
            more = {"SECRET": SECRET} if name.startswith("database_") else {}
            if name == "database_direct_url":
                more["DATABASE_URL"] = declared()["database_url"].metadata["example"]
            if name == "trusted_documents":
                more["TRUSTED_DOCUMENTS_MANIFEST"] = "documents.json"
            settings(**{name.upper(): field.metadata["example"]}, **more)


def test_all_problems_at_once() -> None:
    """What cannot be read, what is out of range and what is misspelt are told together, and a
    wrong port makes no second problem of the URL that is derived from it."""
    told = problems(ACCESS_TOKEN_TTL="2y", PORT="99999", PUBLC_URL="x", BCRYPT_COST="4")
    assert [line.split()[0].removeprefix(PREFIX) for line in told] == [
        "ACCESS_TOKEN_TTL",
        "PORT",
        "BCRYPT_COST",
        "PUBLC_URL",
    ]
