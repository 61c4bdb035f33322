"""The private keys of a backup, closed with a password: scrypt, then ChaCha20-Poly1305 over all of them together."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.runtime.backup_files import BackupRefused

LEAST_LENGTH = 12
COST = {"n": 1 << 15, "r": 8, "p": 1}  # 32 MB and about half a second on a small board


def seal(secrets: Mapping[str, bytes], password: str, source: str) -> bytes:
    """JSON that opens with the password only. source: the gateway's full name, bound to it. Raises BackupRefused for a short password."""
    if len(password) < LEAST_LENGTH:
        raise BackupRefused(f"a password for keys has at least {LEAST_LENGTH} characters")
    salt, nonce = os.urandom(16), os.urandom(12)
    plain = json.dumps({name: b64encode(secret).decode() for name, secret in secrets.items()}).encode()
    closed = ChaCha20Poly1305(_key(password, salt, COST)).encrypt(nonce, plain, source.encode())
    words = {"salt": salt, "nonce": nonce, "closed": closed}
    return json.dumps(
        {"kdf": "scrypt", **COST, "cipher": "chacha20-poly1305", **{n: b64encode(v).decode() for n, v in words.items()}}
    ).encode()


def unseal(sealed: bytes, password: str, source: str) -> dict[str, bytes]:
    """What was sealed, by name. Raises BackupRefused for another password, or a file that was changed."""
    try:
        told: dict[str, Any] = json.loads(sealed)
        salt, nonce, closed = (b64decode(told[name]) for name in ("salt", "nonce", "closed"))
        key = _key(password, salt, {name: int(told[name]) for name in COST})
        plain = json.loads(ChaCha20Poly1305(key).decrypt(nonce, closed, source.encode()))
        return {name: b64decode(secret) for name, secret in plain.items()}
    except InvalidTag:
        raise BackupRefused("the keys do not open: another password, or the file was changed") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupRefused(f"the keys cannot be read: {error}") from None


def _key(password: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
    if not 1 < cost["n"] <= 1 << 20 or not 0 < cost["r"] <= 32 or not 0 < cost["p"] <= 16:
        raise ValueError("costs that no gateway chose")
    return Scrypt(salt, 32, n=cost["n"], r=cost["r"], p=cost["p"]).derive(password.encode())
