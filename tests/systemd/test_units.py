"""The units are what systemd understands, and as closed as they claim."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real_parts import need

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path.name for path in SYSTEMD.glob("*.service"))
# 0 to 100. The gateway's unit is above 15 only by reading the clock's quality (adjtimex), which the scale counts as setting it.
EXPOSURE = {"campus-console.service": 15, "campus-gateway.service": 17, "campus-vision.service": 15}
TARGETS = ("sysinit", "basic", "shutdown", "network", "time-sync", "multi-user")  # of the system around our units
PROGRAM = "opt/campus-gateway/venv/bin/campus-gateway"


def verify(root: Path, unit: str) -> str:
    """What systemd-analyze has to say; it exits with 0 also where it found unknown keys."""
    done = subprocess.run(
        [need("systemd-analyze", package="systemd"), "verify", f"--root={root}", "--man=no", unit], capture_output=True, text=True
    )
    return done.stdout + done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small system with our units and a program for them to start."""
    ours, theirs = tmp_path / "etc/systemd/system", tmp_path / "usr/lib/systemd/system"
    for folder in (ours, theirs, (tmp_path / PROGRAM).parent):
        folder.mkdir(parents=True)
    for target in TARGETS:
        (theirs / f"{target}.target").write_text("[Unit]\n")
    for unit in UNITS:
        shutil.copy(SYSTEMD / unit, ours)
    program = tmp_path / PROGRAM
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def test_all_units_are_there() -> None:
    assert UNITS == ["campus-console.service", "campus-gateway.service", "campus-vision.service"]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say(root: Path, unit: str) -> None:
    assert verify(root, unit) == ""


def test_a_misspelt_key_would_be_seen(root: Path) -> None:
    file = root / "etc/systemd/system/campus-gateway.service"
    file.write_text(file.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "WatchdogSecs" in verify(root, "campus-gateway.service")


def test_a_program_elsewhere_would_be_seen(root: Path) -> None:
    (root / PROGRAM).unlink()
    assert PROGRAM in verify(root, "campus-gateway.service")


@pytest.mark.parametrize("unit", UNITS)
def test_exposure(unit: str) -> None:
    analyze = need("systemd-analyze", package="systemd")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE[unit]}", str(SYSTEMD / unit)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_gateway_may_not_lose() -> None:
    """Each of these lines stands for a promise; none may go unnoticed."""
    lines = (SYSTEMD / "campus-gateway.service").read_text().splitlines()
    for line in (
        "Type=notify",
        "WatchdogSec=10",
        "LimitCORE=0",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "ProtectSystem=strict",
        "StateDirectory=campus-gateway",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallFilter=@system-service",
    ):
        assert line in lines, line


def test_vision_runs_as_the_gateways_user_and_yields_to_it() -> None:
    units = {name: dict(line.split("=", 1) for line in (SYSTEMD / name).read_text().splitlines() if "=" in line) for name in UNITS}
    gateway, vision = units["campus-gateway.service"], units["campus-vision.service"]
    assert vision["User"] == gateway["User"] == "campus-gateway"  # the control socket is open to that user only
    assert "campus-gateway.service" in vision["After"]
    assert int(vision["CPUWeight"]) < 100 < int(gateway["CPUWeight"])
    assert int(gateway["OOMScoreAdjust"]) < 0 < int(vision["OOMScoreAdjust"])


def test_one_user_is_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [
        need("systemd-sysusers", package="systemd"),
        f"--root={tmp_path}",
        "--dry-run",
        str(SYSTEMD / "sysusers.d/campus-gateway.conf"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Creating user 'campus-gateway'")) == (0, 1), done.stderr


def test_folders_belong_to_that_user(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):  # in this root the user is whoever runs the test, so that no rights are needed
        (tmp_path / "etc" / name).write_text(
            f"root:x:0:\ncampus-gateway:x:{os.getuid() if name == 'passwd' else os.getgid()}:{os.getgid()}::/:\n"
        )
    command = [
        need("systemd-tmpfiles", package="systemd"),
        f"--root={tmp_path}",
        "--create",
        str(SYSTEMD / "tmpfiles.d/campus-gateway.conf"),
    ]
    subprocess.run(command, capture_output=True)  # as a plain user it cannot give the folder in /etc to root
    assert (tmp_path / "var/lib/campus-gateway").stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / "etc/campus-gateway").stat().st_mode & 0o7777 == 0o750
