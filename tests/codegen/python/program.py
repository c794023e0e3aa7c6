"""Every member of every result, as ariadne-codegen types them."""

from datetime import datetime
from typing import assert_never

import api
from api import MailTokenRejection, RefreshTokenRejection, ViolationCode


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
        case (
            api.SignupSignupEmailTaken()
            | api.SignupSignupUsernameTaken()
            | api.SignupSignupEmailNotVerified()
        ):
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
        case api.LoginLoginInvalidCredentials() | api.LoginLoginEmailNotVerified():
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


def rejected(reason: MailTokenRejection) -> str:
    match reason:
        case (
            MailTokenRejection.INVALID
            | MailTokenRejection.EXPIRED
            | MailTokenRejection.USED
            | MailTokenRejection.REPLACED
        ):
            return reason.value
        case _:
            assert_never(reason)


async def verify_email(client: api.Client) -> str:
    result = (await client.verify_email(token="x")).verify_email
    match result:
        case api.VerifyEmailVerifyEmailVerifyEmailPayload():
            return result.user.locale or result.user.id
        case api.VerifyEmailVerifyEmailMailTokenRejected():
            return rejected(result.reason)
        case api.VerifyEmailVerifyEmailTooManyAttempts():
            return str(result.retry_after)
        case api.VerifyEmailVerifyEmailEmailTaken() | api.VerifyEmailVerifyEmailUsernameTaken():
            return result.message
        case _:
            assert_never(result)


async def resend_verify_email(client: api.Client) -> str:
    result = (await client.resend_verify_email(email="ada@example.com")).resend_verify_email
    match result:
        case api.ResendVerifyEmailResendVerifyEmailMailRequested():
            return result.accepted
        case api.ResendVerifyEmailResendVerifyEmailInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.ResendVerifyEmailResendVerifyEmailTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def forgot_password(client: api.Client) -> str:
    result = (await client.forgot_password(email="ada@example.com")).forgot_password
    match result:
        case api.ForgotPasswordForgotPasswordMailRequested():
            return result.accepted
        case api.ForgotPasswordForgotPasswordInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.ForgotPasswordForgotPasswordTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def reset_password(client: api.Client) -> str:
    result = (await client.reset_password(token="x", new_password="after")).reset_password
    match result:
        case api.ResetPasswordResetPasswordResetPasswordPayload():
            return str(result.ended_sessions)
        case api.ResetPasswordResetPasswordMailTokenRejected():
            return rejected(result.reason)
        case api.ResetPasswordResetPasswordInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.ResetPasswordResetPasswordTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def request_magic_link(client: api.Client) -> str:
    result = (await client.request_magic_link(email="ada@example.com")).request_magic_link
    match result:
        case api.RequestMagicLinkRequestMagicLinkMailRequested():
            return result.accepted
        case api.RequestMagicLinkRequestMagicLinkInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.RequestMagicLinkRequestMagicLinkTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def login_with_magic_link(client: api.Client) -> str:
    result = (await client.login_with_magic_link(token="x", confirmed=True)).login_with_magic_link
    match result:
        case api.LoginWithMagicLinkLoginWithMagicLinkAuthPayload():
            return result.access_token
        case api.LoginWithMagicLinkLoginWithMagicLinkMailTokenRejected():
            return rejected(result.reason)
        case api.LoginWithMagicLinkLoginWithMagicLinkConfirmationRequired():
            return result.email
        case api.LoginWithMagicLinkLoginWithMagicLinkTooManyAttempts():
            return str(result.retry_after)
        case _:
            assert_never(result)


async def request_email_change(client: api.Client) -> str:
    result = (
        await client.request_email_change(new_email="ada@example.org", password="before")
    ).request_email_change
    match result:
        case api.RequestEmailChangeRequestEmailChangeMailRequested():
            return result.accepted
        case api.RequestEmailChangeRequestEmailChangeInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.RequestEmailChangeRequestEmailChangeTooManyAttempts():
            return str(result.retry_after)
        case api.RequestEmailChangeRequestEmailChangeInvalidCredentials():
            return result.message
        case _:
            assert_never(result)


async def confirm_email_change(client: api.Client) -> str:
    result = (await client.confirm_email_change(token="x")).confirm_email_change
    match result:
        case api.ConfirmEmailChangeConfirmEmailChangeConfirmEmailChangePayload():
            return str(result.ended_sessions)
        case api.ConfirmEmailChangeConfirmEmailChangeMailTokenRejected():
            return rejected(result.reason)
        case api.ConfirmEmailChangeConfirmEmailChangeTooManyAttempts():
            return str(result.retry_after)
        case api.ConfirmEmailChangeConfirmEmailChangeEmailTaken():
            return result.message
        case _:
            assert_never(result)


async def update_profile(client: api.Client) -> str:
    result = (await client.update_profile(api.UpdateProfileInput(name="Ada"))).update_profile
    match result:
        case api.UpdateProfileUpdateProfileUpdateProfilePayload():
            return result.user.name or ""
        case api.UpdateProfileUpdateProfileInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.UpdateProfileUpdateProfileUsernameTaken():
            return result.message
        case _:
            assert_never(result)


async def delete_account(client: api.Client) -> str:
    result = (await client.delete_account(password="before")).delete_account
    match result:
        case api.DeleteAccountDeleteAccountDeleteAccountPayload():
            return result.deletes_at.isoformat()
        case api.DeleteAccountDeleteAccountInvalidInput():
            return " ".join(violation(each.field, each.code) for each in result.violations)
        case api.DeleteAccountDeleteAccountTooManyAttempts():
            return str(result.retry_after)
        case api.DeleteAccountDeleteAccountInvalidCredentials():
            return result.message
        case _:
            assert_never(result)


async def export_my_data(client: api.Client) -> str:
    result = (await client.export_my_data()).export_my_data
    match result:
        case api.ExportMyDataExportMyDataExportMyDataPayload():
            return str(result.data)
        case api.ExportMyDataExportMyDataTooManyAttempts():
            return str(result.retry_after)
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
        case api.LoginLoginInvalidCredentials() | api.LoginLoginEmailNotVerified():
            return result.message
        case _:
            assert_never(result)  # type: ignore[arg-type]
