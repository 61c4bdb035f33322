"""A technician's questions through the running daemon, beside a panic button; and a device that allows no holes, learned for good."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from tests.proof.field_modbus import GapsDevice
from tests.proof.field_rig import campus, overheard, types_of
from tests.proof.rig import Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PANIC_LIMIT_S = 0.25
LINE = """
[[buses]]
id = "line"
transport = "rtu"
device = "line.tty"
baud = 19200
[[devices]]
id = "module"
bus = "line"
profile = "waveshare-modbus-rtu-io-8ch"
unit = 1
[[devices]]
id = "meter"
bus = "line"
profile = "eastron-sdm120"
unit = 2
timeout_ms = 150
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "mains-voltage"
role = "measurement"
place = "gate"
device = "meter"
signal = "voltage"
"""


def asked(here: Rig, *words: str) -> subprocess.CompletedProcess[str]:
    """`campus-gateway devices ...` for the line of the panic button."""
    return campus(here, "devices", words[0], "--port", str(here.folder / "line.tty"), *words[1:])


def panic_delays(here: Rig) -> tuple[float, float]:
    """(worst measured, promised) delay of the panic button's request, in seconds."""
    worst, promised = here.metric("gw_detection_worst_seconds"), here.metric("gw_detection_promised_seconds")
    [block] = [labels for labels in promised if "panic" in labels]
    return worst[block], promised[block]


def test_questions_through_the_daemon_do_not_delay_the_panic_button(tmp_path: Path) -> None:
    with Broker("mosquitto", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, LINE, protocol="5") as here:
        wait_for(lambda: here.status().get("devices") == {"module": True, "meter": True}, "both devices answer")
        a_meter_is_read(here)
        units_are_found(here)
        worst_s, promised_s = panic_delays(here)
        assert 0 < worst_s < promised_s
        a_patient_question(here)
        assert here.gateway.stop() == 0


def a_meter_is_read(here: Rig) -> None:
    """Every signal, as the device has it."""
    done = asked(here, "probe", "--profile", "eastron-sdm120", "--unit", "2", "--json")
    assert done.returncode == 0, done.stderr
    found = {item["signal"]: (item["value"], item["quality"]) for item in json.loads(done.stdout)["signals"]}
    has = here.get("/devices")["meter"]["signals"]
    assert set(found) == set(has)
    assert {name: quality for name, (_, quality) in found.items() if quality != "good"} == {}
    assert {name: value for name, (value, _) in found.items()} == pytest.approx(has, rel=1e-6)
    assert "through the running daemon, bus line" in asked(here, "probe", "--profile", "eastron-sdm120", "--unit", "2").stdout


def units_are_found(here: Rig) -> None:
    """And the button, pressed while the line is searched, is heard of."""
    command = [sys.executable, "-m", "gateway", "devices", "scan", "--port", str(here.folder / "line.tty"), "--units", "1-20", "--json"]
    scan = subprocess.Popen([*command, "--timeout-ms", "60", "--config", str(here.site)], stdout=subprocess.PIPE, text=True)
    before: dict[str, Any] = here.get("/stats")["buses"]["line"]
    wait_for(lambda: here.get("/stats")["buses"]["line"]["strangers"] > before["strangers"], "units that are not there are asked")
    here.post("/points/panic", {"press_ms": 300})
    wait_for(lambda: types_of(here, "panic")[:1] == ["alarm.activated"], "the press")
    said, _ = scan.communicate(timeout=60)
    assert [item["unit"] for item in json.loads(said)["found"]] == [1, 2]


def a_patient_question(here: Rig) -> None:
    """A unit that is not there, asked with ten times the patience that the panic button has: the line spares what it can."""
    done = asked(here, "probe", "--profile", "waveshare-modbus-rtu-io-8ch", "--unit", "9", "--timeout-ms", "2500", "--json")
    assert done.returncode == 1
    faults = [item["fault"] for item in json.loads(done.stdout)["requests"]]
    assert faults
    assert all("this line can spare no more for a question" in fault for fault in faults)
    assert panic_delays(here)[0] < 2 * PANIC_LIMIT_S


def test_a_device_that_allows_no_holes_is_remembered(tmp_path: Path) -> None:
    with GapsDevice({0: 11, 3: 22, 6: 33, 9: 44}) as device, Broker("mosquitto", dir=tmp_path / "broker") as broker:
        points = "".join(
            f'[[points]]\nid = "v{n}"\nrole = "measurement"\nplace = "gate"\ndevice = "gaps"\nsignal = "value{n}"\n' for n in range(1, 5)
        )
        field = f"""
[telemetry]
period_s = 0.2
[[buses]]
id = "peer"
transport = "tcp"
host = "127.0.0.1"
port = {device.port}
[[devices]]
id = "gaps"
bus = "peer"
profile = "gaps-meter"
{points}"""
        with overheard(broker) as heard, rig(tmp_path, broker.url, field, protocol="5", school=False) as here:
            wait_for(lambda: values(heard) == {"v1": 11, "v2": 22, "v3": 33, "v4": 44}, "all four values")
            assert [count for _, count in device.reads if count > 1] == [10], "one try over the holes, none after it"
            wait_for(lambda: here.journal("SELECT key FROM latch WHERE key = 'gaps'"), "it is remembered")
            where = ("--port", f"127.0.0.1:{device.port}", "--profile", "gaps-meter", "--profile-dir", str(tmp_path / "profiles"))
            done = campus(here, "devices", "probe", *where, "--json")
            assert [item["value"] for item in json.loads(done.stdout)["signals"]] == [11, 22, 33, 44]
            assert types_of(here, "gaps") == []
            here.gateway.kill()
            device.reads.clear()
            device.registers[9] = 45
            here.gateway.start()
            wait_for(lambda: values(heard).get("v4") == 45, "the values after the restart")
            assert {count for _, count in device.reads} == {1}
            assert here.gateway.stop() == 0


def values(heard: list[tuple[str, bytes]]) -> dict[str, Any]:
    """The newest telemetry."""
    sent = [json.loads(payload)["values"] for topic, payload in heard if topic.endswith("/telemetry")]
    return dict(sent[-1]) if sent else {}
