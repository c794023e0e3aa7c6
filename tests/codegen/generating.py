"""Code that tools make of schema.graphql and of documents.

`python -m tests.codegen.generating` writes that of the example; `scripts/codegen` runs it.
"""

from pathlib import Path

from tests import node

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schema.graphql"
EXAMPLE = ROOT / "examples/apollo-react"


def by_codegen(folder: Path) -> dict[Path, str]:
    """What @graphql-codegen makes in a folder, by its codegen.yml; it writes nothing."""
    made: dict[str, str] = node.run("codegen", folder=str(folder), seconds=120)
    return {folder / name: content for name, content in made.items()}


def write(files: dict[Path, str]) -> None:
    """Put files where they belong."""
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    write(by_codegen(EXAMPLE))
