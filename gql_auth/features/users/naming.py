"""How people and addresses are named: what is accepted, how it is kept, how two compare."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from gql_auth.kernel.errors import Violation, ViolationCode

USERNAME_LENGTH: Final = (3, 32)
NAME_LENGTH: Final = 200
# Longer than any form of what is accepted; checked before normalization, which takes time in
# the square of a run of combining marks. NFC makes at most 4 code points one.
_RAW_NAME_LENGTH: Final = 4 * NAME_LENGTH
_RAW_EMAIL_LENGTH: Final = 4 * 254
ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_USERNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
LOCALE_LENGTH: Final = 35
_LOCALE: Final = re.compile(r"(?=.{2,35}\Z)[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
# Only A-Z: Unicode folding would merge different people (the Kelvin sign folds to "k").
_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class Named(Protocol):
    """An account, as far as its names go."""

    @property
    def email(self) -> str:
        """The address as it was written."""
        ...

    @property
    def username(self) -> str | None:
        """The username as it was written."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person says of themselves, checked: made by `checked_profile` alone."""

    email: str
    username: str | None
    name: str | None
    locale: str | None = None


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
        return f"email:{comparable(validated_email(email))}"
    except NoAddress:
        return f"email:{comparable(email[:_RAW_EMAIL_LENGTH])}"


def names_of(user: Named) -> list[str]:
    """Everything that `name_of` may call an account."""
    found = [f"email:{comparable(user.email)}"]
    if user.username is not None:
        found.append(f"username:{comparable(user.username)}")
    return found


class NoAddress(ValueError):  # noqa: N818 - a verdict
    """A text is no e-mail address; the message says why."""


def validated_email(text: str) -> str:
    """NFC, with the domain in lower-case Unicode. No DNS: an answer must not hang on a resolver.

    Raises:
        NoAddress: it is none.
    """
    if len(text) > _RAW_EMAIL_LENGTH:
        raise NoAddress("The email address is too long.")
    for letter in text:
        # NFC makes the Kelvin sign a K: who writes one is not taken for the owner of the other.
        if not letter.isascii() and unicodedata.normalize("NFC", letter).isascii():
            raise NoAddress(
                f"The email address holds U+{ord(letter):04X}, which only looks like "
                f"{unicodedata.normalize('NFC', letter)!r}; type that instead."
            )
    # Imported when first needed: its tables take a while to load.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        # test_environment allows .test, which RFC 6761 keeps for exactly that.
        checked = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise NoAddress(str(error)) from None
    return checked.normalized


def checked_profile(
    *, email: str, username: str | None, name: str | None, locale: str | None = None
) -> tuple[Profile, list[Violation]]:
    """What a person says of themselves in its stored form, and every rule it breaks."""
    email, violations = checked_email(email, "email")
    names, more = checked_names({"username": username, "name": name, "locale": locale})
    return Profile(email, **names), violations + more


def checked_email(text: str, field: str) -> tuple[str, list[Violation]]:
    """An address in its stored form, and every rule it breaks.

    Args:
        field: the input field it came in, for the violations.
    """
    try:
        return validated_email(text), []
    except NoAddress as error:
        return text, [Violation(field, *_email_problem(text, error))]


def checked_names(
    given: Mapping[str, str | None],
) -> tuple[dict[str, str | None], list[Violation]]:
    """`username`, `name` and `locale`, those that are given, in their stored form, and every rule
    that they break."""
    found, violations = dict(given), []
    if (username := given.get("username")) is not None:
        violations += judge_username(username)
    if (name := given.get("name")) is not None:
        name = name.strip()
        if len(name) <= _RAW_NAME_LENGTH:
            name = unicodedata.normalize("NFC", name)
        violations += _judge_name(name)
        found["name"] = name or None
    if (locale := given.get("locale")) is not None and not _LOCALE.fullmatch(locale):
        violations.append(Violation("locale", ViolationCode.MALFORMED, "The locale is no language "
                                    "tag (BCP 47), as `en` or `de-AT`."))  # fmt: skip
    return found, violations


def _email_problem(email: str, error: NoAddress) -> tuple[ViolationCode, str]:
    if not email:
        return ViolationCode.REQUIRED, "The e-mail address is missing."
    if len(email) > 254:  # noqa: PLR2004 - RFC 5321, section 4.5.3.1
        return ViolationCode.TOO_LONG, "The e-mail address is longer than 254 characters."
    return ViolationCode.MALFORMED, str(error).split("\n", 1)[0]


def judge_username(username: str) -> list[Violation]:
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
