"""What the documentation says is so: links lead somewhere, tables and commands are true."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands import serve
from gql_auth.commands.tree import app as command_line
from gql_auth.kernel.settings import Settings
from tests.live import serving
from tests.support import PASSWORD, SECRET

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/*.md")},
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
ADDRESS = "http://localhost:8000"


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def anchors(page: Path) -> set[str]:
    """The names that headings have in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(plain)) == len(plain), f"two headings of one name in {named(page)}"
    return set(plain)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link within the documentation names a file that is there, and a heading of it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)} links to {link}"
        assert target.is_relative_to(ROOT), f"{named(page)} links out of the repository: {link}"
        assert not anchor or anchor in anchors(target), f"{named(page)} links to {link}"


def test_every_picture_is_shown_and_described() -> None:
    """Each file of docs/pictures is small and on a page, and whoever cannot see it is told what
    is on it."""
    shown = {
        (page.parent / path).resolve(): alternative
        for page in PAGES
        for alternative, path in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(page))
    }
    assert set((ROOT / "docs/pictures").iterdir()) == set(shown)
    for picture, alternative in shown.items():
        assert len(alternative) > 20, named(picture)
        assert picture.stat().st_size < 150_000, named(picture)


def test_no_page_stands_alone() -> None:
    """Every page of docs/ is reached by links from the README."""
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached:
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", prose(page))
        ahead += [(page.parent / link).resolve() for link in links if ":" not in link]
    assert {named(page) for page in PAGES} - {named(page) for page in reached} == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_named_tests_exist(page: Path) -> None:
    """A test that a page names as its witness is there, by file and by function."""
    for path, function in re.findall(r"`((?:\w+/)*test_\w+\.py)(?:::(test_\w+))?`", prose(page)):
        file = ROOT / "tests" / path.removeprefix("tests/")
        assert file.exists(), f"{named(page)} names {path}"
        if function:
            assert f"def {function}(" in file.read_text(encoding="utf-8"), (
                f"{named(page)} names {function}"
            )


def test_every_requirement_has_a_status() -> None:
    """Each row of the table of ASVS has a level, one of four statuses and a place."""
    page = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (V[\d.]+) \|(.*)\|$", page, re.MULTILINE)
    assert len(rows) > 150
    assert len({name for name, _ in rows}) == len(rows)
    for name, row in rows:
        level, requirement, status, place = (cell.strip() for cell in row.split(" | "))
        assert level in {"1", "2", "3"}, name
        assert requirement, name
        assert status in {"done", "partly", "not yet", "not applicable"}, name
        assert place, name


def test_the_tables_are_what_the_code_says() -> None:
    """The generated tables of configuration and errors are current."""
    compared = subprocess.run(
        [sys.executable, ROOT / "scripts/docs.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_every_setting_is_in_the_table() -> None:
    """Configuration names every variable that the code reads, and none that it does not."""
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- generated: settings -->(.*?)<!-- end -->", text, re.DOTALL)
    told = set(re.findall(r"^\| `GQL_AUTH_(\w+)`", block, re.MULTILINE))
    fields = set(Settings.__dataclass_fields__) - {"warnings"}
    assert told == {name.upper() for name in fields}
    mentioned = {
        name
        for page in PAGES
        for name in re.findall(r"GQL_AUTH_([A-Z_]+[A-Z])", page.read_text(encoding="utf-8"))
    }
    assert mentioned - told == {"TEST_POSTGRES_URL", "SOAK", "PICTURES"}


class Shell:
    """Runs the curl commands of a page, as far as they go: -s, -c, -b, -H, -d and the address."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.jars: dict[str, dict[str, str]] = {}
        self.token = ""

    def run(self, line: str) -> str:
        name, *rest = shlex.split(line.replace("$TOKEN", self.token))
        assert name == "curl"
        headers: dict[str, str] = {}
        read = written = data = url = ""
        words = iter(rest)
        for word in words:
            match word:
                case "-s":
                    pass
                case "-b":
                    read = next(words)
                case "-c":
                    written = next(words)
                case "-d":
                    data = next(words)
                case "-H":
                    field, _, value = next(words).partition(": ")
                    headers[field] = value
                case _:
                    assert word.startswith(f"{ADDRESS}/"), word
                    url = word.removeprefix(ADDRESS)
        if read:
            jar = self.jars[read]
            headers["Cookie"] = "; ".join(f"{each}={jar[each]}" for each in jar)
        answer = self.http.post(url, content=data, headers=headers)
        if written:
            jar = self.jars.setdefault(written, {})
            for cookie in answer.headers.get_list("set-cookie"):
                each, _, value = cookie.partition(";")[0].partition("=")
                jar[each] = value
        if found := re.search(r'"accessToken":"([^"]+)"', answer.text):
            self.token = found[1]
        return answer.text


@pytest.fixture
def shell(sqlite_settings: Settings) -> Iterator[Shell]:
    with (
        serving(create_app(GraphQLAuth(sqlite_settings))) as url,
        httpx.Client(base_url=url) as http,
    ):
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # ours is the Shell's
        yield Shell(http)


def steps(page: str) -> list[tuple[str, str]]:
    """The curl commands of a page, each with the answer that the page shows."""
    pair = re.compile(r"^```sh\n(.*?)^```\n+```json\n(.*?)^```", re.DOTALL | re.MULTILINE)
    blocks = pair.findall((ROOT / page).read_text(encoding="utf-8"))
    return [(re.sub(r"^TOKEN=.*\n", "", commands), answer) for commands, answer in blocks]


@pytest.mark.parametrize(("page", "count"), [("README.md", 5), ("docs/quickstart.md", 3)])
def test_the_first_queries_are_answered_as_printed(page: str, count: int, shell: Shell) -> None:
    """Each curl command of the page, run in order against a real server, is answered as printed."""
    shown = steps(page)
    assert len(shown) == count
    for line, printed in shown:
        pattern = ".+".join(map(re.escape, printed.strip().split("…")))
        answer = shell.run(line)
        assert re.fullmatch(pattern, answer), f"{line}\nanswers\n{answer}"


def test_the_query_that_serve_prints(shell: Shell) -> None:
    """What `gql-auth serve` prints to be pasted signs somebody up."""
    answer = json.loads(shell.run(serve._FIRST_QUERY.format(url=ADDRESS)))
    assert answer["data"]["signup"]["__typename"] == "AuthPayload"


def test_the_operators_commands(sqlite_settings: Settings) -> None:
    """The commands of the quickstart work in the order in which they stand there."""
    page = (ROOT / "docs/quickstart.md").read_text(encoding="utf-8")
    block = next(each for each in re.findall(r"```console\n(.*?)```", page, re.DOTALL)
                 if "users list" in each)  # fmt: skip
    commands = re.findall(r"^\$ (?:printf '%s' '([^']+)' \| )?gql-auth (.*)$", block, re.MULTILINE)
    assert len(commands) == 12
    assert block.count("$ ") == 13, "one line more, which lets the shell find the command"
    environment = {
        "GQL_AUTH_DATA_DIR": str(sqlite_settings.data_dir),
        "GQL_AUTH_SECRET": SECRET,
        "GQL_AUTH_BCRYPT_COST": "10",
    }

    def run(line: str, piped: str = "") -> None:
        done = CliRunner().invoke(command_line, shlex.split(line), env=environment, input=piped)
        assert done.exit_code == 0, f"gql-auth {line}: {done.output}"

    run("users create grace@example.com --username grace --password-stdin", PASSWORD)
    for piped, line in commands:
        run(line, piped)


def test_a_new_database_has_no_accounts(sqlite_settings: Settings) -> None:
    """Nobody can sign in to a fresh installation: it comes with no account."""
    folder = str(sqlite_settings.data_dir)
    done = CliRunner().invoke(
        command_line,
        ["users", "list", "--json"],
        env={"GQL_AUTH_DATA_DIR": folder, "GQL_AUTH_SECRET": SECRET},
    )
    assert json.loads(done.stdout) == []
