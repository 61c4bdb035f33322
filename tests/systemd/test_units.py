"""The units are what systemd understands, as closed as they claim, and do not get in each other's way."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real_parts import need

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in (".service", ".timer", ".slice"))
SERVICES = [name for name in UNITS if name.endswith(".service")]
UPGRADE = "campus-upgrade.service"  # of root, and with a program of the version before
TIMERS = [name for name in UNITS if name.endswith(".timer")]
MOST_EXPOSURE = 15  # of 100; 1.5 on the scale of `systemd-analyze security`
OTHER_TIME = SYSTEMD / "drop-ins/other-time-service.conf"
OTHER_TIME_EXPOSURE = 17  # reading the clock's quality (adjtimex) counts on the scale as setting it
TARGETS = ("sysinit", "basic", "shutdown", "network", "time-sync", "time-set", "timers", "multi-user")  # of the system around our units
PROGRAM = "opt/campus-gateway/current/bin/campus-gateway"
BEFORE = "opt/campus-gateway/before/bin/campus-gateway"


def verify(root: Path, *units: str) -> str:
    """What systemd-analyze has to say; it exits with 0 also where it found unknown keys."""
    done = subprocess.run(
        [need("systemd-analyze", package="systemd"), "verify", f"--root={root}", "--man=no", *units], capture_output=True, text=True
    )
    return done.stdout + done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small system with our units and the programs that they start."""
    ours, theirs = tmp_path / "etc/systemd/system", tmp_path / "usr/lib/systemd/system"
    for folder in (ours, theirs):
        folder.mkdir(parents=True)
    for target in TARGETS:
        (theirs / f"{target}.target").write_text("[Unit]\n")
    for slice_ in ("-", "system"):
        (theirs / f"{slice_}.slice").write_text("[Unit]\n")
    for unit in UNITS:
        shutil.copy(SYSTEMD / unit, ours)
    for name in (PROGRAM, BEFORE, "bin/sh", "bin/rm"):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    return tmp_path


def keys_of(unit: str) -> dict[str, str]:
    """Key -> its last value."""
    lines = (SYSTEMD / unit).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def exposure(file: Path, most: int) -> str:
    """Empty where the unit is not more exposed than that."""
    command = [need("systemd-analyze", package="systemd"), "security", "--offline=true", "--no-pager", f"--threshold={most}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_all_units_are_there() -> None:
    jobs = ["campus-backup", "campus-report", "campus-retention"]
    assert sorted(SERVICES) == sorted(
        [f"campus-{name}.service" for name in ("console", "failed@", "gateway", "upgrade", "vision")] + [f"{job}.service" for job in jobs]
    )
    assert [f"{job}.timer" for job in jobs] == TIMERS


def test_systemd_finds_nothing_to_say(root: Path) -> None:
    instances = [unit.replace("@", "@campus-backup") for unit in UNITS]
    assert verify(root, *instances) == ""


def test_each_drop_in_is_understood(root: Path) -> None:
    folder = root / "etc/systemd/system/campus-gateway.service.d"
    folder.mkdir()
    shutil.copy(OTHER_TIME, folder)
    assert verify(root, "campus-gateway.service") == ""
    (folder / "wrong.conf").write_text("[Service]\nProtectClocks=no\n")
    assert "ProtectClocks" in verify(root, "campus-gateway.service")


@pytest.mark.parametrize(
    ("unit", "right", "wrong"),
    [
        ("campus-gateway.service", "WatchdogSec=", "WatchdogSecs="),
        ("campus-backup.timer", "Persistent=true", "Persistence=true"),
        ("campus-backup.timer", "OnCalendar=*-*-* 02:30", "OnCalendar=nightly"),
        ("campus-vision.slice", "MemoryMax=1G", "MemoryMax=lots"),
        ("campus-failed@.service", "UMask=0077", "Umask=0077"),
    ],
)
def test_what_is_misspelt_would_be_seen(root: Path, unit: str, right: str, wrong: str) -> None:
    file = root / "etc/systemd/system" / unit
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    key, _, value = wrong.partition("=")
    said = verify(root, unit.replace("@", "@campus-backup"))
    assert key in said or value in said


def test_a_program_elsewhere_would_be_seen(root: Path) -> None:
    (root / PROGRAM).unlink()
    assert PROGRAM in verify(root, "campus-gateway.service")


@pytest.mark.parametrize("unit", SERVICES)
def test_exposure(unit: str) -> None:
    assert exposure(SYSTEMD / unit, MOST_EXPOSURE) == ""


def test_exposure_with_another_time_service(tmp_path: Path) -> None:
    """What the drop-in costs, and that the limit of the test above would see it."""
    unit = tmp_path / "campus-gateway.service"
    unit.write_text((SYSTEMD / "campus-gateway.service").read_text() + OTHER_TIME.read_text())
    assert exposure(unit, OTHER_TIME_EXPOSURE) == ""
    assert exposure(unit, MOST_EXPOSURE) != ""


@pytest.mark.parametrize("unit", [unit for unit in SERVICES if unit != UPGRADE])
def test_what_every_service_may_not_lose(unit: str) -> None:
    """No groups, no rights, no dump of a memory with keys in it, and no end to trying."""
    lines = (SYSTEMD / unit).read_text().splitlines()
    assert not [line for line in lines if line.startswith("SupplementaryGroups")]
    for line in (
        "User=campus-gateway",
        "UMask=0077",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "DevicePolicy=closed",
        "ProtectClock=yes",
        "ProtectSystem=strict",
        "StartLimitIntervalSec=0",
        "StateDirectory=campus-gateway campus-gateway/failures",
        "SystemCallFilter=@system-service",
    ):
        assert line in lines, line
    if unit != "campus-failed@.service":
        assert "OnFailure=campus-failed@%N.service" in lines


def test_what_a_gateway_may_not_lose() -> None:
    """Each of these lines stands for a promise; none may go unnoticed."""
    lines = (SYSTEMD / "campus-gateway.service").read_text().splitlines()
    for line in (
        "Type=notify",
        "WatchdogSec=10",
        "Restart=always",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        f"ExecStart=/{PROGRAM} run --config /etc/campus-gateway/site.toml",
    ):
        assert line in lines, line


@pytest.mark.parametrize("unit", ["campus-gateway.service", "campus-vision.service", "campus-console.service"])
def test_what_runs_for_ever_records_its_own_end(unit: str) -> None:
    """With Restart=always it never enters `failed`, and OnFailure= would never be asked."""
    keys = keys_of(unit)
    assert keys["Restart"] == "always"
    assert "/var/lib/campus-gateway/failures/%N" in keys["ExecStopPost"]


@pytest.mark.parametrize("timer", TIMERS)
def test_what_a_power_cut_skipped_is_done_later(timer: str) -> None:
    keys = keys_of(timer)
    assert keys["Persistent"] == "true"
    assert "RandomizedDelaySec" in keys
    job = keys_of(timer.replace(".timer", ".service"))
    assert job["Type"] == "oneshot"
    assert job["PrivateNetwork"] == "yes"
    assert job["ExecStartPost"] == "/bin/rm -f /var/lib/campus-gateway/failures/%N"


def test_vision_runs_as_the_gateways_user_and_yields_to_it() -> None:
    gateway, vision, share = (keys_of(name) for name in ("campus-gateway.service", "campus-vision.service", "campus-vision.slice"))
    assert vision["User"] == gateway["User"] == "campus-gateway"  # the control socket is open to that user only
    assert "campus-gateway.service" in vision["After"]
    assert vision["Slice"] == "campus-vision.slice"
    assert "MemoryMax" in share
    assert int(keys_of("campus.slice")["CPUWeight"]) < 100 < int(gateway["CPUWeight"])  # 100: system.slice, where the gateway is
    assert "Slice" not in gateway
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


def test_folders_belong_to_whom_they_should(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):  # in this root the users are whoever runs the test, so that no rights are needed
        (tmp_path / "etc" / name).write_text(
            "".join(f"{user}:x:{os.geteuid()}:{os.getegid()}::/:/bin/sh\n" for user in ("root", "campus-gateway"))
            if name == "passwd"
            else "".join(f"{group}:x:{os.getegid()}:\n" for group in ("root", "campus-gateway"))
        )
    command = [
        need("systemd-tmpfiles", package="systemd"),
        f"--root={tmp_path}",
        "--create",
        str(SYSTEMD / "tmpfiles.d/campus-gateway.conf"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if "campus" in path.name}
    assert modes == {
        "etc/campus-gateway": 0o750,
        "var/lib/campus-gateway": 0o700,
        "var/lib/campus-gateway-upgrade": 0o700,
        "var/backups/campus-gateway": 0o700,
    }
    lines = (SYSTEMD / "tmpfiles.d/campus-gateway.conf").read_text().splitlines()
    assert [line.split()[3] for line in lines if "-upgrade" in line] == ["root"], "a gateway that was taken over changes no release"


def test_the_log_is_limited() -> None:
    keys = keys_of("journald.conf.d/campus-gateway.conf")
    assert {"SystemMaxUse", "SystemKeepFree", "RuntimeMaxUse", "RateLimitBurst"} <= set(keys)
    assert keys["SystemMaxUse"] == "200M"
