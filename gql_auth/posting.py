"""What delivers mail, made of the settings and the features, and the task that keeps it going."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from gql_auth.background import Tasks, survives
from gql_auth.catalog import FEATURES
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import Seal
from gql_auth.features.mail.core import Bell, MailStore, Waiting
from gql_auth.features.mail.delivery import POLL, Deliverer
from gql_auth.features.mail.files import FileOutlet
from gql_auth.features.mail.outlets import MailOutlet
from gql_auth.features.mail.sending import Compose, Sending
from gql_auth.kernel.clock import Clock, monotonic
from gql_auth.kernel.feature import Parts
from gql_auth.kernel.mailing import mail_server
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Units
from gql_auth.storage.revision import Revision

if TYPE_CHECKING:
    from email.message import EmailMessage

    from gql_auth.features.mail.composing import Composer
    from gql_auth.features.mail.core import Item
    from gql_auth.features.mail.smtp import SmtpOutlet

_ANSWERS: Final = 3  # of a server, each taking as long as it may, until a mail is given back
_COUNTS: Final = 5.0  # seconds between two counts of what waits
_LAST_MAILS: Final = 4.0  # seconds that mails on their way have when the server stops


def outlet_of(settings: Settings) -> MailOutlet | None:
    """Where the settings say that mail goes; None where it waits."""
    if settings.mail_url:
        return smtp_of(settings)
    return FileOutlet(settings.data_dir / "mail") if settings.mails_are_files else None


def smtp_of(settings: Settings) -> "SmtpOutlet":
    """The mail server that the settings name."""
    from gql_auth.features.mail.smtp import SmtpOutlet  # noqa: PLC0415 - only where there is one

    return SmtpOutlet(
        mail_server(settings.mail_url),
        timeout=settings.mail_timeout.total_seconds(),
        local_name=settings.mail_from.rpartition("@")[2],
    )


def composer_of(settings: Settings) -> Compose:
    """What makes messages. Our own templates are read when the first is due: they are known to
    be right. An operator's are read now.

    Raises:
        SettingsError: a template is broken.
    """
    if settings.mail_templates is not None:
        return _composer(settings)
    made = cache(lambda: _composer(settings))

    def compose(item: "Item", content: Mapping[str, Any]) -> "EmailMessage":
        return made()(item, content)

    return compose


def _composer(settings: Settings) -> "Composer":
    # What renders is loaded with them: a server starts in half a second, and mails can wait.
    from gql_auth.features.mail.composing import Composer  # noqa: PLC0415
    from gql_auth.features.mail.rendering import Mailroom  # noqa: PLC0415

    room = Mailroom(settings.mail_templates, settings.default_locale)
    return Composer(room, app_name=settings.app_name, sender=settings.mail_from)


class Postman:
    """Delivers mail for as long as the system runs.

    Args:
        outlet: the host's own; where there is none, that of the settings.
    """

    def __init__(self, settings: Settings, units: Units, parts: Parts, outlet: Any) -> None:
        self._bell = parts.part(Bell)
        self._outlet: MailOutlet | None = outlet or outlet_of(settings)
        self._is_smtp = outlet is None and bool(settings.mail_url)
        revision = parts.part(Revision)
        self._is_migrated: Callable[[], bool] = lambda: revision.is_current
        self._units = units
        self._clock = parts.part(Clock)
        self._waiting: Waiting | None = None
        seal = Seal(parts.part(MasterSecret), "mail")
        self._sending = Sending(
            self._outlet,
            composer_of(settings),
            seal=seal,
            clock=self._clock,
            sender=settings.mail_from,
            time_limit=_ANSWERS * settings.mail_timeout,
            at_once=settings.mail_connections,
        )
        self.deliverer = Deliverer(
            units,
            self._bell,
            self._sending,
            {name: run for feature in FEATURES for name, run in feature.errands.items()},
            seal=seal,
            clock=self._clock,
            telemetry=parts.part(Telemetry),
            is_migrated=self._is_migrated,
            patience=settings.mail_retry_for,
        )

    def watch_levels(self, telemetry: Telemetry) -> None:
        """Let others watch."""
        telemetry.watch("mails_sending", lambda: len(self._sending.flying))
        telemetry.watch("mails_waiting", lambda: self._waiting.all if self._waiting else 0)
        telemetry.watch("mails_oldest_seconds", self._oldest)

    async def keep_delivering(self, tasks: Tasks) -> None:
        """Deliver when there is something, and look now and then in any case."""
        look_at = 0.0
        while not tasks.stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._bell.rang.wait()
            self._bell.rang.clear()
            await survives(lambda: self.deliverer.deliver(tasks.stopping))
            if monotonic() >= look_at:
                look_at = monotonic() + _COUNTS
                await survives(self._count)

    async def _count(self) -> None:
        """For those who watch. Every process counts, so that any of them can be asked."""
        if self._is_migrated():
            async with self._units.read() as unit:
                self._waiting = await unit.get(MailStore).count()

    def _oldest(self) -> float:
        """Seconds that the oldest letter or errand has been waiting, when it was counted last."""
        if self._waiting is None or self._waiting.oldest_at is None:
            return 0.0
        return max((self._clock.now() - self._waiting.oldest_at).total_seconds(), 0.0)

    async def close(self) -> None:
        """Note what becomes of mails on their way, and close the connections."""
        await self.deliverer.finish(_LAST_MAILS)
        if self._is_smtp:
            await cast("SmtpOutlet", self._outlet).close()
