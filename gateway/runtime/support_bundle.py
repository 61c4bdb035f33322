"""One archive for whoever helps from afar: what is set up, what runs, what happened, without passwords, keys, cards, pictures or names.

Only what is named here goes in. Every text is redacted, and the archive is not written at all if a known secret is still in it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import platform
import re
import shutil
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import islice
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.config.settings import Settings
from gateway.contract.envelope import rfc3339
from gateway.core.errors import JournalUnreadable, Permanent
from gateway.core.history import Told, Wanted
from gateway.journal.files import Unreadable, journal_files, open_readonly
from gateway.journal.history import JournalHistory
from gateway.runtime.board_facts import ROOT
from gateway.runtime.commission import BOOK_NAME
from gateway.runtime.doctor import Examination, Heard
from gateway.runtime.doctor_files import ACCOUNTS_NAME, secret_files
from gateway.runtime.redact import Redactor, names_in, without_evidence, without_secrets

EVENTS = 200
NAMES_FROM = 20_000  # events, the newest ones, that are searched for names
CUT = 20  # characters of a name in the words of a fault
LOG_LINES = 2000
KERNEL_LINES = 300
ASKED_WITHIN_S = 20.0
FILE_MOST_BYTES = 2_000_000
UNITS = ("campus-gateway", "campus-console", "campus-vision")
NEVER = ("keys, passwords and camera credentials", "cards_file, card key and hashes of cards", "accounts of the page", "pictures and clips")


class BundleRefused(Permanent):
    """The archive cannot be written; the message says why."""


@dataclass(slots=True)
class Bundle:
    """files: name in the archive -> text. left_out: what is not in it -> why."""

    files: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, make: Callable[[], str]) -> None:
        """Add a file, or note why it is not there."""
        try:
            text = make()
        except (OSError, ValueError, sqlite3.Error, Unreadable, JournalUnreadable, subprocess.SubprocessError) as error:
            self.left_out[name] = str(error) or type(error).__name__
            return
        if text:
            self.files[name] = text[:FILE_MOST_BYTES]
        else:
            self.left_out[name] = "there is none here"


def collect(settings: Settings, heard: Heard, found: Examination, *, with_names: bool, root: Path = ROOT) -> Bundle:
    """Everything, redacted. heard, found: what the daemon says and what `doctor` has found."""
    bundle = Bundle()
    site = without_secrets(tomllib.loads(settings.file.read_text(encoding="utf-8-sig")))
    events = _events(bundle, settings)
    bundle.take("site.json", lambda: _json(site))
    bundle.take("status.json", lambda: _json(without_secrets(heard.status)) if heard.status else _raise(heard.silence))
    bundle.take("metrics.txt", lambda: heard.metrics or _raise("the metrics page is off, or does not answer"))
    bundle.take("doctor.json", lambda: _json(found.as_json()))
    bundle.take("versions.json", lambda: _json(versions()))
    bundle.take("journal.json", lambda: _json(_statistics(settings.state_dir)))
    bundle.take("events.ndjson", lambda: "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events))
    bundle.take("log.txt", _log)
    _about_the_computer(bundle, root)
    for profile_id, file in _profiles(settings):
        bundle.take(f"profiles/{profile_id}.toml", file.read_text)
    names: set[str] = set()
    if not with_names:
        told = (site, events, heard.status, heard.walk_tests, heard.hazards)
        names = {*(name for each in told for name in names_in(each)), *_names_here(settings, site), *_names_of_old(settings)}
        names |= {name[:CUT] for name in names}
        names -= {recipient.id for recipient in settings.site.uplink.recipients} | {"", "gateway"}
        bundle.left_out["names of persons"] = (
            "those known here are replaced by P1, P2, ...; one that stands only in a note of somebody stays; --with-names keeps all"
        )
    redactor = Redactor(_secrets(settings, site), names)
    bundle.files = {name: redactor.text(text) for name, text in bundle.files.items()}
    for name, text in bundle.files.items():
        if redactor.leaks(text):
            raise BundleRefused(f"{name} still holds a secret after redaction: nothing was written; please report this")
    bundle.left_out |= dict.fromkeys(NEVER, "never")
    return bundle


def collect_without_site(file: Path, refused: str, root: Path = ROOT) -> Bundle:
    """What can be said where the site file cannot be used: the file as far as it is TOML, its errors, and the computer.

    Where keys and names stand is not known then: the log, which may hold them, stays here.
    """
    bundle = Bundle()
    bundle.take("site.json", lambda: _json(without_secrets(tomllib.loads(file.read_text(encoding="utf-8-sig")))))
    bundle.take("check.txt", lambda: refused)
    bundle.take("versions.json", lambda: _json(versions()))
    _about_the_computer(bundle, root)
    names = set(names_in(json.loads(bundle.files.get("site.json", "{}"))))
    redactor = Redactor((), names)
    bundle.files = {name: redactor.text(text) for name, text in bundle.files.items()}
    bundle.left_out |= dict.fromkeys(("status, metrics, doctor", "log", "journal and events", "profiles"), "the site file cannot be used")
    bundle.left_out |= dict.fromkeys(NEVER, "never")
    return bundle


def _about_the_computer(bundle: Bundle, root: Path) -> None:
    bundle.take("dmesg.txt", lambda: _tail(_said("dmesg", "--color=never"), KERNEL_LINES))
    bundle.take("os-release.txt", lambda: (root / "etc/os-release").read_text(errors="replace"))
    bundle.take("mounts.txt", lambda: (root / "proc/mounts").read_text(errors="replace"))


def _raise(why: str) -> str:
    raise ValueError(why)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)  # TOML has dates


# --- what goes in -------------------------------------------------------------------------------


def versions() -> dict[str, Any]:
    """Of this program, its packages, Python and the kernel."""
    packages = {}
    with suppress(PackageNotFoundError):
        for wanted in requires("campus-gateway") or []:
            found = re.match(r"[A-Za-z0-9_.-]+", wanted)
            with suppress(PackageNotFoundError):
                if found:
                    packages[found.group()] = version(found.group())
    return {
        "campus-gateway": __version__,
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "kernel": platform.release(),
        "machine": platform.machine(),
        "packages": dict(sorted(packages.items())),
    }


def _events(bundle: Bundle, settings: Settings) -> list[dict[str, Any]]:
    """The last ones, oldest first."""
    try:
        told = list(islice(JournalHistory(settings.state_dir).events(Wanted()), EVENTS))
    except JournalUnreadable as error:
        bundle.left_out["events.ndjson"] = str(error)
        return []
    return [_event(each) for each in reversed(told)]


def _event(told: Told) -> dict[str, Any]:
    return {
        "epoch": told.epoch,
        "sequence": told.sequence,
        "at": rfc3339(told.at_ms),
        "class": told.event_class,
        "type": told.type,
        "subject": told.subject,
        "received_ms": {who: at_ms - told.at_ms for who, at_ms in told.received.items()},
        "owed": sorted(told.owed),
        "data": without_evidence(dict(told.data)),
    }


def _statistics(state_dir: Path) -> list[dict[str, Any]]:
    out = []
    for path in journal_files(state_dir):
        with closing(open_readonly(path)) as db:
            counts = dict(db.execute("SELECT class, count(*) FROM event GROUP BY class").fetchall())
            first, last = db.execute("SELECT min(at_ms), max(at_ms) FROM event").fetchone()
        out.append({"file": path.name, "bytes": path.stat().st_size, "events": counts, "first_ms": first, "last_ms": last})
    return out


def _log() -> str:
    units = [word for unit in UNITS for word in ("-u", unit)]
    return _said("journalctl", *units, "-n", str(LOG_LINES), "--no-pager", "--no-hostname", "-o", "short-iso")


def _said(program: str, *words: str) -> str:
    """What a program of the system prints. Raises OSError or SubprocessError where it cannot."""
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is not here")
    done = subprocess.run([path, *words], capture_output=True, timeout=ASKED_WITHIN_S, check=False)
    if done.returncode:
        raise OSError(f"{program}: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout.decode(errors="replace")


def _tail(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])


def _profiles(settings: Settings) -> Iterator[tuple[str, Path]]:
    from gateway.config.load import profile_files

    files = profile_files([settings.beside(folder) for folder in settings.site.profile_dirs])
    for profile_id in sorted({device.profile for device in settings.site.devices}):
        if profile_id in files:
            yield profile_id, files[profile_id]


# --- what must not ------------------------------------------------------------------------------


def _secrets(settings: Settings, site: dict[str, Any]) -> Iterator[str]:
    """Every secret that can be read here, in each form in which it could be written down."""
    for path in secret_files(settings):
        with suppress(OSError):
            raw = path.read_bytes()
            yield raw.hex()
            for line in raw.decode("utf-8", errors="replace").splitlines():
                text = line.strip()
                if path.name == ACCOUNTS_NAME or text.startswith("-----") or not text.isprintable():
                    continue
                yield text
                if ":" in text:
                    yield text.partition(":")[2]
                    yield base64.b64encode(text.encode()).decode()  # as HTTP sends it
    for row in _card_rows(settings, site):
        yield row[0].strip()


def _card_rows(settings: Settings, site: dict[str, Any]) -> Iterator[list[str]]:
    """card, name, ... of every file of cards that the site file names."""
    for file in set(_values(site, "cards_file")):
        with suppress(OSError, ValueError, csv.Error):
            yield from (row for row in csv.reader(settings.beside(file).read_text(encoding="utf-8-sig").splitlines()) if len(row) > 1)


def _names_here(settings: Settings, site: dict[str, Any]) -> Iterator[str]:
    """Holders of cards, and who has an account at the page."""
    yield from (row[1].strip() for row in _card_rows(settings, site) if row[1].strip() != "name")
    with suppress(OSError, ValueError, AttributeError):
        content = json.loads((settings.state_dir / ACCOUNTS_NAME).read_text(encoding="utf-8"))
        yield from names_in(content)
        accounts = content.get("accounts")
        yield from accounts if isinstance(accounts, dict) else ()


def _names_of_old(settings: Settings) -> Iterator[str]:
    """Who stands in the ledger, in inspections and behind commands, as far as the journal reaches; and in the last visit."""
    past = Wanted(classes=frozenset({"duty", "audit"}))
    with suppress(JournalUnreadable):
        for told in islice(JournalHistory(settings.state_dir).events(past), NAMES_FROM):
            yield from names_in(dict(told.data))
    with suppress(OSError, ValueError):
        yield from names_in(json.loads((settings.state_dir / BOOK_NAME).read_bytes()))


def _values(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name == key and isinstance(each, str) and each:
                yield each
            yield from _values(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each, key)


# --- the archive --------------------------------------------------------------------------------


def write(bundle: Bundle, out: Path) -> list[tuple[str, int, str]]:
    """Write the archive, mode 0600; (name, bytes, sha-256) of each file. Raises BundleRefused, also where `out` is there already."""
    raw = {name: text.encode() for name, text in bundle.files.items()}
    rows = [(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in sorted(raw.items())]
    manifest = {
        "made_at": rfc3339(time.time_ns() // 1_000_000),
        "version": __version__,
        "files": [{"file": name, "bytes": size, "sha256": sha256} for name, size, sha256 in rows],
        "left_out": bundle.left_out,
    }
    try:
        with (
            os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz") as tar,
        ):
            for name, content in (("MANIFEST.json", _json(manifest).encode()), *sorted(raw.items())):
                about = tarfile.TarInfo(f"support/{name}")
                about.size, about.mode, about.mtime = len(content), 0o600, time.time()
                tar.addfile(about, io.BytesIO(content))
    except OSError as error:
        raise BundleRefused(f"{out} cannot be written: {error.strerror}") from error
    return rows
