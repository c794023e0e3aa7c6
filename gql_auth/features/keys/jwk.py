"""Public keys as other services read them (RFC 7517), each pinned to one algorithm.

The libraries are imported for the first key: a service that verifies tokens starts before it has
fetched one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """What verifies: a key and the one algorithm it may be used with."""

    algorithm: str
    key: Any


def verification_key(jwk: Mapping[str, Any]) -> VerificationKey:
    """The key of a public JWK with the algorithm it names (RFC 7517).

    Raises:
        ValueError: no signature key of an asymmetric algorithm we know, `use` or `key_ops` say
            it is for something else, or the key does not fit its `alg`.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
    from jwt.algorithms import get_default_algorithms  # noqa: PLC0415

    algorithm = jwk.get("alg")
    expected_type = {"ES256": "EC", "EdDSA": "OKP", "RS256": "RSA"}.get(str(algorithm))
    if expected_type is None or jwk.get("kty") != expected_type:
        raise ValueError("not a key of ES256, EdDSA or RS256")
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not (
        isinstance(operations, list) and "verify" in operations
    ):
        raise ValueError("not a key for verifying signatures")
    if "d" in jwk:
        raise ValueError("a private key")
    try:
        key: Any = get_default_algorithms()[str(algorithm)].from_jwk(dict(jwk))
    except Exception as error:
        raise ValueError("a broken key") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name != "secp256r1":
        raise ValueError("ES256 wants the curve P-256")
    if expected_type == "OKP" and not isinstance(key, ed25519.Ed25519PublicKey):
        raise ValueError("EdDSA wants the curve Ed25519")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:  # noqa: PLR2004 - RFC 7518, 3.3
        raise ValueError("RS256 wants 2048 bits or more")
    return VerificationKey(str(algorithm), key)
