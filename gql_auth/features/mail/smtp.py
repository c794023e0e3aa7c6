"""Mail by SMTP (RFC 5321): TLS from the start or STARTTLS, signing in, a few connections kept open.

What a server says of one mail counts for that mail: 4xx is later, 5xx is never (RFC 5321, section
4.2.1). What it says before it has heard of one (no answer, no TLS, wrong password, sender not
allowed) counts for all of them, and none is given up for it.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, Final

import aiosmtplib
from aiosmtplib import SMTP

from gql_auth.features.mail.outlets import TryLater, Undeliverable
from gql_auth.kernel.clock import monotonic
from gql_auth.kernel.mailing import MailServer

_IDLE: Final = 20.0  # seconds that a connection is kept without use; servers close after minutes
_QUIT: Final = 1.0  # seconds for a goodbye
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")  # RFC 3463
_CLOSING, _NEVER = 421, 500
_NO_SIGN_IN: Final = {530, 535}  # RFC 4954: it wants one, or another; whatever the mail is
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
        self._tls: ssl.SSLContext | None = None
        self._idle: list[tuple[_Client, float]] = []

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Hand a mail over.

        Raises:
            TryLater, Undeliverable: it was not taken.
        """
        while True:
            client, is_fresh = await self._take()
            try:
                await self._hand_over(client, message, sender, recipient)
            except (aiosmtplib.SMTPServerDisconnected, _Closing) as error:
                client.close()
                # Servers close connections whenever they like. Where it is known that the mail was
                # not begun, a new one is tried at once.
                if client.began:
                    raise TryLater("connection lost") from None
                if is_fresh:
                    raise TryLater(_why(error, "connection lost"), for_all=True) from None
            except (aiosmtplib.SMTPTimeoutError, OSError):
                client.close()
                raise TryLater("no answer", for_all=not client.began) from None
            except (TryLater, Undeliverable):
                self._give_back(client)
                raise
            except BaseException:
                client.close()
                raise
            else:
                self._give_back(client)
                return

    async def close(self) -> None:
        """Say goodbye on the connections that are kept."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(client) for client, _ in idle))

    async def check(self) -> None:
        """Come back if the server is there and lets us in.

        Raises:
            TryLater: it does not.
        """
        await _quit(await self._connect())

    async def _take(self) -> tuple["_Client", bool]:
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and monotonic() - since < _IDLE:
                return client, False
            await _quit(client)
        return await self._connect(), True

    async def _connect(self) -> "_Client":
        server = self._server
        if self._tls is None and server.tls != "none":  # reads a large file
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        client = _Client(
            hostname=server.host,
            port=server.port,
            timeout=self._timeout,
            use_tls=server.tls == "implicit",
            start_tls=False,  # below, where what is missing has a name
            tls_context=self._tls,
            local_hostname=self._local_name,
        )
        try:
            await client.connect()
            await self._enter(client)
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            raise TryLater(f"sign-in refused: {_code(error)}", for_all=True) from None
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            raise TryLater(f"connection refused: {_code(error)}", for_all=True) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise TryLater(_trouble(error), for_all=True) from None
        except BaseException:
            client.close()
            raise
        return client

    async def _enter(self, client: "_Client") -> None:
        """Have TLS and sign in, as the settings say: never less, whatever the server offers."""
        server = self._server
        await client.ehlo()
        if server.tls == "starttls":
            if not client.supports_extension("starttls"):
                raise TryLater("the server does not offer STARTTLS", for_all=True)
            await client.starttls()
            await client.ehlo()
        if server.username is not None:
            if not client.supported_auth_methods:
                raise TryLater("the server offers no way to sign in", for_all=True)
            await client.login(server.username, server.password or "")

    async def _hand_over(
        self, client: "_Client", message: EmailMessage, sender: str, recipient: str
    ) -> None:
        client.began = False
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
            if error.code == _CLOSING:
                raise _Closing(_code(error)) from None
            raise TryLater(f"sender refused: {_code(error)}", for_all=True) from None
        except aiosmtplib.SMTPResponseException as error:
            raise _verdict(error) from None

    def _give_back(self, client: "_Client") -> None:
        if client.is_connected:
            self._idle.append((client, monotonic()))
        else:
            client.close()


class _Client(SMTP):
    """Remembers whether the server has answered to MAIL: then a mail was begun."""

    began = False

    async def mail(self, *args: Any, **more: Any) -> Any:
        answer = await super().mail(*args, **more)
        self.began = True
        return answer


class _Closing(Exception):  # noqa: N818 - a state of affairs
    """The server closes the connection, and has heard of no mail yet."""


async def _quit(client: _Client) -> None:
    """End in order (RFC 5321, section 4.1.1.10), without waiting long for who does not answer."""
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT)
    client.close()


def _verdict(error: aiosmtplib.SMTPResponseException) -> TryLater | Undeliverable:
    if error.code in _NO_SIGN_IN:
        return TryLater(f"sign-in wanted: {_code(error)}", for_all=True)
    if error.code >= _NEVER:
        return Undeliverable(_code(error))
    return TryLater(_code(error))


def _code(error: aiosmtplib.SMTPResponseException) -> str:
    """The reply's codes. Its text is left out: servers repeat the address in it."""
    enhanced = _ENHANCED.match(error.message)
    return f"{error.code} {enhanced[1]}" if enhanced else str(error.code)


def _why(error: Exception, otherwise: str) -> str:
    return f"connection closed: {error}" if isinstance(error, _Closing) else otherwise


def _trouble(error: BaseException) -> str:
    """Why there is no connection, in words of ours."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS failed"
        if isinstance(cause, TimeoutError):
            return "no answer"
        cause = cause.__cause__
    inner = error.__cause__ or error
    return f"cannot connect: {type(inner).__name__}"
