"""The package on a fresh Debian 12 without any network: install, run, upgrade beside, refuse, remove, purge."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.package import build, release
from tests.install.root import PROJECT, Failed, Root, fresh_root
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NEXT = "99.0"
DAY = "1767225600"
FOLDER = "/opt/campus-gateway"
SITE = "/etc/campus-gateway/site.toml"
SMALL_SITE = """schema = 1
[site]
id = "school-1"
gateway = "gate"
name = "x"
[uplink]
[[uplink.paths]]
id = "city"
url = "mqtt://127.0.0.1:1883"
[places]
gate = { name = "门", name_en = "gate", type = "gate" }
"""

# What the package manager and the start of any system leave behind.
OF_OTHERS = (
    *("/dev", "/run", "/tmp", "/srv/", "/var/cache/apt/", "/var/cache/ldconfig", "/var/log/", "/var/tmp"),
    *("/etc/.pwd.lock", "/etc/group", "/etc/gshadow", "/etc/machine-id", "/etc/passwd", "/etc/shadow", "/etc/subgid", "/etc/subuid"),
    *("/var/lib/apt/", "/var/lib/dbus/", "/var/lib/dpkg/"),
    *(f"/var/lib/systemd/{name}" for name in ("catalog", "linger", "random-seed", "timers")),
)
IMPORT_ALL = """
import importlib, pkgutil, sys
for name in ("gateway", "drivers", "models", "simulators"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not found.name.endswith("__main__") and not found.name.startswith(("models.make", "simulators.leash")):
            importlib.import_module(found.name)
import av, cryptography, cv2, gpiod, numpy, onnxruntime, osdp_sys, PIL, pydantic
print("all imported", sys.prefix)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """This source as it is, and the same under a later version, signed by one key."""
    need("dpkg-deb", package="dpkg")
    out = tmp_path_factory.mktemp("packages")
    key = release.development_key(out / "key.pem")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOURCE_DATE_EPOCH", DAY)  # a commit in between would be another day
        return {"now": build.build("amd64", out, key), "next": build.build("amd64", out, key, version=NEXT)}


@pytest.fixture(scope="module")
def fresh(packages: dict[str, Path]) -> Iterator[Root]:
    """One Debian for all tests of this file, which build upon one another in their order."""
    with fresh_root() as root:
        for name, package in packages.items():
            root.put(package, f"/srv/{name}.deb")
        yield root


@pytest.fixture(scope="module")
def before(fresh: Root) -> set[str]:
    """All files of the Debian before."""
    return fresh.files()


@pytest.fixture(scope="module")
def installed(fresh: Root, before: set[str]) -> Root:
    """With the package."""
    said = fresh.run("apt-get", "install", "--yes", "/srv/now.deb")
    assert "could not be compiled" not in said.stdout
    assert f"Write {SITE}" in said.stdout
    return fresh


def current(root: Root) -> str:
    return root.run("readlink", f"{FOLDER}/current").stdout.strip()


def test_it_says_its_version(installed: Root) -> None:
    version = build._VERSION.findall((PROJECT / "gateway/__init__.py").read_text(encoding="utf-8"))[0]
    assert installed.run("campus-gateway", "--version").stdout == f"campus-gateway {version}\n"
    assert current(installed) == f"versions/{version}"
    for command in ("campus-sim", "campus-centre"):
        assert "usage" in installed.run(command, "--help").stdout


def test_everything_can_be_imported_and_nothing_of_the_system_is_missing(installed: Root) -> None:
    said = installed.run(f"{FOLDER}/current/bin/python", "-I", "-c", IMPORT_ALL).stdout
    assert said.startswith(f"all imported {FOLDER}/")


def test_the_release_is_what_was_signed(installed: Root) -> None:
    from gateway.runtime.release import read_keys, verify

    keys = read_keys(installed.at("/etc/campus-gateway/release-keys"))
    folder = installed.at(FOLDER) / current(installed)
    assert verify(folder, keys) == []
    content = (folder / "licences.txt").read_bytes()
    (folder / "licences.txt").unlink()  # a file of its own: the other one is a link to the same bytes
    (folder / "licences.txt").write_bytes(content + b"x")
    assert verify(folder, keys) != []
    (folder / "licences.txt").write_bytes(content)


def test_nothing_in_it_names_where_it_was_built(installed: Root) -> None:
    told = installed.run("grep", "-rlF", str(PROJECT), f"{FOLDER}/current/", "/usr/share/doc/campus-gateway", check=False)
    assert told.stdout == ""


def test_the_demo_runs_there(installed: Root) -> None:
    done = installed.run("campus-gateway", "demo", "--seconds", "20", "--json", check=False)
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert (done.returncode, summary["lost"], summary["duplicated"]) == (0, 0, 0), f"{summary}\n{done.stderr[-2000:]}"


def test_folders_and_user_are_made(installed: Root) -> None:
    folders = ("/etc/campus-gateway", "/var/lib/campus-gateway", "/var/lib/campus-gateway-upgrade")
    told = installed.run("stat", "--format=%a %U %G", *folders).stdout.splitlines()
    assert told == ["750 root campus-gateway", "700 campus-gateway campus-gateway", "700 root root"]


def test_it_gets_ready_under_a_real_systemd(installed: Root) -> None:
    installed.write(SITE, SMALL_SITE)
    with installed.boot() as box:
        box.wait("the gateway is ready", "systemctl", "is-active", "campus-gateway.service", within_s=120)
        box.wait("it answers", "campus-gateway", "status", within_s=60)
        assert "enabled" in box.run("systemctl", "is-enabled", "campus-gateway.service").stdout


def test_a_later_version_is_put_beside_the_one_that_runs(installed: Root) -> None:
    was = current(installed)
    with installed.boot() as box:
        box.wait("the gateway is ready", "systemctl", "is-active", "campus-gateway.service", within_s=120)
        pid = box.show("campus-gateway", "MainPID")
        said = box.run("apt-get", "install", "--yes", "/srv/next.deb").stdout
        assert "Switch with: sudo campus-gateway upgrade" in said
        assert box.show("campus-gateway", "MainPID") == pid, "it was not restarted"
        assert box.run("campus-gateway", "status").returncode == 0
    assert current(installed) == was
    assert installed.at(SITE).read_text(encoding="utf-8") == SMALL_SITE
    other = installed.run(f"{FOLDER}/versions/{NEXT}/bin/campus-gateway", "--version").stdout
    assert other == f"campus-gateway {NEXT}\n"
    assert installed.run("campus-gateway", "--version").stdout != other


def test_a_version_below_the_floor_is_refused(installed: Root) -> None:
    floor = installed.write("/var/lib/campus-gateway-upgrade/floor", "99.0rc1\n")
    with pytest.raises(Failed, match="security floor"):
        installed.run("dpkg", "--install", "/srv/now.deb")
    assert NEXT in installed.run("dpkg-query", "--show", "campus-gateway").stdout, "nothing was changed"
    assert installed.run("dpkg", "--install", "/srv/next.deb").returncode == 0, "99.0 is above 99.0rc1"
    floor.unlink()


def test_remove_keeps_settings_and_data(installed: Root) -> None:
    installed.run("apt-get", "remove", "--yes", "campus-gateway")
    assert not installed.at(FOLDER).exists()
    assert not installed.at("/usr/lib/campus-gateway").exists()
    assert installed.at(SITE).exists()
    assert installed.at("/var/lib/campus-gateway/journal.db").exists()


def test_purge_leaves_nothing(installed: Root, before: set[str]) -> None:
    said = installed.run("apt-get", "purge", "--yes", "campus-gateway").stdout
    assert "removing site file, keys, journal of events" in said
    assert {name for name in installed.files() - before if not name.startswith(OF_OTHERS)} == set()
    assert {name for name in before - installed.files() if not name.startswith(OF_OTHERS)} == set()
    assert installed.run("id", "campus-gateway", check=False).returncode != 0


def test_the_same_source_gives_the_same_bytes(packages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = release.read_key(packages["now"].parent / "key.pem")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DAY)
    again = build.build("amd64", tmp_path, key)
    assert again.read_bytes() == packages["now"].read_bytes()


def test_the_arm64_package_under_qemu(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    if not pytestconfig.getoption("--arm64"):
        pytest.skip("the arm64 package is tried with --arm64 (ARGS=--arm64)")
    emulated()
    package = build.build("arm64", tmp_path, release.development_key(tmp_path / "key.pem"))
    with fresh_root(architecture="arm64") as root:
        root.put(package, "/srv/now.deb")
        root.run("apt-get", "install", "--yes", "/srv/now.deb")
        assert "campus-gateway " in root.run("campus-gateway", "--version").stdout
        assert "all imported" in root.run(f"{FOLDER}/current/bin/python", "-I", "-c", IMPORT_ALL).stdout
        shutil.copy(PROJECT / "deploy/examples/small-school.toml", root.at("/srv/site.toml"))
        assert "ok, " in root.run("campus-gateway", "check", "/srv/site.toml").stdout


def emulated() -> None:
    """This kernel runs programs of arm64; switched on where qemu is installed."""
    need("qemu-aarch64-static", package="qemu-user-static binfmt-support arch-test")
    entry = Path("/proc/sys/fs/binfmt_misc")
    if not (entry / "status").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(entry)], check=True)
    if not (entry / "qemu-aarch64").exists():
        subprocess.run([need("update-binfmts", package="binfmt-support"), "--enable", "qemu-aarch64"], check=True)
