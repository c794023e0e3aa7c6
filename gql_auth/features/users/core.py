"""Accounts: who may exist, how names and addresses compare, and what an operator may change."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import InvalidInput, Refused, Violation, ViolationCode

USERNAME_LENGTH: Final = (3, 32)
NAME_LENGTH: Final = 200
# Longer than any form of what is accepted; checked before normalization, which takes time in
# the square of a run of combining marks. NFC makes at most 4 code points one.
_RAW_NAME_LENGTH: Final = 4 * NAME_LENGTH
_RAW_EMAIL_LENGTH: Final = 4 * 254
ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_USERNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# Only A-Z: Unicode folding would merge different people (the Kelvin sign folds to "k").
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class EmailTaken(Refused):
    """Another account has this address."""

    code = "EMAIL_TAKEN"
    message = "This e-mail address already has an account"


class UsernameTaken(Refused):
    """Another account has this username."""

    code = "USERNAME_TAKEN"
    message = "This username is taken"


class UserNotFound(Refused):
    """No account goes by that."""

    code = "USER_NOT_FOUND"
    message = "No such user"


@dataclass(frozen=True, slots=True)
class User:
    """An account, as the rest of the system sees it."""

    id: UUID
    email: str
    email_verified: bool
    username: str | None
    name: str | None
    roles: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says of themselves, checked: made by `checked_profile` alone."""

    email: str
    username: str | None
    name: str | None


class UserStore(Protocol):
    """Where accounts are kept. Keys are what `comparable` makes."""

    async def add(self, profile: Profile, roles: Sequence[str], at: datetime) -> User:
        """Keep a new account.

        Raises:
            EmailTaken, UsernameTaken: by unique constraint, also in a race.
        """
        ...

    async def get(self, user_id: UUID, *, hold: bool = False) -> User | None:
        """By id; `hold` keeps others from changing it until the unit ends."""
        ...

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of them that exist, in no order."""
        ...

    async def by_email(self, key: str) -> User | None:
        """By comparable address."""
        ...

    async def by_username(self, key: str) -> User | None:
        """By comparable username."""
        ...

    async def page(self, after: UUID | None, limit: int) -> list[User]:
        """Accounts in order of id, behind `after`."""
        ...

    async def set_disabled(self, user_id: UUID, at: datetime | None) -> None:
        """Disable at an instant, or enable."""
        ...

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None:
        """Replace the roles."""
        ...


class Users:
    """Accounts in the open unit."""

    def __init__(self, store: UserStore, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def create(self, profile: Profile, roles: Sequence[str] = ()) -> User:
        """Keep a new account.

        Raises:
            EmailTaken, UsernameTaken: another account has it; exactly one of two racers wins.
        """
        return await self._store.add(profile, roles, self._clock.now())

    async def require_free(self, profile: Profile) -> None:
        """Come back if neither address nor username is taken yet (before costly hashing).

        Raises:
            EmailTaken, UsernameTaken: another account has it.
        """
        if await self._store.by_email(comparable(profile.email)):
            raise EmailTaken
        if profile.username and await self._store.by_username(comparable(profile.username)):
            raise UsernameTaken

    async def get(self, user_id: UUID, *, hold: bool = False) -> User | None:
        """The account, or None; `hold` keeps others from changing it until the unit ends."""
        return await self._store.get(user_id, hold=hold)

    async def get_many(self, user_ids: Sequence[UUID]) -> list[User]:
        """Those of the accounts that exist, in no order, by one read."""
        return await self._store.get_many(user_ids)

    async def find(self, *, email: str | None = None, username: str | None = None) -> User | None:
        """By address or username, as a person types it; None where nobody has it.

        What breaks the rules of addresses and names is nobody's, and never reaches the database.
        """
        if email is not None:
            try:
                return await self._store.by_email(comparable(_validated_email(email)))
            except EmailNotValidError:
                return None
        if username is None or _judge_username(username):
            return None
        return await self._store.by_username(comparable(username))

    async def require(self, name: str) -> User:
        """By id, address or username, for operators.

        Raises:
            UserNotFound: nobody goes by that.
        """
        user_id = id_of(name)
        if user_id is not None:
            user = await self._store.get(user_id)
        elif "@" in name:
            user = await self.find(email=name)
        else:
            user = await self.find(username=name)
        if user is None:
            raise UserNotFound
        return user

    async def page(self, after: UUID | None = None, limit: int = 100) -> list[User]:
        """Accounts in order of their making."""
        return await self._store.page(after, limit)

    async def disable(self, user_id: UUID) -> None:
        """Keep the account from signing in. Ending its sessions is the caller's next step."""
        await self._store.set_disabled(user_id, self._clock.now())
        await self._audit.record(Tag.USER_DISABLED, user_id=user_id)

    async def enable(self, user_id: UUID) -> None:
        """Let the account sign in again."""
        await self._store.set_disabled(user_id, None)
        await self._audit.record(Tag.USER_ENABLED, user_id=user_id)

    async def set_roles(self, user_id: UUID, roles: Sequence[str]) -> None:
        """Replace the roles; tokens carry them from the next refresh on.

        Raises:
            InvalidInput: a role is no role name.
        """
        roles = list(dict.fromkeys(roles))
        violations = [
            Violation("roles", ViolationCode.MALFORMED, f"{role[:64]!r} is no role name: use "
                      "letters, digits and . _ : - (64 at most), starting with a letter or digit.")
            for role in roles
            if not ROLE.fullmatch(role)
        ]  # fmt: skip
        if violations:
            raise InvalidInput(violations)
        await self._store.set_roles(user_id, roles)
        await self._audit.record(Tag.ROLES_SET, user_id=user_id, roles=roles)


def id_of(text: str) -> UUID | None:
    """An id as it is shown, which is longer than any username: the 32 digits alone could be a
    username that somebody chose to be taken for another."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def comparable(text: str) -> str:
    """The form in which addresses and usernames are unique: ASCII letters in lower case."""
    return text.translate(_ASCII_LOWER)


def name_of(*, email: str | None, username: str | None) -> str:
    """The account that a client names, whether there is one or not, in one spelling."""
    if email is None:
        return f"username:{comparable((username or '')[:_RAW_EMAIL_LENGTH])}"
    try:
        return f"email:{comparable(_validated_email(email))}"
    except EmailNotValidError:
        return f"email:{comparable(email[:_RAW_EMAIL_LENGTH])}"


def names_of(user: User) -> list[str]:
    """Everything that `name_of` may call an account."""
    found = [f"email:{comparable(user.email)}"]
    if user.username is not None:
        found.append(f"username:{comparable(user.username)}")
    return found


def _validated_email(text: str) -> str:
    """NFC, with the domain in lower-case Unicode. No DNS: an answer must not hang on a resolver."""
    if len(text) > _RAW_EMAIL_LENGTH:
        raise EmailNotValidError("The email address is too long.")
    for letter in text:
        # NFC makes the Kelvin sign a K: who writes one is not taken for the owner of the other.
        if not letter.isascii() and unicodedata.normalize("NFC", letter).isascii():
            raise EmailNotValidError(
                f"The email address holds U+{ord(letter):04X}, which only looks like "
                f"{unicodedata.normalize('NFC', letter)!r}; type that instead."
            )
    # test_environment allows .test, which RFC 6761 keeps for exactly that.
    checked = validate_email(text, check_deliverability=False, test_environment=True)
    return checked.normalized


def checked_profile(
    *, email: str, username: str | None, name: str | None
) -> tuple[Profile, list[Violation]]:
    """What a person says of themselves in its stored form, and every rule it breaks."""
    violations: list[Violation] = []
    try:
        email = _validated_email(email)
    except EmailNotValidError as error:
        violations.append(Violation("email", *_email_problem(email, error)))
    if username is not None:
        violations += _judge_username(username)
    if name is not None:
        name = name.strip()
        if len(name) <= _RAW_NAME_LENGTH:
            name = unicodedata.normalize("NFC", name)
        violations += _judge_name(name)
    return Profile(email, username, name or None), violations


def _email_problem(email: str, error: EmailNotValidError) -> tuple[ViolationCode, str]:
    if not email:
        return ViolationCode.REQUIRED, "The e-mail address is missing."
    if len(email) > 254:  # noqa: PLR2004 - RFC 5321, section 4.5.3.1
        return ViolationCode.TOO_LONG, "The e-mail address is longer than 254 characters."
    return ViolationCode.MALFORMED, str(error).split("\n", 1)[0]


def _judge_username(username: str) -> list[Violation]:
    low, high = USERNAME_LENGTH
    if len(username) < low:
        return [Violation("username", ViolationCode.TOO_SHORT,
                          f"The username is shorter than {low} characters.")]  # fmt: skip
    if len(username) > high:
        return [Violation("username", ViolationCode.TOO_LONG,
                          f"The username is longer than {high} characters.")]  # fmt: skip
    if not _USERNAME.fullmatch(username):
        return [Violation("username", ViolationCode.FORBIDDEN_CHARACTER,
                          "The username may hold a-z, 0-9, and . _ - between them.")]  # fmt: skip
    return []


def _judge_name(name: str) -> list[Violation]:
    """Display names are any script; what cannot be seen, or reorders what is, is refused."""
    if len(name) > NAME_LENGTH:
        return [Violation("name", ViolationCode.TOO_LONG,
                          f"The name is longer than {NAME_LENGTH} characters.")]  # fmt: skip
    for letter in name:
        # C*: controls, bidi and zero-width formats, surrogates; Zl and Zp: line separators.
        if unicodedata.category(letter)[0] == "C" or unicodedata.category(letter) in {"Zl", "Zp"}:
            return [Violation("name", ViolationCode.FORBIDDEN_CHARACTER, "The name holds an "
                              f"invisible character, U+{ord(letter):04X}; remove it.")]  # fmt: skip
    return []
