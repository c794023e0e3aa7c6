"""Where mail leaves the system: one method, and two ways to say no.

A provider with an interface of its own plugs in by implementing `MailOutlet`; see docs/mail.md.
"""

from email.message import EmailMessage
from typing import Protocol


class MailOutlet(Protocol):
    """Takes mails over. One instance a process; calls may overlap."""

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Take a mail over for good: from here on it is somebody else's to deliver.

        A mail may come twice, after a crash or an answer that was lost; its `Message-ID` is the
        same then.

        Args:
            message: ready, with all its headers.
            sender, recipient: of the envelope.

        Raises:
            TryLater: it was not taken, and may be another time. So does anything unforeseen.
            Undeliverable: it was not taken, and never will be.
        """
        ...


class TryLater(Exception):  # noqa: N818 - an instruction
    """The mail was not taken, and may be another time.

    Args:
        reason: for the operator, short; without address and content.
        for_all: whether no mail at all can be sent at the moment (nobody answers, the password is
            wrong): then all are put off, and none is counted as tried.
    """

    def __init__(self, reason: str, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_all = for_all


class Undeliverable(Exception):  # noqa: N818 - a verdict
    """The mail was not taken, and never will be.

    Args:
        reason: for the operator, short; without address and content.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
