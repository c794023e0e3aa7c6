"""Signing keys: made, published before first use, used, replaced, retired.

    next ──rotate──> current ──rotate──> previous ──retire──> retired
    published        signs, published    verifies, published  gone from the JWKS

There is always a `next` key in the JWKS, so that verifiers know a key before it signs. Private
keys are kept encrypted with a key derived from the master secret (AES-256-GCM, the `kid` bound
in), so that a copy of the database alone forges nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import get_default_algorithms

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.keys.jwk import VerificationKey, verification_key
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.entropy import random_bytes, random_name
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.settings import SigningAlgorithm

# A verifier that fetched the JWKS just before a key appeared asks again within this time.
PUBLISH_LEAD: Final = timedelta(minutes=5)
_NONCE: Final = 12  # bytes, NIST SP 800-38D


class KeyRefused(Refused):
    """The key cannot be rotated or retired now; the message says why and what would do it."""

    code = "KEY_REFUSED"


class SecretMismatch(Exception):  # noqa: N818 - a state of affairs with one mend
    """The master secret is not the one that the database's keys were encrypted with."""

    def __init__(self) -> None:
        super().__init__(
            "The master secret does not open the signing keys in the database: GQL_AUTH_SECRET "
            "(or the file `secret` in the data directory) is not the one they were made with. "
            "Put the old secret back."
        )


class MasterSecret:
    """The one secret that all others come from (HKDF-SHA-256, RFC 5869, one label a purpose)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose; knowing them tells nothing of the others."""
        kdf = HKDF(hashes.SHA256(), length=32, salt=b"gql-auth", info=purpose.encode())
        return kdf.derive(self._secret)

    def __repr__(self) -> str:
        """Names no secret."""
        return "MasterSecret()"


class KeyState(StrEnum):
    """Where in its life a signing key is."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it is kept; the private half only encrypted."""

    kid: str
    algorithm: SigningAlgorithm
    public_jwk: Mapping[str, Any] | None
    private_encrypted: bytes
    created_at: datetime
    activated_at: datetime | None = None
    replaced_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def state(self) -> KeyState:
        """Where in its life the key is."""
        if self.retired_at:
            return KeyState.RETIRED
        if self.replaced_at:
            return KeyState.PREVIOUS
        return KeyState.CURRENT if self.activated_at else KeyState.NEXT


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A snapshot of the keys in use: what signs, what verifies, what is published."""

    kid: str
    algorithm: str
    private: Any
    verification: Mapping[str, VerificationKey]
    jwks: Mapping[str, Any]
    made_of: tuple[tuple[str, str], ...]  # ids and states


class KeyRings:
    """Holds the newest ring of this process; swapped whole, so that readers need no lock."""

    def __init__(self) -> None:
        self._ring: KeyRing | None = None

    @property
    def ring(self) -> KeyRing:
        """The newest ring."""
        if self._ring is None:
            raise LookupError("the signing keys are not loaded yet")
        return self._ring

    @property
    def made_of(self) -> tuple[tuple[str, str], ...]:
        """Ids and states of the keys in the newest ring."""
        return self._ring.made_of if self._ring else ()

    def swap(self, ring: KeyRing) -> None:
        """Use `ring` from now on."""
        self._ring = ring


class KeyStore(Protocol):
    """Where keys are kept."""

    async def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        ...

    async def all(self, *, lock: bool = False) -> list[StoredKey]:
        """Every key, oldest first; `lock` keeps other rotations out until the unit ends."""
        ...

    async def mark(self, kid: str, **instants: datetime) -> None:
        """Set `activated_at`, `replaced_at` or `retired_at`."""
        ...


class Keys:
    """Signing keys in the open unit."""

    def __init__(
        self,
        store: KeyStore,
        audit: Audit,
        clock: Clock,
        secret: MasterSecret,
        algorithm: SigningAlgorithm,
    ) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._wrap = AESGCM(secret.derive("signing-keys"))
        self._algorithm = algorithm

    async def ensure(self) -> None:
        """Make the first current and next key where there are none, in one transaction.

        A changed `SIGNING_ALGORITHM` makes a next key of that algorithm, for `rotate` to use.

        Raises:
            SecretMismatch: the master secret does not open the current key; nothing is made
                with such a one.
        """
        keys = await self._store.all(lock=True)
        states = {key.state: key for key in keys}
        now = self._clock.now()
        if KeyState.CURRENT in states:
            self._open(states[KeyState.CURRENT])
        else:
            await self._add(now, activated_at=now)
        coming = states.get(KeyState.NEXT)
        if coming and coming.algorithm != self._algorithm:
            await self._store.mark(coming.kid, retired_at=now)
        if coming is None or coming.algorithm != self._algorithm:
            await self._add(now)

    async def ring(self, known: KeyRings | None = None) -> KeyRing:
        """The keys in use; the very ring that is known already, where nothing has changed.

        Raises:
            SecretMismatch: the master secret does not open the current key.
        """
        keys = [key for key in await self._store.all() if key.state is not KeyState.RETIRED]
        made_of = tuple((key.kid, key.state.value) for key in keys)
        if known is not None and known.made_of == made_of:
            return known.ring
        current = next(key for key in keys if key.state is KeyState.CURRENT)
        private = self._open(current)
        published = [key.public_jwk for key in keys if key.public_jwk is not None]
        return KeyRing(
            kid=current.kid,
            algorithm=current.algorithm,
            private=private,
            verification={key.kid: self._verification(key) for key in keys},
            jwks={"keys": [dict(jwk) for jwk in published]},
            made_of=made_of,
        )

    async def list(self) -> list[StoredKey]:
        """Every key, oldest first."""
        return await self._store.all()

    async def rotate(self, *, force: bool = False) -> StoredKey:
        """The next key signs from now on, the current one goes on verifying, a new next appears.

        Args:
            force: rotate although the next key was published only just now.

        Raises:
            KeyRefused: verifiers may not have seen the next key yet.
        """
        keys = {key.state: key for key in await self._store.all(lock=True)}
        current, coming = keys[KeyState.CURRENT], keys[KeyState.NEXT]
        now = self._clock.now()
        seen_at = coming.created_at + PUBLISH_LEAD
        if now < seen_at and coming.created_at > current.created_at and not force:
            raise KeyRefused(
                f"The next key was published {int((now - coming.created_at).total_seconds())} s "
                f"ago; verifiers have surely seen it {int(PUBLISH_LEAD.total_seconds())} s after "
                "that. Wait, or use --force: services may then refuse new tokens for a moment."
            )
        await self._store.mark(current.kid, replaced_at=now)
        await self._store.mark(coming.kid, activated_at=now)
        await self._add(now)
        await self._audit.record(Tag.KEY_ROTATED, kid=coming.kid, replaced=current.kid)
        return coming

    async def retire(
        self, kid: str, *, access_token_ttl: timedelta, force: bool = False
    ) -> StoredKey:
        """Take a previous key out of the JWKS; tokens it signed are refused from now on.

        Raises:
            KeyRefused: no such key, still in use, or tokens it signed may still be alive.
        """
        key = next((key for key in await self._store.all(lock=True) if key.kid == kid), None)
        if key is None:
            raise KeyRefused(f"There is no key {kid!r}; see: gql-auth keys list")
        if key.state is not KeyState.PREVIOUS or key.replaced_at is None:
            raise KeyRefused(f"Key {kid} is {key.state.value}; only a previous key can be retired")
        now = self._clock.now()
        alive_until = key.replaced_at + access_token_ttl
        if now < alive_until and not force:
            raise KeyRefused(
                f"Tokens that key {kid} signed live until {alive_until:%Y-%m-%d %H:%M:%S} UTC. "
                "Wait, or use --force to end them now; clients will refresh."
            )
        await self._store.mark(kid, retired_at=now)
        await self._audit.record(Tag.KEY_RETIRED, kid=kid)
        return key

    async def _add(self, now: datetime, activated_at: datetime | None = None) -> None:
        kid = random_name()
        secret, public_jwk = _generate(self._algorithm)
        if public_jwk is not None:
            public_jwk |= {"kid": kid, "use": "sig", "alg": self._algorithm}
        nonce = random_bytes(_NONCE)
        wrapped = nonce + self._wrap.encrypt(nonce, secret, kid.encode())
        await self._store.add(
            StoredKey(kid, self._algorithm, public_jwk, wrapped, now, activated_at)
        )

    def _open(self, key: StoredKey) -> Any:
        nonce, sealed = key.private_encrypted[:_NONCE], key.private_encrypted[_NONCE:]
        try:
            secret = self._wrap.decrypt(nonce, sealed, key.kid.encode())
        except InvalidTag:
            raise SecretMismatch from None
        if key.algorithm == "HS256":
            return secret
        return serialization.load_der_private_key(secret, password=None)

    def _verification(self, key: StoredKey) -> VerificationKey:
        if key.public_jwk is None:
            return VerificationKey(key.algorithm, self._open(key))
        return verification_key(key.public_jwk)


def _generate(algorithm: SigningAlgorithm) -> tuple[bytes, dict[str, Any] | None]:
    """A fresh private key (DER, or raw for HS256) and its public JWK."""
    if algorithm == "HS256":
        return random_bytes(32), None
    private: Any
    if algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    secret = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    jwk: Any = get_default_algorithms()[algorithm].to_jwk(private.public_key(), as_dict=True)
    return secret, {name: value for name, value in jwk.items() if name != "key_ops"}
