"""What delivers mail, made of the settings and the features, and the task that keeps it going."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from gql_auth.background import Tasks, survives
from gql_auth.catalog import FEATURES
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import Seal
from gql_auth.features.mail.composing import Composer
from gql_auth.features.mail.core import Bell
from gql_auth.features.mail.delivery import POLL, Deliverer
from gql_auth.features.mail.files import FileOutlet
from gql_auth.features.mail.outlets import MailOutlet
from gql_auth.features.mail.rendering import Mailroom
from gql_auth.features.mail.smtp import SmtpOutlet
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Parts
from gql_auth.kernel.mailing import mail_server
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Units
from gql_auth.storage.revision import Revision

_ANSWERS: Final = 3  # of a server, each taking as long as it may, until a mail is given back
_LAST_MAILS: Final = 4.0  # seconds that mails on their way have when the server stops


def outlet_of(settings: Settings) -> MailOutlet | None:
    """Where the settings say that mail goes; None where it waits."""
    if settings.mail_url:
        return SmtpOutlet(
            mail_server(settings.mail_url),
            timeout=settings.mail_timeout.total_seconds(),
            local_name=settings.mail_from.rpartition("@")[2],
        )
    return FileOutlet(settings.data_dir / "mail") if settings.mails_are_files else None


def composer_of(settings: Settings) -> Composer:
    """What makes messages.

    Raises:
        SettingsError: a template is broken.
    """
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
        revision = parts.part(Revision)
        self.deliverer = Deliverer(
            units,
            self._bell,
            self._outlet,
            composer_of(settings),
            {name: run for feature in FEATURES for name, run in feature.errands.items()},
            seal=Seal(parts.part(MasterSecret), "mail"),
            clock=parts.part(Clock),
            telemetry=parts.part(Telemetry),
            is_migrated=lambda: revision.is_current,
            sender=settings.mail_from,
            patience=settings.mail_retry_for,
            time_limit=_ANSWERS * settings.mail_timeout,
            at_once=settings.mail_connections,
        )

    async def keep_delivering(self, tasks: Tasks) -> None:
        """Deliver when there is something, and look now and then in any case."""
        while not tasks.stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._bell.rang.wait()
            self._bell.rang.clear()
            await survives(lambda: self.deliverer.deliver(tasks.stopping))

    async def close(self) -> None:
        """Note what becomes of mails on their way, and close the connections."""
        await self.deliverer.finish(_LAST_MAILS)
        if isinstance(self._outlet, SmtpOutlet):
            await self._outlet.close()
