"""A letter becomes a message (RFC 5322), with its headers."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from email_validator import EmailNotValidError, validate_email

from gql_auth.features.mail.core import Item, MailKind
from gql_auth.features.mail.outlets import Undeliverable
from gql_auth.features.mail.rendering import Mailroom


class Composer:
    """Makes messages of letters.

    Args:
        app_name: who writes, as people know it.
        sender: the address of `From`.
    """

    def __init__(self, mailroom: Mailroom, *, app_name: str, sender: str) -> None:
        self._mailroom = mailroom
        self._app_name = app_name
        self._from = Address(display_name=app_name, addr_spec=sender)
        self._domain = self._from.domain

    def __call__(self, item: Item, content: Mapping[str, Any]) -> EmailMessage:
        """The message of a letter; the same each time, but for changed templates.

        Raises:
            Undeliverable: no mail can be sent to the address.
        """
        words = content["words"] | {"app_name": self._app_name, "email": content["to"]}
        rendered = self._mailroom.render(MailKind(item.kind), content["locale"], words)
        message = EmailMessage()
        message["From"] = self._from
        message["To"] = recipient_of(content["to"])
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(item.created_at)
        message["Message-ID"] = f"<{item.id.hex}.gql-auth@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: vacation replies spare us
        message.set_content(rendered.text, cte="quoted-printable")
        message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
        message["Content-Language"] = rendered.locale  # set before, it would be the text's alone
        # The same bytes at every attempt. No body holds it: quoted-printable spells `=` as `=3D`.
        message.set_boundary(f"=_{item.id.hex}")
        return message


def recipient_of(address: str) -> Address:
    """The address as mail servers take it: the domain in ASCII (RFC 5891), unless the part before
    it needs SMTPUTF8 anyway.

    Raises:
        Undeliverable: it is none.
    """
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Undeliverable("no address that mail can be sent to") from None
    local = found.ascii_local_part or found.local_part
    return Address(username=local, domain=found.ascii_domain or found.domain)
