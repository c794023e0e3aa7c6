"""Signing up, in and out through the HTTP edge, on both databases."""

from tests.support import PASSWORD, GraphQLClient, reason_of


async def test_the_whole_round(client: GraphQLClient) -> None:
    """A person signs up, reads a protected field, refreshes, signs out and in again."""
    signed_up = await client.signup(name="Ada", username="Ada-L")
    assert signed_up["__typename"] == "AuthPayload"
    assert signed_up["tokenType"] == "Bearer"
    assert signed_up["expiresIn"] == 900
    assert signed_up["user"]["email"] == "ada@example.com"
    assert (await client.me())["data"]["me"]["name"] == "Ada"

    first = client.access_token
    refreshed = await client.refresh()
    assert refreshed["accessToken"] != first
    assert (await client.me())["data"]["me"]["username"] == "Ada-L"

    assert await client.field("mutation { logout { sessionEnded } }") == {"sessionEnded": True}
    assert client.cookies == {}
    assert reason_of(await client.me()) == "SESSION_REVOKED"
    assert await client.field("mutation { logout { sessionEnded } }") == {"sessionEnded": False}

    for who in ({"email": "ADA@example.com"}, {"username": "aDa-l"}):
        assert (await client.login(PASSWORD, **who))["__typename"] == "AuthPayload"
    assert (await client.me())["data"]["me"]["id"] == signed_up["user"]["id"]
