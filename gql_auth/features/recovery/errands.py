"""What asks for mails lead to, once nobody waits for the answer: look the account up, make the
link, post the mail. Run by the deliverer, one transaction for several."""

from collections.abc import Mapping
from typing import Any

from gql_auth.features.links.core import Asked, Links, Purpose
from gql_auth.features.mail.asking import asker_of
from gql_auth.features.mail.core import MailKind
from gql_auth.features.recovery.linking import (
    LinkMails,
    address_state,
    sign_in_state,
)
from gql_auth.features.users.core import User, Users
from gql_auth.features.users.naming import comparable
from gql_auth.kernel.unit import Unit

Payload = Mapping[str, Any]


async def verify_email(unit: Unit, payload: Payload) -> None:
    """Another mail to verify an address, or to make the account that was signed up with it."""
    user = await unit.get(Users).find(email=payload["email"])
    if user is None:
        await _renew_signup(unit, payload)
    elif not user.email_verified and user.may_enter(unit.get(LinkMails).now()):
        await _post(unit, Purpose.VERIFY_EMAIL, user, payload, state=address_state(user))


async def signup(unit: Unit, payload: Payload) -> None:
    """The mail whose link makes an account, or one to whom has it already."""
    mails, client, email = unit.get(LinkMails), asker_of(payload), payload["email"]
    user = await unit.get(Users).find(email=email)
    locale = payload["account"]["locale"]
    if user is not None:
        await mails.post_plain(unit, MailKind.ALREADY_REGISTERED, to=user.email, client=client,
                               locale=user.locale or locale)  # fmt: skip
        return
    content = {"email": email, "account": payload["account"], "password": payload["password"]}
    asked = Asked(purpose=Purpose.CONFIRM_SIGNUP, address=comparable(email), content=content)
    await mails.post(unit, asked, to=email, client=client, locale=locale)


async def forgot_password(unit: Unit, payload: Payload) -> None:
    """The mail whose link sets a new password."""
    user = await unit.get(Users).find(email=payload["email"])
    if user is not None and user.may_enter(unit.get(LinkMails).now()):
        state = await sign_in_state(unit, user)
        await _post(unit, Purpose.RESET_PASSWORD, user, payload, state=state)


async def magic_link(unit: Unit, payload: Payload) -> None:
    """The mail whose link signs in."""
    user = await unit.get(Users).find(email=payload["email"])
    if user is not None and user.may_enter(unit.get(LinkMails).now()):
        state = await sign_in_state(unit, user)
        await _post(unit, Purpose.MAGIC_LINK, user, payload, state=state,
                    binding=payload["binding"])  # fmt: skip


async def _post(
    unit: Unit,
    purpose: Purpose,
    user: User,
    payload: Payload,
    *,
    state: str,
    binding: str | None = None,
) -> None:
    asked = Asked(
        purpose=purpose,
        address=comparable(user.email),
        user_id=user.id,
        state=state,
        binding=binding,
    )
    await unit.get(LinkMails).post(
        unit, asked, to=user.email, client=asker_of(payload), locale=user.locale
    )


async def _renew_signup(unit: Unit, payload: Payload) -> None:
    links, address = unit.get(Links), comparable(payload["email"])
    waiting = await links.waiting(Purpose.CONFIRM_SIGNUP, address)
    if waiting is None:
        return
    content = links.content(waiting)
    asked = Asked(purpose=Purpose.CONFIRM_SIGNUP, address=address, content=content)
    await unit.get(LinkMails).post(
        unit, asked, to=content["email"], client=asker_of(payload),
        locale=content["account"]["locale"],
    )  # fmt: skip
