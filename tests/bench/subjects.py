"""What is measured: the gateway's daemon and the floor, doing the same work, behind one face."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
PROFILES = Path(__file__).with_name("profiles")
ROOT = "campus/v1/bench/gate"
FIELD_ROLES = frozenset({"contact", "measurement"})  # not the gateway's own words about a device's link


@dataclass(frozen=True, slots=True)
class Load:
    """What a subject has to do: ports of devices with 100 registers, and of devices with a coil, on loopback."""

    scan_ports: Sequence[int] = ()
    coil_ports: Sequence[int] = ()
    period_ms: int = 1000
    coil_period_ms: int = 50


class Subject(Protocol):
    """One way to do the work. everything, changes: topic filters of all it says, and of coil changes alone."""

    name: str
    everything: str
    changes: str

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Start it in a folder of its own."""
        ...

    def values(self, topic: str, payload: bytes) -> dict[str, object]:
        """Point -> value of what was read in the field; coils are named coil-0, coil-1, ...; empty for other messages."""
        ...


class Floor:
    """The floor (floor.py)."""

    name = "floor"
    everything = "floor/#"
    changes = "floor/coil/+"

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Start the loop."""
        command = [sys.executable, "-m", "tests.bench.floor", "--broker", str(broker_port)]
        command += ["--scan", *map(str, load.scan_ports), "--period-ms", str(load.period_ms)]
        command += ["--coil", *map(str, load.coil_ports), "--coil-period-ms", str(load.coil_period_ms)]
        return _start(command, folder)

    def values(self, topic: str, payload: bytes) -> dict[str, object]:
        """Registers as scan-N-rM, coils as coil-N."""
        _, kind, number = topic.split("/")
        message = json.loads(payload)
        if kind == "coil":
            return {f"coil-{number}": message["value"]}
        return {f"scan-{number}-{name}": value for name, value in message["values"].items()}


class Gateway:
    """The daemon with a normal site file, without cameras and without recipients: the broker's word ends delivery."""

    name = "gateway"
    everything = f"{ROOT}/#"
    changes = f"{ROOT}/event/#"

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Write the site file and start the daemon on an empty state folder."""
        site = folder / "site.toml"
        site.write_text(site_text(load, broker_port))
        return _start([sys.executable, "-m", "gateway", "run", "--config", str(site), "--no-vision"], folder)

    def values(self, topic: str, payload: bytes) -> dict[str, object]:
        """From telemetry, events and states of the site's own points."""
        kind = topic.removeprefix(f"{ROOT}/").split("/")[0]
        if kind == "telemetry":
            return dict(json.loads(payload)["values"])
        if kind not in ("event", "state"):
            return {}
        message = json.loads(payload)
        said = message["data"] if kind == "event" else message
        return {said["point"]: said["value"]} if said.get("role") in FIELD_ROLES else {}


def site_text(load: Load, broker_port: int) -> str:
    """The site file. One bus a device; all registers as telemetry, each coil as a plain contact: every change is an event."""
    parts = [
        f"schema = 1\nprofile_dirs = [{json.dumps(str(PROFILES))}]\n",
        '[site]\nid = "bench"\ngateway = "gate"\nname = "压力测试"\nname_en = "Benchmark"\nstate_dir = "state"\n',
        f'[uplink]\npaths = [{{ url = "mqtt://127.0.0.1:{broker_port}" }}]\n',
        '[places]\ngate = { name = "校门", name_en = "main gate", type = "gate" }\n',
        f"[telemetry]\nperiod_s = {load.period_ms / 1000}\n",
        "[metrics]\nport = 0\n",
    ]
    for number, port in enumerate(load.scan_ports):
        parts += [_bus(f"scan-{number}", port), _device(f"scan-{number}", "bench-registers")]
        parts.append(f'publish = "all"\nperiod_ms = {load.period_ms}\n')
    for number, port in enumerate(load.coil_ports):
        parts += [_bus(f"io-{number}", port), _device(f"io-{number}", "bench-100")]
        parts.append(f'[[points]]\nid = "coil-{number}"\nrole = "contact"\nplace = "gate"\ndevice = "io-{number}"\nsignal = "coil"\n')
        parts.append(f"period_ms = {load.coil_period_ms}\n")
    return "\n".join(parts)


def _bus(name: str, port: int) -> str:
    return f'[[buses]]\nid = "{name}"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {port}\n'


def _device(name: str, profile: str) -> str:
    return f'[[devices]]\nid = "{name}"\nbus = "{name}"\nprofile = "{profile}"\nplace = "gate"'


def _start(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Start from the repository's root; what it says goes to subject.log."""
    with (folder / "subject.log").open("wb") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
