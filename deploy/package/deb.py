"""A finished release -> a Debian package, the same bytes each time."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.package.wheels import NotBuilt

PROJECT = Path(__file__).parents[2]
SYSTEMD = PROJECT / "systemd"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
MAINTAINER = "campus-gateway project <campus-gateway@localhost>"
# Folder in systemd/ -> where its files go. Units lie in systemd/ itself.
PLACES = {
    "sysusers.d": "usr/lib/sysusers.d",
    "tmpfiles.d": "usr/lib/tmpfiles.d",
    "modules-load.d": "usr/lib/modules-load.d",
    "journald.conf.d": "usr/lib/systemd/journald.conf.d",
    "udev": "usr/lib/udev/rules.d",
    "drop-ins": "usr/share/doc/campus-gateway/drop-ins",
}
UNITS = "usr/lib/systemd/system"
_KINDS = (".service", ".timer", ".slice", ".target", ".path", ".socket")
COMPILED_RATIO = 1.15  # kilobytes of compiled Python for one of source, measured; rounded up for the blocks of a disk
# The wheels have everything else inside; libstdc++ and zlib are in every Debian, but not by promise.
DEPENDS = "python3.11, libc6 (>= 2.28), libgcc-s1, libstdc++6, zlib1g, systemd, init-system-helpers (>= 1.52), passwd, udev"

CONTROL = """Package: campus-gateway
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size_kb}
Depends: {depends}
Section: net
Priority: optional
Description: alarm gateway of a school
 Reads one-key alarm buttons, bollards, gas and electrical-fire detectors, doors and
 gate cameras, and delivers every event to the police linkage centre with proof.
 .
 Carries all Python packages that it runs with: needs no network to install.
"""
CHANGES = """campus-gateway ({version}) stable; urgency=medium

  * See CHANGELOG.md in this folder.

 -- {maintainer}  {date}
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the package says of a release. version: as Python writes it; epoch_s: time of all files.

    key_id, key_pem: of the public key that belongs to its signature.
    """

    version: str
    architecture: str
    key_id: str
    key_pem: bytes
    epoch_s: int


def debian_version(version: str) -> str:
    """As Debian orders it: "1.2.0rc1" -> "1.2.0~rc1"; the script preinst does the same."""
    return re.sub(r"(a|b|rc)(\d+)", r"~\1\2", re.sub(r"\.dev(\d+)", r"~~dev\1", version))


def stage(release: Path, folder: Path, facts: Facts) -> None:
    """Move a finished release and all that goes with it to where the package has it. folder: new, becomes the root of the package."""
    (folder / "usr/lib/campus-gateway").mkdir(parents=True)
    release.rename(folder / f"usr/lib/campus-gateway/{facts.version}")
    for source, place in system_files():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (folder / "usr/bin").mkdir()
    for command in ("campus-gateway", "campus-sim", "campus-centre"):
        (folder / "usr/bin" / command).symlink_to(f"/opt/campus-gateway/current/bin/{command}")
    (folder / "usr/share/campus-gateway").mkdir(parents=True)
    (folder / "usr/share/campus-gateway/release-key.pem").write_bytes(facts.key_pem)
    _documents(folder / "usr/share/doc/campus-gateway", facts)


def system_files() -> Iterator[tuple[Path, str]]:
    """(file in systemd/, place in the package) of units, users, folders, rules. NotBuilt: a folder there whose place nobody has said."""
    for source in sorted(SYSTEMD.iterdir()):
        if source.suffix in _KINDS:
            yield source, f"{UNITS}/{source.name}"
        elif source.is_dir() and source.suffix == ".service.d":
            yield from ((file, f"{UNITS}/{source.name}/{file.name}") for file in sorted(source.iterdir()))
        elif source.is_dir() and source.name in PLACES:
            yield from ((file, f"{PLACES[source.name]}/{file.name}") for file in sorted(source.iterdir()))
        elif source.suffix != ".md" and source.name not in ("examples", "__pycache__"):
            raise NotBuilt(f"systemd/{source.name}: say in deploy/package/deb.py (PLACES) where it goes in the package")


def scripts(facts: Facts, tree_kb: int, source_kb: int) -> dict[str, str]:
    """Name -> text of the four scripts that dpkg runs. tree_kb: size of the release; source_kb: of the Python source in it."""
    files = [source for source, place in system_files() if place.startswith(UNITS) and source.suffix in _KINDS]
    words = {
        "VERSION": facts.version,
        "KEY_ID": facts.key_id,
        "TREE_KB": str(tree_kb),
        "COMPILED_KB": str(int(source_kb * COMPILED_RATIO)),
        "UNITS": " ".join(file.name for file in files if "\n[Install]\n" in file.read_text(encoding="utf-8") and "@" not in file.name),
        "ALL_UNITS": " ".join(file.name for file in files if "@" not in file.name),
    }
    return {name: _filled((Path(__file__).parent / "scripts" / name).read_text(encoding="utf-8"), words) for name in SCRIPTS}


def pack(folder: Path, out: Path, facts: Facts) -> Path:
    """The package made of a staged folder; its path in `out`. NotBuilt: dpkg-deb is missing or refuses."""
    if not shutil.which("dpkg-deb"):
        raise NotBuilt("dpkg-deb is needed: apt-get install dpkg")
    tree = folder / "usr/lib/campus-gateway" / facts.version
    texts = scripts(facts, _kilobytes(tree.rglob("*")), _kilobytes(tree.rglob("*.py")))
    control = folder / "DEBIAN"
    control.mkdir()
    version = debian_version(facts.version)
    words = {"version": version, "architecture": facts.architecture, "maintainer": MAINTAINER, "depends": DEPENDS}
    (control / "control").write_text(CONTROL.format(size_kb=_kilobytes(folder.rglob("*")), **words), encoding="utf-8")
    for name, text in texts.items():
        (control / name).write_text(text, encoding="utf-8")
    _settle(folder, facts.epoch_s)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"campus-gateway_{version}_{facts.architecture}.deb"
    # One thread: how the work is cut up for several shows in the bytes. zstd: a fifth larger than xz, unpacked in seconds on a small board.
    command = ["dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zzstd", "-z9", "--build", str(folder), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "SOURCE_DATE_EPOCH": str(facts.epoch_s)})
    if done.returncode:
        raise NotBuilt(f"dpkg-deb: {done.stderr.strip()}")
    return target


def _documents(folder: Path, facts: Facts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("README.md", "README.zh-CN.md", "CHANGELOG.md", "LICENSE", "SECURITY.md"):
        if (PROJECT / name).is_file():
            shutil.copyfile(PROJECT / name, folder / name)
    shutil.copytree(PROJECT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(PROJECT / "deploy/examples", folder / "examples")
    shutil.copyfile(Path(__file__).parent / "copyright", folder / "copyright")
    date = datetime.fromtimestamp(facts.epoch_s, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    changes = CHANGES.format(version=debian_version(facts.version), maintainer=MAINTAINER, date=date)
    (folder / "changelog.gz").write_bytes(gzip.compress(changes.encode(), mtime=0))


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return text


def _kilobytes(paths: Iterator[Path]) -> int:
    """What files need on a disk of 4 KB blocks."""
    return sum((path.lstat().st_size + 4095) // 4096 * 4 if path.is_file() or path.is_symlink() else 4 for path in paths)


def _settle(folder: Path, epoch_s: int) -> None:
    """Modes and times that do not depend on who built it and when."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100 or (path.parent == folder / "DEBIAN" and path.name in SCRIPTS)
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)
