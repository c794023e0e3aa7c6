"""Mail by SMTP (RFC 5321): TLS from the start or STARTTLS, signing in, a few connections kept open.

What a server says of one mail counts for that mail: 4xx is later, 5xx is never (RFC 5321, section
4.2.1). What it says before it has heard of one (no answer, no TLS, wrong password, sender not
allowed) counts for all of them, and none is given up for it.
"""

import re
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, Final

import aiosmtplib
from aiosmtplib import SMTP

from gql_auth.features.mail.outlets import TryLater, Undeliverable
from gql_auth.kernel.clock import monotonic
from gql_auth.kernel.mailing import MailServer

_IDLE: Final = 20.0  # seconds that a connection is kept without use; servers close after minutes
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")  # RFC 3463
_NEVER: Final = 500
_SMTPUTF8: Final = "SMTPUTF8"  # RFC 6531


class SmtpOutlet:
    """Implements `MailOutlet`.

    Args:
        server: where and how.
        timeout: seconds for each answer of the server.
        local_name: what the server is told that we are called.
    """

    def __init__(self, server: MailServer, *, timeout: float, local_name: str) -> None:
        self._server = server
        self._timeout = timeout
        self._local_name = local_name
        self._idle: list[tuple[SMTP, float]] = []

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Hand a mail over.

        Raises:
            TryLater, Undeliverable: it was not taken.
        """
        while True:
            client, is_fresh = await self._take()
            try:
                await self._hand_over(client, message, sender, recipient)
            except aiosmtplib.SMTPServerDisconnected:
                await self._drop(client)
                # Servers close idle connections whenever they like. Where it is known that the
                # mail was not begun, a new one is tried at once.
                if is_fresh or _was_begun(client):
                    raise TryLater("connection lost") from None
            except (aiosmtplib.SMTPTimeoutError, OSError):
                await self._drop(client)
                raise TryLater("no answer") from None
            except (TryLater, Undeliverable):
                await self._give_back(client)
                raise
            except BaseException:
                await self._drop(client)
                raise
            else:
                await self._give_back(client)
                return

    async def close(self) -> None:
        """Close what is kept open."""
        while self._idle:
            await self._drop(self._idle.pop()[0])

    async def check(self) -> None:
        """Come back if the server is there and lets us in.

        Raises:
            TryLater: it does not.
        """
        await self._drop(await self._connect())

    async def _take(self) -> tuple[SMTP, bool]:
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and monotonic() - since < _IDLE:
                return client, False
            await self._drop(client)
        return await self._connect(), True

    async def _connect(self) -> SMTP:
        server = self._server
        client = _Client(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            timeout=self._timeout,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            local_hostname=self._local_name,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise TryLater(f"sign-in refused: {_code(error)}", for_all=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise TryLater(f"connection refused: {_code(error)}", for_all=True) from None
        except aiosmtplib.SMTPNotSupported:
            what = "STARTTLS" if server.tls == "starttls" else "a way to sign in"
            raise TryLater(f"the server does not offer {what}", for_all=True) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise TryLater(f"cannot connect: {type(error).__name__}", for_all=True) from None
        return client

    async def _hand_over(
        self, client: SMTP, message: EmailMessage, sender: str, recipient: str
    ) -> None:
        options: list[str] = []
        policy = SMTP_POLICY
        if not (recipient.isascii() and sender.isascii()):
            if not client.supports_extension(_SMTPUTF8.lower()):
                raise Undeliverable("the mail server does not take such addresses (SMTPUTF8)")
            options.append(_SMTPUTF8)
            policy = policy.clone(utf8=True)
        whole = message.as_bytes(policy=policy)
        try:
            await client.sendmail(sender, [recipient], whole, mail_options=options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _verdict(error.recipients[0]) from None
        except aiosmtplib.SMTPSenderRefused as error:
            raise TryLater(f"sender refused: {_code(error)}", for_all=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _verdict(error) from None

    async def _give_back(self, client: SMTP) -> None:
        if client.is_connected:
            self._idle.append((client, monotonic()))
        else:
            await self._drop(client)

    @staticmethod
    async def _drop(client: SMTP) -> None:
        """Close at once; QUIT would wait for an answer that nobody needs."""
        client.close()


class _Client(SMTP):
    """Remembers whether the server has answered to MAIL: then a mail was begun."""

    began = False

    async def mail(self, *args: Any, **more: Any) -> Any:
        self.began = False
        answer = await super().mail(*args, **more)
        self.began = True
        return answer


def _was_begun(client: SMTP) -> bool:
    return isinstance(client, _Client) and client.began


def _verdict(error: aiosmtplib.SMTPResponseException) -> TryLater | Undeliverable:
    if error.code >= _NEVER:
        return Undeliverable(_code(error))
    return TryLater(_code(error))


def _code(error: aiosmtplib.SMTPResponseException) -> str:
    """The reply's codes. Its text is left out: servers repeat the address in it."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[1]}" if enhanced else str(error.code)
