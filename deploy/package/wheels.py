"""The locked packages of a release, fetched for a Debian 12 of any architecture by any Python: nothing is compiled and nothing is run."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

PYTHON = "3.11"  # Debian 12 and Raspberry Pi OS 12
# Older platforms are not derived by pip: each is named. glibc: Debian 12 has 2.36; what asks for more than 2.28 is not taken.
_TAGS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17", "manylinux2014", "manylinux_2_12")
_OLD_TAGS = ("manylinux2010", "manylinux_2_5", "manylinux1", "linux")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
ARCHITECTURES = tuple(_MACHINES)


class NotBuilt(Exception):
    """A release cannot be built. The message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One entry of requirements.lock. text: as pip reads it; digests: SHA-256 of the files that may be taken."""

    name: str
    version: str
    text: str
    digests: frozenset[str]


def fetch(ours: Path, extras: Iterable[str], architecture: str, lock: Path, cache: Path) -> list[Path]:
    """Wheels of all that `ours` (a wheel) with these extras needs on that architecture, by name. Asks no registry for what `cache` holds.

    NotBuilt: a package is not in the lock, or no wheel of it fits.
    """
    locked = read_lock(lock, architecture)
    found: dict[str, Path] = {}
    waiting = set(_needs(ours, frozenset(extras), architecture))
    while waiting:
        absent = sorted(name for name, _ in waiting if name not in locked)
        if absent:
            raise NotBuilt(f"{lock.name} holds no {', '.join(absent)} for Python {PYTHON} on {architecture}: run `make lock`")
        new = {name: locked[name] for name, _ in waiting if name not in found}
        _download([entry for entry in new.values() if _in_cache(entry, cache) is None], architecture, cache)
        for name, entry in new.items():
            wheel = _in_cache(entry, cache)
            if wheel is None:
                raise NotBuilt(f"no wheel of {entry.name} {entry.version} for {architecture} has a digest that {lock.name} names")
            found[name] = wheel
        wanted = {need for name, chosen in waiting for need in _needs(found[name], chosen, architecture)}
        waiting = {(name, chosen) for name, chosen in wanted if name not in found}
    return [found[name] for name in sorted(found)]


def read_lock(lock: Path, architecture: str) -> dict[str, Locked]:
    """Entries of the lock that hold for Debian 12 on that architecture, by name."""
    entries: dict[str, Locked] = {}
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split(" --hash=sha256:")
        requirement = Requirement(words[0])
        if requirement.marker is None or requirement.marker.evaluate(dict(_environment(architecture))):
            (version,) = (each.version for each in requirement.specifier)
            name = canonicalize_name(requirement.name)
            entries[name] = Locked(name, version, line, frozenset(word.strip() for word in words[1:]))
    return entries


def _needs(wheel: Path, extras: frozenset[str], architecture: str) -> Iterator[tuple[str, frozenset[str]]]:
    """(name, its extras) of what a wheel asks for."""
    with zipfile.ZipFile(wheel) as archive:
        (file,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(file).decode())
    for line in metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        chosen = [requirement.marker is None or requirement.marker.evaluate({**_environment(architecture), "extra": ""})]
        chosen += [
            requirement.marker is not None and requirement.marker.evaluate({**_environment(architecture), "extra": e}) for e in extras
        ]
        if any(chosen):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def _environment(architecture: str) -> dict[str, str]:
    """What markers compare with (PEP 508) on a Debian 12."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{PYTHON}.2",
        "os_name": "posix",
        "platform_machine": _MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{PYTHON}.2",
        "python_version": PYTHON,
        "sys_platform": "linux",
    }


def _in_cache(entry: Locked, cache: Path) -> Path | None:
    for wheel in sorted(cache.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        if name == entry.name and str(version) == entry.version and hashlib.sha256(wheel.read_bytes()).hexdigest() in entry.digests:
            return wheel
    return None


def _download(entries: list[Locked], architecture: str, cache: Path) -> None:
    """pip fetches exactly these, checked by their digests, as wheels for that architecture."""
    if not entries:
        return
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}", "--abi=cp311", "--abi=abi3", "--abi=none"]
    command += [f"--platform={tag}_{_MACHINES[architecture]}" for tag in (*_TAGS, *_OLD_TAGS)] + [f"--dest={cache}"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as wanted:
        wanted.write("\n".join(entry.text for entry in entries) + "\n")
        wanted.flush()
        done = subprocess.run([*command, "--requirement", wanted.name], capture_output=True, text=True, check=False)
    if done.returncode:
        names = ", ".join(f"{entry.name} {entry.version}" for entry in entries)
        raise NotBuilt(f"cannot fetch wheels for {architecture} ({names}):\n{done.stderr.strip()}")
