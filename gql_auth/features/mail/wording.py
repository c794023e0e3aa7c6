"""The words of mails: which ones each kind has, and what they become before a template sees them.

Mails reach people who may have no account: an address is anybody's until it is verified. So nobody
can put words of their own into a mail. There is no name in one, which could be "You won, call …";
a `User-Agent` becomes a device's name out of a list, and an IP address is one or is left out.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import idna
from babel import Locale
from babel.dates import format_date, format_time, get_datetime_format
from babel.units import format_unit

from gql_auth.features.mail.core import MailKind

_LINK: Final = ("link", "expires_in")
# Only where the reader owns the account: others shall not learn where somebody is who mistyped
# an address.
_WHO: Final = ("at", "ip_address", "device")
EVERYWHERE: Final = ("app_name", "email")
WORDS: Final[Mapping[MailKind, tuple[str, ...]]] = {
    kind: EVERYWHERE + own
    for kind, own in {
        MailKind.VERIFY_EMAIL: _LINK,
        MailKind.CONFIRM_SIGNUP: _LINK,
        MailKind.ALREADY_REGISTERED: (),
        MailKind.RESET_PASSWORD: _LINK + _WHO,
        MailKind.MAGIC_LINK: _LINK + _WHO,
        MailKind.CHANGE_EMAIL: _LINK,
        MailKind.CHANGE_EMAIL_TAKEN: (),
        MailKind.NEW_SIGN_IN: _WHO,
        MailKind.PASSWORD_CHANGED: _WHO,
        MailKind.EMAIL_CHANGED: _WHO,
        MailKind.TOKEN_REUSED: _WHO,
        MailKind.DELETION_SCHEDULED: ("deletes_at", *_WHO),
        MailKind.DELETION_CANCELLED: _WHO,
        MailKind.DELETION_DONE: (),
        MailKind.TEST: (),
    }.items()
}
MAY_LACK: Final = frozenset(_WHO)  # then they are empty

_LONGEST: Final = 320  # characters of a word; no address is longer (RFC 5321, section 4.5.3.1)
_URL: Final = re.compile(r"https?://[^\s\"'<>`\\{}|^]+")
_EXACT: Final = 120  # seconds; longer spans are told to the minute
_SPANS: Final = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}
# The first that is there counts: Edge says that it is Chrome, and Chrome that it is Safari.
_BROWSERS: Final = {
    "Edg": "Edge", "EdgA": "Edge", "EdgiOS": "Edge", "OPR": "Opera", "SamsungBrowser":
    "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox", "CriOS": "Chrome",
    "Chrome": "Chrome", "HeadlessChrome": "Chrome", "Safari": "Safari",
}  # fmt: skip
_SYSTEMS: Final = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows",
                   "CrOS": "ChromeOS", "Mac OS X": "macOS", "Linux": "Linux"}  # fmt: skip


def spelled(kind: MailKind, words: Mapping[str, str], locale: str) -> dict[str, str]:
    """The words of a mail as its template gets them: all that its kind has, and no others.

    Args:
        words: `at` and `deletes_at` are instants in ISO 8601, `expires_in` is a span in seconds;
            they are written as the language has it, instants in UTC. `user_agent` becomes
            `device`. What the kind does not have is left out.

    Raises:
        ValueError: a word lacks without which the mail makes no sense, or is none.
    """
    given = {name: _clean(text) for name, text in words.items() if name != "link"}
    given["ip_address"] = _address(given.get("ip_address", ""))
    given["device"] = device_of(given.get("user_agent", ""))
    for name in ("email", "app_name"):
        given[name] = _isolated(_readable(given.get(name, "")))
    for name in ("at", "deletes_at"):
        if given.get(name):
            given[name] = instant(given[name], locale)
    if given.get("expires_in"):
        given["expires_in"] = span(int(given["expires_in"]), locale)
    if "link" in words:
        if not _URL.fullmatch(words["link"]) or not words["link"].isprintable():
            raise ValueError("the link of a mail is no http(s) URL")
        given["link"] = words["link"]
    found = {name: given.get(name, "") for name in WORDS[kind]}
    if lacking := [name for name, text in found.items() if not text and name not in MAY_LACK]:
        raise ValueError(f"a mail {kind} lacks the words {', '.join(lacking)}")
    return found


def device_of(user_agent: str) -> str:
    """What a device is called, in words of ours; empty where it is none that people know."""
    names = [
        next((name for sign, name in table.items() if re.search(rf"\b{sign}\b", user_agent)), "")
        for table in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(name for name in names if name)


def instant(text: str, locale: str) -> str:
    """An instant in words, to the minute, in UTC: nobody knows where the reader is."""
    at, spoken = datetime.fromisoformat(text).astimezone(UTC), locale_of(locale)
    date, time = format_date(at, "long", locale=spoken), format_time(at, "short", locale=spoken)
    joined = str(get_datetime_format("long", locale=spoken)).replace("'", "")
    return f"{joined.replace('{1}', date).replace('{0}', time)} UTC"


def span(seconds: int, locale: str) -> str:
    """A span in words, in the largest unit that divides it: exact, but for seconds that passed
    since somebody said "an hour"."""
    if seconds > _EXACT:
        seconds = round(seconds / 60) * 60
    unit = next(unit for unit, size in _SPANS.items() if seconds % size == 0)
    value = seconds // _SPANS[unit]
    return str(format_unit(value, f"duration-{unit}", "long", locale=locale_of(locale)))


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale:
    """How a language writes dates and spans.

    Raises:
        UnknownLocaleError, ValueError: it is none that Babel knows.
    """
    return Locale.parse(tag, sep="-")


def _clean(text: str) -> str:
    """One line, without anything that hides, or turns what stands beside it (category C: controls,
    bidi and zero-width formats, surrogates; Zl and Zp: line separators)."""
    kept = "".join(
        " " if letter.isspace() else letter
        for letter in text[:_LONGEST]
        if letter.isspace() or unicodedata.category(letter)[0] != "C"
    )
    return " ".join(kept.split())


def _address(text: str) -> str:
    try:
        return str(ip_address(text.partition("%")[0]))
    except ValueError:
        return ""


def _readable(text: str) -> str:
    """An address or a host with its domain as people write it (IDNA 2008), not as `xn--…`."""
    before, at, domain = text.rpartition("@")
    if "xn--" not in domain.lower():
        return text
    try:
        return before + at + idna.decode(domain)
    except idna.IDNAError:
        return text


def _isolated(text: str) -> str:
    """Right-to-left letters turn nothing beside them (UAX 9: FSI and PDI)."""
    turns = any(unicodedata.bidirectional(letter) in {"R", "AL", "AN"} for letter in text)
    return f"\u2068{text}\u2069" if turns else text
