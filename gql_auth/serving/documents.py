"""Documents that were parsed, measured and validated once, kept by their text."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    OperationDefinitionNode,
    OperationType,
    TokenKind,
)

from gql_auth.plans import MAX_VARIANTS, Plan

_TOKEN_BYTES: Final = 3_300  # of memory, for each token of a parsed document and its plan
_CONDITIONS: Final = frozenset({"skip", "include"})
_LARGEST: Final = 8  # a document takes no more than this part of the whole
_NEWCOMERS: Final = 5  # nor newcomers together more than this part
_AGE: Final = 10  # times as many look-ups as entries, and what was counted counts half


@dataclass(slots=True)
class Entry:
    """An operation of a valid document, and what was found out about it."""

    node: OperationDefinitionNode
    name: str | None
    kind: OperationType
    cost: int | None = None  # where it depends on no variable
    plan: Plan | str | None = None  # or why there is none


@dataclass(slots=True)
class Known:
    """A valid document, and what was found out about it."""

    document: DocumentNode
    size: int  # bytes of memory, about
    # By name; by None the one that is meant where none is given.
    entries: Mapping[str | None, Entry] = field(default_factory=dict)
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)
    # A mutation with a string in its text, which may be a password or a token.
    spells_secrets: bool = False

    @classmethod
    def of(cls, text: str, document: DocumentNode) -> "Known":
        """What is known of a document so far."""
        nodes = document.definitions
        tokens, has_string, has_condition = _tokens(document)
        if has_condition:  # by the values of its conditions, it may come to have several plans
            tokens *= MAX_VARIANTS
        operations = tuple(each for each in nodes if isinstance(each, OperationDefinitionNode))
        return cls(
            document,
            2 * len(text) + _TOKEN_BYTES * tokens,
            entries=_entries(operations),
            spells_secrets=has_string
            and any(each.operation is OperationType.MUTATION for each in operations),
            fragments={
                each.name.value: each for each in nodes if isinstance(each, FragmentDefinitionNode)
            },
        )


def _entries(operations: Sequence[OperationDefinitionNode]) -> dict[str | None, Entry]:
    found: dict[str | None, Entry] = {}
    for node in operations:
        name = node.name.value if node.name else None
        found[name] = Entry(node, name, node.operation)
    if len(operations) == 1:
        found[None] = next(iter(found.values()))
    return found


class DocumentCache:
    """Valid documents by their text, bounded in entries and in bytes of memory.

    A stranger can neither fill the memory nor evict what others use: a document that is new stays
    with the newcomers for a while, and afterwards takes the place of the resident that was longest
    unused only if it was asked for more often. How often, is remembered of documents that are not
    kept, too (of their hashes, a bounded number), and counts half after a while. (This is W-TinyLFU
    with exact counts: Einziger, Friedman, Manes, "TinyLFU", 2015.)

    Args:
        entries: documents at most.
        size: bytes at most.
    """

    def __init__(self, entries: int = 1_000, size: int = 64_000_000) -> None:
        self._entries = entries
        self._largest = size // _LARGEST
        self._newcomers = _Part(max(entries // _NEWCOMERS, 1), size // _NEWCOMERS)
        self._residents = _Part(max(entries - entries // _NEWCOMERS, 1), size - size // _NEWCOMERS)
        self._uses: dict[int, int] = {}
        self._until_old = _AGE * entries
        self._names: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._newcomers.held) + len(self._residents.held)

    @property
    def size(self) -> int:
        """Bytes that the documents take, about."""
        return self._newcomers.size + self._residents.size

    def get(self, text: str) -> Known | None:
        """The document of that very text, if it was seen and found valid."""
        self._count(text)
        for part in (self._residents, self._newcomers):
            known = part.held.get(text)
            if known is not None:
                part.held.move_to_end(text)
                return known
        return None

    def put(self, text: str, known: Known) -> None:
        """Keep a valid document, unless it may spell out what nobody should keep."""
        if known.spells_secrets or known.size > self._largest or self.holds(text):
            return
        self._newcomers.take(text, known)
        while self._newcomers.is_over:
            self._settle(*self._newcomers.drop_oldest())

    def _settle(self, text: str, known: Known) -> None:
        """Move in with the residents, if there is room or the document deserves it."""
        residents, uses = self._residents, self._uses
        while residents.has_no_room_for(known):
            oldest = next(iter(residents.held))
            if uses.get(hash(oldest), 0) >= uses.get(hash(text), 0):
                return
            residents.drop_oldest()
        residents.take(text, known)

    def _count(self, text: str) -> None:
        key = hash(text)
        self._uses[key] = self._uses.get(key, 0) + 1
        self._until_old -= 1
        if self._until_old <= 0:
            self._until_old = _AGE * self._entries
            self._uses = {key: count // 2 for key, count in self._uses.items() if count > 1}

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
        self.held[text] = known
        self.size += known.size

    def drop_oldest(self) -> tuple[str, Known]:
        text, known = self.held.popitem(last=False)
        self.size -= known.size
        return text, known


def _tokens(document: DocumentNode) -> tuple[int, bool, bool]:
    """How many lexical tokens a document has, comments among them; whether one is a string, and
    whether there are conditions."""
    count, has_string, has_condition, in_directive = 0, False, False, False
    token: Any = document.loc.start_token if document.loc else None
    while token is not None:
        count += 1
        has_string |= token.kind is TokenKind.STRING or token.kind is TokenKind.BLOCK_STRING
        has_condition |= in_directive and token.value in _CONDITIONS
        if token.kind is not TokenKind.COMMENT:  # which may stand anywhere
            in_directive = token.kind is TokenKind.AT
        token = token.next
    return count, has_string, has_condition
