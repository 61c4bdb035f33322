"""The models that there are: the shipped ones, and those that a technician has added at this site.

A model comes as a folder or a zip. Only the files that its manifest names are taken, by those names: nothing in an
archive decides where anything is written, no link is followed, and no archive can fill the disk that the journal needs.
It must pass its self-test here before it is installed.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from gateway.core.errors import ModelRefused
from models.manifest import MODELS_DIR, Manifest, folder_of, known_ids, read_fixtures, read_manifest
from models.runner import ModelInfo, load, providers

NETWORK_MOST_BYTES = 300_000_000  # a network for a gateway is far smaller
FIXTURE_MOST_BYTES = 10_000_000
FIXTURES_MOST = 20
TEXT_MOST_BYTES = 1_000_000  # the manifest, what is expected, and each of TEXTS
ALL_MOST_BYTES = 400_000_000
LEFT_FREE_BYTES = 50_000_000  # on the disk: the journal writes there as well
CHUNK_BYTES = 1_000_000
TEXTS = ("CARD.md", "NOTICE", "LICENSE")  # taken along when they are there

Open = Callable[[str], tuple[IO[bytes], int] | None]  # a file by its name within the model and its bytes, None where there is none


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
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError, RuntimeError) as error:
        raise ModelRefused(f"{source}: expected a model's folder or a zip of it: {error}") from error


def _install(source: Path, open_file: Open, installed: Path, replace: bool) -> tuple[ModelInfo, Path]:
    try:
        installed.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=installed) as name:
            staged = Path(name) / "model"
            manifest = _take(source, open_file, staged)
            _free(manifest, installed, replace)
            info = load(staged).info
            target = installed / manifest.id
            if target.exists():
                os.replace(target, Path(name) / "former")
            os.replace(staged, target)
            return info, target
    except OSError as error:
        raise ModelRefused(f"{installed}: {error.strerror or error}: the model is not installed") from error


def _take(source: Path, open_file: Open, staged: Path) -> Manifest:
    """Copies the files that the manifest names. An error names the file of the source, not the copy."""
    (staged / "fixtures").mkdir(parents=True)
    staged.chmod(0o755)
    copy = _Copy(open_file, staged)
    try:
        copy.needed("manifest.toml", TEXT_MOST_BYTES)
        manifest = read_manifest(staged)
        copy.needed(manifest.file, NETWORK_MOST_BYTES)
        copy.needed("fixtures/expected.json", TEXT_MOST_BYTES)
        pictures = {item.file for item in read_fixtures(staged).items}
        if len(pictures) > FIXTURES_MOST:
            raise ModelRefused(f"{staged / 'fixtures/expected.json'}: at most {FIXTURES_MOST} pictures, given {len(pictures)}")
        for name in sorted(pictures):
            copy.needed(f"fixtures/{name}", FIXTURE_MOST_BYTES)
        for name in TEXTS:
            copy.file(name, TEXT_MOST_BYTES)
    except ModelRefused as refused:
        raise ModelRefused(str(refused).replace(str(staged), str(source))) from refused
    return manifest


class _Copy:
    """Copies files by name, never more than a model may have and than the disk can spare."""

    def __init__(self, open_file: Open, staged: Path) -> None:
        self._open = open_file
        self._staged = staged
        self._left_bytes = ALL_MOST_BYTES

    def needed(self, name: str, most_bytes: int) -> None:
        """Raises ModelRefused where it is missing or too large."""
        if not self.file(name, most_bytes):
            raise ModelRefused(
                f"{self._staged / name} is missing: a model is a folder with manifest.toml, the file that it names, and fixtures/"
            )

    def file(self, name: str, most_bytes: int) -> bool:
        """False where it is missing."""
        opened = self._open(name)
        if opened is None:
            return False
        file, told_bytes = opened
        with file:
            self._expect_room(name, told_bytes, most_bytes)
            self._left_bytes -= told_bytes
            with (self._staged / name).open("wb") as target:
                while chunk := file.read(CHUNK_BYTES):
                    told_bytes -= len(chunk)
                    if told_bytes < 0:  # what an archive says of a size need not be true, and a file may grow
                        raise ModelRefused(f"{self._staged / name}: it is longer than was said")
                    target.write(chunk)
        return True

    def _expect_room(self, name: str, size_bytes: int, most_bytes: int) -> None:
        if size_bytes > most_bytes:
            raise ModelRefused(f"{self._staged / name}: more than {most_bytes // 1_000_000} MB")
        if size_bytes > self._left_bytes:
            raise ModelRefused(f"{self._staged}: all files together have more than {ALL_MOST_BYTES // 1_000_000} MB")
        if shutil.disk_usage(self._staged).free - size_bytes < LEFT_FREE_BYTES:
            raise ModelRefused(
                f"{self._staged / name}: the disk of the state folder would have less than {LEFT_FREE_BYTES // 1_000_000} MB free"
            )


def _free(manifest: Manifest, installed: Path, replace: bool) -> None:
    if (MODELS_DIR / manifest.id).is_dir():
        raise ModelRefused(f"{manifest.id} is the id of a shipped model: give yours another one")
    if (installed / manifest.id).exists() and not replace:
        raise ModelRefused(f"{manifest.id} is installed already in {installed / manifest.id}: --replace puts this one in its place")


def _from_folder(folder: Path) -> Open:
    """Files of the folder itself: whoever made it must not get at others through a link, so none is followed on the way."""

    def open_file(name: str) -> tuple[IO[bytes], int] | None:
        *between, last = Path(name).parts
        holder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in between:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=holder)
                os.close(holder)
                holder = inner
            handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=holder)  # a pipe must not keep us waiting
        except FileNotFoundError:
            return None
        except OSError as error:
            why = "is a link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else error.strerror
            raise ModelRefused(f"{folder / name}: {why}: a model is made of plain files and folders") from error
        finally:
            os.close(holder)
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise ModelRefused(f"{folder / name}: not a plain file")
        return open(handle, "rb"), status.st_size

    return open_file


def _from_zip(source: Path, archive: zipfile.ZipFile) -> Open:
    """Opens by name; the manifest may lie in one folder of the archive, the rest is then sought beside it."""
    names = [name for name in archive.namelist() if name == "manifest.toml" or name.endswith("/manifest.toml")]
    if len(names) != 1:
        raise ModelRefused(f"{source}: expected one manifest.toml in it, found {len(names)}")
    before = names[0].removesuffix("manifest.toml")

    def open_file(name: str) -> tuple[IO[bytes], int] | None:
        try:
            entry = archive.getinfo(before + name)
        except KeyError:
            return None
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # of the others a small piece can unpack to gigabytes
            raise ModelRefused(f"{source}: {name} is packed in another way than stored or deflated")
        return archive.open(entry), entry.file_size

    return open_file


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
