"""A door with an OSDP reader, lock, contact and request to exit, with the daemon and the centre. Card numbers stay in the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from tests.proof.field_rig import campus, events_of, journal_events, overheard, signal, traces_of, types_of
from tests.proof.rig import Program, Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FIELD = """
[telemetry]
period_s = 0.2
[[buses]]
id = "io"
transport = "rtu"
device = "io.tty"
baud = 38400
[[buses]]
id = "readers"
transport = "osdp"
device = "readers.tty"
baud = 38400
[[devices]]
id = "module"
bus = "io"
profile = "waveshare-modbus-rtu-io-8ch"
[[devices]]
id = "reader-1"
bus = "readers"
profile = "osdp-reader"
unit = 5
key_file = "reader.key"
[[devices]]
id = "reader-2"
bus = "readers"
profile = "osdp-reader"
unit = 6
key_file = "reader.key"
[[points]]
id = "contact"
role = "door_contact"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "exit"
role = "request_to_exit"
place = "gate"
device = "module"
signal = "di2"
[[points]]
id = "canteen"
role = "card_reader"
place = "gate"
device = "reader-2"
signal = "card"
[[outputs]]
id = "lock-1"
kind = "lock"
place = "gate"
device = "module"
signal = "do1"
[[doors]]
id = "door-1"
place = "gate"
reader = "reader-1"
contact = "contact"
request_to_exit = "exit"
lock = "lock-1"
held_s = 1.5
unlock_s = 0.5
cards_file = "cards.csv"
"""
# 34 bits of a Wiegand 34 card: parity, 0xC3A95D17 = 3282656535, parity
CARD_NUMBER = 0xC3A95D17
CARD_BITS = 34
CARD = ((1 << 33) | (CARD_NUMBER << 1)) << 6


def show_card(here: Rig, device: str = "reader-1") -> None:
    """Hold the card before a reader."""
    here.post(f"/devices/{device}/signals/card", {"value": f"{CARD_BITS} {CARD.to_bytes(5, 'big').hex()}"})


def passed(here: Rig) -> list[tuple[str, str]]:
    """(granted or denied, by what means) at the door so far."""
    return [(event["type"].rpartition(".")[2], event["data"]["means"]) for event in events_of(here, "door-1", "campus.access.")]


def test_a_day_at_a_door(tmp_path: Path) -> None:
    key = tmp_path / "reader.key"
    key.write_text("000102030405060708090a0b0c0d0e0f\n")
    key.chmod(0o600)
    (tmp_path / "cards.csv").write_text("card,name,schedule\n")
    with (
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        overheard(broker) as heard,
        rig(tmp_path, broker.url, FIELD, protocol="5") as here,
    ):
        wait_for(lambda: here.status().get("devices") == {"module": True, "reader-1": True, "reader-2": True}, "all devices answer")
        opened_without_leave(here)
        card = an_unknown_card(here)
        shown_elsewhere(here)
        (tmp_path / "cards.csv").write_text(f"card,name,schedule\n{card},王小明,\n")
        assert here.gateway.stop() == 0
        here.gateway = Program(
            tmp_path / "second.log", "gateway", "run", "--config", str(here.site), "--no-vision", "--log-level", "debug"
        ).start()
        wait_for(lambda: here.status().get("devices", {}).get("reader-1"), "the reader answers the daemon anew")
        let_in(here)
        let_out(here)
        case_opened(here)
        cable_pulled(here)
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "all is received")
        assert here.gateway.stop() == 0
        assert here.report()["chain"] == "whole"
        said = b"\n".join(payload for _, payload in heard)
        assert card[:8].encode() in said, "the door's events were overheard"
        assert card.encode() not in said, "the whole hash stays here"
        assert "王小明".encode() not in said, "tell_names is off"
        nothing_of_the_card(tmp_path, said, journal_events(here))


def opened_without_leave(here: Rig) -> None:
    """Forced: an alarm at the centre, at once; it stays until somebody resets it."""
    here.post("/points/contact", {"value": True})
    wait_for(lambda: types_of(here, "door-1-forced") == ["alarm.activated"], "the forced door")
    wait_for(lambda: types_of(here, "door-1-held") == ["alarm.activated"], "and nobody shuts it")
    here.post("/points/contact", {"value": False})
    wait_for(lambda: types_of(here, "door-1-forced")[-1] == "alarm.cleared", "it is shut")
    wait_for(lambda: types_of(here, "door-1-held")[-1] == "alarm.cleared", "it is held no more")
    assert campus(here, "acknowledge", "door-1-forced").returncode == 0
    assert campus(here, "reset", "door-1-forced").returncode == 0
    assert passed(here) == []


def an_unknown_card(here: Rig) -> str:
    """Denied, the lock stays shut; its hash is told at the door of the daemon only."""
    show_card(here)
    wait_for(lambda: passed(here) == [("denied", "card")], "an unknown card is refused")
    told = events_of(here, "door-1", "campus.access.")[0]["data"]
    assert told["reason"] == "unknown card"
    assert not signal(here, "module", "do1")
    [shown] = json.loads(campus(here, "cards", "--json").stdout)["cards"]
    assert shown["point"] == "door-1-card"
    assert len(shown["card"]) == 64
    assert told["card"] == shown["card"][:8]
    return str(shown["card"])


def shown_elsewhere(here: Rig) -> None:
    """A reader of no door: its card is listed for enrolment, and nothing is told of it (telemetry goes out each 0.2 s)."""
    show_card(here, "reader-2")
    wait_for(lambda: len(json.loads(campus(here, "cards", "--json").stdout)["cards"]) == 2, "the second reader is heard")
    here.post("/points/exit", {"value": True})
    wait_for(lambda: passed(here)[-1] == ("granted", "request_to_exit"), "something else is told after it")
    here.post("/points/exit", {"value": False})


def let_in(here: Rig) -> None:
    """Granted: the lock is let go and falls back; opened, no alarm; held for too long, one."""
    before, forced = len(lock_ends(here)), types_of(here, "door-1-forced")
    show_card(here)
    wait_for(lambda: passed(here)[-1] == ("granted", "card"), "a card of the list is let in")
    wait_for(lambda: lock_ends(here)[before:] == [("door door-1", "on", "done")], "the lock was let go")
    assert signal(here, "module", "do1") or here.get("/stats")["devices"]["module"]["writes"] > 1
    here.post("/points/contact", {"value": True})
    wait_for(lambda: not signal(here, "module", "do1"), "the lock has fallen back")
    wait_for(lambda: types_of(here, "door-1-held")[-1] == "alarm.activated", "held open")
    here.post("/points/contact", {"value": False})
    wait_for(lambda: types_of(here, "door-1-held")[-1] == "alarm.cleared", "shut again")
    assert types_of(here, "door-1-forced") == forced


def lock_ends(here: Rig) -> list[tuple[str, str, str]]:
    return [(e["data"]["by"], e["data"]["command"], e["data"]["result"]) for e in events_of(here, "lock-1", "campus.output.")]


def let_out(here: Rig) -> None:
    """The button inside lets go of the lock as well."""
    before = len(lock_ends(here))
    here.post("/points/exit", {"press_ms": 400})
    wait_for(lambda: passed(here)[-1] == ("granted", "request_to_exit"), "the request to exit")
    wait_for(lambda: lock_ends(here)[before:] == [("door door-1", "on", "done")], "the lock was let go for it")


def case_opened(here: Rig) -> None:
    here.post("/devices/reader-1/signals/tamper", {"value": True})
    wait_for(lambda: types_of(here, "door-1-tamper") == ["alarm.activated"], "the opened case")
    here.post("/devices/reader-1/signals/tamper", {"value": False})
    wait_for(lambda: types_of(here, "door-1-tamper")[-1] == "alarm.cleared", "it is shut again")


def cable_pulled(here: Rig) -> None:
    """One reader is gone, and later the whole converter: each a device fault; back, cards are read again."""
    here.post("/devices/reader-1/fault", {"kind": "silent"})
    wait_for(lambda: types_of(here, "reader-1") == ["fault.activated"], "the silent reader is a fault")
    assert types_of(here, "reader-2") == []
    here.delete("/devices/reader-1/fault")
    wait_for(lambda: types_of(here, "reader-1")[-1] == "fault.cleared", "the reader is back")
    here.post("/buses/readers/unplug", {})
    wait_for(lambda: types_of(here, "reader-2") == ["fault.activated"], "the pulled converter is a fault of its readers")
    here.post("/buses/readers/plug", {})
    wait_for(lambda: types_of(here, "reader-1") == ["fault.activated", "fault.cleared"] * 2, "back again")
    before = len(passed(here))
    show_card(here)
    wait_for(lambda: passed(here)[before:] == [("granted", "card")], "cards are read again")


def nothing_of_the_card(folder: Path, said: bytes, events: list[dict[str, Any]]) -> None:
    """Neither bits nor number, in hex, decimal or raw, in journal, logs, state folder or on MQTT."""
    assert events
    files = [folder / "gateway.log", folder / "second.log", folder / "centre.log", *(folder / "state").iterdir()]
    places = {str(file): file.read_bytes() for file in files} | {"MQTT": said}
    traces = traces_of(CARD_NUMBER, 4) + traces_of(CARD, 5) + traces_of(CARD >> 6, 5) + traces_of(CARD >> 5 & (1 << 33) - 1, 5)
    assert [(place, trace) for place, content in places.items() for trace in traces if trace in content.lower()] == []
