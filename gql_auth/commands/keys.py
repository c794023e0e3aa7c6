"""`gql-auth keys list | rotate | retire`."""

from typing import Annotated, Any

import typer

from gql_auth.commands.running import show, with_system
from gql_auth.commands.voices import out
from gql_auth.features.keys.core import Keys, StoredKey
from gql_auth.system import System

app = typer.Typer(help="Signing keys: list, rotate, retire.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Although a token may be refused for it.")]


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the signing keys, oldest first."""

    async def act(system: System) -> list[StoredKey]:
        async with system.units.read() as unit:
            return await unit.get(Keys).list()

    show([_row(key) for key in with_system(act)], as_json=as_json, title="keys")


@app.command()
def rotate(force: Force = False, as_json: Json = False) -> None:
    """Sign with the next key from now on; the current one goes on verifying."""

    async def act(system: System) -> list[StoredKey]:
        async with system.units.write() as unit:
            keys = unit.get(Keys)
            await keys.rotate(force=force)
            return await keys.list()

    rows = [_row(key) for key in with_system(act)]
    show(rows, as_json=as_json, title="keys")
    if not as_json:
        out.print("Running servers follow within their poll interval.")


@app.command()
def retire(
    kid: Annotated[str, typer.Argument(help="The key's id, from `keys list`.")],
    force: Force = False,
) -> None:
    """Take a previous key out of use: tokens it signed are refused from now on."""

    async def act(system: System) -> StoredKey:
        async with system.units.write() as unit:
            # A server that has not heard of the rotation signs with the key for a poll longer.
            life = system.settings.access_token_ttl + system.settings.revocation_poll
            return await unit.get(Keys).retire(kid, access_token_ttl=life, force=force)

    out.print(f"Key {with_system(act).kid} is retired.")


def _row(key: StoredKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "state": key.state.value,
        "algorithm": key.algorithm,
        "created": key.created_at.isoformat(timespec="seconds"),
        "activated": key.activated_at.isoformat(timespec="seconds") if key.activated_at else None,
        "replaced": key.replaced_at.isoformat(timespec="seconds") if key.replaced_at else None,
        "retired": key.retired_at.isoformat(timespec="seconds") if key.retired_at else None,
    }
