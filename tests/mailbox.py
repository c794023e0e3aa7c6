"""Where tests receive mail: an outlet of a host's own, and mutations that go by mail."""

import asyncio
import re
from email.message import EmailMessage
from typing import Any

from tests.support import PAYLOAD, VIOLATIONS, GraphQLClient

REJECTED = "... on MailTokenRejected { reason }"
USER = "user { id email emailVerified username name locale }"
VERIFY = (
    "mutation($token: String!) { verifyEmail(token: $token) { __typename "
    f"... on AuthError {{ message }} ... on VerifyEmailPayload {{ {USER} }} {REJECTED} }} }}"
)
RESEND = (
    "mutation($email: String) { resendVerifyEmail(email: $email) { __typename "
    f"... on AuthError {{ message }} ... on MailRequested {{ message }} {VIOLATIONS} }} }}"
)
FORGOT = (
    "mutation($email: String!) { forgotPassword(email: $email) { __typename "
    f"... on AuthError {{ message }} ... on MailRequested {{ message }} {VIOLATIONS} }} }}"
)
RESET = (
    "mutation($token: String!, $newPassword: String!) { resetPassword(token: $token, "
    "newPassword: $newPassword) { __typename ... on AuthError { message } "
    f"... on ResetPasswordPayload {{ endedSessions }} {REJECTED} {VIOLATIONS} }} }}"
)
MAGIC = (
    "mutation($email: String!) { requestMagicLink(email: $email) { __typename "
    f"... on AuthError {{ message }} ... on MailRequested {{ message }} {VIOLATIONS} }} }}"
)
ENTER = (
    "mutation($token: String!, $confirmed: Boolean! = false) { loginWithMagicLink(token: $token, "
    f"confirmed: $confirmed) {{ {PAYLOAD} {REJECTED} ... on ConfirmationRequired {{ email }} }} }}"
)
CHANGE = (
    "mutation($newEmail: String!, $password: String!) { requestEmailChange(newEmail: $newEmail, "
    "password: $password) { __typename ... on AuthError { message } "
    f"... on MailRequested {{ message }} {VIOLATIONS} }} }}"
)
CONFIRM = (
    "mutation($token: String!) { confirmEmailChange(token: $token) { __typename "
    f"... on AuthError {{ message }} ... on ConfirmEmailChangePayload {{ endedSessions {USER} }} "
    f"{REJECTED} }} }}"
)
PROFILE = (
    "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename "
    f"... on AuthError {{ message }} ... on UpdateProfilePayload {{ {USER} }} {VIOLATIONS} }} }}"
)
DELETE = (
    "mutation($password: String!) { deleteAccount(password: $password) { __typename "
    f"... on AuthError {{ message }} ... on DeleteAccountPayload {{ deletesAt }} {VIOLATIONS} }} }}"
)
EXPORT = (
    "mutation { exportMyData { __typename ... on AuthError { message } "
    "... on ExportMyDataPayload { data } } }"
)
_LINK = re.compile(r"https?://\S+/([a-z-]+)#token=(\S+)")


class Mailbox:
    """A host's own outlet, and the people behind it who read what came."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self._known: set[str] = set()
        self._came = asyncio.Event()

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        # A test that moves the clock on makes claims run out: what comes twice is one mail.
        if message["Message-ID"] not in self._known:
            self._known.add(message["Message-ID"])
            self.mails.append(message)
            self._came.set()

    async def next(self, to: str, subject: str = "") -> EmailMessage:
        """Take the oldest mail to an address whose subject holds a word; wait for it."""
        async with asyncio.timeout(20):
            while True:
                for each in self.mails:
                    if each["To"] == to and subject in each["Subject"]:
                        self.mails.remove(each)
                        return each
                self._came.clear()
                await self._came.wait()

    async def token(self, to: str, action: str) -> str:
        """Take the mail to an address that has a link for an action, and its token."""
        async with asyncio.timeout(20):
            while True:
                for each in self.mails:
                    if each["To"] == to and (found := link_of(each)) and found[0] == action:
                        self.mails.remove(each)
                        return found[1]
                self._came.clear()
                await self._came.wait()

    def take(self, to: str, action: str) -> str | None:
        """The token of a mail that is there; for tests whose server runs in another thread."""
        for each in self.mails:
            if each["To"] == to and (found := link_of(each)) and found[0] == action:
                return found[1]
        return None

    def subjects(self, to: str) -> list[str]:
        return [each["Subject"] for each in self.mails if each["To"] == to]


def text_of(mail: EmailMessage) -> str:
    """The words of a mail, however its lines are broken."""
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def link_of(mail: EmailMessage) -> tuple[str, str] | None:
    """The action and the token of a mail's link."""
    found = _LINK.search(text_of(mail))
    return (found[1], found[2]) if found else None


async def reset(client: GraphQLClient, token: str, password: str) -> dict[str, Any]:
    found: dict[str, Any] = await client.field(RESET, {"token": token, "newPassword": password})
    return found
