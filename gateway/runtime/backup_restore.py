"""Proves backups whole, and puts one into an empty place. Never over a journal that is there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.journal.files import JOURNAL_NAME, Unreadable, open_readonly
from gateway.runtime.backup import SEALED_KEYS, manifest_of
from gateway.runtime.backup_files import SITE, STATE, BackupRefused
from gateway.runtime.backup_keys import unseal
from gateway.runtime.keys import KEY_NAME, LOCK_NAME

HALF = ".restoring"
_READ_BYTES = 1 << 20

Sink = Callable[[bytes], object]


@dataclass(slots=True)
class Restored:
    """files: put there. apart: in the archive, and not put anywhere. has_key: the event key is there, the gateway is the old one."""

    manifest: dict[str, Any]
    files: list[Path] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    has_key: bool = False


def verify(path: Path) -> tuple[dict[str, Any], list[str]]:
    """(manifest, what is wrong). Raises BackupRefused for what is no backup at all."""
    found: dict[str, str] = {}

    def take(name: str, size: int) -> Sink:
        digest = hashlib.sha256()
        found[name] = ""
        taken = [0]

        def feed(part: bytes) -> None:
            digest.update(part)
            taken[0] += len(part)
            found[name] = digest.hexdigest() if taken[0] == size else ""

        if not size:
            found[name] = digest.hexdigest()
        return feed

    manifest, trouble = _read(path, take)
    wrong = [f"{name}: another sha-256 than the manifest says" for name, sha256 in found.items() if sha256 != _sha256(manifest, name)]
    wrong += [f"{name}: is missing" for name in manifest["files"] if name not in found]
    return manifest, wrong + ([trouble] if trouble else [])


def restore(path: Path, state_dir: Path, config_dir: Path | None, password: str) -> Restored:
    """Unpack beside, prove, then put in place, the journal last. Raises BackupRefused; then nothing of what was there has changed."""
    try:
        with closing(_Taken(state_dir)):
            _refuse_journal(path, state_dir)
            return _restore(path, state_dir, config_dir, password)
    except OSError as error:
        raise BackupRefused(f"{error.filename or state_dir}: {error.strerror}") from error


def _restore(path: Path, state_dir: Path, config_dir: Path | None, password: str) -> Restored:
    half = state_dir / HALF
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(mode=0o700)
    try:
        manifest = _unpack(path, half)
        done = Restored(manifest)
        _open_keys(half, manifest, password)
        moves: dict[Path, Path] = {}
        for file in sorted(file for file in half.rglob("*") if file.is_file()):
            name = file.relative_to(half)
            if name.parts[0] == STATE:
                moves[file] = state_dir / Path(*name.parts[1:])
            elif name.parts[0] == SITE and config_dir is not None:
                moves[file] = config_dir / Path(*name.parts[1:])
            else:
                done.apart.append(str(name))
        _refuse_others(moves)
        for file, place in sorted(moves.items(), key=lambda move: move[1].name == JOURNAL_NAME):
            _put(file, place, state_dir if place.is_relative_to(state_dir) else place.parent)
            done.files.append(place)
        done.has_key = (state_dir / KEY_NAME).exists()
        return done
    finally:
        shutil.rmtree(half, ignore_errors=True)


class _Taken:
    """The state folder is nobody else's meanwhile. Raises BackupRefused where a daemon runs in it."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise BackupRefused(f"a daemon runs in {state_dir}; stop it first: systemctl stop campus-gateway") from None
        if os.geteuid() == 0:
            owner = state_dir.stat()
            os.fchown(self._fd, owner.st_uid, owner.st_gid)

    def close(self) -> None:
        """Give it back."""
        os.close(self._fd)


def _refuse_journal(path: Path, state_dir: Path) -> None:
    """Events that are there are never overwritten, older or newer."""
    journal = state_dir / JOURNAL_NAME
    if not journal.exists():
        return
    has = "one that cannot be read"
    with suppress(sqlite3.Error, Unreadable), closing(open_readonly(journal)) as db:
        newest = db.execute("SELECT at_ms FROM event ORDER BY row DESC LIMIT 1").fetchone()
        has = "one without events" if newest is None else f"one up to {rfc3339(newest[0])}"
    told = _manifest(path).get("journal", {}).get("newest_at", "an unknown time")
    raise BackupRefused(
        f"{state_dir} holds a journal, {has}; the backup's ends at {told}. Nothing was changed.\n"
        "Events that are only there would be lost, and alarms with them. If the file there is of no use any more:\n"
        f"  systemctl stop campus-gateway && mv {state_dir} {state_dir}.before\n"
        f"  campus-gateway restore {path} --state-dir {state_dir}\n"
        f"and keep {state_dir}.before: `campus-gateway journal export --state-dir` reads it."
    )


def _refuse_others(moves: dict[Path, Path]) -> None:
    for file, place in moves.items():
        if place.exists() and place.read_bytes() != file.read_bytes():
            raise BackupRefused(f"{place} is there and says something else than the backup. Nothing was changed; move it away first")


def _put(file: Path, place: Path, folder: Path) -> None:
    made = [parent for parent in place.parents if not parent.exists()]
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.chmod(0o600)
    if os.geteuid() == 0:
        owner = folder.stat() if folder.exists() else place.parent.stat()
        for each in (file, *made):
            os.chown(each, owner.st_uid, owner.st_gid)
    with file.open("rb") as content:
        os.fsync(content.fileno())
    shutil.move(file, place)
    fd = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Everything into `folder`. Raises BackupRefused where anything is not as the manifest says."""
    open_files: dict[str, Any] = {}

    def take(name: str, size: int) -> Sink:
        for file in open_files.values():
            file.close()
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        open_files[name] = place.open("xb")
        return open_files[name].write  # type: ignore[no-any-return]

    try:
        manifest, trouble = _read(path, take)
    finally:
        for file in open_files.values():
            file.close()
    for name in manifest["files"]:
        try:
            with (folder / name).open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == _sha256(manifest, name)
        except OSError:
            whole = False
        if not whole:
            trouble = trouble or f"{name} is missing or damaged"
    if trouble or set(open_files) != set(manifest["files"]):
        raise BackupRefused(f"{path} is damaged: {trouble or 'it holds files that its manifest does not name'}; take an older one")
    return manifest


def _open_keys(half: Path, manifest: dict[str, Any], password: str) -> None:
    sealed = half / SEALED_KEYS
    if not sealed.exists():
        return
    if password:
        for name, secret in unseal(sealed.read_bytes(), password, str(manifest.get("source"))).items():
            if not _is_safe(name):
                raise BackupRefused(f"{name!r} is no name of a key")
            (half / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (half / name).write_bytes(secret)
        sealed.unlink()


def _manifest(path: Path) -> dict[str, Any]:
    return _read(path, None)[0]


def _read(path: Path, take: Callable[[str, int], Sink] | None) -> tuple[dict[str, Any], str]:
    """(manifest, why reading ended early). take(name, size): what each file's bytes go to; None: the manifest is enough."""
    try:
        tar = tarfile.open(path, "r:gz")  # noqa: SIM115 - closed below
        with tar:
            manifest = manifest_of(tar, path)
            if take is None:
                return manifest, ""
            try:
                for member in _rest(tar):
                    if not member.isfile() or not _is_safe(member.name):
                        return manifest, f"{member.name!r} is no file of a backup"
                    file, feed = tar.extractfile(member), take(member.name, member.size)
                    while file is not None and (part := file.read(_READ_BYTES)):
                        feed(part)
            except (EOFError, zlib.error, tarfile.TarError, OSError, ValueError) as error:
                return manifest, f"it cannot be read to its end: {error}"
            return manifest, ""
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise BackupRefused(f"{path} is no backup that can be read: {error}") from None


def _rest(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := tar.next()) is not None:
        yield member


def _is_safe(name: str) -> bool:
    """A plain path below the archive."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts and "\0" not in name


def _sha256(manifest: dict[str, Any], name: str) -> str:
    told = manifest["files"].get(name)
    return str(told.get("sha256")) if isinstance(told, dict) else "not named"
