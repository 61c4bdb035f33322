"""The folder of site files: written in one step, left alone where nothing changed, never emptied; and the inventory beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.fleet.site import School
from gateway.fleet.toml import made_here

SUFFIX = ".toml"
_STAGED = ".new"
MODE = 0o640  # telephone numbers of duty leaders stand in it
_READ_MOST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Staged:
    """A site file that waits for its check. path: what to check. target: where it goes; the same where nothing changed."""

    target: Path
    path: Path

    @property
    def changed(self) -> bool:
        """Whether the file differs from what is there."""
        return self.target != self.path

    def keep(self) -> None:
        """Put it in its place."""
        if self.changed:
            os.replace(self.path, self.target)

    def drop(self) -> None:
        """Leave what is there as it is."""
        if self.changed:
            self.path.unlink(missing_ok=True)


def stage(folder: Path, school_id: str, text: str, *, overwrite: bool = False) -> Staged:
    """Write beside its place, to be checked there. ValueError where the file that is there is not ours, or was changed by hand."""
    target = folder / f"{school_id}{SUFFIX}"
    before = _text(target)
    if before == text:
        return Staged(target, target)
    ours = made_here(before) if before is not None else True
    if ours is not True and not overwrite:
        how = "was changed by hand" if ours is None else "was not made by this command"
        raise ValueError(f"{target} {how}: move it away, or take --overwrite")
    path = folder / f".{school_id}{SUFFIX}{_STAGED}"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())
    return Staged(target, path)


def _text(file: Path) -> str | None:
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _READ_MOST_BYTES:
        return "" if file.is_symlink() or file.exists() else None
    return file.read_bytes().decode("utf-8", "replace")


def left_over(folder: Path, known: Iterable[str]) -> list[str]:
    """Files that this command made for schools that the table does not have any more."""
    names = set(known)
    if not folder.is_dir():
        return []
    return [file.name for file in sorted(folder.glob(f"*{SUFFIX}")) if file.stem not in names and made_here(_text(file) or "") is not False]


def inventory_text(schools: Sequence[School]) -> str:
    """An Ansible inventory (JSON is YAML): one host for each school that has an address, in a group for each region.

    No free text of the table goes in: Ansible would take {{ }} in it for a template and carry it out.
    """
    hosts: dict[str, dict[str, object]] = {}
    regions: dict[str, dict[str, dict[str, object]]] = {}
    for school in schools:
        if not school.host:
            continue
        hosts[school.id] = {"ansible_host": school.host, "campus_school_kind": school.kind}
        if school.region:
            regions.setdefault(f"region_{school.region}", {})[school.id] = {}
    children = {name: {"hosts": inside} for name, inside in sorted(regions.items())}
    tree = {"all": {"children": {"campus_gateways": {"hosts": hosts}, **children}}}
    return json.dumps(tree, ensure_ascii=False, indent=1) + "\n"


def write_whole(file: Path, content: bytes) -> bool:
    """Write a file in one step, unless it holds just that already. True: it was written."""
    if file.is_file() and file.read_bytes() == content:
        return False
    beside = file.with_name(f".{file.name}{_STAGED}")
    beside.write_bytes(content)
    os.replace(beside, file)
    return True
