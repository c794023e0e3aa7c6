"""Documents that were parsed, measured and validated once, kept by their text."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
)

_TOKEN_BYTES: Final = 500  # of memory that a parsed document takes for each of its tokens
_LARGEST: Final = 10  # a document takes no more than this part of the whole
_NEWCOMERS: Final = 5  # nor those that were asked for once more than this part
_AGE: Final = 10  # times as many look-ups as entries, and what was counted counts half


@dataclass(slots=True)
class Known:
    """A valid document, and what was found out about it."""

    document: DocumentNode
    size: int  # bytes of memory, about
    uses: int = 1
    # Costs of its operations that depend on no variable, by name.
    costs: dict[str | None, int] = field(default_factory=dict)
    operations: tuple[OperationDefinitionNode, ...] = ()
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, document: DocumentNode) -> "Known":
        """What is known of a document so far."""
        nodes = document.definitions
        return cls(
            document,
            2 * len(text) + _TOKEN_BYTES * _tokens(document),
            operations=tuple(each for each in nodes if isinstance(each, OperationDefinitionNode)),
            fragments={
                each.name.value: each for each in nodes if isinstance(each, FragmentDefinitionNode)
            },
        )

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of that name; the only one where none is given."""
        if name is None:
            return self.operations[0] if len(self.operations) == 1 else None
        found = (each for each in self.operations if each.name and each.name.value == name)
        return next(found, None)


class DocumentCache:
    """Valid documents by their text, bounded in entries and in bytes of memory.

    A stranger can neither fill the memory nor evict what others use. A document that comes for
    the first time is a newcomer; newcomers evict each other. One that is asked for again moves in
    with the residents, and if there is no room, takes the place of the resident that was longest
    unused, provided it was asked for more often than that one. Counts are halved now and then.

    Args:
        entries: documents at most.
        size: bytes at most.
    """

    def __init__(self, entries: int = 1_000, size: int = 32_000_000) -> None:
        self._largest = size // _LARGEST
        self._newcomers = _Part(max(entries // _NEWCOMERS, 1), size // _NEWCOMERS)
        self._residents = _Part(max(entries - entries // _NEWCOMERS, 1), size - size // _NEWCOMERS)
        self._until_old = _AGE * entries
        self._entries = entries
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._newcomers.held) + len(self._residents.held)

    @property
    def size(self) -> int:
        """Bytes that the documents take, about."""
        return self._newcomers.size + self._residents.size

    def get(self, text: str) -> Known | None:
        """The document of that very text, if it was seen and found valid."""
        self._grow_old()
        known = self._residents.held.get(text)
        if known is not None:
            known.uses += 1
            self._residents.held.move_to_end(text)
            return known
        known = self._newcomers.held.get(text)
        if known is not None:
            known.uses += 1
            self._newcomers.held.move_to_end(text)
            self._settle(text, known)
        return known

    def put(self, text: str, known: Known) -> None:
        """Keep a valid document."""
        if known.size > self._largest or text in self._residents.held:
            return
        self._newcomers.take(text, known)
        while self._newcomers.is_over:
            self._newcomers.drop_oldest()

    def holds(self, text: str) -> bool:
        """Whether the document is kept; asking is no use of it."""
        return text in self._residents.held or text in self._newcomers.held

    def name(self, name: str, text: str) -> None:
        """Find a document by another name as well, as long as it is kept."""
        if not self.holds(text):
            return
        if len(self._names) >= 2 * self._entries:
            self._names = {each: of for each, of in self._names.items() if self.holds(of)}
        if len(self._names) < 2 * self._entries:
            self._names[name] = text

    def named(self, name: str) -> str | None:
        """The text of the document that has that name."""
        text = self._names.get(name)
        if text is not None and not self.holds(text):
            del self._names[name]
            return None
        return text

    def _settle(self, text: str, known: Known) -> None:
        """Move a newcomer in with the residents, if it deserves their place."""
        residents = self._residents
        while residents.has_no_room_for(known):
            oldest = residents.held[next(iter(residents.held))]
            if oldest.uses >= known.uses:
                return
            residents.drop_oldest()
        self._newcomers.drop(text)
        residents.take(text, known)

    def _grow_old(self) -> None:
        self._until_old -= 1
        if self._until_old > 0:
            return
        self._until_old = _AGE * self._entries
        for part in (self._newcomers, self._residents):
            for known in part.held.values():
                known.uses = max(known.uses // 2, 1)


class _Part:
    """One of the two, in the order of the last use."""

    def __init__(self, entries: int, size: int) -> None:
        self.held: OrderedDict[str, Known] = OrderedDict()
        self.size = 0
        self._entries = entries
        self._most = size

    @property
    def is_over(self) -> bool:
        return len(self.held) > self._entries or self.size > self._most

    def has_no_room_for(self, known: Known) -> bool:
        full = len(self.held) >= self._entries or self.size + known.size > self._most
        return full and bool(self.held)

    def take(self, text: str, known: Known) -> None:
        if text in self.held:
            self.drop(text)
        self.held[text] = known
        self.size += known.size

    def drop(self, text: str) -> None:
        self.size -= self.held.pop(text).size

    def drop_oldest(self) -> None:
        _, known = self.held.popitem(last=False)
        self.size -= known.size


def _tokens(document: DocumentNode) -> int:
    """How many lexical tokens a document has; comments are some, too."""
    count = 0
    token: Any = document.loc.start_token if document.loc else None
    while token is not None:
        count += 1
        token = token.next
    return count
