"""The commands for operators: accounts, sessions, keys, migrations, the doctor."""

import asyncio
import hashlib
import json
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select, update
from typer.main import get_command
from typer.testing import Result

from gql_auth._version import __version__
from gql_auth.commands.tree import app
from gql_auth.features.keys.tables import KeyRow
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import HEAD
from tests.database import events, look, tamper
from tests.live import free_port, within
from tests.process import invoke, run, serving
from tests.support import PASSWORD, SECRET

ROOT = Path(__file__).parents[1]
NOBODY = "00000000-0000-7000-8000-000000000000"


class Operator:
    """Runs commands on one database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def run(self, *arguments: str, stdin: str = "", **more: object) -> Result:
        """The command's end, whatever it is."""
        place = {
            "data_dir": self.settings.data_dir,
            "database_url": self.settings.database_url,
            "secret": self.settings.secret,
        }
        return invoke(*arguments, stdin=stdin, **(place | more))

    def done(self, *arguments: str, **more: Any) -> str:
        """What a command prints that must succeed."""
        ended = self.run(*arguments, **more)
        assert ended.exit_code == 0, ended.output
        assert ended.stderr == ""
        return ended.stdout

    def rows(self, *arguments: str, **more: Any) -> list[dict[str, Any]]:
        """The rows that a command prints as JSON, and nothing else."""
        found: list[dict[str, Any]] = json.loads(self.done(*arguments, "--json", **more))
        return found

    def refused(self, *arguments: str, **more: Any) -> str:
        """Why a command is refused."""
        ended = self.run(*arguments, **more)
        assert ended.exit_code == 1, ended.output
        assert ended.stdout == ""
        assert ended.stderr.startswith("Error: ")
        return ended.stderr.removeprefix("Error: ").rstrip("\n")

    def create(self, email: str = "ada@example.com", *options: str) -> dict[str, Any]:
        """A new account."""
        (row,) = self.rows("users", "create", email, "--password-stdin", *options, stdin=PASSWORD)
        return row


@pytest.fixture
def operator(settings: Settings) -> Operator:
    """An operator of each kind of database in turn."""
    return Operator(settings)


@pytest.fixture
def embedded(sqlite_settings: Settings) -> Operator:
    """An operator of an embedded database, where the kind makes no difference."""
    return Operator(sqlite_settings)


# -- accounts --------------------------------------------------------------------------------


def test_an_account_is_made_and_listed(operator: Operator) -> None:
    """What was said of an account is what the lists show, for scripts and for people."""
    made = operator.create("Ada@Example.com", "--username", "ada", "--name", "Ada [bold]L[/x]",
                           "--role", "admin", "--role", "ops:read")  # fmt: skip
    assert made["email"] == "Ada@example.com"
    assert made["username"] == "ada"
    assert made["roles"] == ["admin", "ops:read"]
    assert made["disabled"] is None
    operator.create("bob@example.com")
    listed = operator.rows("users", "list")
    assert listed[0] == made
    assert [row["email"] for row in listed] == ["Ada@example.com", "bob@example.com"]

    table = operator.done("users", "list")
    assert len(table.splitlines()) == 3, "one row a line where there is no terminal"
    for shown in (made["id"], "Ada@example.com", "Ada [bold]L[/x]", "admin, ops:read"):
        assert shown in table


def test_lists_of_nothing(embedded: Operator) -> None:
    """An empty list says so to people and is a list to scripts."""
    assert embedded.done("users", "list") == "No users.\n"
    assert embedded.rows("users", "list") == []


def test_many_accounts_are_all_listed(embedded: Operator) -> None:
    """The list goes on past one page."""
    with closing(sqlite3.connect(embedded.settings.data_dir / "gql_auth.sqlite3")) as connection:
        connection.executemany(
            "INSERT INTO gql_auth_users (id, email, email_key, email_verified, roles, created_at)"
            " VALUES (?, ?, ?, 0, '[]', '2026-01-02 03:04:05')",
            [(f"{n:032x}", f"u{n}@example.com", f"u{n}@example.com") for n in range(1, 252)],
        )
        connection.commit()
    emails = [row["email"] for row in embedded.rows("users", "list")]
    assert emails == [f"u{n}@example.com" for n in range(1, 252)]


def test_the_password_is_asked_for(embedded: Operator) -> None:
    """At a terminal the password is asked for twice, unseen, beside the output."""
    ended = embedded.run(
        "users", "create", "ada@example.com", "--json", stdin=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert ended.exit_code == 0
    assert json.loads(ended.stdout)[0]["email"] == "ada@example.com"
    assert "Password" in ended.stderr
    assert PASSWORD not in ended.output

    differing = embedded.run("users", "create", "b@example.com", stdin=f"{PASSWORD}\nother\n")
    assert differing.exit_code == 1
    assert "do not match" in differing.stderr
    assert len(embedded.rows("users", "list")) == 1


@pytest.mark.parametrize(
    ("email", "password", "options", "said"),
    [
        ("ada", PASSWORD, (), ["email: "]),
        ("ada@example.com", "seven77", (), ["password: The password is shorter than 8"]),
        ("ada@example.com", "", (), ["password: The password is missing."]),
        ("ada@example.com", "12345678", (), ["password: "]),
        ("ada@example.com", PASSWORD, ("--username", "a"), ["username: "]),
        ("ada@example.com", PASSWORD, ("--name", "a\u202eb"), ["name: ", "U+202E"]),
        ("ada@example.com", PASSWORD, ("--role", "no role"), ["roles: 'no role'"]),
        ("ada", "seven77", ("--username", "a"), ["email: ", "password: ", "username: "]),
    ],
)
def test_what_breaks_the_rules_is_named(
    email: str, password: str, options: tuple[str, ...], said: list[str], embedded: Operator
) -> None:
    """An account that breaks rules is not made; each field and its mend are named."""
    told = embedded.refused("users", "create", email, "--password-stdin", *options, stdin=password)
    for each in said:
        assert each in told
    assert "seven77" not in told
    assert len(told.splitlines()) == max(1, len([each for each in said if ": " in each]))
    assert embedded.rows("users", "list") == []


def test_what_is_taken_is_refused(operator: Operator) -> None:
    """Address and username are unique, however they are spelled."""
    operator.create("ada@example.com", "--username", "ada")
    for email, said in (("ADA@example.com", "already has an account"), ("b@b.example", "taken")):
        more = ("--username", "ADA", "--password-stdin")
        assert said in operator.refused("users", "create", email, *more, stdin=PASSWORD)
    assert len(operator.rows("users", "list")) == 1


def test_a_password_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused, not guessed at."""
    ended = invoke("users", "create", "a@b.example", "--password-stdin", stdin=b"\xff\xfe" * 9,
                   data_dir=tmp_path)  # fmt: skip
    assert ended.exit_code == 1
    assert "not UTF-8" in ended.stderr


async def test_commands_reach_a_running_server(settings: Settings) -> None:
    """What an operator does counts on a running server within its poll: nobody restarts it."""
    operator = Operator(settings)

    async def done(*arguments: str, **more: Any) -> str:
        return await asyncio.to_thread(operator.done, *arguments, **more)

    async def rows(*arguments: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(operator.rows, *arguments)

    place = {"data_dir": settings.data_dir, "database_url": settings.database_url}
    with serving(secret=SECRET, **place) as server:
        async with server.client() as ada, server.client() as other:

            async def refused() -> bool:
                return "SESSION_REVOKED" in str(await ada.me())

            created = await asyncio.to_thread(operator.create)
            assert (await ada.login())["user"]["id"] == created["id"]
            assert (await other.login())["user"]["roles"] == []

            assert "Roles: admin, ops" in await done(
                "users", "set-roles", "ada@example.com", "admin", "ops", "admin"
            )
            assert (await ada.me())["data"]["me"]["roles"] == ["admin", "ops"]
            assert (await ada.refresh())["user"]["roles"] == ["admin", "ops"]
            assert "Roles: none" in await done("users", "set-roles", created["id"])
            assert (await ada.refresh())["user"]["roles"] == []

            newest, oldest = await rows("users", "sessions", "ada@example.com")
            assert (newest["refreshes"], oldest["refreshes"]) == (0, 2)
            assert newest["ip"] == "127.0.0.1"
            assert oldest["user agent"].startswith("python-httpx")
            assert (newest["ended"], newest["why"]) == (None, None)

            one = ("users", "revoke", "ada@example.com", "--session", oldest["id"])
            assert await done(*one) == "1 session ended.\n"
            assert await within(20, refused)
            assert (await ada.refresh())["reason"] == "REVOKED"
            assert "data" in await other.me()
            told = await asyncio.to_thread(operator.refused, *one)
            assert told == "Session not found"

            assert await rows("users", "sessions", created["id"], "--alive") == [newest]
            ended = (await rows("users", "sessions", created["id"]))[1]
            assert ended["id"] == oldest["id"]
            assert ended["why"] == "revoked-by-operator"
            assert ended["ended"]
            story = [event["what"] for event in await rows("users", "story", oldest["id"])]
            assert story == ["user:login:succeeded", "session:refresh:last", "session:end:done"]
            (*_, end) = await rows("users", "story", oldest["id"])
            assert end["detail"] == "reason: revoked-by-operator"
            assert end["at"] == ended["ended"]
            told = {event["what"] for event in await rows("users", "events", created["id"])}
            assert {"user:account:created", *story} - {"session:refresh:last"} <= told

            await ada.login()
            assert await done("users", "revoke", created["id"]) == "2 sessions ended.\n"
            assert await within(20, refused)
            assert (await other.refresh())["reason"] == "REVOKED"

            await ada.login()
            assert await done("users", "disable", "ada@example.com") == (
                "Disabled; 1 session ended.\n"
            )
            assert await within(20, refused)
            assert (await ada.refresh())["reason"] == "REVOKED"
            assert (await ada.login())["__typename"] == "InvalidCredentials"
            assert (await rows("users", "list"))[0]["disabled"]
            assert await done("users", "enable", "ada@example.com") == "Enabled.\n"
            assert (await ada.login())["__typename"] == "AuthPayload"
            assert (await rows("users", "list"))[0]["disabled"] is None

            before = await asyncio.to_thread(_published, server.url)
            assert "Sign" not in await done("keys", "rotate")

            async def rotated() -> bool:
                return len(await asyncio.to_thread(_published, server.url)) == len(before) + 1

            assert await within(20, rotated)
            assert "data" in await ada.me(), "the key before goes on verifying"
            (previous,) = [key for key in await rows("keys", "list") if key["state"] == "previous"]
            await done("keys", "retire", previous["kid"], "--force")

            async def ended_with_its_key() -> bool:
                return "ACCESS_TOKEN_INVALID" in str(await ada.me())

            assert await within(20, ended_with_its_key)
            assert (await ada.refresh())["__typename"] == "AuthPayload"
            assert "data" in await ada.me()

            assert "It will be deleted at" in await done("users", "delete", "ada@example.com")
            assert await within(20, refused)
            assert (await ada.login())["__typename"] == "AuthPayload"  # and that keeps it
            assert "It will be" in await done("users", "delete", "ada@example.com", "--at-once")
            assert (await ada.login())["__typename"] == "InvalidCredentials"


def _published(url: str) -> list[str]:
    import httpx

    return [key["kid"] for key in httpx.get(f"{url}/.well-known/jwks.json").json()["keys"]]


@pytest.mark.parametrize(
    "command",
    [("disable",), ("enable",), ("set-roles",), ("sessions",), ("sessions", "--json"), ("revoke",)],
)
@pytest.mark.parametrize("who", ["nobody@example.com", "nobody", NOBODY, "no\udcffbody@x.example"])
def test_unknown_people(command: tuple[str, ...], who: str, embedded: Operator) -> None:
    """A name that nobody goes by is refused, whatever it looks like."""
    assert embedded.refused("users", command[0], who, *command[1:]) == "No such user"


@pytest.mark.parametrize("session", [NOBODY, "no-id", ""])
def test_unknown_sessions(session: str, embedded: Operator) -> None:
    """A session that is not this account's is refused."""
    embedded.create()
    told = embedded.refused("users", "revoke", "ada@example.com", "--session", session)
    assert told == "Session not found"


def test_wrong_roles_change_nothing(embedded: Operator) -> None:
    """A role that is no role name is named, and the roles stay."""
    embedded.create("ada@example.com", "--role", "admin")
    told = embedded.refused("users", "set-roles", "ada@example.com", "ops", "ümlaut")
    assert told.startswith("roles: 'ümlaut' is no role name")
    assert embedded.rows("users", "list")[0]["roles"] == ["admin"]


# -- keys ------------------------------------------------------------------------------------


def test_keys_rotate_and_retire(operator: Operator) -> None:
    """The next key takes over, the one before verifies until it is retired, and each step that
    would hurt somebody wants --force."""
    made = {key["state"]: key for key in operator.rows("keys", "list")}
    assert set(made) == {"current", "next"}
    first, coming = made["current"], made["next"]
    assert first["kid"] in operator.done("keys", "list")
    assert "only a previous key can be retired" in operator.refused("keys", "retire", first["kid"])
    assert "There is no key 'none'" in operator.refused("keys", "retire", "none")

    states = {key["kid"]: key["state"] for key in operator.rows("keys", "rotate")}
    assert states[first["kid"]] == "previous"
    assert states[coming["kid"]] == "current"
    assert sorted(states.values()) == ["current", "next", "previous"]

    told = operator.refused("keys", "rotate")
    assert "The next key was published" in told
    assert "--force" in told
    told = operator.refused("keys", "retire", first["kid"])
    assert "live until" in told
    assert "--force" in told
    assert operator.rows("keys", "list") == operator.rows("keys", "list")

    tamper(
        operator.settings,
        update(KeyRow).where(KeyRow.kid == first["kid"])
        .values(replaced_at=datetime.now(UTC) - timedelta(minutes=16)),
    )  # fmt: skip
    assert operator.done("keys", "retire", first["kid"]) == f"Key {first['kid']} is retired.\n"
    assert {key["kid"]: key["state"] for key in operator.rows("keys", "list")}[
        first["kid"]
    ] == "retired"

    operator.rows("keys", "rotate", "--force")
    operator.done("keys", "retire", coming["kid"], "--force")
    assert len(events(operator.settings, "key:rotation:done")) == 2
    assert len(events(operator.settings, "key:retirement:done")) == 2


def test_another_algorithm_comes_with_the_next_rotation(embedded: Operator) -> None:
    """A changed algorithm makes a next key of its own, and rotation puts it to use."""
    embedded.rows("keys", "list")
    keys = embedded.rows("keys", "list", signing_algorithm="EdDSA")
    assert sorted((key["state"], key["algorithm"]) for key in keys) == [
        ("current", "ES256"),
        ("next", "EdDSA"),
        ("retired", "ES256"),
    ]
    keys = embedded.rows("keys", "rotate", "--force", signing_algorithm="EdDSA")
    assert sorted((key["state"], key["algorithm"]) for key in keys) == [
        ("current", "EdDSA"),
        ("next", "EdDSA"),
        ("previous", "ES256"),
        ("retired", "ES256"),
    ]


# -- migrations and the schema ---------------------------------------------------------------


def test_migrate_twice(postgres_url: str, tmp_path: Path) -> None:
    """The first run makes the tables, on either database; the second finds nothing to do."""
    data = tmp_path / "data"
    for place in ({"data_dir": data}, {"database_url": postgres_url, "secret": SECRET}):
        first = invoke("migrate", **place)
        assert (first.exit_code, first.stdout) == (0, f"Migrated from nothing to {HEAD}.\n")
        again = invoke("migrate", **place)
        assert (again.exit_code, again.stdout) == (0, f"The database is up to date ({HEAD}).\n")
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "gql_auth.sqlite3").stat().st_mode) == 0o600


def test_the_schema_is_the_file() -> None:
    """What `gql-auth schema` prints is what lies beside the code; no setting is needed for it."""
    ended = invoke("schema", secret="short", port="none")
    assert ended.exit_code == 0
    assert ended.stdout.strip() == (ROOT / "schema.graphql").read_text().strip()


# -- errors that every command shares --------------------------------------------------------

COMMANDS = [("users", "list"), ("keys", "list"), ("migrate",)]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_settings(command: tuple[str, ...], tmp_path: Path) -> None:
    """Every wrong setting is listed, and nothing is made."""
    ended = invoke(*command, data_dir=tmp_path / "data", secret="short", bcrypt_cost="lots")
    assert ended.exit_code == 3
    assert "GQL_AUTH_BCRYPT_COST 'lots' is not a whole number" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unreachable_database(command: tuple[str, ...]) -> None:
    """Where no database answers, the message helps and repeats no credentials."""
    url = f"postgresql://ada:hunter2-pass@127.0.0.1:{free_port()}/accounts"
    ended = invoke(*command, database_url=url, secret=SECRET)
    assert ended.exit_code == 4
    assert "Is GQL_AUTH_DATABASE_URL right and the server up?" in ended.stderr
    assert "hunter2" not in ended.output


def test_an_outdated_database(postgres_url: str) -> None:
    """On PostgreSQL no command migrates by the way."""
    ended = invoke("users", "list", database_url=postgres_url, secret=SECRET)
    assert ended.exit_code == 3
    assert "Run: gql-auth migrate" in ended.stderr


def test_the_wrong_secret(operator: Operator) -> None:
    """A command with another secret than the database's is refused."""
    operator.create()
    ended = operator.run("users", "list", secret=SECRET[::-1])
    assert ended.exit_code == 3
    assert "Put the old secret back" in ended.stderr


def test_what_the_database_refuses(embedded: Operator) -> None:
    """The database's own refusal is told in its own words."""
    embedded.rows("keys", "list")
    with closing(sqlite3.connect(embedded.settings.data_dir / "gql_auth.sqlite3")) as connection:
        connection.execute("DROP TABLE gql_auth_users")
    ended = embedded.run("users", "list")
    assert ended.exit_code == 3
    assert "The database refuses: no such table: gql_auth_users" in ended.stderr


def test_a_database_that_may_not_be_written(tmp_path: Path) -> None:
    """A database file without the right to write is named as the trouble that it is."""
    assert invoke("keys", "list", data_dir=tmp_path).exit_code == 0
    (tmp_path / "gql_auth.sqlite3").chmod(0o400)
    ended = run("keys", "rotate", "--force", data_dir=tmp_path, as_anybody=True)
    assert ended.returncode == 4
    assert "The database file cannot be used: attempt to write a readonly" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody said where the data is and it is not here, no second database is made."""
    monkeypatch.chdir(tmp_path)
    ended = invoke("users", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD)
    assert ended.exit_code == 3
    assert f"There is no database in {tmp_path / 'data'}" in ended.stderr
    assert list(tmp_path.iterdir()) == []
    assert invoke("migrate").exit_code == 0
    ended = invoke("users", "create", "ada@example.com", "--password-stdin", stdin=PASSWORD)
    assert ended.exit_code == 0
    assert (tmp_path / "data" / "secret").exists()


# -- the doctor ------------------------------------------------------------------------------


def _snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder, with its mode and content."""
    return {
        str(path): (path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _findings(**settings: object) -> tuple[int, dict[str, str], dict[str, str]]:
    """The doctor's exit code, and the state and the text of what it found, by what it is about."""
    ended = invoke("doctor", "--json", **settings)
    assert ended.stderr == ""
    found = json.loads(ended.stdout)
    assert all(set(each) == {"about", "state", "text"} for each in found)
    states = {each["about"]: each["state"] for each in found}
    return ended.exit_code, states, {each["about"]: each["text"] for each in found}


GOOD = {"public_url": "https://auth.example.com", "password_min_length": 15}


def test_a_healthy_installation(operator: Operator) -> None:
    """Where all is well nothing is a problem, and the doctor has changed nothing."""
    operator.create()
    settings = operator.settings
    place = {"data_dir": settings.data_dir, "database_url": settings.database_url}
    before = _snapshot(settings.data_dir), look(settings, select(KeyRow))
    code, states, texts = _findings(secret=SECRET, **GOOD, **place)
    assert code == 0
    advised = {"database"} if settings.embedded else set()
    assert {about for about, state in states.items() if state != "ok"} <= advised
    assert "the secret opens the signing keys" in texts["keys"]
    assert (_snapshot(settings.data_dir), look(settings, select(KeyRow))) == before

    said = invoke("doctor", secret=SECRET, **place)
    assert said.exit_code == 0
    assert "plain http: for this machine only" in said.stdout
    assert "NIST SP 800-63B-4 asks for 15" in said.stdout


def test_before_the_first_start(tmp_path: Path) -> None:
    """Before anything is there, the doctor says what the first start makes, and makes nothing."""
    for folder in (tmp_path, tmp_path / "data"):
        code, states, texts = _findings(data_dir=folder, **GOOD)
        assert code == 0
        assert states["secret"] == states["database"] == "ok"
        assert str(folder / "secret") in texts["secret"]
        assert str(folder / "gql_auth.sqlite3") in texts["database"]
    assert _findings(data_dir=tmp_path / "data", secret=SECRET)[0] == 0
    assert list(tmp_path.iterdir()) == []


def test_problems_with_settings(tmp_path: Path) -> None:
    """Wrong settings are the first problem, each by its name, and an unknown one is a warning."""
    code, states, texts = _findings(data_dir=tmp_path, port="none")
    assert code == 1
    assert states == {"settings": "problem"}
    assert "GQL_AUTH_PORT 'none' is not a whole number" in texts["settings"]
    said = invoke("doctor", data_dir=tmp_path, publik_url="x")
    assert said.exit_code == 0
    assert "did you mean GQL_AUTH_PUBLIC_URL?" in said.stdout
    assert list(tmp_path.iterdir()) == []


def test_problems_with_the_secret(tmp_path: Path) -> None:
    """A secret that others can read, that is damaged or is another is a problem, and stays as it
    is; so do the keys."""
    assert invoke("keys", "list", data_dir=tmp_path).exit_code == 0
    secret = tmp_path / "secret"
    good = secret.read_text()
    for content, mode, about, said in (
        (good, 0o644, "secret", f"others can read {secret}. Run: chmod 600 {secret}"),
        ("", 0o600, "secret", "holds less than 32 characters"),
        (good[::-1], 0o600, "keys", "Put the old secret back"),
    ):
        secret.write_text(content)
        secret.chmod(mode)
        before = _snapshot(tmp_path)
        for algorithm in ("ES256", "EdDSA"):
            code, states, texts = _findings(data_dir=tmp_path, signing_algorithm=algorithm)
            assert code == 1
            assert states[about] == "problem"
            assert said in texts[about]
            assert _snapshot(tmp_path) == before
    secret.unlink()
    code, states, texts = _findings(data_dir=tmp_path)
    assert (code, states["keys"]) == (1, "problem")
    assert "without the secret" in texts["keys"]
    assert not secret.exists()


def test_an_unreadable_secret(tmp_path: Path) -> None:
    """A secret that only another user may read is a problem."""
    assert invoke("keys", "list", data_dir=tmp_path).exit_code == 0
    (tmp_path / "secret").chmod(0)
    ended = run("doctor", data_dir=tmp_path, as_anybody=True)
    assert ended.returncode == 1
    assert f"Permission denied: {tmp_path / 'secret'}" in ended.stdout
    assert ended.stderr == ""


def test_problems_with_the_database(postgres_url: str, tmp_path: Path) -> None:
    """A database that is out of date, made by a newer release, out of reach or none at all."""
    code, states, texts = _findings(database_url=postgres_url, secret=SECRET, **GOOD)
    assert (code, states["database"]) == (1, "problem")
    assert "Run: gql-auth migrate" in texts["database"]

    nobody = f"postgresql://ada:hunter2-pass@127.0.0.1:{free_port()}/accounts"
    code, states, texts = _findings(database_url=nobody, secret=SECRET, **GOOD)
    assert (code, states["database"]) == (1, "problem")
    assert "Is GQL_AUTH_DATABASE_URL right and the server up?" in texts["database"]
    assert "hunter2" not in str(texts)

    code, states, texts = _findings(database_url="postgresql://a b c:x", secret=SECRET, **GOOD)
    assert (code, states["database"]) == (1, "problem")

    assert invoke("keys", "list", data_dir=tmp_path).exit_code == 0
    database = tmp_path / "gql_auth.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE gql_auth_migrations SET version_num = '9999'")
        connection.commit()
    code, states, texts = _findings(data_dir=tmp_path)
    assert (code, states["database"]) == (1, "problem")
    assert "A newer release made it" in texts["database"]

    database.write_text("no database at all, and long enough to be read as one")
    code, states, texts = _findings(data_dir=tmp_path)
    assert (code, states["database"]) == (1, "problem")
    assert "file is not a database" in texts["database"]


# -- help ------------------------------------------------------------------------------------


def _commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = [(path, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += _commands(inner, (*path, name))
    return found


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in
                          _commands(get_command(app))]
)  # fmt: skip
def test_help(path: tuple[str, ...], command: Any) -> None:
    """Every command and every option says in a line what it is."""
    ended = invoke(*path, "--help")
    assert ended.exit_code == 0
    assert ended.stderr == ""
    assert command.help, path
    for inner in getattr(command, "commands", {}).values():
        assert 10 < len(inner.get_short_help_str(limit=200)) <= 120, inner.name
    for parameter in command.params:
        assert parameter.help, (path, parameter.name)
    assert invoke(*path, "-h").stdout == ended.stdout


def test_the_command_itself(tmp_path: Path) -> None:
    """As a process: the version, what there is where nothing is said, and JSON and nothing else."""
    ended = run("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")
    ended = run("users", "list", "--json", data_dir=tmp_path, unknown="x")
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == []
    assert ended.stderr.startswith("Warning: GQL_AUTH_UNKNOWN is no setting")


def test_wrong_usage() -> None:
    """What is no command is wrong usage, not a refusal."""
    for arguments in (("nothing",), ("users", "nothing"), ("users", "disable"), ("--nothing",)):
        assert invoke(*arguments).exit_code == 2
    assert "Usage: " in invoke().output
