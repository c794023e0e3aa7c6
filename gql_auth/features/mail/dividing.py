"""How a file of words is divided, before any value is put in: no value can begin a paragraph, a
header, a button or a tag.

The first line is the subject; paragraphs follow with empty lines between them. A paragraph
`[[label]]` is the button with the link. A paragraph whose lines begin with `|` lists facts, each
`| label: value`; facts whose value turns out empty are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

from jinja2 import Environment, Template, TemplateError, TemplateSyntaxError

_BUTTON: Final = re.compile(r"\[\[(.+)\]\]", re.DOTALL)
_FACT: Final = re.compile(r"\|\s*([^:{}]+?)\s*:\s*(.+)")
_BLANKS: Final = re.compile(r"[ \t\r\n]+")  # what a language needs of other spaces stays


class TemplateProblem(Exception):  # noqa: N818 - told to operators by that name
    """A template is wrong; the message names the file, the line and what is."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words with places for values, and where they stand."""

    template: Template
    path: Path
    line: int

    def fill(self, values: Mapping[str, Any]) -> str:
        """One line of text, nothing escaped.

        Raises:
            TemplateProblem: the template names what is not there, or fails otherwise.
        """
        try:
            return _BLANKS.sub(" ", self.template.render(values)).strip()
        except Exception as error:  # whatever an operator's template does
            raise problem_of(error, self.path, first_line=self.line) from error


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph: its pieces, with a label each where they are facts."""

    kind: Literal["text", "button", "facts"]
    pieces: tuple[tuple[str, Piece], ...]

    def fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As the layouts get it.

        Raises:
            TemplateProblem: see `Piece.fill`.
        """
        filled = [{"label": label, "text": piece.fill(values)} for label, piece in self.pieces]
        if self.kind == "facts":
            return {"kind": self.kind, "facts": [each for each in filled if each["text"]]}
        return {"kind": self.kind, "text": filled[0]["text"]}


@dataclass(frozen=True, slots=True)
class Words:
    """A file of words, divided."""

    path: Path
    subject: Piece
    paragraphs: tuple[Paragraph, ...]

    @property
    def buttons(self) -> int:
        """How many buttons there are."""
        return sum(each.kind == "button" for each in self.paragraphs)


def divide(environment: Environment, text: str, path: Path) -> Words:
    """Subject and paragraphs of a file.

    Raises:
        TemplateProblem: it is no template.
    """
    lines = text.replace("\r\n", "\n").removeprefix("\ufeff").split("\n")
    paragraphs, block = [], list[str]()
    for number, line in enumerate([*lines[1:], ""], start=2):
        if line.strip():
            block.append(line.strip())
        elif block:
            paragraphs.append(_paragraph(environment, block, path, number - len(block)))
            block = []
    return Words(path, piece(environment, lines[0], path), tuple(paragraphs))


def piece(environment: Environment, text: str, path: Path, line: int = 1) -> Piece:
    """Words that begin at a line of a file.

    Raises:
        TemplateProblem: they are no template.
    """
    try:
        return Piece(environment.from_string(text), path, line)
    except TemplateError as error:
        raise problem_of(error, path, first_line=line) from error


def problem_of(error: Exception, path: Path, *, first_line: int = 1) -> TemplateProblem:
    """What is wrong, and at which line of which file."""
    line = 0
    if isinstance(error, TemplateSyntaxError):
        line = error.lineno
        path = Path(error.filename) if error.filename else path
    else:
        for name, number in _places(error.__traceback__):
            if name in {"<template>", str(path)}:
                line = number
    where = f"{path}, line {first_line - 1 + line}" if line else str(path)
    said = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    return TemplateProblem(f"{where}: {str(said).rstrip('.')}")


def _places(trace: TracebackType | None) -> list[tuple[str, int]]:
    found = []
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return found


def _paragraph(environment: Environment, block: list[str], path: Path, line: int) -> Paragraph:
    if button := _BUTTON.fullmatch("\n".join(block)):
        return Paragraph("button", (("", piece(environment, button[1], path, line)),))
    if not block[0].startswith("|"):
        return Paragraph("text", (("", piece(environment, "\n".join(block), path, line)),))
    facts = []
    for number, text in enumerate(block, start=line):
        fact = _FACT.fullmatch(text)
        if fact is None:
            raise TemplateProblem(
                f"{path}, line {number}: is no fact. Write every line of such a paragraph as "
                "`| label: value`"
            )
        facts.append((fact[1], piece(environment, fact[2], path, number)))
    return Paragraph("facts", tuple(facts))
