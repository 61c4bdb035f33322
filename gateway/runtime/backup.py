"""Makes backups while the daemon runs: one .tar.gz with a manifest of sha-256, whole or not at all; old ones go.

The journal is copied by SQLite itself out of one read transaction: what the daemon commits meanwhile is not in it, and is not held up. The
disk is given pauses, and what is written goes to it in small parts, because a commit of the daemon waits behind all that a card owes.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gateway import __version__
from gateway.contract.canonical import canonical
from gateway.contract.envelope import rfc3339
from gateway.journal.files import JOURNAL_NAME, Unreadable, open_readonly
from gateway.runtime.backup_files import STATE, BackupRefused, Place, choose
from gateway.runtime.backup_keys import seal

FOLDER = Path("/var/backups/campus-gateway")
MANIFEST, SEALED_KEYS = "manifest.json", "keys.sealed"
JOURNAL = f"{STATE}/{JOURNAL_NAME}"
FORMAT = 1
KEEP = 7
MOST_MB = 2000
LEAVE_MB = 256  # of free room on the disk, of which the journal's reserve needs three times its 8 MB
LEVEL = 3  # of gzip: a small board spends its time elsewhere
STEP_PAGES = 256  # of 4 KiB, between two pauses
PAUSE_S = 0.01
SYNC_EACH_BYTES = 4 << 20
TRIES = 3
NAME = re.compile(r"campus-gateway-.+-\d{8}T\d{6}Z\.tar\.gz")
PART = ".part"


class _Changed(Exception):
    """A file became another one between being measured and being copied."""


@dataclass(frozen=True, slots=True)
class Wish:
    """keep: so many backups stay; most_mb: and so many MB of them, the newest in any case; leave_mb: free on the disk afterwards.

    password: private keys go in, closed with it; '' for none. may_remove: the clock knows which backups are old.
    """

    keep: int = KEEP
    most_mb: float = MOST_MB
    leave_mb: float = LEAVE_MB
    password: str = ""
    may_remove: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """path: the new backup. removed: names of old ones that went."""

    path: Path
    manifest: dict[str, Any]
    removed: list[str]


def make(place: Place, folder: Path, wish: Wish, at_ms: int, clock: str) -> Made:
    """A new backup in `folder`. at_ms: UTC; clock: its quality. Raises BackupRefused; then nothing is left of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder):
            removed = _make_room(place, folder, wish)
            stem = place.source.removeprefix("/sites/").replace("/gateways/", "-").replace("/", "-")
            target = folder / f"campus-gateway-{stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at_ms / 1000))}.tar.gz"
            staging = folder / f".{target.name}{PART}"
            staging.mkdir(mode=0o700)
            try:
                manifest = _write(place, staging, target, wish, at_ms, clock)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            removed += rotate(folder, wish.keep, wish.most_mb) if wish.may_remove else []
    except (OSError, sqlite3.Error, Unreadable) as error:
        raise BackupRefused(f"no backup in {folder}: {error}") from error
    return Made(target, manifest, removed)


def backups(folder: Path) -> list[Path]:
    """Those in a folder, the newest first, by the time in their names."""
    try:
        found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupRefused(f"{folder} cannot be read: {error.strerror}; run it with sudo") from None
    return sorted(found, key=lambda path: (path.name[-len("YYYYmmddTHHMMSSZ.tar.gz") :], path.name), reverse=True)


def rotate(folder: Path, keep: int, most_mb: float) -> list[str]:
    """Remove what is too many or too much, the oldest first; the newest stays. Their names."""
    gone, used = [], 0
    for number, path in enumerate(backups(folder)):
        used += path.stat().st_size
        if number and (number >= keep or used > most_mb * 1e6):
            path.unlink()
            gone.append(path.name)
    return gone


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One backup at a time; what a killed one left is removed. Raises BackupRefused."""
    fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(f"another backup into {folder} runs; wait for its end") from None
        _like_folder(folder / ".lock")
        for left in folder.glob(f".*{PART}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
    finally:
        os.close(fd)


def _make_room(place: Place, folder: Path, wish: Wish) -> list[str]:
    """Copy and archive fit and `leave_mb` stays free; old backups go for that, never the newest. Raises BackupRefused."""
    plain = sum(path.stat().st_size for path in choose(place).files.values())
    journal = sum((place.state_dir / f"{JOURNAL_NAME}{end}").stat().st_size for end in ("", "-wal") if _is_there(place, end))
    need = 2 * journal + plain + wish.leave_mb * 1e6
    gone: list[str] = []
    old = backups(folder)[1:] if wish.may_remove else []
    while (free := _free_bytes(folder)) < need and old:
        path = old.pop()
        path.unlink()
        gone.append(path.name)
    if free < need:
        text = f"{free // 1_000_000} MB are free, {need / 1e6:.0f} MB are needed, {wish.leave_mb:.0f} MB of them to stay free"
        raise BackupRefused(f"no backup in {folder}: {text}; make room, or give another disk with --to")
    return gone


def _is_there(place: Place, end: str) -> bool:
    return (place.state_dir / f"{JOURNAL_NAME}{end}").exists()


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _write(place: Place, staging: Path, target: Path, wish: Wish, at_ms: int, clock: str) -> dict[str, Any]:
    """Copy, measure, pack, and give it its name. Files that are replaced meanwhile begin it again."""
    head: dict[str, Any] = {"format": FORMAT, "name": "campus-gateway", "version": __version__, "source": place.source}
    head |= {"made_at": rfc3339(at_ms), "clockquality": clock}
    if _is_there(place, ""):
        head["journal"] = copy_journal(place.state_dir / JOURNAL_NAME, staging / JOURNAL_NAME)
    for attempt in range(TRIES):
        files = _gather(place, staging, wish, head)
        part = staging / target.name
        try:
            _pack(part, head, files)
        except _Changed as changed:
            if attempt + 1 < TRIES:
                continue
            raise BackupRefused(f"{changed} is written all the time; try again later") from None
        _like_folder(part, target.parent)
        part.rename(target)
        _sync_folder(target.parent)
        return head
    raise AssertionError("unreachable")


def _gather(place: Place, staging: Path, wish: Wish, head: dict[str, Any]) -> dict[str, Path]:
    """Name in the archive -> file, each measured in `head`."""
    chosen = choose(place)
    files = dict(chosen.files)
    if "journal" in head:
        files[JOURNAL] = staging / JOURNAL_NAME
    head["left_out"] = dict(chosen.left_out)
    head["keys"] = "none"
    if wish.password:
        sealed = staging / SEALED_KEYS
        sealed.write_bytes(seal({name: path.read_bytes() for name, path in chosen.secrets.items()}, wish.password, place.source))
        files[SEALED_KEYS] = sealed
        head["keys"] = "sealed"
    else:
        head["left_out"] |= {str(path): "a key or password; --with-keys takes it along" for path in chosen.secrets.values()}
    head["files"] = {}
    for name, path in sorted(files.items()):
        with path.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
        head["files"][name] = {"sha256": digest, "bytes": size}
    return files


def copy_journal(source: Path, copy: Path) -> dict[str, Any]:
    """A consistent copy beside a writer, checked; what is in it. Raises sqlite3.Error, Unreadable, BackupRefused, OSError."""
    copy.touch(0o600)
    fd = os.open(copy, os.O_RDWR | os.O_CLOEXEC)  # closed after SQLite is done: closing a file ends the locks that the process has on it
    try:
        with closing(open_readonly(source)) as old, closing(sqlite3.connect(copy, isolation_level=None)) as new:
            new.execute("PRAGMA synchronous = OFF")
            old.execute("BEGIN")  # all steps see the same moment; without it each commit of the daemon would begin the copy anew
            old.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            steps = SYNC_EACH_BYTES // (STEP_PAGES * 4096)

            def breathe(_: int, left: int, total: int) -> None:
                if (total - left) // STEP_PAGES % steps == 0:
                    os.fdatasync(fd)
                time.sleep(PAUSE_S)

            old.backup(new, pages=STEP_PAGES, progress=breathe, sleep=0)
            old.execute("ROLLBACK")
        with closing(open_readonly(copy)) as new:
            return _look_at(new, source)
    finally:
        os.close(fd)
        for end in ("-wal", "-shm"):
            copy.with_name(copy.name + end).unlink(missing_ok=True)


def _look_at(db: sqlite3.Connection, source: Path) -> dict[str, Any]:
    answer = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if answer != "ok":
        raise BackupRefused(f"{source} is damaged ({answer}); see: campus-gateway journal verify")
    schema = db.execute("PRAGMA user_version").fetchone()[0]
    told: dict[str, Any] = {"schema": schema, "events": db.execute("SELECT count(*) FROM event").fetchone()[0]}
    newest = db.execute("SELECT epoch, sequence, at_ms, id FROM event ORDER BY row DESC LIMIT 1").fetchone()
    if newest is not None:
        told |= {"epoch": newest[0], "sequence": newest[1], "newest_at": rfc3339(newest[2]), "newest_id": newest[3]}
    return told


def _pack(part: Path, head: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """The manifest first, so that a list of backups reads a few kB of each. Raises _Changed, OSError."""
    with (
        _Paced(part) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        body = canonical(dict(head))
        tar.addfile(_member(MANIFEST, len(body)), io.BytesIO(body))
        for name, told in head["files"].items():
            _add(tar, name, files[name], told)


def _add(tar: tarfile.TarFile, name: str, path: Path, told: Mapping[str, Any]) -> None:
    with path.open("rb") as file:
        measured = _Measured(file)
        try:
            tar.addfile(_member(name, told["bytes"]), measured)
        except OSError as error:
            if error.errno is not None:  # of the disk; tarfile's own word for a file that became shorter has none
                raise
            raise _Changed(str(path)) from error
        if measured.digest.hexdigest() != told["sha256"]:
            raise _Changed(str(path))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Measured(io.RawIOBase):
    """Reads a file, and computes its sha-256 on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """As of a file."""
        data = self._file.read(size)
        self.digest.update(data)
        return data


class _Paced(io.FileIO):
    """A new file whose content goes to the disk a few MB at a time; whole on the disk once it is closed."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        super().__init__(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        self._unsynced = 0

    def write(self, data: Any) -> int:
        """All of it."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += super().write(view[done:]) or 0
        self._unsynced += done
        if self._unsynced >= SYNC_EACH_BYTES:
            os.fdatasync(self.fileno())
            self._unsynced = 0
            time.sleep(PAUSE_S)
        return done

    def close(self) -> None:
        if not self.closed:
            with suppress(ValueError):
                os.fsync(self.fileno())
        super().close()


def _like_folder(path: Path, folder: Path | None = None) -> None:
    """Made by root, it belongs to whom the folder belongs, whose timer rotates it later."""
    if os.geteuid() == 0:
        owner = (folder or path.parent).stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_manifest(path: Path) -> dict[str, Any]:
    """What a backup says of itself. Raises BackupRefused."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            return manifest_of(tar, path)
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise BackupRefused(f"{path} is no backup that can be read: {error}") from None


def manifest_of(tar: tarfile.TarFile, path: Path) -> dict[str, Any]:
    """The first member of an open archive. Raises BackupRefused, ValueError, OSError."""
    member = tar.next()
    file = None if member is None or member.name != MANIFEST else tar.extractfile(member)
    told = json.loads(file.read()) if file is not None else {}
    if not isinstance(told, dict) or told.get("name") != "campus-gateway" or not isinstance(told.get("files"), dict):
        raise BackupRefused(f"{path} is no backup of a campus-gateway: it does not begin with its manifest")
    if told.get("format") != FORMAT:
        raise BackupRefused(f"{path} has format {told.get('format')}; this version reads {FORMAT}: use the newer version")
    return told
