"""The road of a card reader, played by libosdp's peripheral side."""

from __future__ import annotations

import binascii
import hashlib
import time
from pathlib import Path

from drivers.osdp import OsdpDriver, card_bytes
from gateway.bus.osdp_line import OsdpLine
from gateway.bus.osdp_session import ReaderAddress
from gateway.core.wire import WireClass, WirePoint
from simulators.osdp_reader import Reader, ReaderLine
from tests.conformance.ear import Ear
from tests.conformance.roads import BAUD, Line, Road
from tests.conformance.spoils import Answer, noise
from tests.drivers.test_osdp import READER

ADDRESSES = {"one": 0, "two": 1}
KEYS = {"one": bytes(range(16)), "two": bytes(range(16, 32))}
SIGNALS = {"tamper": WireClass.STATE, "card": WireClass.STATE}
START = 0x53


class _Cable(ReaderLine):
    """What reader `one` says passes the road's spoils; pauses are kept in the cable's own thread."""

    def __init__(self, road: OsdpRoad, link: Path, readers: list[Reader]) -> None:
        self._road = road
        super().__init__(link, readers)

    def say(self, data: bytes) -> None:
        road = self._road
        of_one = START in data and data[data.index(START) + 1] & 0x7F == ADDRESSES["one"]
        road.counted += of_one
        if not of_one or road.spoil is None:
            super().say(data)
            return
        answer = Answer(data, lambda: _to_another(data), lambda: _oversize(data))
        for pause_s, piece in road.spoil(answer, road.dice):
            time.sleep(pause_s)
            super().say(piece)


def _to_another(data: bytes) -> bytes:
    """The same frame under the address 8 higher, its check made anew."""
    at = data.index(START)
    frame = bytearray(data[at:])
    frame[1] += 8
    return data[:at] + bytes(frame[:-2]) + binascii.crc_hqx(bytes(frame[:-2]), 0x1D0F).to_bytes(2, "little")


def _oversize(data: bytes) -> bytes:
    """The same frame, but it says that it is 65535 bytes long; its check made anew."""
    at = data.index(START)
    frame = bytearray(data[at:])
    frame[2:4] = b"\xff\xff"
    return data[:at] + bytes(frame[:-2]) + binascii.crc_hqx(bytes(frame[:-2]), 0x1D0F).to_bytes(2, "little")


class OsdpRoad(Road):
    """Two readers with keys of their own; the truth is a case that is opened and closed, and cards that are shown."""

    name = "osdp"
    shared = has_address = has_length = True
    frame_cost = 10

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._link = folder / "port"
        self._readers = {device: Reader(address, KEYS[device]) for device, address in ADDRESSES.items()}
        self._cable: _Cable | None = None
        self._cards = 0
        for device in ADDRESSES:
            self.set_value(device)

    def set_value(self, device: str = "one") -> None:
        self._cards += 1
        card = (32, (0x10000 + self._cards).to_bytes(4, "big"))
        tampered = not self.truth.get(f"{device}-tamper", [True])[-1]
        self.truth.setdefault(f"{device}-tamper", []).append(tampered)
        self.truth.setdefault(f"{device}-card", []).append(_hashed(card_bytes(*card)))
        self._readers[device].set_case(tamper=tampered)
        self._readers[device].show_card(*card)

    def steady_points(self, device: str = "one") -> list[str]:
        return [f"{device}-tamper"]  # a card is a moment, not a state

    @property
    def silent(self) -> bool:
        return not self._readers["one"].plugged

    @silent.setter
    def silent(self, silent: bool) -> None:
        if hasattr(self, "_readers"):
            if self.silent and not silent:
                self._readers["one"].restart()  # it was without power
            self._readers["one"].plugged = not silent

    async def plug(self) -> None:
        self._cable = _Cable(self, self._link, list(self._readers.values()))

    def pull(self) -> None:
        cable, self._cable = self._cable, None
        if cable is not None:
            cable.close()

    def babble(self) -> None:
        assert self._cable is not None
        ReaderLine.say(self._cable, noise(self.dice))

    def make_line(self) -> Line:
        drivers: dict[str, OsdpDriver] = {}
        for device, address in ADDRESSES.items():
            points = [WirePoint(f"{device}-{signal}", signal, wire_class, 1.0) for signal, wire_class in SIGNALS.items()]
            drivers[device] = OsdpDriver(device, READER, address, points, _hashed)
        self.ear = Ear(drivers, self.unasked)
        readers = [ReaderAddress(device, address, KEYS[device]) for device, address in ADDRESSES.items()]
        return OsdpLine("wire", str(self._link), BAUD, readers, self.ear)


def _hashed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
