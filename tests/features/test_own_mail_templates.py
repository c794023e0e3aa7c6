"""Templates of operators: what takes the place of ours, and how mistakes are told."""

from pathlib import Path

import pytest

from gql_auth.features.mail.core import MailKind
from gql_auth.features.mail.rendering import SHIPPED, Mailroom
from gql_auth.kernel.declaring import SettingsError
from tests.features.test_mail_templates import LINK, SAMPLE


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "mail"


def put(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def test_one_file_takes_the_place_of_one(own: Path) -> None:
    """The others stay, in all languages."""
    put(own, "de/test.txt", "Probe für {{ app_name }}\n\nAlles < gut.\n")
    room = Mailroom(own)
    made = room.render(MailKind.TEST, "de", SAMPLE)
    assert made.subject == "Probe für Acme"
    assert "Alles < gut." in made.text
    assert "Alles &lt; gut." in made.html
    usual = Mailroom()
    for kind, locale in ((MailKind.TEST, "en"), (MailKind.MAGIC_LINK, "de")):
        assert room.render(kind, locale, SAMPLE) == usual.render(kind, locale, SAMPLE)


def test_a_layout_builds_on_ours(own: Path) -> None:
    """A block of the layout can be filled, with a file of one's own beside."""
    put(own, "layout.html", '{% extends "shipped/layout.html" %}{% block head %}'
                            '{% include "_logo.html" %}{% endblock %}')  # fmt: skip
    put(own, "_logo.html", "<b>{{ app_name }} & Co</b>")
    made = Mailroom(own).render(MailKind.RESET_PASSWORD, "en", SAMPLE | {"app_name": "<i>"})
    assert "<b>&lt;i&gt; & Co</b>" in made.html
    assert LINK in made.html


def test_a_variety_needs_only_what_differs(own: Path) -> None:
    """`de-AT` takes the rest from `de`, with dates as they are written there."""
    put(own, "de-AT/test.txt", "Servus\n\nHallo {{ email }}.\n")
    room = Mailroom(own)
    assert room.render(MailKind.TEST, "de-AT", SAMPLE).subject == "Servus"
    assert room.render(MailKind.TEST, "de-CH", SAMPLE).subject != "Servus"
    made = room.render(MailKind.NEW_SIGN_IN, "de-AT", SAMPLE)
    assert "2. Jänner 2026" in made.text
    assert '<html lang="de-AT"' in made.html


def test_a_new_language_is_whole_or_refused(own: Path) -> None:
    """All of its files are there, or the start names the ones that lack; it may run from right
    to left."""
    for path in (SHIPPED / "en").iterdir():
        put(own, f"ar/{path.name}", path.read_bytes())
    made = Mailroom(own).render(MailKind.TEST, "ar-EG, en;q=0.5", SAMPLE)
    assert '<html lang="ar" dir="rtl">' in made.html
    (own / "ar/foot.txt").unlink()
    with pytest.raises(SettingsError, match=r"ar/foot\.txt lacks: a new language needs all that"):
        Mailroom(own)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("de/test.txt", "Gut\n\nNoch gut.\n\nSchlecht\n{{ nmae }}", r"de/test\.txt, line 6: 'nmae' "
         r"is undefined. The words of test are app_name, email"),
        ("de/test.txt", "Gut\n\nGut\n{% if %}", r"de/test\.txt, line 4: Expected an expression"),
        ("de/test.txt", "Gut\n\n{{ email.nothing.more }}", r"de/test\.txt, line 3: "),
        ("de/test.txt", "Gut\n\n{{ 1 / 0 }}", r"de/test\.txt, line 3: ZeroDivisionError"),
        ("de/test.txt", "{{ link }}", r"de/test\.txt, line 1: 'link' is undefined"),
        ("de/test.txt", "", r"de/test\.txt, line 1: is empty; the subject stands there"),
        ("de/test.txt", "Gut\n\n[[Los]]", r"de/test\.txt: has 1 buttons, not 0; remove it"),
        ("de/test.txt", "Gut\n\n| Wann: jetzt\nnichts", r"de/test\.txt, line 4: is no fact. Write"),
        ("en/magic-link.txt", "Good\n\nNo link.", r"has 0 buttons, not 1; write one paragraph"),
        ("de/test.txt", b"\xff\xfe", r"test\.txt cannot be read \(UnicodeDecodeError\). Save it"),
        ("de/tets.txt", "Gut", r"de/tets\.txt takes no template's place. Did you mean test\.txt\?"),
        ("layuot.html", "x", r"layuot\.html takes no .* Did you mean layout\.html\?"),
        ("layout.html", "{% block x %}\n{{ y }}\n{% endblock %}", r"layout\.html, line 2: 'y' is "),
        ("layout.html", "\n{% block x %}", r"layout\.html, line 2: "),
        ("layout.html", '{% extends "gone.html" %}', r"layout\.html, line 1: gone\.html"),
        ("layout.html", "{{ subject }}", r"layout\.html shows no link for verify-email. Print "),
        ("layout.txt", "{{ subject }}", r"layout\.txt shows no link for"),
        ("german/test.txt", "Gut", r"german is no language. Name it like `fr`"),
    ],
)  # fmt: skip
def test_broken_templates_stop_the_start(
    own: Path, name: str, text: str | bytes, told: str
) -> None:
    """What is wrong is told with its setting, file, line and mend, before any mail is due."""
    put(own, name, text)
    with pytest.raises(SettingsError, match=r"GQL_AUTH_MAIL_TEMPLATES: .*" + told):
        Mailroom(own)


def test_all_problems_are_told_at_once(own: Path) -> None:
    """Nobody mends one by one; and a folder that is none is told, too."""
    put(own, "de/test.txt", "Gut\n\n{{ x }}")
    put(own, "en/test.txt", "Good\n\n{{ y }}")
    with pytest.raises(SettingsError) as caught:
        Mailroom(own)
    assert len(caught.value.problems) == 2
    with pytest.raises(SettingsError, match="is no folder"):
        Mailroom(own / "nowhere")
