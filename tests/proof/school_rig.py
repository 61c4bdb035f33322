"""What the proofs of the school rules share: a gate on Modbus TCP, a hall on a serial line, who speaks for the centre, a device's coils."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simulators.broker import Broker, free_port
from tests.proof.field_rig import campus, ends_of, journal_events
from tests.proof.rig import Rig, rig, start_centre, wait_for
from tests.real_parts import need

SOURCE = "/sites/proof-school/gateways/gate"
MAY = ', may = ["acknowledge", "reset"]'  # what the centre's key is good for here
PROTOCOL = "5"
UPLINK = "centre_silence_s = 4\nreceipt_timeout_s = 1"
READ_COILS = 1
COIL_OF_DO1 = 16  # of the gate's module, an ADAM-6060
SIREN, STROBE, PRESSED, BROKER, RECEIVED = range(5)  # its outputs do1 to do5

PLACES = """
[places.office]
name = "财务室"
name_en = "cash office"
type = "office"
[places.kitchen]
name = "食堂厨房"
name_en = "kitchen"
type = "kitchen"
[places.store]
name = "器材室"
name_en = "store"
"""


def gate(port: int) -> str:
    """A module with three buttons, a siren, a strobe and three lamps, on Modbus TCP at this port of loopback."""
    return f"""
[[buses]]
id = "gate-net"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[[devices]]
id = "module"
bus = "gate-net"
profile = "advantech-adam-6060"
{point("panic-gate", "panic_button", "gate", "module", "di1")}
{point("panic-office", "panic_button", "office", "module", "di2")}
{point("panic-store", "panic_button", "store", "module", "di3")}
{output("siren-gate", "siren", "gate", "module", "do1")}
{output("strobe-gate", "strobe", "gate", "module", "do2")}
{output("lamp-pressed", "lamp", "gate", "module", "do3")}
{output("lamp-broker", "lamp", "gate", "module", "do4")}
{output("lamp-received", "lamp", "gate", "module", "do5")}
"""


def hall() -> str:
    """A module with the siren for a silent centre, on a serial line behind a pty."""
    return f"""
[[buses]]
id = "hall-line"
transport = "rtu"
device = "hall.tty"
baud = 38400
[[devices]]
id = "hall-module"
bus = "hall-line"
profile = "waveshare-modbus-rtu-io-8ch"
{output("siren-office", "siren", "office", "hall-module", "do1")}
"""


def point(name: str, role: str, place: str, device: str, signal: str) -> str:
    """One point of the site file."""
    return f'[[points]]\nid = "{name}"\nrole = "{role}"\nplace = "{place}"\ndevice = "{device}"\nsignal = "{signal}"'


def output(name: str, kind: str, place: str, device: str, signal: str) -> str:
    """One output of the site file."""
    return f'[[outputs]]\nid = "{name}"\nkind = "{kind}"\nplace = "{place}"\ndevice = "{device}"\nsignal = "{signal}"'


@contextlib.contextmanager
def school(folder: Path, field: str, *, centre: tuple[str, ...] = ()) -> Iterator[tuple[Rig, Broker]]:
    """A gateway with the gate's module and these further tables, once its outputs have taken their safe values. centre: as of `rig`."""
    need("mosquitto", package="mosquitto")
    field = PLACES + gate(free_port()) + field
    with (
        Broker("mosquitto", dir=folder / "broker") as broker,
        rig(folder, broker.url, field, protocol=PROTOCOL, uplink=UPLINK, key=MAY, centre=centre) as here,
    ):
        outputs = field.count("[[outputs]]")
        wait_for(lambda: len(ends_of(here, "safe value")) == outputs, "the safe values at start at the centre")
        yield here, broker


def port_of(here: Rig) -> int:
    """Where the gate's module listens."""
    buses = tomllib.loads(here.site.read_text())["buses"]
    return next(int(bus["port"]) for bus in buses if bus["id"] == "gate-net")


def coils(here: Rig) -> list[bool]:
    """do1 to do5 of the gate's module, as another Modbus master reads them from the device."""
    request = struct.pack(">HHHBBHH", 1, 0, 6, 1, READ_COILS, COIL_OF_DO1, 5)
    with socket.create_connection(("127.0.0.1", port_of(here)), timeout=5) as connection:
        connection.sendall(request)
        reply = b""
        while len(reply) < 10:
            more = connection.recv(64)
            assert more, "the module has closed the connection"
            reply += more
    assert reply[7] == READ_COILS, f"the module refuses: {reply.hex()}"
    return [bool(reply[9] >> bit & 1) for bit in range(5)]


def lit(here: Rig) -> list[str]:
    """Which of the three lamps are lit, by what they say."""
    seen = coils(here)
    return [name for name, bit in (("pressed", PRESSED), ("broker", BROKER), ("received", RECEIVED)) if seen[bit]]


def press(here: Rig, button: str) -> None:
    """Press a button shortly."""
    here.post(f"/points/{button}", {"press_ms": 300})


def says(here: Rig, broker: Broker, *words: str) -> None:
    """The centre gives a signed command over the broker, which is carried out."""
    done = subprocess.run(
        [sys.executable, "-m", "simulators.centre", "command", *words, "--gateway", SOURCE, "--url", broker.url, "--json",
         "--protocol", PROTOCOL, "--key", here.folder / "centre.jwk", "--trust", here.folder / "trust.json"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def centre_begins(here: Rig, broker: Broker, *further: str) -> None:
    """The centre's program ends and begins anew: `--no-receipts` for one that hears all and signs nothing."""
    assert here.centre is not None
    here.centre.stop()
    here.centre = start_centre(here, broker.url, PROTOCOL, *further)


def on_site(here: Rig, *words: str) -> str:
    """What `campus-gateway WORDS` prints; it must go well."""
    done = campus(here, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(here: Rig) -> dict[str, Any]:
    """What `campus-gateway status` asks for, asked at the door without a process in between."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(10)
        door.connect(str(here.folder / "state" / "door.sock"))
        door.sendall(b'{"op": "status"}\n')
        answer: dict[str, Any] = json.loads(door.makefile("rb").readline())
    found: dict[str, Any] = answer["status"]
    return found


def state(here: Rig, alarm: str) -> str:
    """State of one alarm, as the daemon tells it."""
    return next(str(item["state"]) for item in status(here)["alarms"] if item["alarm"] == alarm)


def all_received(here: Rig) -> None:
    """Wait until the centre has signed for everything so far."""
    wait_for(lambda: status(here)["outbox"]["depth"] == 0, "all is received")


def data_of(here: Rig, of_type: str, **wanted: Any) -> list[dict[str, Any]]:
    """Data of each event of this type that the centre has, once each, in the order of the journal. wanted: what the data must hold."""
    found = {event["id"]: event for event in here.events() if event["type"] == f"campus.{of_type}"}
    events = sorted(found.values(), key=lambda event: (event["epoch"], event["sequence"]))
    all_data = [{"subject": event["subject"], "id": event["id"], **event["data"]} for event in events]
    return [data for data in all_data if all(data.get(name) == value for name, value in wanted.items())]


def told(here: Rig, of_type: str, **wanted: Any) -> dict[str, Any]:
    """Data of the one event of this type, once the centre has it."""
    found: list[dict[str, Any]] = wait_for(lambda: data_of(here, of_type, **wanted), f"{of_type} at the centre")
    assert len(found) == 1, found
    return found[0]


def journalled(here: Rig, of_type: str) -> list[dict[str, Any]]:
    """Data of every event of this type in the journal, whoever has it."""
    return [event["data"] for event in journal_events(here) if event["type"] == f"campus.{of_type}"]


def killed_and_begun_anew(here: Rig) -> None:
    """SIGKILL of the daemon; the next one runs, and its outputs have taken their safe values."""
    before = len(ends_of(here, "safe value"))
    here.gateway.kill()
    here.gateway.start()
    outputs = here.site.read_text().count("[[outputs]]")
    wait_for(lambda: len(ends_of(here, "safe value")) == before + outputs, "the safe values of the new start are told")


def all_told(here: Rig) -> None:
    """Everything is received, the daemon ends in good order, and what it told is one whole chain."""
    all_received(here)
    assert here.gateway.stop() == 0
    assert here.report()["chain"] == "whole"
