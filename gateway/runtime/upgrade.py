"""Switches an installed gateway to another delivered version, on trial, and back (docs/upgrade.md)."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.files import JOURNAL_NAME
from gateway.journal.migration import copy_to, drop_copies
from gateway.runtime import release
from gateway.runtime.keys import rename
from gateway.runtime.trial import Trial
from gateway.runtime.trial_book import Book, TrialRefused
from gateway.runtime.trial_health import Health
from gateway.runtime.trial_run import Units

KIND = "upgrade"
PROGRAM = "bin/campus-gateway"
PAUSE_S = 0.02  # between two pieces of a journal that is copied beside the daemon
BACKUPS_KEPT = 2
MIGRATED_WITHIN_S = 900.0
SPARE_BYTES = 64 << 20
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where an installed gateway has its things. root: / but in tests."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """Programs."""
        return self.root / "opt/campus-gateway"

    @property
    def versions(self) -> Path:
        """Delivered versions, each in a folder of its name."""
        return self.home / "versions"

    @property
    def current(self) -> Path:
        """Link to what runs."""
        return self.home / "current"

    @property
    def before(self) -> Path:
        """Link to what ran before the change that is on trial, of the program or of the site file: it carries the trial."""
        return self.home / "before"

    @property
    def previous(self) -> Path:
        """Link to what ran before the last upgrade that was kept."""
        return self.home / "previous"

    @property
    def trials(self) -> Path:
        """Trial, floor, backups."""
        return self.root / "var/lib/campus-gateway-upgrade"

    @property
    def keys(self) -> Path:
        """Public keys whose releases may run."""
        return self.root / "etc/campus-gateway/release-keys"

    @property
    def site(self) -> Path:
        """The site file of the installed gateway."""
        return self.root / "etc/campus-gateway/site.toml"

    def version(self, link: Path) -> str:
        """The version that a link names; '' where it is none."""
        try:
            return Path(os.readlink(link)).name
        except OSError:
            return ""

    def delivered(self) -> list[str]:
        """All delivered versions, oldest first."""
        folders = self.versions.glob("[!.]*") if self.versions.is_dir() else ()
        return sorted((folder.name for folder in folders if (folder / release.LIST).exists()), key=release.order)

    def point(self, link: Path, version: str) -> None:
        """Have a link name this version, atomically and durably. Raises OSError."""
        if self.version(link) != version:
            new = link.with_name(f".{link.name}.new")
            new.unlink(missing_ok=True)
            new.symlink_to(Path("versions") / version)
            rename(new, link)


def wanted(places: Places, version: str, *, back: bool) -> str:
    """The version that is meant. Raises TrialRefused when there is none such."""
    current = places.version(places.current)
    delivered = places.delivered()
    if not current or not delivered:
        raise TrialRefused(f"no gateway is installed in {places.home}; this is for boxes with the package")
    if back:
        before = places.version(places.previous)
        if before in ("", current) or before not in delivered:
            raise TrialRefused(f"there is no version before {current} on this box; delivered: {', '.join(delivered)}")
        return before
    if not version:
        version = delivered[-1]
        if release.order(version) <= release.order(current):
            raise TrialRefused(
                f"{current} runs, and nothing newer is delivered; install the newer package first: apt install ./campus-gateway_*.deb"
            )
    if version == current:
        raise TrialRefused(f"{version} runs already")
    if version not in delivered:
        raise TrialRefused(f"{version} is not delivered; delivered: {', '.join(delivered)}")
    return version


def objections(places: Places, book: Book, version: str, state_dir: Path) -> Iterator[str]:
    """Why this version cannot be switched to, each in one line. Looks only."""
    folder = places.versions / version
    try:
        found = release.verify(folder, release.read_keys(places.keys))
        told = release.read(folder)
    except release.ReleaseRefused as refused:
        yield str(refused)
        return
    if found:
        yield from found
        return  # nothing of it is run
    floor = book.floor()
    if told.version != version:
        yield f"{folder} holds version {told.version}"
    if release.order(version) < release.order(floor):
        yield f"{version} is below the security floor {floor} of this box: what it lacks must not be missing again"
    if told.architecture != _MACHINES.get(platform.machine(), platform.machine()):
        yield f"{version} is for {told.architecture}, this computer is {platform.machine()}"
    if told.python != f"{sys.version_info.major}.{sys.version_info.minor}":
        yield f"{version} is for Python {told.python}, this computer has {sys.version_info.major}.{sys.version_info.minor}"
    yield from _no_room(places, state_dir)
    if places.site.exists():
        checked = subprocess.run([folder / PROGRAM, "check", places.site], capture_output=True, text=True, check=False)
        if checked.returncode:
            yield f"{version} refuses the site file:\n{(checked.stdout + checked.stderr).strip()}"


def _no_room(places: Places, state_dir: Path) -> Iterator[str]:
    journal = state_dir / JOURNAL_NAME
    size = journal.stat().st_size if journal.exists() else 0
    for folder in (places.trials, state_dir):
        there = next(each for each in (folder, *folder.parents) if each.is_dir())
        disk = shutil.disk_usage(there)
        if disk.free < size + SPARE_BYTES:
            yield f"{folder} needs {(size + SPARE_BYTES) >> 20} MB for a copy of the journal, {disk.free >> 20} MB are free"


def state_dir_of(site: Path) -> tuple[Path, Path, str]:
    """(state folder, control socket, full name) by the site file. Raises ConfigRefused."""
    from gateway.config.apart import Loading

    settings = Loading(site).result()
    return settings.state_dir, settings.door_path, settings.source


class UpgradeWay:
    """A version on trial."""

    def __init__(self, places: Places, book: Book, units: Units) -> None:
        self._places = places
        self._book = book
        self._units = units
        self.steady_s: float | None = None

    def go(self, trial: Trial) -> None:
        """Copy the journal beside the daemon that runs, stop, switch, start."""
        self._back_up(trial)
        self._switch(trial, trial.after, int(trial.more["schema_after"]))

    def back(self, trial: Trial) -> None:
        """Stop, have the journal fit the version before, switch, start."""
        self._switch(trial, trial.before, int(trial.more["schema_before"]))

    def settle(self, trial: Trial) -> None:
        """Raise the floor; keep two versions, and backups of two upgrades."""
        places, book = self._places, self._book
        floor = release.read(places.versions / trial.after).security_floor
        places.point(places.previous, trial.before)
        book.raise_floor(max(floor, book.floor(), key=release.order))
        for version in places.delivered():
            if version not in (trial.before, trial.after) and release.order(version) < release.order(trial.after):
                shutil.rmtree(places.versions / version)
        for old in sorted(book.folder.glob("journal-*.db"))[:-BACKUPS_KEPT]:
            old.unlink()
        drop_copies(Path(trial.more["state_dir"]) / JOURNAL_NAME)

    def crashes(self) -> int:
        """Of the daemon."""
        return self._units.crashes()

    def health(self, trial: Trial, *, after: bool) -> Health:
        """Of the daemon with either version."""
        health = Health(
            Path(trial.more["door"]), KIND, f"{trial.before} -> {trial.after}", trial.by, before=trial.daemon,
            version=trial.after if after else trial.before, devices=frozenset(trial.devices), receipt=trial.receipt,
        )  # fmt: skip
        health.steady_s = min(health.steady_s, trial.within_s / 3)
        return health

    def _back_up(self, trial: Trial) -> None:
        journal = Path(trial.more["state_dir"]) / JOURNAL_NAME
        copy = self._book.folder / f"journal-{trial.began_at.replace(':', '')}-{trial.before}.db"
        if journal.exists() and not copy.exists():
            new = copy.with_suffix(".new")
            with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True, timeout=10.0)) as db:
                copy_to(db, new, PAUSE_S)
            rename(new, copy)

    def _switch(self, trial: Trial, version: str, schema: int) -> None:
        if self._places.version(self._places.current) != version:  # else the power went after that, and they run, or are started here
            self._units.stop(trial.units)
            fit(Path(trial.more["state_dir"]), schema)
            self._places.point(self._places.current, version)
        self._units.start(trial.units)


def fit(state_dir: Path, schema: int) -> None:
    """Have the journal fit a version that knows this schema; to a newer one it is brought up by that daemon itself.

    It runs as whoever owns the journal: what a journal tells to do is not done as root. Raises subprocess.SubprocessError.
    """
    if (state_dir / JOURNAL_NAME).exists():
        command = [sys.executable, "-I", "-m", "gateway", "journal", "migrate", "--to", str(schema), "--state-dir", str(state_dir)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=MIGRATED_WITHIN_S)


def prepared(places: Places, book: Book, version: str, *, within_s: float, by: str, receipt: bool, units: Units) -> Trial:
    """A trial that can be carried, once objections() has none. Raises TrialRefused, ConfigRefused."""
    if (standing := book.trial()) is not None:
        raise TrialRefused(f"a trial is under way ({standing.kind}, {standing.before} -> {standing.after}, {standing.state})")
    active = units.active()
    if not active:
        raise TrialRefused("the daemon does not run, so nothing could prove well: systemctl start campus-gateway")
    state_dir, door, _ = state_dir_of(places.site)
    current = places.version(places.current)
    running = Health(door, KIND, "", by).running()
    schemas = [str(release.read(places.versions / each).schema) for each in (current, version)]
    more = {"state_dir": str(state_dir), "door": str(door), "schema_before": schemas[0], "schema_after": schemas[1]}
    trial = Trial(
        KIND, current, version, str(places.site), within_s, by=by, receipt=receipt, units=active, more=more,
        daemon=str(running["bootid"]) if running else "",
        devices=tuple(device for device, up in running["devices"].items() if up) if running else (),
    )  # fmt: skip
    places.point(places.before, current)
    return book.keep(trial)
