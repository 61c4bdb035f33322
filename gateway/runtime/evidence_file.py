"""The file format of evidence at rest: encrypted and authenticated, with what it is in clear at its head.

    8 bytes   "CGEV0001"
    4 bytes   length of the head, big endian
    head      JSON (UTF-8): id, kind, camera, media_type, from, to (RFC 3339), cause, by, key (id), salt (64 hex digits), chunk (bytes)
    chunks    AES-256-GCM, each `chunk` bytes of plaintext and 16 bytes of tag, the last one shorter (perhaps empty)

File key: HKDF-SHA256(site key, salt, info "campus-gateway evidence 1"). Nonce of chunk n from 0: n as 11 bytes big endian, then 1 for the
last chunk and 0 for all others. Everything before the chunks is the additional data of each: a head that was changed, a chunk that was
taken out, moved or cut off is noticed. The site key, 32 bytes, lies in STATE_DIR/evidence-key (0600) or is a systemd credential of
that name; `key` in the head is the first 16 hex digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.config.settings import CREDENTIALS
from gateway.core.errors import Permanent
from gateway.runtime.keys import KeyRefused, read_secret

KEY_NAME = "evidence-key"  # in the state folder, or a systemd credential
KEY_BYTES = 32
SUFFIX = ".sealed"
UNDATED = ".undated"  # ID.undated: a file of this id was written while nobody knew the time
MAGIC = b"CGEV0001"
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
HEAD_MOST_BYTES = 64_000
KEEP_FREE_BYTES = 50_000_000  # of the disk: the journal goes before pictures
_INFO = b"campus-gateway evidence 1"


class EvidenceRefused(Permanent):
    """A file of evidence that cannot be read: damaged, changed, or sealed with another key."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written. sha256, size_bytes: of the plaintext; file_sha256, file_bytes: of the file."""

    sha256: str
    size_bytes: int
    file_sha256: str
    file_bytes: int


def load_key(state_dir: Path) -> bytes:
    """The site's key of evidence; made when there is none. Safe when two processes start at once. Raises KeyRefused."""
    credentials = os.environ.get(CREDENTIALS)
    handed = Path(credentials) / KEY_NAME if credentials else None
    path = handed if handed is not None and handed.exists() else state_dir / KEY_NAME
    try:
        if not path.exists():
            _make(path)
        key = read_secret(path)
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise KeyRefused(f"{path} has {len(key)} bytes, expected {KEY_BYTES}; restore it from a backup, or what it sealed is lost")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, secrets.token_bytes(KEY_BYTES))
        os.fsync(fd)
    finally:
        os.close(fd)
    with suppress(FileExistsError):  # the other process was quicker
        path.hardlink_to(new)
    new.unlink()
    _sync_folder(path.parent)


def key_id(key: bytes) -> str:
    """What the head of a file calls the key that it was sealed with."""
    return hashlib.sha256(key).hexdigest()[:16]


def sealed(plain: bytes, about: dict[str, Any], key: bytes) -> Iterator[bytes]:
    """The file's bytes, in parts. about: the head's own members."""
    salt = secrets.token_bytes(32)
    head = json.dumps({**about, "key": key_id(key), "salt": salt.hex(), "chunk": CHUNK_BYTES}, ensure_ascii=False).encode()
    clear = MAGIC + len(head).to_bytes(4, "big") + head
    yield clear
    cipher = AESGCM(_file_key(key, salt))
    last = len(plain) // CHUNK_BYTES
    for number in range(last + 1):
        part = plain[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
        yield cipher.encrypt(_nonce(number, last=number == last), part, clear)


def read_head(path: Path) -> dict[str, Any]:
    """What a file says that it is. Not proved before the file is opened with its key. Raises EvidenceRefused, OSError."""
    with path.open("rb") as file:
        return _head(file.read(12 + HEAD_MOST_BYTES), path.name)[0]


def file_key(path: Path, key: bytes) -> bytes:
    """The key of this one file. Raises EvidenceRefused, OSError."""
    head = read_head(path)
    if head["key"] != key_id(key):
        raise EvidenceRefused(
            f"{path.name} was sealed with the key {head['key']}, this gateway's is {key_id(key)}: put the {KEY_NAME} of that time back"
        )
    return _file_key(key, bytes.fromhex(head["salt"]))


def opened(body: bytes, key_of_file: bytes, name: str = "the file") -> bytes:
    """The plaintext of a whole file. Raises EvidenceRefused for one that was changed or cut short."""
    head, clear_bytes = _head(body, name)
    clear, sealed_part = body[:clear_bytes], body[clear_bytes:]
    step = int(head["chunk"]) + TAG_BYTES
    last = max(0, (len(sealed_part) - 1) // step)
    cipher = AESGCM(key_of_file)
    try:
        parts = [
            cipher.decrypt(_nonce(number, last=number == last), sealed_part[number * step : (number + 1) * step], clear)
            for number in range(last + 1)
        ]
    except (InvalidTag, ValueError):
        raise EvidenceRefused(f"{name} is damaged, was changed, or its key is another one") from None
    return b"".join(parts)


def store(path: Path, plain: bytes, about: dict[str, Any], key: bytes) -> Stored:
    """Write a sealed file: whole or not at all, mode 0600, and on the disk. Raises OSError, without leaving anything behind."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    disk = os.statvfs(path.parent)
    if disk.f_bavail * disk.f_frsize < len(plain) + KEEP_FREE_BYTES:
        raise OSError(28, f"the disk is full: {disk.f_bavail * disk.f_frsize / 1e6:.0f} MB are left, and kept for the journal")
    part = path.with_name(f"{path.name}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for chunk in sealed(plain, about, key):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return Stored(hashlib.sha256(plain).hexdigest(), len(plain), digest.hexdigest(), size)


def _head(body: bytes, name: str) -> tuple[dict[str, Any], int]:
    """(head, bytes up to the first chunk)."""
    length = int.from_bytes(body[8:12], "big")
    try:
        if body[:8] != MAGIC or length > HEAD_MOST_BYTES or len(body) < 12 + length:
            raise ValueError
        head = json.loads(body[12 : 12 + length])
        if len(bytes.fromhex(head["salt"])) != KEY_BYTES or not isinstance(head["key"], str) or not 0 < int(head["chunk"]) <= 1 << 26:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise EvidenceRefused(f"{name} is no file of evidence, or its head is damaged") from None
    return head, 12 + length


def _file_key(key: bytes, salt: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt, _INFO).derive(key)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _sync_folder(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
