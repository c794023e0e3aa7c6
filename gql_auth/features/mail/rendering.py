"""What mails say and how they look: files of words, one of each kind and language, and two
layouts, which make text and HTML of any of them. `dividing` says how a file of words is written,
docs/mail-templates.md how operators bring their own.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from babel import UnknownLocaleError
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    Template,
)

from gql_auth.features.mail.core import MailKind
from gql_auth.features.mail.dividing import Piece, TemplateProblem, Words, divide, piece, problem_of
from gql_auth.features.mail.locales import choose
from gql_auth.features.mail.wording import MAY_LACK, WORDS, locale_of, spelled
from gql_auth.kernel.declaring import PREFIX, SettingsError

SHIPPED: Final = Path(__file__).parent / "templates"
FALLBACK: Final = "en"
_LAYOUTS: Final = ("layout.txt", "layout.html")
_LINK: Final = "link.txt"  # what stands above the link that is written out
_FOOT: Final = "foot.txt"  # what stands below every mail
_EACH: Final = (*(f"{kind}.txt" for kind in MailKind), _LINK, _FOOT)
_SAMPLE: Final = {
    "app_name": "Acme",
    "email": "ada@example.com",
    "link": "https://example.com/account/page#token=sample",
    "expires_in": "3600",
    "at": "2026-01-02T03:04:05+00:00",
    "deletes_at": "2026-01-16T03:04:05+00:00",
    "ip_address": "192.0.2.1",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's subject, and its body in both forms."""

    locale: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Language:
    """All that is said in one language."""

    words: Mapping[MailKind, Words]
    above_link: Piece
    foot: Piece


class Mailroom:
    """Renders mails.

    Args:
        overrides: a folder like `templates`, whose files take the place of those, one by one, and
            whose further folders are further languages. `de-AT` needs only what differs from `de`.
        default: the language for those who have chosen none that is there.

    Raises:
        SettingsError: templates are broken or lack. All are read here, and those of operators
            rendered once with sample words: nothing is left for the first mail to find.
    """

    def __init__(self, overrides: Path | None = None, default: str = FALLBACK) -> None:
        if overrides is not None and not overrides.is_dir():
            raise SettingsError(
                [f"{PREFIX}MAIL_TEMPLATES {str(overrides)!r} is no folder. Make it, or unset this"]
            )
        self._folders = [each for each in (overrides, SHIPPED) if each is not None]
        shipped = FileSystemLoader(SHIPPED)
        loader = ChoiceLoader(
            [*(FileSystemLoader(each) for each in self._folders),
             PrefixLoader({"shipped": shipped})]
        )  # fmt: skip
        # Values are put into the words as they are; the HTML layout is what escapes, all of it.
        self._plain = _environment(loader, escapes=False)
        self._html = _environment(loader, escapes=True)
        problems: list[str] = []
        tags = _tags(overrides, problems) if overrides else []
        self.locales: Final = tuple(sorted({"de", FALLBACK, *tags}))
        self._default = choose(default, self.locales, FALLBACK)
        collect = _collector(problems)
        self._text_layout = collect(lambda: _layout(self._plain, _LAYOUTS[0]))
        self._html_layout = collect(lambda: _layout(self._html, _LAYOUTS[1]))
        self._languages: dict[str, _Language] = {}
        for locale in self.locales:
            language = self._read(locale, collect)
            if language is not None:
                self._languages[locale] = language
        if overrides is not None and not problems:
            self._try_out(collect)
        if problems:
            raise SettingsError([f"{PREFIX}MAIL_TEMPLATES: {each}" for each in problems])

    def render(self, kind: MailKind, wanted: str | None, words: Mapping[str, str]) -> Rendered:
        """A mail of that kind.

        Args:
            wanted: the language, as a tag or an `Accept-Language` header.
            words: see `wording.spelled`.

        Raises:
            ValueError: a word lacks.
            TemplateProblem: a template fails, which the start did not show.
        """
        locale = choose(wanted, self.locales, self._default)
        values = spelled(kind, words, locale)
        language = self._languages[locale]
        found = language.words[kind]
        paragraphs = [each.fill(values) for each in found.paragraphs]
        shown: dict[str, Any] = {
            **values,
            "kind": kind.value,
            "locale": locale,
            "direction": locale_of(locale).text_direction,
            "subject": found.subject.fill(values),
            "paragraphs": [each for each in paragraphs if each.get("text") or each.get("facts")],
            "above_link": language.above_link.fill(values),
            "foot": language.foot.fill(values),
        }
        text, html = (_rendered(layout, shown) for layout in (self._text_layout, self._html_layout))
        return Rendered(locale, shown["subject"], text.strip() + "\n", html)

    def _read(self, locale: str, collect: Callable[..., Any]) -> _Language | None:
        """The language; None where something is wrong with it, which is then noted."""
        sources = {name: collect(lambda name=name: self._source(locale, name)) for name in _EACH}
        if None in sources.values():
            return None
        above = collect(lambda: piece(self._plain, *sources[_LINK]))
        foot = collect(lambda: piece(self._plain, *sources[_FOOT]))
        words = {
            kind: collect(lambda kind=kind: _divided(self._plain, kind, *sources[f"{kind}.txt"]))
            for kind in MailKind
        }
        if None in words.values() or above is None or foot is None:
            return None
        return _Language(words, above, foot)

    def _source(self, locale: str, name: str) -> tuple[str, Path]:
        for folder in _chain(locale):
            for root in self._folders:
                path = root / folder / name
                if path.is_file():
                    try:
                        return path.read_text("utf-8"), path
                    except (OSError, UnicodeDecodeError) as error:
                        why = type(error).__name__
                        raise TemplateProblem(
                            f"{path} cannot be read ({why}). Save it as UTF-8, readable"
                        ) from None
        lacks = self._folders[0] / locale / name
        raise TemplateProblem(f"{lacks} lacks: a new language needs all that `{FALLBACK}` has")

    def _try_out(self, collect: Callable[..., Any]) -> None:
        for locale in self.locales:
            for kind in MailKind:
                words = {name: text for name, text in _SAMPLE.items() if name not in MAY_LACK}
                for given in (_SAMPLE, {**words, "user_agent": ""}):
                    collect(lambda at=(locale, kind, given): self._try(*at))

    def _try(self, locale: str, kind: MailKind, words: Mapping[str, str]) -> None:
        path = self._languages[locale].words[kind].path
        try:
            made = self.render(kind, locale, words)
        except TemplateProblem as problem:
            known = ", ".join(WORDS[kind])
            raise TemplateProblem(f"{problem}. The words of {kind} are {known}") from None
        if not made.subject:
            raise TemplateProblem(f"{path}, line 1: is empty; the subject stands there")
        for form, layout in zip((made.text, made.html), _LAYOUTS, strict=True):
            if "link" in WORDS[kind] and _SAMPLE["link"] not in form:
                raise TemplateProblem(f"{layout} shows no link for {kind}. Print {{{{ link }}}}")


def _environment(loader: BaseLoader, *, escapes: bool) -> Environment:
    return Environment(
        autoescape=escapes,  # noqa: S701 - see `Mailroom`
        undefined=StrictUndefined,
        loader=loader,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )


def _collector(problems: list[str]) -> Callable[..., Any]:
    """What runs a step and notes its problem, once, so that operators see all of them at once."""

    def collect(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except TemplateProblem as problem:
            if str(problem) not in problems:
                problems.append(str(problem))
            return None

    return collect


def _divided(environment: Environment, kind: MailKind, text: str, path: Path) -> Words:
    found = divide(environment, text, path)
    wanted = int("link" in WORDS[kind])
    if found.buttons != wanted:
        mend = "write one paragraph [[label]]" if wanted else "remove it, there is no link"
        raise TemplateProblem(f"{path}: has {found.buttons} buttons, not {wanted}; {mend}")
    return found


def _layout(environment: Environment, name: str) -> Template:
    try:
        return environment.get_template(name)
    except Exception as error:
        raise problem_of(error, Path(name)) from error


def _rendered(layout: Template, shown: Mapping[str, Any]) -> str:
    try:
        return layout.render(shown)
    except Exception as error:  # whatever an operator's template does
        raise problem_of(error, Path(layout.filename or "")) from error


def _chain(locale: str) -> Iterator[str]:
    """The language, and those that it is a variety of."""
    parts = locale.split("-")
    while parts:
        yield "-".join(parts)
        parts.pop()


def _tags(overrides: Path, problems: list[str]) -> list[str]:
    """The languages of a folder. Files and folders that begin with `_` or `.` are the operator's
    own; any other that is not known is one that would be left unread."""
    tags = []
    for entry in sorted(overrides.iterdir()):
        if entry.name.startswith(("_", ".")) or (entry.is_file() and entry.name in _LAYOUTS):
            continue
        if not entry.is_dir():
            problems.append(_unknown(entry, _LAYOUTS))
            continue
        try:
            locale_of(entry.name)
        except (UnknownLocaleError, ValueError):
            problems.append(f"{entry} is no language. Name it like `fr` or `pt-BR`, or `_…` to "
                            "keep it out of this")  # fmt: skip
            continue
        tags.append(entry.name)
        problems += [
            _unknown(each, _EACH)
            for each in sorted(entry.iterdir())
            if each.name not in _EACH and not each.name.startswith(("_", "."))
        ]
    return tags


def _unknown(path: Path, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(path.name, known, n=1)
    meant = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}"
    return f"{path} takes no template's place. {meant}"
