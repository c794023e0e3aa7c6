"""Documents that clients name instead of sending: the operator's manifest, and Apollo's automatic
persisted queries."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from graphql import GraphQLError

from gql_auth.kernel.declaring import SettingsError, problem
from gql_auth.kernel.settings import Settings
from gql_auth.serving.documents import DocumentCache
from gql_auth.serving.errors import BAD_INPUT

_APOLLO: Final = "apollo-persisted-query-manifest"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_ID_LENGTH: Final = 256


class DocumentRefused(GraphQLError):  # noqa: N818 - a refusal
    """A document that is named cannot be run, or one that is not named may not."""

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message, extensions={"code": code, **more})


class Manifest:
    """The documents that the operator trusts: ids to texts."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        self.documents = dict(documents)
        self._texts = frozenset(self.documents.values())

    @classmethod
    def load(cls, settings: Settings) -> "Manifest | None":
        """The manifest of the settings; None where they name none or switch it off.

        Raises:
            SettingsError: the file cannot be read, or is in neither form.
        """
        path = settings.trusted_documents_manifest
        if path is None or settings.trusted_documents == "off":
            return None
        try:
            return cls(_read(path))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            name = "trusted_documents_manifest"
            raise SettingsError([problem(settings, name, path, f"is no manifest: {why}")]) from None

    def trusts(self, text: str) -> bool:
        """Whether that very text is one of them."""
        return text in self._texts


def _read(path: Path) -> Mapping[str, str]:
    content = orjson.loads(path.read_bytes())
    if isinstance(content, dict) and content.get("format") == _APOLLO:
        operations = content.get("operations")
        if content.get("version") != 1 or not isinstance(operations, list):
            raise ValueError("only version 1 of Apollo's form is known")
        entries = [each if isinstance(each, dict) else {} for each in operations]
        pairs = [(each.get("id", ""), each.get("body", "")) for each in entries]
    elif isinstance(content, dict):
        pairs = list(content.items())
    else:
        raise ValueError("it must be a JSON object, in Apollo's or Relay's form")
    for name, text in pairs:
        if not isinstance(name, str) or not isinstance(text, str) or not name or not text.strip():
            raise ValueError(f"every id and every text must be a string, not so at {name!r:.80}")
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("it names an id twice")
    return dict(pairs)


class Persisted:
    """Finds the text of a document that a client names.

    Args:
        cache: where documents are that clients registered: valid ones alone, bounded.
        manifest: the operator's, if there is one.
        strict: nothing else runs.
        automatic: clients may register documents of their own.
    """

    def __init__(
        self,
        cache: DocumentCache,
        *,
        manifest: Manifest | None = None,
        strict: bool = False,
        automatic: bool = True,
    ) -> None:
        self._cache = cache
        self._manifest = manifest
        self._strict = strict
        self._automatic = automatic

    def require_trusted(self, text: str) -> None:
        """Come back if a document may run.

        Raises:
            DocumentRefused: only documents of the manifest may, and it is none.
        """
        if self._strict and not (self._manifest and self._manifest.trusts(text)):
            raise DocumentRefused(
                "QUERY_NOT_IN_SAFELIST", "The server runs the documents of its manifest alone"
            )

    def resolve(
        self, text: str | None, document_id: str | None, extensions: Mapping[str, Any] | None
    ) -> str | None:
        """The text of the document that a request means; None where it means none.

        Args:
            text: `query`, where it was sent.
            document_id: `documentId`, or what Relay calls it.
            extensions: may hold `persistedQuery`.

        Raises:
            DocumentRefused: the document is not known, or its hash is another one.
        """
        name = document_id if document_id is not None else _hash_of(extensions)
        if name is None:
            return text
        trusted = self._manifest.documents.get(name) if self._manifest else None
        if trusted is not None:
            if text is not None and text != trusted:
                raise DocumentRefused(
                    BAD_INPUT, "`query` is not the text of the document that the request names"
                )
            return trusted
        if document_id is not None or self._strict:
            raise DocumentRefused(
                "PERSISTED_QUERY_NOT_IN_LIST", f"No document has the id {name[:_ID_LENGTH]!r}"
            )
        if not self._automatic:
            raise DocumentRefused("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        if not _HASH.fullmatch(name):
            raise DocumentRefused(BAD_INPUT, "`sha256Hash` must be 64 hexadecimal digits")
        if text is None:
            found = self._cache.named(name)
            if found is None:
                raise DocumentRefused("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
            return found
        if _hash(text) != name:
            raise DocumentRefused(BAD_INPUT, "provided sha does not match query")
        return text

    def remember(self, text: str, extensions: Mapping[str, Any] | None) -> None:
        """Find the document by its hash from now on, if it was found valid. Named by an id of the
        manifest, it may have come with the hash of another one."""
        name = _hash_of(extensions)
        if self._automatic and not self._strict and name == _hash(text):
            self._cache.name(name, text)


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _hash_of(extensions: Mapping[str, Any] | None) -> str | None:
    """What `extensions.persistedQuery` says.

    Raises:
        DocumentRefused: it is there, and not in the protocol's form.
    """
    said = (extensions or {}).get("persistedQuery")
    if said is None:
        return None
    if not isinstance(said, dict) or said.get("version") != 1:
        raise DocumentRefused(BAD_INPUT, "`extensions.persistedQuery` must have `version` 1")
    name = said.get("sha256Hash")
    if not isinstance(name, str) or not 0 < len(name) <= _ID_LENGTH:
        raise DocumentRefused(BAD_INPUT, "`extensions.persistedQuery` must have a `sha256Hash`")
    return name
