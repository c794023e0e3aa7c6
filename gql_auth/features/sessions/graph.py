"""Sessions in GraphQL: the caller's own, ending them, and hearing of it."""

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

import strawberry

from gql_auth.features.sessions.core import Sessions, looking
from gql_auth.features.sessions.events import Change, SessionEvents
from gql_auth.features.sessions.refusals import EndReason, SessionNotFound
from gql_auth.features.sessions.rotation import Session
from gql_auth.kernel.caller import Caller
from gql_auth.serving.context import RequestContext
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import AuthErrorType, described_enum


@strawberry.type(name="Session", description="One sign-in on one device.")
class SessionType:
    """One sign-in on one device, as its owner sees it."""

    id: strawberry.ID = strawberry.field(description="A UUID, for `revokeSession`.")
    created_at: datetime = strawberry.field(description="When the sign-in was.")
    last_used_at: datetime = strawberry.field(
        description="When the session was last refreshed; the sign-in where it never was."
    )
    expires_at: datetime = strawberry.field(
        description="When the session ends unless it is refreshed before."
    )
    ip_address: str | None = strawberry.field(
        description="The network address of the last refresh or the sign-in."
    )
    user_agent: str | None = strawberry.field(
        description="The `User-Agent` of the last refresh or the sign-in."
    )
    current: bool = strawberry.field(description="Whether it is the session of this request.")

    @classmethod
    def of(cls, session: Session, caller: Caller) -> Self:
        """The GraphQL form of a session."""
        return cls(
            id=strawberry.ID(str(session.id)),
            created_at=session.created_at,
            last_used_at=session.rotated_at,
            expires_at=session.expires_at,
            ip_address=session.client.ip_address,
            user_agent=session.client.user_agent,
            current=session.id == caller.session_id,
        )


@strawberry.type(
    name="RevokeSessionPayload", description="The session has ended, its access tokens with it."
)
class RevokeSessionPayload:
    """The session has ended."""

    session: SessionType = strawberry.field(description="The session that has ended.")


@strawberry.type(
    name="SessionNotFound",
    description="The caller has no such living session. Another account's session is not found.",
)
class SessionNotFoundType(AuthErrorType):
    """The caller has no such session."""


@strawberry.type(
    name="RevokeOtherSessionsPayload",
    description="The caller's other sessions have ended, their access tokens with them.",
)
class RevokeOtherSessionsPayload:
    """The other sessions have ended."""

    ended_sessions: int = strawberry.field(description="How many there were.")


RevokeSessionResult = Annotated[
    RevokeSessionPayload | SessionNotFoundType,
    strawberry.union("RevokeSessionResult", description="What `revokeSession` answers."),
]


@strawberry.type
class SessionQuery:
    """Queries about sessions."""

    @strawberry.field(
        description="The caller's own living sessions, newest first.",
        permission_classes=[IsAuthenticated],
    )
    async def sessions(self, info: strawberry.Info[RequestContext]) -> list[SessionType]:
        """The caller's own sessions."""
        caller = info.context.require_caller()
        async with info.context.units.read() as unit:
            found = await unit.get(Sessions).of_user(caller.user_id)
        return [SessionType.of(session, caller) for session in found]


@strawberry.type
class SessionMutation:
    """Ending sessions."""

    @strawberry.mutation(
        description="End one of the caller's sessions, on whatever device it is.",
        permission_classes=[IsAuthenticated],
    )
    async def revoke_session(
        self,
        info: strawberry.Info[RequestContext],
        id: Annotated[  # noqa: A002 - the contract's name
            strawberry.ID, strawberry.argument(description="The session's id.")
        ],
    ) -> RevokeSessionResult:
        """End one of the caller's sessions."""
        caller = info.context.require_caller()
        try:
            session_id = UUID(str(id))
        except ValueError:
            raise SessionNotFound from None
        async with info.context.units.write() as unit:
            ended = await unit.get(Sessions).end(
                session_id,
                EndReason.REVOKED_BY_OWNER,
                user_id=caller.user_id,
                client=info.context.client,
            )
        if ended is None:
            raise SessionNotFound
        return RevokeSessionPayload(session=SessionType.of(ended, caller))

    @strawberry.mutation(
        description="End all of the caller's sessions but the one of this request.",
        permission_classes=[IsAuthenticated],
    )
    async def revoke_other_sessions(
        self, info: strawberry.Info[RequestContext]
    ) -> RevokeOtherSessionsPayload:
        """End the caller's other sessions."""
        caller = info.context.require_caller()
        async with info.context.units.write() as unit:
            count = await unit.get(Sessions).end_all(
                caller.user_id, EndReason.REVOKED_BY_OWNER, keep=caller.session_id
            )
        return RevokeOtherSessionsPayload(ended_sessions=count)


class SessionEndReason(StrEnum):
    """Why a session ended, as its owner is told."""

    LOGOUT = "LOGOUT"
    SIGNED_IN_AGAIN = "SIGNED_IN_AGAIN"
    REVOKED_BY_OWNER = "REVOKED_BY_OWNER"
    REVOKED_BY_OPERATOR = "REVOKED_BY_OPERATOR"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - a reason
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - a reason
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    EMAIL_CHANGED = "EMAIL_CHANGED"
    ACCOUNT_DELETED = "ACCOUNT_DELETED"
    EXPIRED = "EXPIRED"
    OTHER = "OTHER"

    @classmethod
    def of(cls, session: Session) -> Self:
        """Why this one ended; a release to come may have written a reason of its own."""
        if session.end_reason is None:
            return cls["EXPIRED"]
        try:
            return cls[EndReason(session.end_reason).name]
        except (ValueError, KeyError):
            return cls["OTHER"]


described_enum(
    SessionEndReason,
    name="SessionEndReason",
    description="Why a session ended. Releases to come may know more reasons.",
    members={
        SessionEndReason.LOGOUT: "Signed out, by `logout`.",
        SessionEndReason.SIGNED_IN_AGAIN: "The same browser signed in anew.",
        SessionEndReason.REVOKED_BY_OWNER: "`revokeSession` or `revokeOtherSessions`.",
        SessionEndReason.REVOKED_BY_OPERATOR: "An operator ended it.",
        SessionEndReason.PASSWORD_CHANGED: "The password was changed in another session, or set "
        "by a mail.",
        SessionEndReason.TOKEN_REUSED: "Its refresh token was used a second time, after its "
        "successor: somebody may have copied it.",
        SessionEndReason.ACCOUNT_DISABLED: "The account was disabled.",
        SessionEndReason.EMAIL_CHANGED: "The account got another e-mail address.",
        SessionEndReason.ACCOUNT_DELETED: "The account's deletion was asked for.",
        SessionEndReason.EXPIRED: "It was not refreshed in time, or reached its greatest age.",
        SessionEndReason.OTHER: "A reason that this release does not know.",
    },
)


@strawberry.interface(
    name="SessionEvent",
    description="Something happened to one of the caller's sessions. Ask for `__typename`: "
    "releases to come may tell of more.",
)
class SessionEvent:
    """Something happened to a session."""

    session: SessionType = strawberry.field(description="The session as it is then.")
    at: datetime = strawberry.field(description="When it happened.")


@strawberry.type(name="SessionBegan", description="Somebody signed in to the caller's account.")
class SessionBegan(SessionEvent):
    """A session began."""


@strawberry.type(name="SessionEnded", description="A session ended, and its access tokens with it.")
class SessionEnded(SessionEvent):
    """A session ended."""

    reason: SessionEndReason = strawberry.field(description="Why.")


@strawberry.type
class SessionSubscription:
    """Listening to what becomes of sessions."""

    @strawberry.subscription(
        description="The caller's sessions beginning and ending, on whatever device, as it "
        "happens. The end of the session that asks is the last event; then the connection ends.",
        permission_classes=[IsAuthenticated],
    )
    async def session_events(
        self, info: strawberry.Info[RequestContext]
    ) -> AsyncGenerator[SessionEvent, None]:
        """The caller's sessions beginning and ending."""
        context, caller = info.context, info.context.require_caller()
        events: SessionEvents = context.system.part(SessionEvents)
        with context.last_words():
            async with events.listen(caller.user_id, looking(context.units)) as heard:
                async for change in heard:
                    is_own_end = change.ended and change.session.id == caller.session_id
                    if is_own_end or context.caller is not None:
                        yield _event(change, caller)
                    if is_own_end:
                        return


def _event(change: Change, caller: Caller) -> SessionEvent:
    session = SessionType.of(change.session, caller)
    if change.ended:
        return SessionEnded(
            session=session, at=change.at, reason=SessionEndReason.of(change.session)
        )
    return SessionBegan(session=session, at=change.at)
