"""Puts a new site file to use on trial: what it changes, what stands in its way, and the way there and back (docs/upgrade.md)."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.plain import Record
from gateway.config.settings import Settings
from gateway.core.errors import DoorRefused
from gateway.runtime.door import ask
from gateway.runtime.trial import Trial
from gateway.runtime.trial_book import put_file
from gateway.runtime.trial_health import Health, Status
from gateway.runtime.trial_run import Units

KIND = "apply"
COPIES_KEPT = 10
RESTART_WITHIN_S = 20.0  # the answer comes once the new file was read
GONE_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Change:
    """What differs in one part of the site file. Each is the ids of what was added, removed or changed."""

    part: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __str__(self) -> str:
        told = [sign + ", ".join(names) for sign, names in (("+ ", self.added), ("- ", self.removed), ("~ ", self.changed)) if names]
        return f"{self.part}: {'  '.join(told)}"


def changes(old: Settings, new: Settings) -> list[Change]:
    """What a new site file changes, part by part."""
    found = []
    for part, after in vars(new.site).items():
        before = getattr(old.site, part, None)
        if before != after:
            found.append(_change(part, _named(before), _named(after)))
    if old.profiles != new.profiles:
        found.append(_change("profiles", dict(old.profiles), dict(new.profiles)))
    return found


def _change(part: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    return Change(
        part,
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name in before and before[name] != after[name]),
    )


def _named(value: Any) -> dict[str, Any]:
    """The items of a part by their ids, the keys of a table, or the value alone."""
    if isinstance(value, list | tuple):
        return {str(getattr(item, "id", None) or getattr(item, "name", None) or f"#{n}"): item for n, item in enumerate(value, 1)}
    if isinstance(value, dict):
        return {str(name): item for name, item in value.items()}
    if isinstance(value, Record):
        return dict(vars(value))
    return {} if value is None else {"value": value}


def objections(old: Settings, new: Settings, status: Status | None) -> Iterator[str]:
    """What a person must decide first, each in one line. status: of the daemon that runs, None for none."""
    if old.state_dir != new.state_dir:
        yield f"state_dir changes from {old.state_dir} to {new.state_dir}: journal and keys stay behind, and a new journal begins"
    if old.source != new.source:
        yield f"the gateway's name changes from {old.source} to {new.source}: the centre knows it by the old one until it is enrolled anew"
    if status is None:
        return
    keys = {spec.key for point in new.points.values() for spec in point.alarms}
    for alarm in (*status["alarms"], *status["set_aside"]):
        if alarm["alarm"] not in keys:
            yield f"alarm {alarm['alarm']} stands ({alarm['state']}) and would be gone: acknowledge and reset it first"
    for run in status["modes"]:
        if gone := sorted(set(run["points"]) - set(new.points)):
            yield f"{', '.join(gone)} is in a {run['kind']} that is not over: end it first"


def copies(site: Path) -> list[Path]:
    """Site files that were in use before, oldest first."""
    return sorted(site.parent.glob(f"{site.name}.before-*"))


def staged_name(site: Path) -> Path:
    """Where the file on trial lies until it is confirmed: beside the site file, so that paths in it mean the same."""
    return site.with_name(f"{site.name}.trial")


def stage(site: Path, content: bytes) -> Path:
    """Put a new site file beside the one in use, with its owner and mode. Raises OSError."""
    staged = staged_name(site)
    put_file(staged, content, like=site)
    return staged


def keep_copy(site: Path, at: str) -> Path:
    """A copy of the file in use, with its owner and mode. at: RFC 3339. Raises OSError."""
    copy = site.with_name(f"{site.name}.before-{at.replace(':', '').replace('-', '')}")
    put_file(copy, site.read_bytes(), like=site)
    return copy


class ApplyWay:
    """A site file on trial."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self.steady_s: float | None = None

    def go(self, trial: Trial) -> None:
        """Put the new file in its place, and have the daemon take it."""
        self._use(trial, Path(trial.after), forth=True)

    def back(self, trial: Trial) -> None:
        """The file before, and the daemon takes that; one that was never changed goes on undisturbed."""
        self._use(trial, Path(trial.before), forth=False)
        staged_name(Path(trial.site)).unlink(missing_ok=True)

    def settle(self, trial: Trial) -> None:
        """Remove what is in the way; ten former files are kept."""
        staged_name(Path(trial.site)).unlink(missing_ok=True)
        for old in copies(Path(trial.site))[:-COPIES_KEPT]:
            old.unlink()

    def crashes(self) -> int:
        """Of the daemon."""
        return self._units.crashes()

    def health(self, trial: Trial, *, after: bool) -> Health:
        """Of the daemon."""
        health = Health(
            Path(trial.more["door"]), KIND, trial.more["words"], trial.by, before=trial.daemon if after else "",
            devices=frozenset(trial.devices), receipt=trial.receipt,
        )  # fmt: skip
        health.steady_s = min(health.steady_s, trial.within_s / 3)
        return health

    def _use(self, trial: Trial, file: Path, *, forth: bool) -> None:
        site, door, content = Path(trial.site), Path(trial.more["door"]), file.read_bytes()
        changed = site.read_bytes() != content
        if changed:
            put_file(site, content, like=site)
        running = _boot_id(door) if trial.units else _awaited(door)
        if not running:
            self._units.stop(trial.units)  # it hangs, or ends again and again
            self._units.start(trial.units)
        elif changed or (running == trial.daemon) is forth:  # what runs has read the other file, or may have
            restart(door)
            self._units.restart_others()


def _awaited(door: Path) -> str:
    """Boot id of a daemon started by hand, which nobody else could start: it may just be starting anew."""
    end_s = time.monotonic() + GONE_WITHIN_S
    while not (running := _boot_id(door)) and time.monotonic() < end_s:
        time.sleep(0.1)
    return running


def _boot_id(door: Path) -> str:
    try:
        return str(asyncio.run(ask(door, {"op": "status"}))["status"]["bootid"])
    except (DoorRefused, KeyError):
        return ""


def restart(door: Path) -> None:
    """Have the daemon start anew in its place, and wait until the one before has gone. Raises DoorRefused when it does not."""
    before = _boot_id(door)
    answer = asyncio.run(ask(door, {"op": "restart"}, RESTART_WITHIN_S))
    if not answer.get("ok"):
        raise DoorRefused(str(answer.get("error")))
    end_s = time.monotonic() + GONE_WITHIN_S
    while _boot_id(door) == before:
        if time.monotonic() > end_s:
            raise DoorRefused(f"the daemon did not end within {GONE_WITHIN_S:.0f} s")
        time.sleep(0.1)


def may_write(site: Path) -> bool:
    """True where files beside the site file can be made."""
    return os.access(site.parent, os.W_OK | os.X_OK)
