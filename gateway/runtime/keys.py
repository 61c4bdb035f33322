"""What only one daemon may own: the state folder's lock, the gateway's event key and its card key.

Both keys are made at first need, 0600, and never leave the box; the public half of the event key is for the centre.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.contract.jws import Signer
from gateway.core.errors import Permanent

KEY_NAME = "event-key.pem"
CARD_KEY_NAME = "card-key"
CARD_KEY_BYTES = 32
READER_KEY_HEX = 32
LOCK_NAME = "daemon.lock"


class StateInUse(Permanent):
    """Another daemon owns this state folder."""


class KeyRefused(Permanent):
    """The key file is missing, open to others, or not a key."""


def lock(state_dir: Path) -> int:
    """Take the state folder for this process; the lock ends when the returned descriptor is closed. Raises StateInUse."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateInUse(f"{state_dir} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(fd, 20).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        raise StateInUse(f"{state_dir} is in use by another daemon (process {owner}); stop it first") from None
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


def load_signer(state_dir: Path) -> Signer:
    """The signer of this gateway; makes its key when there is none. Raises KeyRefused."""
    path = state_dir / KEY_NAME
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make(path)
        _refuse_open(path)
        return Signer(path.read_bytes())
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise KeyRefused(f"{path} is not an Ed25519 private key in PEM: {error}") from error


def card_hasher(state_dir: Path) -> Callable[[bytes], str]:
    """What stands for a card outside its driver: HMAC-SHA256 with a key that never leaves this box, as 64 hex digits.

    The key is made when there is none. Without it the few million numbers of a card system could simply be tried. Raises KeyRefused.
    """
    path = state_dir / CARD_KEY_NAME
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _store(path, secrets.token_bytes(CARD_KEY_BYTES))
        _refuse_open(path)
        key = path.read_bytes()
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    if len(key) != CARD_KEY_BYTES:
        raise KeyRefused(
            f"{path} has {len(key)} bytes, expected {CARD_KEY_BYTES}; restore it from a backup, or all cards must be enrolled again"
        )
    return lambda card: hmac.digest(key, card, "sha256").hex()


def load_reader_key(path: Path) -> bytes:
    """A reader's secure-channel key: 32 hex digits in a file that only its owner can read. Raises KeyRefused."""
    try:
        _refuse_open(path)
        text = path.read_text(encoding="ascii").strip()
        if len(text) == READER_KEY_HEX:
            return bytes.fromhex(text)
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        pass
    raise KeyRefused(f"{path} does not hold a key of {READER_KEY_HEX} hex digits")


def read_secret(path: Path) -> bytes:
    """The content of a key or password file that only its owner can read. Raises KeyRefused, OSError."""
    _refuse_open(path)
    return path.read_bytes()


def _refuse_open(path: Path) -> None:
    """systemd gives the service its credentials through an ACL, whose mask shows as group bits; its folder is closed to others."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    others = 0o007 if credentials and path.is_relative_to(credentials) else 0o077
    if path.stat().st_mode & others:
        raise KeyRefused(f"{path} can be read by others; expected mode 0600: chmod 600 {path}")


def keep_secret(path: Path, secret: bytes) -> None:
    """Store a key: whole or not at all, mode 0600. Raises OSError."""
    _store(path, secret)


def _make(path: Path) -> None:
    _store(path, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _store(path: Path, secret: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, secret)
        if os.geteuid() == 0:  # `sudo campus-gateway key`: the key belongs to whom the folder belongs
            owner = path.parent.stat()
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)
