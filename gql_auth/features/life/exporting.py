"""All that is held of an account, for its owner (GDPR, articles 15 and 20)."""

from datetime import datetime
from typing import Any, Final

from gql_auth.features.audit.core import Audit
from gql_auth.features.links.core import Links
from gql_auth.features.mail.core import MailStore
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.users.core import User
from gql_auth.kernel.unit import Unit

_EVENTS: Final = 10_000  # the newest; audit events are kept for a time anyway


async def everything_of(unit: Unit, user: User, now: datetime) -> dict[str, Any]:
    """What the tables hold of an account, but for what must never leave them (the password's hash,
    the hashes of tokens). Instants are ISO 8601 in UTC."""
    sessions = await unit.get(Sessions).of_user(user.id, ended_too=True)
    events = await unit.get(Audit).story(user.id, _EVENTS)
    links = await unit.get(Links).of_user(user.id)
    mails = await unit.get(MailStore).of_user(user.id)
    return {
        "exportedAt": now.isoformat(),
        "account": {
            "id": str(user.id),
            "email": user.email,
            "emailVerified": user.email_verified,
            "username": user.username,
            "name": user.name,
            "locale": user.locale,
            "roles": list(user.roles),
            "createdAt": user.created_at.isoformat(),
            "disabledAt": _iso(user.disabled_at),
            "deletesAt": _iso(user.deletes_at),
        },
        "sessions": [
            {
                "id": str(each.id),
                "createdAt": each.created_at.isoformat(),
                "lastUsedAt": each.rotated_at.isoformat(),
                "refreshes": each.generation,
                "expiresAt": each.expires_at.isoformat(),
                "endedAt": _iso(each.revoked_at),
                "endReason": each.end_reason,
                "ipAddress": each.client.ip_address,
                "userAgent": each.client.user_agent,
            }
            for each in sessions
        ],
        "events": [
            {
                "tag": each.tag.value,
                "at": each.at.isoformat(),
                "sessionId": str(each.session_id) if each.session_id else None,
                "ipAddress": each.client.ip_address,
                "userAgent": each.client.user_agent,
                "detail": dict(each.detail),
            }
            for each in events
        ],
        "links": [
            {
                "purpose": each.purpose,
                "createdAt": each.created_at.isoformat(),
                "expiresAt": each.expires_at.isoformat(),
                "usedAt": _iso(each.used_at),
            }
            for each in links
        ],
        "mailsWaiting": [
            {"kind": each.kind, "createdAt": each.created_at.isoformat()} for each in mails
        ],
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
