"""Promised and measured delays of a running gateway; a file that promises too little is a fault, never a gateway that does not start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simulators.broker import Broker, free_port
from tests.proof.rig import Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def field(limit_ms: int) -> str:
    return f"""
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = {free_port()}
panic_limit_ms = {limit_ms}
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "button"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "presses"
role = "measurement"
place = "gate"
device = "module"
signal = "di1_count"
"""


def ready(here: Rig) -> None:
    wait_for(here.status, "the daemon answers")
    wait_for(lambda: list(here.metric("gw_device_up").values()) == [1.0], "the module is read")


def test_measured_stays_within_promised(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field(250)) as here:
        ready(here)
        here.post("/points/button", {"press_ms": 300})
        wait_for(lambda: [e for e in here.events() if e["subject"] == "button"], "the press")
        wait_for(lambda: here.metric("gw_bus_transactions_total")['{line="io",result="ok"}'] > 200, "many reads")
        promised, worst = here.metric("gw_detection_promised_seconds"), here.metric("gw_detection_worst_seconds")
        assert promised.keys() == worst.keys()
        panic = next(labels for labels in promised if "panic" in labels)
        assert 0 < worst[panic] <= promised[panic]
        assert "gw-buses/fault" not in here.faults()


def test_a_promise_that_is_too_long_is_refused_by_check_and_a_fault_of_the_running_gateway(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field(50)) as here:
        ready(here)
        wait_for(lambda: "gw-buses/fault" in here.faults(), "a fault that says so")
        here.post("/points/button", {"press_ms": 300})
        wait_for(lambda: [e for e in here.events() if e["subject"] == "button"], "the press all the same")
        checked = subprocess.run([sys.executable, "-m", "gateway", "check", str(here.site)], capture_output=True, text=True, check=False)
        assert checked.returncode == 1
        assert "points[0]: could be known as late as" in checked.stdout
