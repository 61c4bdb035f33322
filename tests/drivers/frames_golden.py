"""Frames profiles and published frames for the tests of the frames driver."""

from __future__ import annotations

import tomllib
from pathlib import Path

from gateway.config.profile_frames import FramesProfile
from gateway.core.reading import Reading
from gateway.core.wire import WireClass, WirePoint

FOLDER = Path(__file__).parents[2] / "drivers" / "profiles"

# Winsen MH-Z19B manual p.7, ZE07-CH2O manual p.5, DFRobot wiki SEN0465.
MH_Z19B = bytes.fromhex("FF8602200000000058")
CH2O = bytes.fromhex("FF86002A0000002030")
MODE_SET = bytes.fromhex("FF7801000000000087")
# ZE07-CO: quoted by public drivers, with the check that the manual's rule gives, and as some of them print it.
CO, CO_MISPRINTED = bytes.fromhex("FF04030100251388" + "38"), bytes.fromhex("FF04030100251388" + "25")
# RDM6300: the number 13005D1DA5; the check is 13^00^5D^1D^A5 = F6.
RDM6300 = b"\x0213005D1DA5F6\x03"
# GST9000: the page's own three examples.
GST_FIRST = bytes.fromhex(
    "1B3630382F31322F3032202031373A32340A20203030342D3030340A1B39CAD7B4CEBBF0BEAF0AC8B9C2A5D2BBB2E3C9CFBFD50AB8D0D1CCCCBDB2E2C6F70A0A"
)
GST_FURTHER = bytes.fromhex(
    "1B3630382F31322F3032202031373A32310A20203030362D3030370A1B39BBF0BEAFBAF3D0F80AD6D0D1CCC1F9B2E3BCC6BBAEB2BF0AB8D0D1CCCCBDB2E2C6F70A0A"
)
GST_RESET = bytes.fromhex("1B3630382F31322F3032202031373A32350A20200A1B39CFB5CDB3B8B4CEBB0A0A")
# Mach Power manual p.12: with the printed checks; those of 42 and 43 are wrong there.
TURNSTILE = {command: bytes.fromhex(text) for command, text in {0x40: "EB014000AA", 0x41: "EB014100AB"}.items()}
TURNSTILE_MISPRINTED = [bytes.fromhex("EB014200AB"), bytes.fromhex("EB014300AB")]
DOOYA = bytes.fromhex("5512340301AD8A")
S4A = b"0012345678\r\n"


def load(name: str) -> FramesProfile:
    return parse((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def parse(text: str) -> FramesProfile:
    return FramesProfile.model_validate(tomllib.loads(text))


def small(body: str, top: str = "") -> FramesProfile:
    """A profile with these tables."""
    return parse(
        'schema = 1\nprotocol = "frames"\nid = "small"\nvendor = "v"\nmodel = "m"\nsummary = "s"\nsummary_zh = "s"\n'
        f'transports = ["serial"]\nsource = "test"\nconfidence = "code"\n{top}\n{body}'
    )


def point(signal: str, wire_class: WireClass = WireClass.STATE, inverted: bool = False) -> WirePoint:
    return WirePoint(signal, signal, wire_class, 1.0, inverted)


def told(readings: list[Reading]) -> dict[str, tuple[object, str]]:
    """Point -> (value, quality or reason) of the last reading of each point."""
    return {reading.point: (reading.value, reading.reason or str(reading.quality)) for reading in readings}


def gb26875(data: str, serial: int = 7, command: int = 2, check: str = "sum") -> bytes:
    """A frame by the published layout; the check is made here by its own arithmetic."""
    body = bytes.fromhex(data)
    time_source_target = bytes.fromhex("1E150A160B19" + "010203040506" + "A1A2A3A4A5A6")
    covered = serial.to_bytes(2, "little") + b"\x01\x00" + time_source_target + len(body).to_bytes(2, "little") + bytes([command]) + body
    total = 0
    for byte in covered:
        total = (total + byte) % 256 if check == "sum" else total ^ byte
    return b"\x40\x40" + covered + bytes([total]) + b"\x23\x23"


def component(state: int, address: int = 5, kind: int = 42, place: str = "") -> str:
    """One record of a component's state, 46 bytes in hex: system 1 of type 1."""
    text = place.encode("gbk").ljust(31, b"\0")
    record = bytes([1, 1, kind]) + address.to_bytes(4, "little") + state.to_bytes(2, "little") + text + bytes.fromhex("1E150A160B19")
    assert len(record) == 46
    return record.hex()


def components(*records: str) -> bytes:
    return gb26875(f"02{len(records):02x}" + "".join(records))


def system(state: int) -> bytes:
    return gb26875("0101" + "0101" + state.to_bytes(2, "little").hex() + "1E150A160B19")
