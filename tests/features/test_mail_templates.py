"""What mails say and how they look: every kind in every language, hostile words."""

import ast
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from html.parser import HTMLParser
from uuid import UUID

import pytest

from gql_auth.features.mail.composing import Composer
from gql_auth.features.mail.core import Item, MailKind
from gql_auth.features.mail.outlets import Undeliverable
from gql_auth.features.mail.rendering import SHIPPED, Mailroom
from gql_auth.features.mail.wording import WORDS, instant, span

LINK = "https://auth.example.com/graphql/links/page#token=" + "Zx3vQ9_kLw7" * 4
SAMPLE = {
    "app_name": "Acme",
    "email": "ada@example.com",
    "link": LINK,
    "expires_in": "5400",
    "at": "2026-01-02T03:04:05+01:00",
    "deletes_at": "2026-01-16T03:04:05+00:00",
    "ip_address": "192.0.2.77",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko Firefox/140.0",
}
EVIL = (
    "\u202evisit http://evil.example\r\nBcc: x@evil.example\r\n\r\n"
    "<a href=//evil.example>{{7*7}}\x00"
)
LOCALES = ("en", "de")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
every_kind = pytest.mark.parametrize("kind", MailKind)
every_locale = pytest.mark.parametrize("locale", LOCALES)


@pytest.fixture(scope="module")
def room() -> Mailroom:
    return Mailroom()


class Tags(HTMLParser):
    """The tags of a page with their attributes' names, and where it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.references: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        self.references += [
            value for name, value in attrs if name in {"href", "src", "background", "action"}
        ]


def composed(room: Mailroom, kind: MailKind, to: str = "ada@example.com") -> EmailMessage:
    compose = Composer(room, app_name="Acme", sender="accounts@example.com")
    item = Item(id=UUID(int=7), kind=kind, is_errand=False, sealed=b"", user_id=None,
                created_at=AT, due_at=AT)  # fmt: skip
    return compose(item, {"to": to, "locale": "de", "words": SAMPLE})


@every_locale
@every_kind
def test_every_mail_says_what_it_must(room: Mailroom, kind: MailKind, locale: str) -> None:
    """Text and HTML name the service, the mailbox, the link and its end, and who asked."""
    made = room.render(kind, locale, SAMPLE)
    assert made.locale == locale
    assert 5 < len(made.subject) < 60
    for form in (made.text, made.html):
        assert "Acme" in form
        assert "ada@example.com" in form
        assert ("90 Minuten" if locale == "de" else "90 minutes") in form or "link" not in WORDS[
            kind
        ]
        assert (LINK in form) == ("link" in WORDS[kind])
        shown = {"192.0.2.77", "Firefox, Windows", instant(SAMPLE["at"], locale)}
        assert all((each in form) == ("at" in WORDS[kind]) for each in shown)
        assert not re.search(r"\{\{|\}\}|\{%|\[\[|None|Undefined", form)
    assert made.subject in made.html


@every_locale
@every_kind
def test_nothing_is_loaded_or_tracked(room: Mailroom, kind: MailKind, locale: str) -> None:
    """A mail refers to its link alone, and holds no image, script, form or foreign style."""
    page = room.render(kind, locale, SAMPLE).html
    found = Tags(page)
    assert set(found.references) <= {LINK}
    assert not {tag for tag, *_ in found.tags} & {"img", "script", "link", "iframe", "form", "svg"}
    assert not re.search(r"url\(|@import|@font-face", page)
    assert f'<html lang="{locale}" dir="ltr">' in page


@every_kind
def test_the_languages_say_the_same(room: Mailroom, kind: MailKind) -> None:
    """German and English have as many paragraphs, buttons and facts, and other words."""
    pages = [room.render(kind, locale, SAMPLE) for locale in LOCALES]
    assert Tags(pages[0].html).tags == Tags(pages[1].html).tags
    assert pages[0].subject != pages[1].subject


@every_kind
def test_what_is_unknown_is_left_out(room: Mailroom, kind: MailKind) -> None:
    """Without an IP address, or with a program of no name, no row of the facts stays empty."""
    made = room.render(kind, "en", SAMPLE | {"ip_address": "?", "user_agent": "curl/8", "at": ""})
    assert "IP address" not in made.html
    assert "Device:" not in made.text
    assert 'class="facts"' not in made.html


@every_locale
@every_kind
@pytest.mark.parametrize("word", ["name", "email", "app_name", "ip_address", "user_agent"])
def test_nobodys_words_break_out(room: Mailroom, kind: MailKind, locale: str, word: str) -> None:
    """Whatever a word holds, the page keeps its tags and its one link, the text its lines, and
    what is a stranger's (names, addresses, programs) cannot speak to the reader at all."""
    usual = room.render(kind, locale, SAMPLE | {"ip_address": "192.0.2.77"})
    made = room.render(kind, locale, SAMPLE | {word: EVIL})
    assert set(Tags(made.html).references) <= {LINK}
    assert "49" not in made.text + made.html
    assert not re.search("[\u202e\x00]|\nBcc", made.text + made.html + made.subject)
    assert made.subject == usual.subject
    if word in {"email", "app_name"}:  # the reader's own, and the operator's
        assert Tags(made.html).tags == Tags(usual.html).tags
        assert made.text.count("\n") == usual.text.count("\n")
    else:
        assert "evil" not in made.text + made.html


def test_a_device_is_named_in_words_of_ours(room: Mailroom) -> None:
    """What a client says of itself chooses from a list, and adds nothing to it."""
    agent = "Visit http://evil.example and call +1 555 0100 (Android) Firefox/1 " + "x" * 100_000
    made = room.render(MailKind.NEW_SIGN_IN, "en", SAMPLE | {"user_agent": agent})
    assert "Device: Firefox, Android\n" in made.text


@pytest.mark.parametrize(
    "kind",
    [MailKind.VERIFY_EMAIL, MailKind.CONFIRM_SIGNUP, MailKind.ALREADY_REGISTERED,
     MailKind.CHANGE_EMAIL, MailKind.CHANGE_EMAIL_TAKEN],
)  # fmt: skip
def test_strangers_learn_nothing_of_who_asked(room: Mailroom, kind: MailKind) -> None:
    """Where an address may be mistyped, its reader is not told where the one who did it is."""
    made = room.render(kind, "en", SAMPLE)
    assert not re.search(r"192\.0\.2|Firefox|Windows", made.text + made.html)


def test_right_to_left_letters_turn_nothing(room: Mailroom) -> None:
    """An address in Hebrew is set apart from what stands beside it; emoji stay whole."""
    made = room.render(MailKind.TEST, "en", SAMPLE | {"email": "שרה@example.com", "app_name": "🔐"})
    assert "to \u2068שרה@example.com\u2069." in made.text
    assert "🔐" in made.html


def test_domains_are_readable(room: Mailroom) -> None:
    """People see `münchen.example`, not what the name system calls it."""
    words = SAMPLE | {"app_name": "xn--mnchen-3ya.example", "email": "ada@xn--mnchen-3ya.example"}
    made = room.render(MailKind.TEST, "de", words)
    assert "ada@münchen.example" in made.text
    assert "xn--" not in made.text + made.html


@pytest.mark.parametrize(
    "wrong",
    [{"link": "javascript://%0aalert(1)"}, {"link": 'https://a.example/"onclick="x'},
     {"link": "https://a.example/ b"}, {"link": "https://a.example/\u202eb"},
     {"expires_in": ""}, {"email": ""}],
)  # fmt: skip
def test_half_a_mail_is_none(room: Mailroom, wrong: dict[str, str]) -> None:
    """Without a word that it needs, or with a link that is none, a mail is not written."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        room.render(MailKind.RESET_PASSWORD, "en", SAMPLE | wrong)


def test_links_may_hold_an_international_domain(room: Mailroom) -> None:
    """A front end's address is written as its operator does."""
    made = room.render(MailKind.MAGIC_LINK, "en", SAMPLE | {"link": "https://münchen.example/#t=1"})
    assert Tags(made.html).references == ["https://münchen.example/#t=1"] * 2


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [(1, "1 second", "1 Sekunde"), (900, "15 minutes", "15 Minuten"),
     (3600, "1 hour", "1 Stunde"), (5400, "90 minutes", "90 Minuten"),
     (119, "119 seconds", "119 Sekunden"), (3599, "1 hour", "1 Stunde"),
     (86400, "1 day", "1 Tag"), (86400 * 14, "14 days", "14 Tage")],
)  # fmt: skip
def test_spans_are_exact(seconds: int, english: str, german: str) -> None:
    """A span is written in the largest unit that divides it: 90 minutes are not two hours, and
    an hour of which a second has passed is one."""
    assert (span(seconds, "en"), span(seconds, "de")) == (english, german)


def test_instants_are_in_utc_and_say_so() -> None:
    """Each language has its own way to write an instant; the zone is UTC in all of them."""
    assert instant(SAMPLE["at"], "de") == "2. Januar 2026, 02:04 UTC"
    assert instant(SAMPLE["at"], "en").replace("\u202f", " ") == "January 2, 2026, 2:04 AM UTC"


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(None, "en"), ("de", "de"), ("DE-at", "de"), ("de-Latn-AT-1996", "de"), ("fr", "en"),
     ("fr, de;q=0.8, en;q=0.9", "en"), ("fr;q=1, de;q=0.5", "de"), ("de;q=0, en", "en"),
     ("*", "en"), ("de;q=2", "de"), ("../de", "en"), ("d" * 5000, "en"), ("x," * 5000, "en")],
)  # fmt: skip
def test_the_language_is_the_readers(room: Mailroom, wanted: str | None, chosen: str) -> None:
    """Lookup by RFC 4647 in a tag or an `Accept-Language` header, else the default."""
    assert room.render(MailKind.TEST, wanted, SAMPLE).locale == chosen


def test_the_default_language_is_the_operators() -> None:
    """`DEFAULT_LOCALE` is looked up, too."""
    assert Mailroom(default="de-CH").render(MailKind.TEST, "fr", SAMPLE).locale == "de"


@every_kind
def test_the_message_is_a_mail(room: Mailroom, kind: MailKind) -> None:
    """Its headers are those of RFC 5322 and 3834, its lines short, its bytes the same each time."""
    made = composed(room, kind)
    raw = made.as_bytes(policy=SMTP)
    assert raw == composed(room, kind).as_bytes(policy=SMTP)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert raw.isascii()
    read = message_from_bytes(raw, policy=SMTP)
    assert {name: str(read[name]) for name in read} == {
        "From": "Acme <accounts@example.com>",
        "To": "ada@example.com",
        "Subject": room.render(kind, "de", SAMPLE).subject,
        "Date": "Fri, 02 Jan 2026 03:04:05 +0000",
        "Message-ID": f"<{UUID(int=7).hex}.gql-auth@example.com>",
        "Auto-Submitted": "auto-generated",
        "Content-Language": "de",
        "MIME-Version": "1.0",
        "Content-Type": str(read["Content-Type"]),
    }
    assert [part.get_content_type() for part in read.walk()] == [
        "multipart/alternative", "text/plain", "text/html"
    ]  # fmt: skip
    text, html = (part.get_content() for part in read.iter_parts())
    again = room.render(kind, "de", SAMPLE)
    assert text.replace("\r\n", "\n") == again.text
    assert html.replace("\r\n", "\n").rstrip() == again.html.rstrip()


def test_addresses_inject_no_header(room: Mailroom) -> None:
    """An address that is none gets no mail, and a sender's name no line of its own."""
    for address in ("a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "a b@x"):
        with pytest.raises(Undeliverable):
            composed(room, MailKind.TEST, address)
    with pytest.raises(ValueError, match="CR or LF"):
        Composer(room, app_name="A\r\nBcc: b@example.com", sender="a@example.com")
    made = composed(room, MailKind.TEST, "ada@münchen.example")
    assert made["To"] == "ada@xn--mnchen-3ya.example"


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_is_legible(scheme: str) -> None:
    """Letters and ground differ by 4.5 to 1, in the light and in the dark (WCAG 2.2 AA)."""
    layout = (SHIPPED / "layout.html").read_text("utf-8")
    found = re.search(rf"set {scheme} = (\{{.*?\}}) %\}}", layout, re.DOTALL)
    assert found
    of: dict[str, str] = ast.literal_eval(found[1])
    pairs = [("text", "card"), ("text", "page"), ("quiet", "card"), ("quiet", "page"),
             ("link", "card"), ("label", "button")]  # fmt: skip
    assert all(contrast(of[letters], of[ground]) >= 4.5 for letters, ground in pairs)
