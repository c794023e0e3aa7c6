"""What commands say to people. rich, which colours it, is loaded where there is something to
colour: a server that writes into a log starts without it."""

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from rich.console import Console


class Voice:
    """A standard stream.

    Args:
        stderr: the one for what goes wrong.
        width: characters of a line; the terminal's own unless said otherwise.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        self._stderr = stderr
        self._width = width

    @property
    def stream(self) -> TextIO:
        """The stream, as it is at this moment."""
        return sys.stderr if self._stderr else sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return self.stream.isatty()

    def say(self, text: str) -> None:
        """Write lines as they stand."""
        self.stream.write(f"{text}\n")

    def mark(self, text: str, style: str, *, end: str = "\n") -> None:
        """Write a word that stands out, where there is a way."""
        if self.is_terminal:
            self._console.print(text, style=style, markup=False, end=end)
        else:
            self.stream.write(f"{text}{end}")

    def print(self, *what: Any, **how: Any) -> None:
        """As rich prints it."""
        self._console.print(*what, **how)

    @cached_property
    def _console(self) -> "Console":
        from rich.console import Console  # noqa: PLC0415 - see the module's docstring

        return Console(stderr=self._stderr, highlight=False, width=self._width)


out: Final = Voice()
err: Final = Voice(stderr=True)
# For a pipe or a file, which have no width: whole ids, one row a line.
unbounded: Final = Voice(width=10_000)
