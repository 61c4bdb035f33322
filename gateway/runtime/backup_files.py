"""Which files belong into a backup, and which do not: keys, pictures, what is made anew by itself."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.settings import DOOR_NAME, EVIDENCE_NAME, beside
from gateway.core.errors import Permanent
from gateway.journal.files import JOURNAL_NAME
from gateway.journal.reserve import RESERVE_NAME
from gateway.runtime.evidence_file import KEY_NAME as EVIDENCE_KEY_NAME
from gateway.runtime.key_change import NEXT_NAME
from gateway.runtime.keys import CARD_KEY_NAME, KEY_NAME, LOCK_NAME
from gateway.runtime.unit_failures import FOLDER as FAILURES

STATE, SITE, OTHER = "state", "site", "other"  # first part of a name in the archive: below the state folder, the site file's, anywhere
KEYS = frozenset((KEY_NAME, NEXT_NAME, CARD_KEY_NAME, EVIDENCE_KEY_NAME))
SECRET_KEYS = ("key_file", "password_file", "credentials_file")  # of the site file
MADE_ANEW = frozenset((f"{JOURNAL_NAME}-wal", f"{JOURNAL_NAME}-shm", RESERVE_NAME, LOCK_NAME, DOOR_NAME))
NOT_COPIED = {
    EVIDENCE_NAME: "pictures are deleted after some hours, and a copy would not be",
    "views": "cameras learn their usual view anew",
    "models": "add them again: campus-gateway models add",
    FAILURES: "records of the units of this computer",
}
PRIVATE = b"PRIVATE KEY-----"
MOST_KEY_BYTES = 65_536


class BackupRefused(Permanent):
    """No backup can be made, read or restored; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway's files lie. source: its full name; site_file: None for a state folder alone."""

    source: str
    state_dir: Path
    site_file: Path | None


@dataclass(slots=True)
class Chosen:
    """files: name in the archive -> file; the journal is not among them. secrets: likewise, keys and passwords. left_out: file -> why."""

    files: dict[str, Path] = field(default_factory=dict)
    secrets: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def place_of(site_file: Path, state_dir: Path | None) -> Place:
    """From a site file that need not be right in everything: a backup is made also of a gateway that cannot start. Raises BackupRefused."""
    try:
        site = tomllib.loads(site_file.read_text(encoding="utf-8-sig")).get("site", {})
        source = f"/sites/{site['id']}/gateways/{site.get('gateway', 'gate')}"
        folder = state_dir or beside(site_file, str(site.get("state_dir", "/var/lib/campus-gateway")))
    except OSError as error:
        raise BackupRefused(f"{site_file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupRefused(f"{site_file} does not name its site ([site] id): {error}") from None
    return Place(source, folder.resolve(), site_file.resolve())


def choose(place: Place) -> Chosen:
    """Everything but the journal itself. Raises BackupRefused for a state folder that cannot be read."""
    chosen = Chosen()
    try:
        _choose_state(place.state_dir, chosen)
    except OSError as error:
        raise BackupRefused(f"{error.filename or place.state_dir} cannot be read: {error.strerror}; run it with sudo") from None
    if place.site_file is not None:
        _choose_site(place.site_file, chosen)
    return chosen


def _choose_state(state_dir: Path, chosen: Chosen) -> None:
    for entry in sorted(os.scandir(state_dir), key=lambda entry: entry.name):
        if entry.name in NOT_COPIED:
            chosen.left_out[entry.name] = NOT_COPIED[entry.name]
        elif entry.is_dir(follow_symlinks=False):
            for folder, _, names in os.walk(entry.path):
                for name in names:
                    path = Path(folder) / name
                    _sort_in(chosen, f"{STATE}/{path.relative_to(state_dir)}", path)
        elif entry.name not in MADE_ANEW and entry.name != JOURNAL_NAME:
            _sort_in(chosen, f"{STATE}/{entry.name}", Path(entry.path), secret=entry.name in KEYS)


def _choose_site(site_file: Path, chosen: Chosen) -> None:
    """The site file, and whatever existing file it names."""
    _sort_in(chosen, f"{SITE}/{site_file.name}", site_file)
    with suppress(OSError, ValueError):
        named = tomllib.loads(site_file.read_text(encoding="utf-8-sig"))
        for key, text in _texts(named, ""):
            for path in _files(site_file, key, text):
                near = path.is_relative_to(site_file.parent)
                name = f"{SITE}/{path.relative_to(site_file.parent)}" if near else f"{OTHER}{path}"
                _sort_in(chosen, name, path, secret=key in SECRET_KEYS)


def _files(site_file: Path, key: str, text: str) -> Iterator[Path]:
    if not text or "\0" in text or text.startswith("$") or len(text) > 255:
        return
    path = Path(os.path.normpath(beside(site_file, text)))
    with suppress(OSError):
        if path.is_file():
            yield path
        elif key == "profile_dirs" and path.is_dir():
            yield from sorted(path.glob("*.toml"))


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """(the nearest key, text) of every text in a TOML value."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)


def _sort_in(chosen: Chosen, name: str, path: Path, *, secret: bool = False) -> None:
    if (path.is_symlink() and name.startswith(STATE)) or not path.is_file() or path.suffix in (".new", ".half", ".part"):
        return
    try:
        secret = secret or (path.stat().st_size <= MOST_KEY_BYTES and PRIVATE in path.read_bytes())
    except OSError as error:
        if not secret:
            chosen.left_out[str(path)] = f"cannot be read: {error.strerror}"
            return
    (chosen.secrets if secret else chosen.files)[name] = path
