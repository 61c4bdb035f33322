"""The units under a real systemd: ready, alive, killed, short of memory, failing and back. One box for all, `make check-units`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.install.root import Box
from tests.proof.rig import wait_for
from tests.systemd.school import BACKUPS, FAILURES, SITE_FILE, STATE, python, school

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.environ.get("CHECK_UNITS") != "1", reason="boots a whole Debian: make check-units"),
]
GATEWAY = "campus-gateway"
KILLS = 20


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A school that runs."""
    with school() as box:
        yield box


def status(box: Box) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(box.run("campus-gateway", "status", "--json").stdout)
    return told


def pid(box: Box, unit: str = GATEWAY) -> int:
    return int(box.show(unit, "MainPID"))


def restarts(box: Box, unit: str = GATEWAY) -> int:
    return int(box.show(unit, "NRestarts"))


def back(box: Box, after: int) -> None:
    """It was started again and is ready."""
    wait_for(lambda: restarts(box) > after and box.show(GATEWAY, "ActiveState") == "active", "the gateway is back", 90.0)


def records(box: Box) -> dict[str, str]:
    """Unit -> what is recorded of its failure."""
    names = box.run("ls", FAILURES).stdout.split()
    return {name: box.run("cat", f"{FAILURES}/{name}").stdout for name in names}


def faults(box: Box) -> dict[str, str]:
    """Those that stand now, with their reasons; what is over waits for a person under another state."""
    found = [fault for fault in status(box)["faults"] if "returned" not in fault["state"]]
    return {fault["alarm"].partition("/")[0]: fault["reason"] for fault in found}


def probe(box: Box, unit: str, code: str, *drop_ins: str) -> str:
    """Run Python in all the fences of a unit, with its user, folders and devices; what it printed."""
    name = f"probe-{unit}"
    box.run("cp", f"/usr/lib/systemd/system/{unit}.service", f"/run/systemd/system/{name}.service")
    words = " ".join(python())
    inside = "[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStopPost=\nExecStartPost=\n"
    inside += f"ExecStart={words} /run/{name}.py\nStandardOutput=file:/run/{name}.out\n"
    box.run("mkdir", "-p", f"/run/systemd/system/{name}.service.d")
    for number, text in enumerate((inside, *drop_ins)):
        box.run("tee", f"/run/systemd/system/{name}.service.d/{number}.conf", stdin=text)
    box.run("tee", f"/run/{name}.py", stdin=code)
    box.run("rm", "-f", f"/run/{name}.out")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", name)
    return box.run("cat", f"/run/{name}.out").stdout.strip()


def test_ready(box: Box) -> None:
    assert box.show(GATEWAY, "StatusText") == "serving /sites/school-1/gateways/gate"
    assert records(box) == {}
    began, ready = (int(box.show(GATEWAY, f"{name}TimestampMonotonic")) for name in ("ExecMainStart", "ActiveEnter"))
    print(f"ready after {(ready - began) / 1e6:.1f} s")
    assert box.run("systemctl", "is-system-running", check=False).stdout.strip() == "running"


def test_each_file_is_where_its_user_can_use_it(box: Box) -> None:
    places = (STATE, FAILURES, BACKUPS, "/var/lib/campus-gateway-upgrade", "/etc/campus-gateway")
    told = dict(line.split(" ", 1) for line in box.run("stat", "-c", "%n %U %a", *places).stdout.splitlines())
    own = "campus-gateway 700"
    assert told == dict(zip(places, (own, own, own, "root 700", "root 750"), strict=True))


def test_the_limits_of_the_log_count(box: Box) -> None:
    assert "max 32.0M" in box.run("journalctl", "-u", "systemd-journald").stdout or "max 200.0M" in box.run("journalctl").stdout


def test_timers_wait(box: Box) -> None:
    timers = json.loads(box.run("systemctl", "list-timers", "--output=json").stdout)
    assert {"campus-backup.timer", "campus-report.timer", "campus-retention.timer"} <= {timer["unit"] for timer in timers if timer["next"]}


def test_a_stop_that_was_asked_for_is_no_failure(box: Box) -> None:
    box.run("systemctl", "restart", GATEWAY)
    assert records(box) == {}


def test_the_clock_is_believed_by_what_the_time_service_leaves(box: Box) -> None:
    """The unit may not ask the kernel. Fresh mark: synchronised; an old one: not; with the drop-in the kernel is asked."""
    code = "from gateway.runtime.clock import Clock\nclock = Clock()\nprint(clock._kernel() is None, clock.now().clock)\n"
    assert probe(box, GATEWAY, code) == "True holdover"
    box.run("mkdir", "-p", "/run/systemd/timesync")
    box.run("touch", "/run/systemd/timesync/synchronized")
    assert probe(box, GATEWAY, code) == "True synchronised"
    wait_for(lambda: status(box)["clock"] == "synchronised", "the daemon sees it too", 30.0)
    box.run("touch", "-d", "2 hours ago", "/run/systemd/timesync/synchronized")
    assert probe(box, GATEWAY, code) == "True holdover"
    drop_in = "[Service]\nProtectClock=no\nSystemCallFilter=adjtimex clock_adjtime\n"
    assert probe(box, GATEWAY, code, drop_in).startswith("False ")


def test_tiles_pass_from_vision_to_the_page(box: Box) -> None:
    """Small pictures go through /dev/shm, between two units with devices and temporary folders of their own."""
    beginning = f"from pathlib import Path\nfrom gateway.config.settings import tiles_dir\nfolder = tiles_dir(Path({STATE!r}))\n"
    put = "from gateway.runtime.vision_tiles import Tiles\nTiles(folder, [], 'Asia/Shanghai')._put('gate', b'picture')\nprint(folder)\n"
    folder = probe(box, "campus-vision", beginning + put)
    assert folder.startswith("/dev/shm/campus-gateway-")
    assert probe(box, "campus-console", beginning + "print((folder / 'gate.jpg').read_bytes().decode())\n") == "picture"
    assert box.run("stat", "-c", "%U %a", folder).stdout.strip() == "campus-gateway 700"
    box.run("systemctl", "stop", GATEWAY)  # the last of that user: RemoveIPC=
    assert box.run("ls", folder, check=False).returncode, "what was shown is gone"
    box.run("systemctl", "start", GATEWAY)


def test_a_daemon_that_stands_still_is_killed_and_back(box: Box) -> None:
    before = restarts(box)
    box.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", GATEWAY)
    back(box, before)
    assert " watchdog " in records(box)[GATEWAY]
    assert "campus-gateway ended: watchdog" in box.run("journalctl", "-p", "crit", "-u", GATEWAY).stdout
    wait_for(lambda: "gw-unit" in faults(box), "the daemon tells of its own end", 60.0)
    assert "watchdog" in faults(box)["gw-unit"]


def test_a_daemon_that_is_killed_again_and_again_comes_back(box: Box) -> None:
    for _ in range(KILLS):
        before = restarts(box)
        wait_for(lambda: pid(box) > 0, "a process to kill", 30.0)
        box.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", GATEWAY)
        wait_for(lambda now=before: restarts(box) > now, "it is started again", 30.0)
    back(box, 0)
    assert " signal killed KILL" in records(box)[GATEWAY]
    assert box.show(GATEWAY, "Result") == "success"


def vision_runs(box: Box, code: str) -> None:
    """The vision unit runs this instead of its program, with 100 MB."""
    box.run("tee", "/run/instead.py", stdin=code)
    words = " ".join(python())
    for unit, text in (
        ("campus-vision.service", f"[Service]\nExecStart=\nExecStart={words} /run/instead.py\n"),
        ("campus-vision.slice", "[Slice]\nMemoryMax=100M\nMemorySwapMax=0\n"),
    ):
        box.run("mkdir", "-p", f"/run/systemd/system/{unit}.d")
        box.run("tee", f"/run/systemd/system/{unit}.d/test.conf", stdin=text)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "start", "campus-vision")


def test_vision_is_the_first_to_go_and_has_a_share_of_its_own(box: Box) -> None:
    vision_runs(box, "import time\ntime.sleep(600)\n")
    scores = {unit: int(box.run("cat", f"/proc/{pid(box, unit)}/oom_score_adj").stdout) for unit in (GATEWAY, "campus-vision")}
    assert scores[GATEWAY] < scores["campus-vision"] == 500  # no container may have -900
    assert box.show("campus-vision", "ControlGroup") == "/campus.slice/campus-vision.slice/campus-vision.service"
    assert box.show("campus-vision.slice", "MemoryMax") == str(100 << 20)
    box.run("systemctl", "stop", "campus-vision")


def test_vision_beyond_its_memory_is_killed_alone(box: Box) -> None:
    """Only where the kernel gives this container the memory controller: without it the machine itself would run short."""
    if "memory" not in box.run("cat", "/sys/fs/cgroup/cgroup.controllers", check=False).stdout.split():
        pytest.skip("no memory controller in a container of this machine")
    gateway = pid(box)
    vision_runs(box, "import time\nheap = [bytearray(8 << 20) for _ in range(40)]\ntime.sleep(600)\n")
    wait_for(lambda: restarts(box, "campus-vision") > 0, "vision was started again", 60.0)
    assert " oom-kill " in records(box)["campus-vision"]
    box.run("systemctl", "stop", "campus-vision")
    assert pid(box) == gateway, "nobody else was killed"


def test_without_cameras_or_page_both_end_quietly(box: Box) -> None:
    box.run("rm", "-rf", "/run/systemd/system/campus-vision.service.d", f"{FAILURES}/campus-vision")
    box.run("systemctl", "daemon-reload")
    for unit in ("campus-vision", "campus-console"):
        box.run("systemctl", "start", unit)
        wait_for(lambda unit=unit: box.show(unit, "ActiveState") == "inactive", f"{unit} has ended", 60.0)
        assert box.show(unit, "Result") == "success"
        assert unit not in records(box)


def test_the_jobs_of_the_timers(box: Box) -> None:
    for unit in ("campus-backup", "campus-report", "campus-retention"):
        box.run("systemctl", "start", unit)
        assert box.show(unit, "Result") == "success"
    (name,) = box.run("ls", BACKUPS).stdout.split()
    assert box.run("stat", "-c", "%U %a", f"{BACKUPS}/{name}").stdout.strip() == "campus-gateway 600"
    assert "whole: " in box.run("campus-gateway", "backup", "verify", f"{BACKUPS}/{name}").stdout


def test_a_job_that_fails_is_told_of_until_it_succeeds(box: Box) -> None:
    box.run("rm", "-f", f"{FAILURES}/{GATEWAY}")
    box.run("mv", SITE_FILE, f"{SITE_FILE}.away")
    box.run("tee", SITE_FILE, stdin="schema = \n")
    box.run("systemctl", "start", "campus-backup", check=False)
    box.run("mv", f"{SITE_FILE}.away", SITE_FILE)
    assert "exit-code exited 1" in box.wait("it is recorded", "cat", f"{FAILURES}/campus-backup")
    wait_for(lambda: "campus-backup" in faults(box).get("gw-unit", ""), "the daemon tells of it", 60.0)
    assert "campus-backup" in box.run("campus-gateway", "doctor", check=False).stdout
    assert "campus-backup has failed" in box.run("journalctl", "-p", "crit").stdout
    box.run("systemctl", "start", "campus-backup")
    assert "campus-backup" not in records(box)
    wait_for(lambda: "gw-unit" not in faults(box), "it is over", 60.0)
