"""Mail for developers: files instead of sending, and the links in them on the terminal."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Final

import anyio.to_thread

from gql_auth.features.mail.outlets import TryLater
from gql_auth.kernel.entropy import random_name

_LINK: Final = re.compile(r"https?://\S+")


def _say(text: str) -> None:
    """On the standard output: the log is on the other one, and shall hold no token."""
    with suppress(OSError, ValueError):  # nobody reads it any more; the file is there
        sys.stdout.write(text)
        sys.stdout.flush()


class FileOutlet:
    """Implements `MailOutlet`: each mail is a file that mail programs open, mode 0600.

    Args:
        folder: made when first needed.
        say: shows a person what has come. The links are secrets: standard output, as the log is
            on standard error.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = _say) -> None:
        self._folder = folder
        self._say = say

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:  # noqa: ARG002
        """Write a mail down."""
        # Named by its Message-ID: one that comes twice is one file.
        name = re.sub(r"[^A-Za-z0-9.@-]", "", str(message["Message-ID"]))
        path = self._folder / f"{name}.eml"
        try:
            await anyio.to_thread.run_sync(self._write, path, message.as_bytes(policy=SMTPUTF8))
        except OSError as error:  # a full disk is trouble, and no defect
            raise TryLater(type(error).__name__) from error
        body = message.get_body(("plain",))
        links = _LINK.findall(body.get_content()) if body else []
        told = "".join(f"  {link}\n" for link in dict.fromkeys(links))
        self._say(
            f"\n[development mail] to {recipient}: {message['Subject']}\n{told}  file: {path}\n\n"
        )

    def _write(self, path: Path, whole: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{random_name()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(whole)
        fresh.replace(path)
