"""The models that there are: the shipped ones, and those that a technician has added at this site.

A model comes as a folder or a zip. Only the files that its manifest names are taken, by those names: nothing in an
archive decides where anything is written. It must pass its self-test here before it is installed.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.core.errors import ModelRefused
from models.manifest import MODELS_DIR, Manifest, folder_of, known_ids, read_fixtures, read_manifest
from models.runner import ModelInfo, load, providers

MOST_BYTES = 300_000_000  # of one file; a network for a gateway is far smaller
TEXTS = ("CARD.md", "NOTICE", "LICENSE")  # taken along when they are there

Read = Callable[[str], bytes | None]  # a file by its name within the model, None where there is none


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the list. provider: what would run it here, empty for nothing; problem: why it cannot be used, empty for nothing."""

    id: str
    folder: str
    shipped: bool
    problem: str = ""
    kinds: tuple[str, ...] = ()
    decoder: str = ""
    input: str = ""
    size_mb: float = 0.0
    licence: str = ""
    start: float = 0.0
    keep: float = 0.0
    provider: str = ""

    def as_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def known(installed: Path | None) -> list[Row]:
    """All models. The manifest is read, the network is not run. installed: folder of those added here."""
    return [_row(name, folder_of(name, installed)) for name in known_ids(installed)]


def add(source: Path, installed: Path, *, replace: bool = False) -> tuple[ModelInfo, Path]:
    """Installs a model from a folder or a zip; gives what it is and where it lies now. replace: an installed one of its id may go.

    Raises ModelRefused with the reason; nothing has changed then.
    """
    if source.is_dir():
        return _install(source, _from_folder(source), installed, replace)
    if not source.is_file():
        raise ModelRefused(f"{source}: no such file or folder")
    try:
        with zipfile.ZipFile(source) as archive:
            return _install(source, _from_zip(source, archive), installed, replace)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ModelRefused(f"{source}: expected a model's folder or a zip of it: {error}") from error


def _install(source: Path, read: Read, installed: Path, replace: bool) -> tuple[ModelInfo, Path]:
    try:
        installed.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=installed) as name:
            staged = Path(name) / "model"
            manifest = _take(source, read, staged)
            _free(manifest, installed, replace)
            info = load(staged).info
            target = installed / manifest.id
            if target.exists():
                os.replace(target, Path(name) / "former")
            os.replace(staged, target)
            return info, target
    except OSError as error:
        raise ModelRefused(f"{installed}: {error.strerror or error}: the model is not installed") from error


def _take(source: Path, read: Read, staged: Path) -> Manifest:
    """Copies the files that the manifest names. An error names the file of the source, not the copy."""
    (staged / "fixtures").mkdir(parents=True)
    staged.chmod(0o755)
    try:
        _copy(read, staged, "manifest.toml")
        manifest = read_manifest(staged)
        _copy(read, staged, manifest.file)
        _copy(read, staged, "fixtures/expected.json")
        for item in read_fixtures(staged).items:
            _copy(read, staged, f"fixtures/{item.file}")
    except ModelRefused as refused:
        raise ModelRefused(str(refused).replace(str(staged), str(source))) from refused
    for name in TEXTS:
        content = read(name)
        if content is not None:
            (staged / name).write_bytes(content)
    return manifest


def _copy(read: Read, staged: Path, name: str) -> None:
    content = read(name)
    if content is None:
        raise ModelRefused(f"{staged / name} is missing: a model is a folder with manifest.toml, the file that it names, and fixtures/")
    (staged / name).write_bytes(content)


def _free(manifest: Manifest, installed: Path, replace: bool) -> None:
    if (MODELS_DIR / manifest.id).is_dir():
        raise ModelRefused(f"{manifest.id} is the id of a shipped model: give yours another one")
    if (installed / manifest.id).exists() and not replace:
        raise ModelRefused(f"{manifest.id} is installed already in {installed / manifest.id}: --replace puts this one in its place")


def _from_folder(folder: Path) -> Read:
    def read(name: str) -> bytes | None:
        path = folder / name
        if not path.is_file():
            return None
        if path.stat().st_size > MOST_BYTES:
            raise ModelRefused(f"{path}: more than {MOST_BYTES // 1_000_000} MB")
        return path.read_bytes()

    return read


def _from_zip(source: Path, archive: zipfile.ZipFile) -> Read:
    """Reads by name; the manifest may lie in one folder of the archive, the rest is then sought beside it."""
    names = [name for name in archive.namelist() if name == "manifest.toml" or name.endswith("/manifest.toml")]
    if len(names) != 1:
        raise ModelRefused(f"{source}: expected one manifest.toml in it, found {len(names)}")
    before = names[0].removesuffix("manifest.toml")

    def read(name: str) -> bytes | None:
        try:
            entry = archive.getinfo(before + name)
        except KeyError:
            return None
        if entry.file_size > MOST_BYTES:
            raise ModelRefused(f"{source}: {name} is more than {MOST_BYTES // 1_000_000} MB")
        with archive.open(entry) as file:
            content = file.read(MOST_BYTES + 1)  # what the entry says of its size need not be true
        if len(content) > MOST_BYTES:
            raise ModelRefused(f"{source}: {name} is more than {MOST_BYTES // 1_000_000} MB")
        return content

    return read


def _row(name: str, folder: Path) -> Row:
    shipped = folder.parent == MODELS_DIR
    try:
        manifest = read_manifest(folder)
        size = (folder / manifest.file).stat().st_size
    except ModelRefused as refused:
        return Row(name, str(folder), shipped, problem=str(refused))
    except OSError as error:
        return Row(name, str(folder), shipped, problem=f"{folder}: {error.strerror}")
    if manifest.id != name:
        return Row(
            name, str(folder), shipped, problem=f"{folder}/manifest.toml: key id: expected {name} as its folder says, given {manifest.id}"
        )
    given = manifest.input
    height = given.height_px or "as the picture wants"
    return Row(
        name,
        str(folder),
        shipped,
        kinds=manifest.classes.kinds,
        decoder=manifest.decoder.name,
        input=f"{given.width_px} x {height}",
        size_mb=size / 1e6,
        licence=manifest.licence,
        start=manifest.thresholds.start,
        keep=manifest.thresholds.keep,
        provider=next(iter(providers(manifest)), ""),
    )
