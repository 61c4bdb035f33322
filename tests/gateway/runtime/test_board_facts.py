"""What a computer says of itself, read from files as its kernel writes them, and what is wrong by that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.runtime.board_facts import files_of, look, mount_of, mounts, who_has_open
from gateway.runtime.doctor_board import judge_board
from gateway.runtime.findings import SOON, UNKNOWN, WRONG
from tests.gateway.runtime.computer import MOUNTS, computer

FOLDER = Path("/var/lib/campus-gateway")


def found(root: Path, clock: str = "synchronised") -> dict[str, str]:
    """Where -> grade, of what has nothing to do with the room that this very disk has."""
    findings = judge_board(look(FOLDER, root), clock)
    return {finding.where: finding.grade for finding in findings if "MB" not in finding.what.en}


def test_all_is_well(tmp_path: Path) -> None:
    facts = look(FOLDER, computer(tmp_path))
    assert (facts.model, facts.kernel, facts.up_s) == ("Raspberry Pi 5 Model B", "6.12.0-rpi", 3600.5)
    assert facts.system == "Debian GNU/Linux 13 (trixie)"
    assert (facts.memory_bytes, facts.memory_available_bytes) == (4_096_000_000, 3_072_000_000)
    assert (facts.under_voltage, facts.throttled, facts.temperature_c) == (False, False, 48.2)
    assert (facts.watchdog, facts.clock_chip) == ("Broadcom BCM2835 Watchdog timer", "rpi-rtc")
    assert [(card.name, card.kind, card.used_ratio, card.end_near) for card in facts.cards] == [("mmcblk0", "MMC", 0.3, False)]
    assert facts.disk.mount is not None
    assert (facts.disk.mount.device, facts.disk.errors, facts.disk.slack) == ("/dev/nvme0n1p1", 0, ())
    assert facts.disk.free_bytes > 0
    assert found(tmp_path) == {}


def test_a_computer_that_tells_nothing_is_unknown_not_well(tmp_path: Path) -> None:
    facts = look(FOLDER, tmp_path)
    assert (facts.model, facts.up_s, facts.under_voltage, facts.temperature_c, facts.cards) == ("", None, None, None, ())
    assert facts.disk.mount is None
    assert found(tmp_path) == {"disk": UNKNOWN, "clock": SOON, "power": UNKNOWN, "watchdog": UNKNOWN}


@pytest.mark.parametrize(
    ("files", "where", "grade"),
    [
        ({"proc__mounts": MOUNTS.replace("rw,relatime", "ro,relatime")}, "disk /var/lib", WRONG),
        ({"proc__mounts": MOUNTS.replace("rw,relatime", "rw,data=writeback")}, "disk /var/lib", WRONG),
        ({"proc__mounts": MOUNTS.replace("rw,relatime", "rw,nobarrier")}, "disk /var/lib", WRONG),
        ({"proc__mounts": MOUNTS + "tmpfs /var/lib/campus-gateway tmpfs rw 0 0\n"}, "disk /var/lib/campus-gateway", WRONG),
        ({"sys__fs__ext4__nvme0n1p1__errors_count": "3\n"}, "disk /var/lib", WRONG),
        ({"sys__block__mmcblk0__device__life_time": "0x08 0x01\n"}, "MMC mmcblk0", SOON),
        ({"sys__block__mmcblk0__device__life_time": "0x0b 0x01\n"}, "MMC mmcblk0", WRONG),
        ({"sys__block__mmcblk0__device__pre_eol_info": "0x03\n"}, "MMC mmcblk0", WRONG),
        ({"sys__block__mmcblk0__device__life_time": "0x00 0x00\n"}, "MMC mmcblk0", UNKNOWN),
        ({"sys__devices__platform__soc__soc:firmware__get_throttled": "50000\n"}, "power", SOON),
        ({"sys__devices__platform__soc__soc:firmware__get_throttled": "10000\n"}, "power", WRONG),
        ({"sys__class__thermal__thermal_zone1__temp": "74000\n"}, "temperature", SOON),
        ({"sys__class__thermal__thermal_zone1__temp": "85000\n"}, "temperature", WRONG),
        ({"sys__class__watchdog__watchdog0__identity": "Software Watchdog\n"}, "watchdog", UNKNOWN),
        ({"sys__class__rtc__rtc0__name": "\n"}, "clock", SOON),
    ],
)
def test_what_is_wrong(tmp_path: Path, files: dict[str, str], where: str, grade: str) -> None:
    assert found(computer(tmp_path, **files)) == {where: grade}


def test_the_clock(tmp_path: Path) -> None:
    root = computer(tmp_path)
    assert [found(root, clock) for clock in ("unknown", "holdover")] == [{"clock": WRONG}, {"clock": SOON}]


def test_under_voltage_by_the_kernels_monitor(tmp_path: Path) -> None:
    files = {"sys__class__hwmon__hwmon1__name": "rpi_volt\n", "sys__class__hwmon__hwmon1__in0_lcrit_alarm": "1\n"}
    root = computer(tmp_path, **files)
    (root / "sys/devices/platform/soc/soc:firmware/get_throttled").unlink()
    assert look(FOLDER, root).under_voltage is True


def test_over_current_of_a_jetson(tmp_path: Path) -> None:
    root = computer(tmp_path, sys__class__hwmon__hwmon2__name="soctherm_oc\n", sys__class__hwmon__hwmon2__oc2_event_cnt="4\n")
    (root / "sys/devices/platform/soc/soc:firmware/get_throttled").unlink()
    assert look(FOLDER, root).throttled is True


def test_the_mount_of_a_folder_with_a_blank_in_its_name(tmp_path: Path) -> None:
    known = mounts(computer(tmp_path, proc__mounts=MOUNTS + "/dev/sda1 /mnt/usb\\040stick vfat rw 0 0\n"))
    found = mount_of(Path("/mnt/usb stick/state"), known)
    assert found is not None
    assert found.device == "/dev/sda1"
    root = mount_of(Path("/mnt/usb"), known)
    assert root is not None
    assert root.device == "/dev/mmcblk0p2"


def test_who_has_a_file_open(tmp_path: Path) -> None:
    wanted = tmp_path / "port"
    with wanted.open("w"):
        assert os.getpid() in dict(who_has_open(wanted))
    assert who_has_open(wanted) == []


def test_open_files_of_a_process() -> None:
    files = files_of(os.getpid())
    assert files.open is not None
    assert files.most is not None
    assert 0 < files.open < files.most
