"""Signatures: detached JWS over canonical JSON for what we send; compact JWS, or General JSON with two signatures, for what we are sent.

alg is EdDSA with Ed25519 (RFC 8037), kid is the RFC 7638 thumbprint of the public key. A detached JWS is
`header..signature` (RFC 7515 appendix F); its payload is the canonical form without the member `signature`.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from gateway.contract.canonical import canonical
from gateway.core.errors import BadMessage, BadSignature

RECEIPT_TYPE = "campus-receipt"
COMMAND_TYPE = "campus-command"
MAX_JWS_BYTES = 64_000  # a receipt for 100 events is about 12 kB
MOST_SIGNATURES = 2  # the two-person rule

_ALGORITHM = "EdDSA"  # RFC 9864 prefers "Ed25519"; version 1 of the contract says EdDSA
_REGISTRY = jws.JWSRegistry(algorithms=[_ALGORITHM])
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


class Signer:
    """Signs with one Ed25519 private key. key_pem: PKCS#8, unencrypted. Raises ValueError for anything else."""

    def __init__(self, key_pem: bytes) -> None:
        try:
            private = load_pem_private_key(key_pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("it is a key of another kind")  # noqa: TRY004 - a wrong file, not a wrong call
        self._key = OKPKey.import_key(key_pem)
        self.kid = self._key.thumbprint()
        self._header = {"alg": _ALGORITHM, "kid": self.kid}

    def detached(self, payload: bytes) -> str:
        """Compact JWS without its payload part."""
        header, _, signature = jws.serialize_compact(self._header, payload, self._key, registry=_REGISTRY).split(".")
        return f"{header}..{signature}"

    def public(self) -> dict[str, str]:
        """{"kid", "x"}: what a centre needs to trust this key."""
        return {"kid": self.kid, "x": str(self._key.as_dict(private=False)["x"])}

    def seal(self, message: dict[str, Any]) -> bytes:
        """Canonical form of the message with its `signature` member added."""
        signature = self.detached(canonical(message))
        return canonical({**message, "signature": signature})


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and whose it is. owner: recipient id of a centre's key.

    may: the commands that it is good for. person: who alone holds it, empty for a key of the owner's program.
    """

    kid: str
    x: str
    owner: str
    may: frozenset[str] = frozenset()
    person: str = ""


class SignedTwice(BadSignature):
    """Two good signatures by one key where two different ones are wanted. message: what they are over; key: whose it is."""

    def __init__(self, message: dict[str, Any], key: TrustedKey) -> None:
        super().__init__("signed twice with one key")
        self.message = message
        self.key = key


def verify_compact(token: bytes, keys: dict[str, TrustedKey], typ: str) -> tuple[dict[str, Any], TrustedKey]:
    """(payload object, key) of a compact JWS by a trusted key with the expected `typ`.

    Raises BadMessage when it is not such a message, BadSignature when it is but must not be believed.
    """
    if len(token) > MAX_JWS_BYTES:
        raise BadMessage(f"{len(token)} bytes long; at most {MAX_JWS_BYTES} are expected")
    try:
        text = token.decode("ascii")
        header = json.loads(urlsafe_b64decode(text.split(".")[0].encode()))
        found = (header["alg"], header["kid"], header["typ"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadMessage("not a compact JWS with alg, kid and typ in its header") from error
    if not all(isinstance(word, str) for word in found):
        raise BadMessage("alg, kid and typ in a JWS header must be text")
    algorithm, kid, said = found
    if (algorithm, said) != (_ALGORITHM, typ):
        raise BadSignature(f"header says alg {algorithm[:20]!r} and typ {said[:40]!r}; expected {_ALGORITHM!r} and {typ!r}")
    key = keys.get(kid)
    if key is None:
        raise BadSignature(f"key {kid[:64]!r} is not trusted by the site file")
    payload = _checked_payload(text, key)
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadMessage("the signed payload is not JSON") from error
    if not isinstance(message, dict):
        raise BadMessage("the signed payload is not a JSON object")
    return message, key


def verify_signed(token: bytes, keys: dict[str, TrustedKey], typ: str) -> tuple[dict[str, Any], tuple[TrustedKey, ...]]:
    """(payload object, keys in the order of the signatures) of a compact JWS, or of a General JSON one with up to two signatures.

    Every signature must hold, and no key counts twice. Raises as `verify_compact`, and SignedTwice.
    """
    if len(token) > MAX_JWS_BYTES:
        raise BadMessage(f"{len(token)} bytes long; at most {MAX_JWS_BYTES} are expected")
    if not token.lstrip().startswith(b"{"):
        message, key = verify_compact(token, keys, typ)
        return message, (key,)
    found = [verify_compact(compact, keys, typ) for compact in _each_as_compact(token)]
    if len({key.x for _, key in found}) < len(found):
        raise SignedTwice(*found[0])
    return found[0][0], tuple(key for _, key in found)


def _each_as_compact(token: bytes) -> list[bytes]:
    """RFC 7515 section 7.2.1: each signature of the General JSON form is over the same octets as the compact form."""
    try:
        general = json.loads(token)
        payload, signatures = general["payload"], general["signatures"]
        parts = [(item["protected"], payload, item["signature"]) for item in signatures]
        extra = set(general) - {"payload", "signatures"} | {name for item in signatures for name in set(item) - {"protected", "signature"}}
        compact = [".".join(part).encode("ascii") for part in parts]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadMessage("not a General JSON JWS with payload and signatures (protected, signature)") from error
    if extra or not 0 < len(compact) <= MOST_SIGNATURES:
        raise BadMessage(
            f"a General JSON JWS has payload and 1 to {MOST_SIGNATURES} signatures of protected and signature, and nothing else"
        )
    return compact


def verify_detached(message: dict[str, Any], key: TrustedKey) -> None:
    """Check the `signature` member of one of our own kinds of message. Raises BadSignature, or BadMessage for what is no JSON."""
    signature = message.get("signature")
    parts = signature.split(".") if isinstance(signature, str) else []
    if len(parts) != 3 or parts[1]:
        raise BadSignature("no detached JWS in `signature`")
    header, _, mac = parts
    rest = {name: value for name, value in message.items() if name != "signature"}
    _checked_payload(f"{header}.{urlsafe_b64encode(canonical(rest)).decode()}.{mac}", key)


def _checked_payload(text: str, key: TrustedKey) -> bytes:
    public = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": key.x})
    try:
        return bytes(jws.deserialize_compact(text, public, registry=_REGISTRY).payload)
    except (JoseError, ValueError, TypeError) as error:  # TypeError: a header whose `crit` is no list of text
        raise BadSignature(f"the signature does not hold: {error}") from error
