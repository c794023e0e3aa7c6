"""What code generators make of schema.graphql type-checks in programs that handle each member of
each result, and in which nothing can be forgotten."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import node
from tests.codegen.generating import EXAMPLE, ROOT, SCHEMA, by_codegen, write

HERE = Path(__file__).parent
TOOLS = node.SCRIPTS / "node_modules"
PYTHON = ROOT / ".venv-codegen/bin/python"


def project(kind: str, folder: Path) -> Path:
    """A copy of one of the programs, with the schema in it."""
    made = shutil.copytree(HERE / kind, folder / kind)
    shutil.copy(SCHEMA, made)
    return made


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """What a tool says; it must succeed."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=node.environment() | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_examples_code_is_what_is_made_now() -> None:
    """examples/apollo-react is typed from the schema as it is; scripts/codegen writes it anew."""
    made = by_codegen(EXAMPLE)
    generated = EXAMPLE / "src/generated"
    assert made == {path: path.read_text() for path in generated.iterdir()}


def test_typescript(tmp_path: Path) -> None:
    """@graphql-codegen's client preset and gql.tada, in one run of the compiler."""
    folder = project("typescript", tmp_path)
    (folder / "node_modules").symlink_to(TOOLS)
    write(by_codegen(folder))
    run(node.program(), TOOLS / "gql.tada/bin/cli.js", "generate-output", folder=folder)
    assert (folder / "generated/graphql-env.d.ts").exists()
    run(node.program(), TOOLS / "typescript/bin/tsc", "-p", ".", folder=folder)


def test_python(tmp_path: Path) -> None:
    """ariadne-codegen, checked by mypy; what it makes can be imported."""
    assert PYTHON.exists(), "scripts/test installs .venv-codegen"
    folder = project("python", tmp_path)
    tool = PYTHON.with_name("ariadne-codegen")
    run(tool, "--config", "ariadne-codegen.toml", "client", folder=folder)
    mypy = (sys.executable, "-m", "mypy", "--python-executable", PYTHON, "program.py")
    cache = os.fspath(tmp_path / "cache")
    assert "Success" in run(*mypy, folder=folder, MYPY_CACHE_DIR=cache)
    run(PYTHON, "-W", "error", "-c", "import program", folder=folder)


def test_every_result_is_in_the_programs() -> None:
    """A mutation that is added has to be added there, too."""
    schema = SCHEMA.read_text()
    mutations = schema[schema.index("type Mutation {") :]
    mutations = mutations[: mutations.index("\n}")]
    unions = [word.rstrip("!") for word in mutations.split() if word.endswith("Result!")]
    assert len(unions) >= 5
    fields = {name[0].lower() + name[1:] for name in (u.removesuffix("Result") for u in unions)}
    for program in (
        "typescript/client-preset.ts",
        "typescript/tada.ts",
        "python/operations.graphql",
    ):
        text = (HERE / program).read_text()
        missing = {each for each in fields if f"{each}(" not in text and f"{each} {{" not in text}
        assert not missing, program
