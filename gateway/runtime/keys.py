"""What only one daemon may own: the state folder's lock, the gateway's event key and its card key.

Both keys are made at first need, 0600, and never leave the box; the public half of the event key is for the centre. The
public halves of all event keys that this gateway ever had stay in a file beside it: what an earlier one signed can be proved for good.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import resource
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config.settings import CREDENTIALS
from gateway.contract.jws import Signer
from gateway.core.errors import Permanent

log = logging.getLogger(__name__)

KEY_NAME = "event-key.pem"  # in the state folder; a systemd credential of this name goes before it
PUBLIC_NAME = "event-keys.json"
CARD_KEY_NAME = "card-key"
CARD_KEY_BYTES = 32
READER_KEY_HEX = 32
CLIENT_ID_DIGITS = 16
LOCK_NAME = "daemon.lock"


class StateInUse(Permanent):
    """Another daemon owns this state folder."""


class KeyRefused(Permanent):
    """The key file is missing, open to others, or not a key."""


def no_core_dump() -> None:
    """What crashes leaves no picture of its memory, which holds keys and passwords; its children neither."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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
    path = event_key_file(state_dir)
    known, credential = public_keys(state_dir)
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            if credential:
                raise KeyRefused(
                    f"the event key was handed to systemd, {path} is not there: give the unit LoadCredential={KEY_NAME}:... or put it back"
                )
            make_key(path)
        signer = Signer(read_secret(path))
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise KeyRefused(f"{path} is not an Ed25519 private key in PEM: {error}") from error
    now_credential = path.parent != state_dir
    if known[-1:] != [signer.public()] or credential is not now_credential:
        try:
            remember(state_dir, signer.public(), credential=now_credential)
        except OSError as error:  # a full disk is no reason to guard nothing
            log.warning("%s cannot be written: %s", state_dir / PUBLIC_NAME, error.strerror)
    return signer


def public_key(state_dir: Path) -> dict[str, str]:
    """kid and x of the event key, also where only the service can read it; makes the key when there is none. Raises KeyRefused."""
    known, credential = public_keys(state_dir)
    return known[-1] if credential and not event_key_file(state_dir).exists() else load_signer(state_dir).public()


def client_id(site: str, gateway: str, path: str, signer: Signer) -> str:
    """The MQTT client id of one path: readable, and with an end that only this key makes.

    A broker gives a session to whoever names its client id, and not every broker binds that to the certificate: nobody shall guess it.
    The same key makes the same end (Ed25519 signatures are deterministic), so that the broker keeps our session over a restart.
    """
    name = f"{site}-{gateway}-{path}"
    return f"{name}-{hashlib.sha256(signer.detached(f'MQTT client id of {name}'.encode()).encode()).hexdigest()[:CLIENT_ID_DIGITS]}"


def event_key_file(state_dir: Path) -> Path:
    """Where the event key lies: among systemd's credentials, or else in the state folder."""
    credentials = os.environ.get(CREDENTIALS)
    handed = Path(credentials) / KEY_NAME if credentials else None
    return handed if handed is not None and handed.exists() else state_dir / KEY_NAME


def public_keys(state_dir: Path) -> tuple[list[dict[str, str]], bool]:
    """(kid and x of each event key that this gateway ever had, the present one last; was that a systemd credential)."""
    try:
        told = json.loads((state_dir / PUBLIC_NAME).read_bytes())
        return [{"kid": str(key["kid"]), "x": str(key["x"])} for key in told["keys"]], bool(told.get("credential"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [], False


def remember(state_dir: Path, public: dict[str, str], *, credential: bool = False) -> None:
    """This key is the present one from now on; those before it are kept. Raises OSError."""
    known = [key for key in public_keys(state_dir)[0] if key != public]
    told = json.dumps({"keys": [*known, public], "credential": credential}, indent=1)
    _store(state_dir / PUBLIC_NAME, told.encode())


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
    credentials = os.environ.get(CREDENTIALS)
    others = 0o007 if credentials and path.is_relative_to(credentials) else 0o077
    if path.stat().st_mode & others:
        raise KeyRefused(f"{path} can be read by others; expected mode 0600: chmod 600 {path}")


def keep_secret(path: Path, secret: bytes) -> None:
    """Store a key: whole or not at all, mode 0600. Raises OSError."""
    _store(path, secret)


def make_key(path: Path) -> None:
    """Store a new Ed25519 key in PEM, mode 0600. Raises OSError."""
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
    rename(new, path)


def rename(new: Path, path: Path) -> None:
    """Put a file in the place of another; it is there after a power cut once this returns. Raises OSError."""
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
