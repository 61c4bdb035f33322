"""Site files of the bus benchmarks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.bench.bus_field import PROFILES

BUTTONS = 8
PANIC_PERIOD_MS = 60
PANIC_TIMEOUT_MS = 50
METERS = 31
METER_PERIOD_MS = 5000
METER_TIMEOUT_MS = 100
DEAD_UNIT, LATE_UNIT = 31, 32  # unit 1 is the panic module, 2..32 are the meters
LATE_MS = 90
HOLES_PERIOD_MS = 1000


def panic_site(link: Path, baud: int, broker_port: int) -> str:
    """One line: a module with panic buttons, and meters of which one is dead and one is late."""
    parts = [_head(broker_port, METER_PERIOD_MS)]
    parts.append(f'[[buses]]\nid = "line"\ntransport = "rtu"\ndevice = {json.dumps(str(link))}\nbaud = {baud}\n')
    parts.append(_device("panic", "line", "bench-inputs") + f"unit = 1\ntimeout_ms = {PANIC_TIMEOUT_MS}\n")
    for button in range(1, BUTTONS + 1):
        parts.append(f'[[points]]\nid = "panic-{button}"\nrole = "panic_button"\nplace = "gate"\ndevice = "panic"\nsignal = "di{button}"')
        parts.append(f"period_ms = {PANIC_PERIOD_MS}\n")
    for unit in range(2, METERS + 2):
        meter = _device(f"meter-{unit}", "line", "bench-meter") + f"unit = {unit}\ntimeout_ms = {METER_TIMEOUT_MS}\n"
        meter += f"delay_ms = {LATE_MS}\n" if unit == LATE_UNIT else ""
        parts.append(f'{meter}publish = "all"\nperiod_ms = {METER_PERIOD_MS}\n')
    return "\n".join(parts)


def holes_site(ports: Sequence[int], broker_port: int) -> str:
    """TCP devices with holes in their maps, all numbers as telemetry."""
    parts = [_head(broker_port, HOLES_PERIOD_MS)]
    for number, port in enumerate(ports):
        parts.append(f'[[buses]]\nid = "scan-{number}"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {port}\n')
        parts.append(_device(f"scan-{number}", f"scan-{number}", "bench-holes") + f'publish = "all"\nperiod_ms = {HOLES_PERIOD_MS}\n')
    return "\n".join(parts)


def _head(broker_port: int, telemetry_ms: int) -> str:
    return "\n".join(
        (
            f"schema = 1\nprofile_dirs = [{json.dumps(str(PROFILES))}]\n",
            '[site]\nid = "bench"\ngateway = "gate"\nname = "压力测试"\nname_en = "Benchmark"\nstate_dir = "state"\n',
            f'[uplink]\npaths = [{{ url = "mqtt://127.0.0.1:{broker_port}" }}]\n',
            '[places]\ngate = { name = "校门", name_en = "main gate", type = "gate" }\n',
            f"[telemetry]\nperiod_s = {telemetry_ms / 1000}\n",
            "[metrics]\nport = 0\n",
        )
    )


def _device(name: str, bus: str, profile: str) -> str:
    return f'[[devices]]\nid = "{name}"\nbus = "{bus}"\nprofile = "{profile}"\nplace = "gate"\n'
