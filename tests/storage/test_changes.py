"""Single changes of SQLite in groups: one commit for many, each in its own trouble alone."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Uuid, bindparam, text
from sqlmodel import col, select, update

from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage import changes
from gql_auth.storage.changes import SqliteChanges
from gql_auth.storage.statements import Statement, Unsettled
from gql_auth.system import System
from tests.database import look, tamper

RENAME = Statement(
    "test_rename",
    update(UserRow)
    .where(col(UserRow.id) == bindparam("user"), col(UserRow.name) == bindparam("before"))
    .values(name=bindparam("after")),
)
TAKE = Statement(
    "test_take",
    update(UserRow).where(col(UserRow.id) == bindparam("user")).values(email_key=bindparam("key")),
)
# What only the COMMIT finds to be wrong.
ORPHAN = Statement(
    "test_orphan",
    text("INSERT INTO orphans (parent) VALUES (:parent)").bindparams(
        bindparam("parent", type_=Uuid())
    ),
)
ORPHANS = (
    "CREATE TABLE orphans (parent CHAR(32) "
    "REFERENCES gql_auth_users (id) DEFERRABLE INITIALLY DEFERRED)"
)


@pytest.fixture
async def system(sqlite_settings: Settings) -> AsyncIterator[System]:
    """A system whose tasks do not run: all that is written, the test writes."""
    made = System(sqlite_settings, delivers=False)
    yield made
    await made.database.close()


@pytest.fixture
async def users(system: System) -> list[User]:
    """Some accounts, all of one name."""
    made = []
    async with system.units.write() as unit:
        for number in range(30):
            profile, _ = checked_profile(
                email=f"user-{number}@example.com", username=None, name="0"
            )
            made.append(await unit.get(Users).create(profile))
    return made


def names(settings: Settings) -> dict[UUID, Any]:
    """What is committed."""
    return {row.id: row.name for row in look(settings, select(UserRow))}


def rename(system: System, user: User, after: str, before: str = "0") -> "asyncio.Task[int]":
    """A change that was asked for."""
    values = {"user": user.id, "before": before, "after": after}
    return asyncio.ensure_future(system.database.changes.run(RENAME, values))


def traced(system: System) -> list[str]:
    """The statements that the writer runs from now on."""
    assert isinstance(system.database.changes, SqliteChanges)
    line = system.database.changes._line
    assert line is not None
    ran: list[str] = []
    line.set_trace_callback(ran.append)
    return ran


async def test_one_commit_for_many(system: System, users: list[User]) -> None:
    """Changes that are asked for together are one transaction; each is told how it went, and
    nobody before the COMMIT has come back."""
    assert await rename(system, users[0], "first") == 1
    ran = traced(system)
    asked = [rename(system, user, "1") for user in users]
    answered_at: list[int] = []
    for each in asked:
        each.add_done_callback(lambda _: answered_at.append(len(ran)))
    assert await asyncio.gather(*asked) == [0] + [1] * (len(users) - 1)
    assert ran.count("COMMIT") == 1
    assert ran[0].startswith("BEGIN")
    assert ran[-1] == "COMMIT"
    assert set(answered_at) == {len(ran)}
    found = names(system.settings)
    assert [found[user.id] for user in users] == ["first"] + ["1"] * (len(users) - 1)


async def test_changes_are_made_in_order(system: System, users: list[User]) -> None:
    """Each sees what was asked for before it: a chain of conditional changes holds."""
    asked = [rename(system, users[0], str(step + 1), str(step)) for step in range(450)]
    assert await asyncio.gather(*asked) == [1] * 450
    assert names(system.settings)[users[0].id] == "450"


async def test_one_that_fails_takes_no_others_along(system: System, users: list[User]) -> None:
    """A change that breaks a rule of the table is undone alone, and sent the ordinary way."""
    asked: list[Any] = [rename(system, user, "1") for user in users[:5]]
    values = {"user": users[5].id, "key": "user-6@example.com"}
    asked.insert(2, system.database.changes.run(TAKE, values))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found.pop(2), Unsettled)
    assert found == [1] * 5
    assert [names(system.settings)[user.id] for user in users[:5]] == ["1"] * 5


async def test_a_commit_that_fails_is_told_to_all(system: System, users: list[User]) -> None:
    """Nothing of the group is kept, everybody is told so, and the next group is served."""
    tamper(system.settings, text(ORPHANS))
    asked: list[Any] = [rename(system, user, "1") for user in users[:5]]
    asked.insert(2, system.database.changes.run(ORPHAN, {"parent": uuid4()}))
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in found] == [Unavailable] * 6
    assert {each.cause for each in found} == {"IntegrityError SQLITE_CONSTRAINT_FOREIGNKEY"}
    assert set(names(system.settings).values()) == {"0"}
    assert await rename(system, users[0], "2") == 1
    assert names(system.settings)[users[0].id] == "2"


async def test_who_goes_away_takes_no_others_along(system: System, users: list[User]) -> None:
    """Who is cancelled while waiting is not written; who is cancelled amid the commit, like one
    whose answer got lost, is; the others are answered in both cases."""
    async with system.database.writing():
        asked = [rename(system, user, "1") for user in users[:6]]
        await asyncio.sleep(0)
        asked[0].cancel()
        asked[3].cancel()
        await asyncio.sleep(0)
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [each for each in found if not isinstance(each, BaseException)] == [1] * 4
    kept = names(system.settings)
    assert [kept[user.id] for user in users[:6]] == ["0", "1", "1", "0", "1", "1"]

    ran = traced(system)
    asked = [rename(system, user, "2", "1") for user in (users[1], users[2])]
    while len(ran) < 3:  # noqa: ASYNC110 - BEGIN and both; the COMMIT is the thread's
        await asyncio.sleep(0)
    asked[0].cancel()
    assert await asked[1] == 1
    kept = names(system.settings)
    assert [kept[user.id] for user in users[1:3]] == ["2", "2"]


async def test_units_and_changes_take_turns(system: System, users: list[User]) -> None:
    """Neither shuts the other out, and neither's rollback touches the other."""

    async def by_units() -> None:
        for number in range(5):
            async with system.units.write() as unit:
                await unit.get(Users).update_profile(users[0].id, {"name": f"unit {number}"})
            with suppress(ZeroDivisionError):
                async with system.units.write() as unit:
                    await unit.get(Users).update_profile(users[0].id, {"name": "never"})
                    raise ZeroDivisionError

    async def by_changes(user: User) -> None:
        for number in range(20):
            assert await rename(system, user, str(number + 1), str(number)) == 1

    async with asyncio.timeout(60):
        await asyncio.gather(by_units(), *(by_changes(user) for user in users[1:]))
    found = names(system.settings)
    assert found[users[0].id] == "unit 4"
    assert {found[user.id] for user in users[1:]} == {"20"}


async def test_the_loop_goes_on_while_another_process_writes(
    system: System, users: list[User]
) -> None:
    """A change waits for the file's lock in a thread, and is made when the lock is free."""
    assert await rename(system, users[0], "1") == 1
    path = system.settings.data_dir / "gql_auth.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = rename(system, users[0], "2", "1")
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not asked.done()
        other.execute("COMMIT")
        async with asyncio.timeout(10):
            assert await asked == 1


async def test_waiting_is_bounded(
    system: System, users: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits too long for the file, for the turn or for room is told to come again; so is who
    came meanwhile, and what they asked for is not made behind their backs."""
    monkeypatch.setattr(changes, "WAIT", 0.3)
    assert isinstance(system.database.changes, SqliteChanges)
    path = system.settings.data_dir / "gql_auth.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = await asyncio.gather(
            *(rename(system, user, "file") for user in users[:3]), return_exceptions=True
        )
        assert [type(each) for each in found] == [Unavailable] * 3
    async with system.database.writing():
        found = await asyncio.gather(
            *(rename(system, user, "turn") for user in users[:3]), return_exceptions=True
        )
        assert [type(each) for each in found] == [Unavailable] * 3
    system.database.changes._room = asyncio.Semaphore(2)
    async with system.database.writing():
        asked = [rename(system, user, "room") for user in users[:3]]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in found] == [Unavailable] * 3
    await asyncio.sleep(0.1)
    assert set(names(system.settings).values()) == {"0"}
    assert await rename(system, users[0], "1") == 1


async def test_a_file_that_is_gone_is_an_outage(tmp_path: Path) -> None:
    """No file is made, and who asked is told to come again."""
    there = SqliteChanges(tmp_path / "gone", asyncio.Lock())
    with pytest.raises(Unavailable) as told:
        await there.run(RENAME, {"user": uuid4(), "before": "", "after": ""})
    assert told.value.cause == "OperationalError SQLITE_CANTOPEN"
    assert not (tmp_path / "gone").exists()
    await there.close()


async def test_after_the_end_nothing_is_begun(system: System, users: list[User]) -> None:
    """What was begun is finished; who comes afterwards goes the ordinary way."""
    begun = rename(system, users[0], "1")
    await asyncio.sleep(0)
    await system.database.changes.close()
    assert await begun == 1
    with pytest.raises(Unsettled):
        await rename(system, users[1], "1")
