"""Keys and hand-made tokens for these tests; signing goes straight to `cryptography`, not through the code under test."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.contract.jws import Signer, TrustedKey


def key(seed: int) -> Ed25519PrivateKey:
    """A key of its own for each seed, 0..255."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


def pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signer(seed: int = 1) -> Signer:
    return Signer(pem(key(seed)))


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw_public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def trusted(private: Ed25519PrivateKey, kid: str, owner: str) -> TrustedKey:
    return TrustedKey(kid, b64(raw_public(private)), owner)


def token(private: Ed25519PrivateKey, header: dict[str, Any] | bytes, payload: object | bytes) -> bytes:
    """A compact JWS over any header and payload."""
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signing = f"{b64(head)}.{b64(body)}"
    return f"{signing}.{b64(private.sign(signing.encode()))}".encode()
