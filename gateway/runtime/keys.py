"""The gateway's event key: made at first need, 0600, never leaves the box; its public half is for the centre."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.contract.jws import Signer
from gateway.core.errors import Permanent

KEY_NAME = "event-key.pem"


class KeyRefused(Permanent):
    """The key file is missing, open to others, or not a key."""


def load_signer(state_dir: Path) -> Signer:
    """The signer of this gateway; makes its key when there is none. Raises KeyRefused."""
    path = state_dir / KEY_NAME
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise KeyRefused(f"{path} can be read by others; expected mode 0600: chmod 600 {path}")
        return Signer(path.read_bytes())
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise KeyRefused(f"{path} is not an Ed25519 private key in PEM: {error}") from error


def _make(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    new = path.with_suffix(".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, pem)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
