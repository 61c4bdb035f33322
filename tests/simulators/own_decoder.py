"""A decoder of its own for Modbus profiles, straight from a profile's text: what a set value must read as on the wire.

It knows neither the simulator's code nor the gateway's; it asks the device by pymodbus.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

Entry = dict[str, Any]
TWO = ("u32", "s32", "f32", "bcd32")


class Unnamed(Exception):
    """An entry of a table that is asked for is not there."""


class Map:
    """One profile: its signals by name, and what one of them reads as."""

    def __init__(self, path: Path, client: AsyncModbusTcpClient, unit: int) -> None:
        self.data = tomllib.loads(path.read_text(encoding="utf-8"))
        self.signals = dict(self._written_out())
        self._client = client
        self._unit = unit

    def _written_out(self) -> Iterator[tuple[str, Entry]]:
        for entry in self.data["signals"]:
            repeat = entry.get("repeat")
            for i in range(repeat["count"] if repeat else 1):
                n = str(repeat.get("first", 1) + i) if repeat else ""
                moved = dict(entry, n=n, first_or_last=not repeat or i in (0, repeat["count"] - 1))
                if repeat and "address" in entry:
                    moved["address"] = entry["address"] + i * repeat.get("stride", 1)
                if repeat and "bit" in entry:
                    moved["bit"] = entry["bit"] + i * repeat.get("bit_stride", 0)
                yield entry["name"].replace("{n}", n), moved

    async def words(self, entry: Entry) -> list[int]:
        """Registers or bits of a signal, read in a form that the device answers."""
        size = entry.get("length", 1) if entry.get("type") == "text" else 2 if entry.get("type") in TWO else 1
        area, at, base = entry["area"], entry["address"], self.data.get("address_base", 0)
        begin, count = at, size
        for block in self.data.get("exact_blocks", ()):
            if block["area"] == area and block["address"] <= at < block["address"] + block["count"]:
                begin, count = block["address"], block["count"]
        exact = self.data.get("limits", {}).get("exact_bits", 0)
        if exact and area in ("coil", "discrete"):
            begin, count = (at - base) // exact * exact + base, exact
        reads = {
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
        }
        answer = await reads[area](begin - base, count=count, device_id=self._unit)
        assert not answer.isError(), f"{entry['name']} at {area} {begin}, {count}: {answer}"
        got = answer.bits if area in ("coil", "discrete") else answer.registers
        return [int(word) for word in got[at - begin : at - begin + size]]

    async def raw(self, name: str) -> int | float:
        """A signal's number before any meaning."""
        entry = self.signals[name]
        words, kind = await self.words(entry), entry.get("type", "bool")
        if entry.get("bytes") == "little":
            words = [int.from_bytes(word.to_bytes(2, "little"), "big") for word in words]
        if entry.get("words") == "low-first":
            words = words[::-1]
        data = struct.pack(f">{len(words)}H", *words)
        formats = {"s16": ">h", "u32": ">I", "s32": ">i", "f32": ">f", "u8hi": ">Bx", "u8lo": ">xB", "bcd32": ">I"}
        number: int | float = struct.unpack(formats.get(kind, ">H"), data)[0]
        if "bit" in entry:
            number = int.from_bytes(data, "big") >> (entry["bit"] + (8 if kind == "u8hi" else 0)) & (1 << entry.get("bits", 1)) - 1
        return number

    async def value(self, name: str) -> bool | int | float | str:
        """What a contact, measurement, counter or enum shows; a fault or a broken loop by its name."""
        entry = self.signals[name]
        if "from_signals" in entry:
            return await self._made(entry)
        raw = await self.raw(name)
        if entry["kind"] in ("contact", "latched"):
            return await self._contact(entry, raw)
        for table in ("enum", "sentinels", "fault_values"):
            if (word := found(entry.get(table, {}), raw)) is not None:
                return word
        number = float(f"{raw:x}") if entry["type"].startswith("bcd") else raw
        if sign := entry.get("sign_from"):
            number = -number if await self.raw(self._of(entry, sign)) else number
        if exponent := entry.get("exponent_from"):
            number /= 10 ** await self.raw(self._of(entry, exponent))
        return number * entry.get("scale", 1) + entry.get("offset", 0)

    async def _contact(self, entry: Entry, raw: int | float) -> bool | str:
        flip = entry.get("invert", False)
        if sense := entry.get("sense_from"):
            flip ^= bool(await self.raw(self._of(entry, sense)))
        if "loop" in entry:
            state = found(entry["loop"], raw)
            return state if state in ("open", "short", None) else (state == "active") != flip  # type: ignore[return-value]
        others = [await self.value(self._of(entry, other)) for other in entry.get("or_with", ())]
        return bool(raw) != flip or any(others)

    async def _made(self, entry: Entry) -> bool | str:
        values = [await self.value(self._of(entry, source)) for source in entry["from_signals"]]
        states = "".join("1" if value is True else "0" for value in values)
        for pattern, word in entry["table"].items():
            if all(a in ("x", b) for a, b in zip(pattern, states, strict=True)):
                if entry["kind"] == "contact" and word in ("normal", "active"):
                    return bool((word == "active") != entry.get("invert", False))
                return str(word)
        raise Unnamed(f"{entry['name']}: no row for {states}")

    def _of(self, entry: Entry, reference: str) -> str:
        return reference.replace("{n}", entry["n"])


def found(table: dict[str, str], raw: float) -> str | None:
    """What a table says of a number: its own row before a range. Negative numbers of 16 bits may be printed unsigned."""
    either = (raw, raw % 65536 if raw < 0 else raw)
    for key, word in table.items():
        if not is_range(key) and int(key, 0) in either:
            return word
    for key, word in table.items():
        if is_range(key):
            low, high = key[: key.index("-", 1)], key[key.index("-", 1) + 1 :]
            if any(int(low, 0) <= number < int(high, 0) + 1 for number in either):
                return word
    return None


def is_range(key: str) -> bool:
    return "-" in key[1:]
