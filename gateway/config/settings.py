"""What a checked site file becomes, and how its errors are told. Holds no validator: the daemon carries none."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from gateway.config.toml_lines import KeyPath, key_lines, key_text, line_of
from gateway.core.doors import DoorSpec, PowerSpec
from gateway.core.errors import Permanent
from gateway.core.outputs import OutputSpec
from gateway.core.points import Point
from gateway.core.school_days import SchoolDays
from gateway.core.wire import WirePoint

if TYPE_CHECKING:  # in the daemon these are `plain.Record`s with the same attributes
    from gateway.config.profiles import Profile
    from gateway.config.site import Device, Site

CREDENTIALS = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential= and its kin
DOOR_NAME = "door.sock"
TILE_SUFFIX = ".jpg"  # of the files in `tiles_dir`, which are named after their cameras
MEMORY = FilePath("/dev/shm")  # no disk; open to all users, so the folder in it is checked by who uses it
EVIDENCE_NAME = "evidence"  # folder of pictures, beside the journal and the door


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. `line` counts from 1; `key` is written as in the file: points[2].role."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


def problem_at(file: FilePath, key: KeyPath, text: str) -> Problem:
    """A problem with its line, found by reading the file again."""
    return Problem(str(file), line_of(key_lines(file.read_text(encoding="utf-8-sig")), key), key_text(key), text)


class ConfigRefused(Permanent):
    """A file that cannot be used; `problems` holds every error found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """A site file that passed every check, with all defaults applied.

    points: every point of the site, those that `publish = "all"` makes and the gateway's own included.
    wire: per device the points that its driver must read. zones: (camera, zone or line) -> point ids.
    """

    file: FilePath
    site: Site
    state_dir: FilePath
    profiles: dict[str, Profile]
    points: dict[str, Point]
    wire: dict[str, list[WirePoint]]
    zones: dict[tuple[str, str], list[str]]
    outputs: dict[str, OutputSpec] = field(default_factory=dict)
    doors: dict[str, DoorSpec] = field(default_factory=dict)
    power: PowerSpec | None = None
    rules: list[Any] = field(default_factory=list)  # descriptions: core.linkage and its neighbours
    school_days: SchoolDays = field(default_factory=SchoolDays)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def source(self) -> str:
        """The gateway's full name."""
        return f"/sites/{self.site.site.id}/gateways/{self.site.site.gateway}"

    @property
    def root(self) -> str:
        """Root of all its topics."""
        return f"{self.site.uplink.prefix}/{self.site.site.id}/{self.site.site.gateway}"

    @property
    def door_path(self) -> FilePath:
        """Where the control socket listens."""
        return self.state_dir / DOOR_NAME

    @property
    def tiles_dir(self) -> FilePath:
        """Where the vision process puts what the page's cameras show, while somebody looks."""
        return tiles_dir(self.state_dir)

    def device(self, device_id: str) -> Device:
        """A device by its id."""
        return next(device for device in self.site.devices if device.id == device_id)

    def beside(self, path: str) -> FilePath:
        """A path of the site file; relative ones count from the file's own folder."""
        return beside(self.file, path)


def tiles_dir(state_dir: FilePath) -> FilePath:
    """A folder in memory, the same for every process that has this state folder: pictures of cameras never touch the disk."""
    name = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:16]
    return MEMORY / f"campus-gateway-{name}"


def beside(file: FilePath, path: str) -> FilePath:
    """A path written in `file`; relative ones count from that file's own folder, $CREDENTIALS_DIRECTORY/ from systemd's."""
    folder = os.environ.get(CREDENTIALS, "")
    if folder and path.startswith(f"${CREDENTIALS}/"):
        return FilePath(folder) / path.removeprefix(f"${CREDENTIALS}/")
    return file.parent / FilePath(path)
