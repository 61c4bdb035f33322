"""The folder that runs: a virtual environment for Debian's Python, put together from wheels without running any of them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from deploy.package.wheels import PYTHON, NotBuilt

INTERPRETER = f"/usr/bin/python{PYTHON}"
SITE_PACKAGES = f"lib/python{PYTHON}/site-packages"
COMMANDS = {
    "campus-gateway": "gateway.__main__",
    "campus-sim": "simulators.__main__",
    "campus-centre": "simulators.centre.__main__",
}
# Tests of other packages: never imported here, and their licence texts stay. numpy.testing needs one file of numpy's.
_DROPPED = ("numpy/", "pymodbus/", "joserfc/")
_KEPT = ("numpy/_core/tests/_natype.py", "numpy/_core/tests/__init__.py")
_HEADER = b"#!python"


def make(wheels: Iterable[Path], folder: Path, home: str) -> None:
    """Fill a new folder that will stand at `home` on the box: bin, lib, pyvenv.cfg. NotBuilt when a wheel is not as wheels are."""
    (folder / "bin").mkdir(parents=True)
    (folder / SITE_PACKAGES).mkdir(parents=True)
    for wheel in wheels:
        _unpack(wheel, folder, home)
    (folder / "bin/python").symlink_to(INTERPRETER)
    for name, module in COMMANDS.items():
        script = folder / "bin" / name
        # -I: nothing of the caller's environment or folder is ever imported
        script.write_text(f"#!{home}/bin/python -I\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n", encoding="utf-8")
        script.chmod(0o755)
    settings = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\nexecutable = {INTERPRETER}\n"
    (folder / "pyvenv.cfg").write_text(settings, encoding="utf-8")


def _unpack(wheel: Path, folder: Path, home: str) -> None:
    """Each file to where the wheel format says (PEP 427), and RECORD to match."""
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/RECORD"))
        rows = {row[0]: row for row in csv.reader(io.StringIO(archive.read(record).decode()))}
        for info in archive.infolist():
            if info.is_dir() or info.filename == record:
                continue
            place = _place(info.filename, wheel)
            if place is None:
                del rows[info.filename]
                continue
            content = archive.read(info)
            if content.startswith(_HEADER) and place.parts[0] == "bin":
                content = f"#!{home}/bin/python".encode() + content[len(_HEADER) :]
            target = folder / place
            if target.exists():
                raise NotBuilt(f"{wheel.name}: {info.filename} is there already, from another package")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o755 if (info.external_attr >> 16) & 0o111 or place.parts[0] == "bin" else 0o644)
            rows[info.filename][0] = _recorded(place)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows.values())
        (folder / SITE_PACKAGES / record).write_text(text.getvalue(), encoding="utf-8")


def _place(name: str, wheel: Path) -> PurePosixPath | None:
    """Where a file of a wheel goes, below the folder; None for what is left out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise NotBuilt(f"{wheel.name}: {name} points out of the folder")
    if path.parts[0].endswith(".data"):
        kind, rest = path.parts[1], PurePosixPath(*path.parts[2:])
        if kind in ("purelib", "platlib"):
            return SITE_PACKAGES / rest
        if kind == "scripts":
            return "bin" / rest
        if kind == "data":
            return rest
        raise NotBuilt(f"{wheel.name}: {name}: nothing is known of a folder {kind}")
    if name.startswith(_DROPPED) and "tests" in path.parts[:-1] and name not in _KEPT:
        return None
    return SITE_PACKAGES / path


def _recorded(place: PurePosixPath) -> str:
    """As RECORD names it: relative to site-packages."""
    inside = PurePosixPath(SITE_PACKAGES)
    return str(place.relative_to(inside)) if place.is_relative_to(inside) else f"../../../{place}"
