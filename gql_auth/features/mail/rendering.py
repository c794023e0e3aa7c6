"""What mails say and how they look.

A template is the words of one mail in one language: its first line is the subject, paragraphs
follow with empty lines between them, and a paragraph `[[label]]` is the button with the link. The
two layouts, `layout.txt` and `layout.html`, make text and HTML of them. How a template is divided
is read before any value is put in: no value can begin a paragraph, a header or a tag.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime, format_timedelta
from jinja2 import Environment, StrictUndefined, Template, TemplateError

from gql_auth.features.mail.locales import TAG, choose
from gql_auth.kernel.declaring import SettingsError

SHIPPED: Final = Path(__file__).parent / "templates"
_BUTTON: Final = re.compile(r"\[\[(.+)\]\]", re.DOTALL)
_LONGEST: Final = 2_000  # characters of a value
FALLBACK: Final = "en"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's subject, and its body in both forms."""

    locale: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Words:
    """One template, divided: paragraphs in order, and which of them is the button."""

    subject: Template
    paragraphs: tuple[tuple[Template, bool], ...]


class Mailroom:
    """Renders mails.

    Args:
        overrides: a folder like `templates`, whose files take the place of those, one by one, and
            whose further folders are further languages.
        default: the language for those who have chosen none that is there.

    Raises:
        SettingsError: a template is broken or lacks; all of them are read here.
    """

    def __init__(self, overrides: Path | None = None, default: str = FALLBACK) -> None:
        # Values are put into the words as they are; the HTML layout is what escapes, all of it.
        self._plain = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701
        self._html = Environment(autoescape=True, undefined=StrictUndefined)
        self._folders = [each for each in (overrides, SHIPPED) if each is not None]
        if overrides is not None and not overrides.is_dir():
            raise SettingsError([f"GQL_AUTH_MAIL_TEMPLATES {str(overrides)!r} is no folder"])
        self._text_layout = self._compile(self._plain, "layout.txt")
        self._html_layout = self._compile(self._html, "layout.html")
        kinds = sorted(path.stem for path in (SHIPPED / FALLBACK).glob("*.txt"))
        found = {
            each.name
            for folder in self._folders
            for each in folder.iterdir()
            if each.is_dir() and TAG.fullmatch(each.name)
        }
        self._words = {
            (locale, kind): self._divide(f"{locale}/{kind}.txt")
            for locale in sorted(found)
            for kind in kinds
        }
        self.locales: Final = tuple(sorted(found))
        self._default = choose(default, self.locales, FALLBACK)

    def render(self, kind: str, wanted: str | None, words: Mapping[str, str]) -> Rendered:
        """A mail of that kind.

        Args:
            wanted: the language, as a tag or an `Accept-Language` header.
            words: what the template names. `at` and `deletes_at` are instants in ISO 8601,
                `expires_in` is a span in seconds: they are written as the language has it, in UTC.
        """
        locale = choose(wanted, self.locales, self._default)
        values = _spelled(words, locale)
        parts = self._words[(locale, kind)]
        render = partial(Template.render)
        subject = _one_line(render(parts.subject, values))
        paragraphs = [
            {"text": _one_line(render(each, values)), "button": is_button}
            for each, is_button in parts.paragraphs
        ]
        shown: dict[str, Any] = {
            "locale": locale,
            "subject": subject,
            "paragraphs": [each for each in paragraphs if each["text"]],
            "app_name": values["app_name"],
            "link": values.get("link", ""),
        }
        return Rendered(
            locale, subject, self._text_layout.render(shown), self._html_layout.render(shown)
        )

    def _source(self, name: str) -> tuple[str, Path]:
        for folder in self._folders:
            path = folder / name
            if path.is_file():
                try:
                    return path.read_text("utf-8"), path
                except (OSError, UnicodeDecodeError) as error:
                    raise SettingsError(
                        [f"{path} cannot be read: {type(error).__name__}"]
                    ) from None
        raise SettingsError(
            [f"{self._folders[0] / name} lacks: a language needs all the templates of `{FALLBACK}`"]
        )

    def _compile(self, environment: Environment, name: str) -> Template:
        text, path = self._source(name)
        return _compiled(environment, text, path, 1)

    def _divide(self, name: str) -> _Words:
        text, path = self._source(name)
        subject, _, body = text.strip().partition("\n")
        paragraphs = []
        line = 2
        for part in re.split(r"(\n(?:[ \t]*\n)+)", body):
            if part.strip():
                button = _BUTTON.fullmatch(part.strip())
                source = button[1] if button else part.strip()
                paragraphs.append((_compiled(self._plain, source, path, line), button is not None))
            line += part.count("\n")
        return _Words(_compiled(self._plain, subject, path, 1), tuple(paragraphs))


def _compiled(environment: Environment, source: str, path: Path, line: int) -> Template:
    try:
        return environment.from_string(source)
    except TemplateError as error:
        where = line - 1 + getattr(error, "lineno", 1)
        raise SettingsError([f"{path}, line {where}: {error.message}"]) from None


def _spelled(words: Mapping[str, str], locale: str) -> dict[str, str]:
    try:
        spoken = Locale.parse(locale, sep="-")
    except (UnknownLocaleError, ValueError):
        spoken = Locale.parse(FALLBACK)
    values = {name: _one_line(value) for name, value in words.items()}
    for name in ("at", "deletes_at"):
        if name in values:
            instant = datetime.fromisoformat(values[name])
            values[name] = f"{format_datetime(instant, 'long', locale=spoken)}"
    if "expires_in" in values:
        span = timedelta(seconds=float(values["expires_in"]))
        values["expires_in"] = format_timedelta(span, threshold=1.5, locale=spoken)
    return values


def _one_line(text: str) -> str:
    """A value without anything that could begin a line, hide or turn what stands beside it."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST])
    return " ".join(kept.split())
