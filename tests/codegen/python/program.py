"""Every member of every result, as ariadne-codegen types them."""

from datetime import datetime
from typing import assert_never

import api
from api import RefreshTokenRejection, ViolationCode


def violation(field: str, code: ViolationCode) -> str:
    match code:
        case (
            ViolationCode.REQUIRED
            | ViolationCode.TOO_SHORT
            | ViolationCode.TOO_LONG
            | ViolationCode.MALFORMED
            | ViolationCode.FORBIDDEN_CHARACTER
            | ViolationCode.TOO_COMMON
            | ViolationCode.NOT_UNIQUE_ENOUGH
            | ViolationCode.AMBIGUOUS
        ):
            return f"{field}: {code}"
        case _:
            assert_never(code)


async def signup(client: api.Client) -> str:
    given = api.SignupInput(email="ada@example.com", password="correct horse battery")
    result = (await client.signup(given)).signup
    match result:
        case api.SignupSignupAuthPayload():
            until: datetime = result.expires_at
            token: str | None = result.refresh_token
            return f"{result.access_token} {token} {until} {','.join(result.user.roles)}"
        case api.SignupSignupInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.SignupSignupEmailTaken() | api.SignupSignupUsernameTaken():
            return result.message
        case api.SignupSignupTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def login(client: api.Client) -> str:
    given = api.LoginInput(username="ada", password="correct horse battery")
    result = (await client.login(given)).login
    match result:
        case api.LoginLoginAuthPayload():
            return result.access_token
        case api.LoginLoginInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.LoginLoginInvalidCredentials():
            return result.message
        case api.LoginLoginTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def refresh(client: api.Client) -> str:
    result = (await client.refresh(token="eyJ")).refresh_token
    match result:
        case api.RefreshRefreshTokenAuthPayload():
            return result.refresh_token or result.access_token
        case api.RefreshRefreshTokenRefreshTokenRejected():
            return rejection(result.reason)
        case api.RefreshRefreshTokenTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


def rejection(reason: RefreshTokenRejection) -> str:
    match reason:
        case RefreshTokenRejection.MISSING | RefreshTokenRejection.INVALID:
            return "sign in"
        case (
            RefreshTokenRejection.EXPIRED
            | RefreshTokenRejection.REUSED
            | RefreshTokenRejection.REVOKED
        ):
            return "sign in again"
        case _:
            assert_never(reason)


async def logout(client: api.Client) -> bool:
    return (await client.logout()).logout.session_ended


async def change_password(client: api.Client) -> str:
    given = api.ChangePasswordInput(currentPassword="before", newPassword="after")
    result = (await client.change_password(given)).change_password
    match result:
        case api.ChangePasswordChangePasswordChangePasswordPayload():
            return str(result.ended_sessions)
        case api.ChangePasswordChangePasswordInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.ChangePasswordChangePasswordInvalidCredentials():
            return result.message
        case api.ChangePasswordChangePasswordTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def revoke_session(client: api.Client) -> str:
    result = (await client.revoke_session(id="01a2")).revoke_session
    match result:
        case api.RevokeSessionRevokeSessionRevokeSessionPayload():
            return result.session.last_used_at.isoformat()
        case api.RevokeSessionRevokeSessionSessionNotFound():
            return result.message
        case _:
            assert_never(result)


async def session_events(client: api.Client) -> list[str]:
    told = []
    async for answer in client.session_events():
        event = answer.session_events
        match event:
            case api.SessionEventsSessionEventsSessionEnded():
                told.append(event.reason.value)
            case api.SessionEventsSessionEventsSessionEvent():
                told.append(event.session.user_agent or event.at.isoformat())
            case _:
                assert_never(event)
    return told


async def forgetful(client: api.Client) -> str:
    """What is forgotten is found: else all of the above would pass whatever is generated."""
    given = api.LoginInput(username="ada", password="correct horse battery")
    result = (await client.login(given)).login
    match result:
        case api.LoginLoginAuthPayload() | api.LoginLoginInvalidInput():
            return ""
        case api.LoginLoginInvalidCredentials():
            return result.message
        case _:
            assert_never(result)  # type: ignore[arg-type]
