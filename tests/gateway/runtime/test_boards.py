"""Four kinds of computers as their kernels describe them (boards/*.txt, with the sources of each layout), and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.runtime.board_facts import BoardFacts, look
from gateway.runtime.board_setup import KernelLog
from gateway.runtime.doctor_board import judge_board
from gateway.runtime.findings import SOON, UNKNOWN, WRONG
from tests.gateway.runtime.computer import computer

FOLDER = Path("/var/lib/campus-gateway")
BOARDS = Path(__file__).parent / "boards"


def board(name: str, root: Path, **files: str) -> Path:
    """The tree of a board, with these files instead of its own (path with __ for /; '' for a file that is not there)."""
    told = {}
    for part in (BOARDS / f"{name}.txt").read_text(encoding="utf-8").split("\n== ")[1:]:
        path, _, content = part.partition("\n")
        told[path] = content.rstrip("\n") + "\n"
    told |= {path.replace("__", "/"): content for path, content in files.items()}
    for path, content in told.items():
        if content:
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
    (root / str(FOLDER).lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root


def found(facts: BoardFacts, clock: str = "synchronised", ports: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """(grade, first words) of what is wrong, but for the room on this very disk."""
    return [(finding.grade, finding.where) for finding in judge_board(facts, clock, ports) if "MB" not in finding.what.en]


def test_a_raspberry_pi_4_as_it_comes(tmp_path: Path) -> None:
    facts = look(FOLDER, board("raspberry-pi-4", tmp_path))
    assert facts.model == "Raspberry Pi 4 Model B Rev 1.4"
    assert (facts.under_voltage, facts.throttled, facts.temperature_c, facts.passive_c) == (False, None, 51.121, None)
    assert (facts.watchdog, facts.watchdog_armed, facts.clock_chip) == ("Broadcom BCM2835 Watchdog timer", False, "")
    (card,) = facts.cards
    assert (card.kind, card.maker, card.made, card.used_ratio) == ("SD", "0x000003 SC32G", "08/2021", None)
    setup = facts.setup
    assert (setup.memory_limits, setup.card_swap, setup.consoles) == (False, ("/var/swap",), ("/dev/ttyS0",))
    assert (setup.time_service, setup.zone, setup.entropy_bits) == ("systemd-timesyncd", "Asia/Shanghai", 256)
    assert setup.kernel_log == KernelLog(0, 1, 0)
    assert found(facts, ports=("/dev/ttyS0", "/dev/ttyUSB0")) == [
        (SOON, "clock"),
        (UNKNOWN, "SD mmcblk0 (0x000003 SC32G, made 08/2021)"),
        (SOON, "watchdog"),
        (SOON, "memory"),
        (SOON, "swap"),
        (WRONG, "/dev/ttyS0"),
        (WRONG, "power"),
    ]


def test_a_raspberry_pi_5_as_the_guide_has_it(tmp_path: Path) -> None:
    facts = look(FOLDER, board("raspberry-pi-5", tmp_path))
    setup = facts.setup
    assert (setup.root_kind, setup.root_read_only, facts.disk.vanishes) == ("overlay", False, False)
    assert (setup.clock_battery_v, setup.clock_chip_off_s, setup.time_service) == (2.964099, 1.0, "chrony")
    assert (setup.memory_limits, setup.card_swap, setup.consoles) == (True, (), ("/dev/ttyAMA10",))
    assert facts.watchdog_armed is True
    assert found(facts, ports=("/dev/ttyAMA0",)) == []


def test_a_state_folder_on_the_overlay_of_a_read_only_system_is_lost_at_a_restart(tmp_path: Path) -> None:
    mounts = (board("raspberry-pi-5", tmp_path) / "proc/mounts").read_text().replace("/var/lib ext4", "/srv ext4")
    facts = look(FOLDER, board("raspberry-pi-5", tmp_path, proc__mounts=mounts))
    assert facts.disk.vanishes is True
    assert (WRONG, "disk /") in found(facts)
    elsewhere = mounts.replace("upperdir=/media/root-rw", "upperdir=/not-seen")
    assert (UNKNOWN, "disk /") in found(look(FOLDER, board("raspberry-pi-5", tmp_path, proc__mounts=elsewhere)))


def test_a_jetson_is_hot_by_its_own_trip_points_and_momentary_peaks_are_no_fault(tmp_path: Path) -> None:
    facts = look(FOLDER, board("jetson-orin-nano", tmp_path))
    assert (facts.under_voltage, facts.throttled, facts.temperature_c, facts.passive_c) == (False, False, 84.0, 99.0)
    assert (facts.watchdog, facts.watchdog_armed) == ("Tegra Watchdog", True)
    assert facts.setup.kernel_log is None, "a log that may not be read is not a clean one"
    assert found(facts) == []
    hot = look(FOLDER, board("jetson-orin-nano", tmp_path, sys__class__thermal__thermal_zone8__temp="99500\n"))
    assert found(hot) == [(WRONG, "temperature")]
    low = look(FOLDER, board("jetson-orin-nano", tmp_path, sys__class__hwmon__hwmon3__oc1_event_cnt="2\n"))
    assert low.under_voltage is True


def test_a_pc_whose_disk_is_failing(tmp_path: Path) -> None:
    facts = look(FOLDER, board("pc", tmp_path))
    assert facts.setup.kernel_log == KernelLog(io_errors=2, under_voltage=0, made_read_only=1), "an empty CD drive is no failing disk"
    assert (facts.setup.clock_chip_off_s, facts.setup.time_service) == (600.0, "ntpd")
    assert facts.passive_c is None, "a trip point at 0 degrees is one that is not set"
    assert facts.watchdog_armed is None, "a comment in system.conf says nothing"
    assert found(facts) == [(SOON, "clock"), (UNKNOWN, "power"), (WRONG, "disk"), (WRONG, "disk")]


@pytest.mark.parametrize(
    ("files", "clock", "expected"),
    [
        ({"sys__class__rtc__rtc0__battery_voltage": "12000\n"}, "synchronised", (SOON, "clock")),
        ({"proc__511__comm": "sshd\n"}, "holdover", (SOON, "clock")),
        ({"sys__class__watchdog__watchdog0__state": "inactive\n"}, "synchronised", (SOON, "watchdog")),
        ({"sys__fs__cgroup__cgroup.controllers": "cpu io pids\n"}, "synchronised", (SOON, "memory")),
        ({"proc__swaps": "Filename Type\n/dev/mmcblk0p3 partition 1 0 -2\n"}, "synchronised", (SOON, "swap")),
        ({"proc__sys__kernel__random__entropy_avail": "40\n"}, "synchronised", (SOON, "random")),
        ({"dev__kmsg": "3,1,1,-;mmc0: error -110 whilst initialising SD card\n"}, "synchronised", (WRONG, "disk")),
    ],
)
def test_one_thing_that_is_wrong(tmp_path: Path, files: dict[str, str], clock: str, expected: tuple[str, str]) -> None:
    assert expected in found(look(FOLDER, board("raspberry-pi-5", tmp_path, **files)), clock)
    assert expected not in found(look(FOLDER, board("raspberry-pi-5", tmp_path / "well")))


@pytest.mark.parametrize(
    ("files", "armed"),
    [
        ({}, None),
        ({"etc__systemd__system.conf": "[Manager]\nRuntimeWatchdogSec=20\n"}, True),
        (
            {"etc__systemd__system.conf": "RuntimeWatchdogSec=20\n", "etc__systemd__system.conf.d__w.conf": "RuntimeWatchdogSec=off\n"},
            False,
        ),
        ({"usr__lib__systemd__system.conf.d__w.conf": "RuntimeWatchdogSec=60\n", "etc__systemd__system.conf.d__w.conf": "\n"}, None),
        (
            {
                "usr__lib__systemd__system.conf.d__a.conf": "RuntimeWatchdogSec=60\n",
                "etc__systemd__system.conf.d__b.conf": "RuntimeWatchdogSec=0\n",
            },
            False,
        ),
    ],
)
def test_the_watchdog_by_the_settings_of_systemd(tmp_path: Path, files: dict[str, str], armed: bool | None) -> None:
    """A file of the same name further up takes the place of the other, the last word of all counts (systemd-system.conf(5))."""
    assert look(FOLDER, computer(tmp_path, **files)).watchdog_armed is armed


def test_memory_limits_of_the_older_tree(tmp_path: Path) -> None:
    for enabled, expected in (("1", True), ("0", False)):
        row = f"#subsys_name hierarchy num_cgroups enabled\nmemory\t8\t88\t{enabled}\n"
        facts = look(FOLDER, board("pc", tmp_path / enabled, proc__cgroups=row, **{"sys__fs__cgroup__cgroup.controllers": ""}))
        assert facts.setup.memory_limits is expected


def test_this_machine_can_be_looked_at() -> None:
    facts = look(Path("/"))
    assert facts.setup.root_kind
    assert facts.setup.memory_limits is not None
