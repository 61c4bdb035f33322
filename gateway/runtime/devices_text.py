"""Device profiles in readable form: the list, one device with all it offers, and the plan of a profile being written."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from drivers.frames_values import placed_signals as frames_signals
from drivers.modbus import ModbusDriver
from drivers.modbus_places import placed_signals
from gateway.bus.promise import Wire, held
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Block, WireClass, WirePoint

if TYPE_CHECKING:
    from gateway.config.profile_frames import FramesProfile
    from gateway.config.profile_modbus import ModbusProfile, Signal, When
    from gateway.config.profiles import Profile

FUNCTIONS = {1: "coils", 2: "discrete inputs", 3: "holding registers", 4: "input registers"}
KINDS_ZH = {
    "contact": "开关量",
    "counter": "计数",
    "latched": "锁存输入",
    "measurement": "模拟量",
    "enum": "状态",
    "text": "文本",
    "output": "输出",
    "card": "卡号",
}


def profile_list(profiles: Iterable[Profile]) -> list[str]:
    """One line for each profile."""
    rows = [("PROFILE", "DEVICE", "说明", "SPEAKS", "FACTS FROM")]
    for profile in profiles:
        facts = profile.confidence + (", map only" if profile.map_only else "")
        rows.append((profile.id, f"{profile.vendor} {profile.model}", profile.summary_zh, "/".join(profile.transports), facts))
    return table(rows, (34, 44, 40, 18, 30))


def profile_page(profile: Profile) -> list[str]:
    """All that one profile offers."""
    out = [
        f"{profile.id}: {profile.vendor} {profile.model}",
        f"  {profile.summary}",
        f"  {profile.summary_zh}",
        f"  speaks {', '.join(profile.transports)}; as shipped {_serial(profile)}",
        f"  facts: {profile.source} ({profile.confidence}{', map only: no published frame to test with' if profile.map_only else ''})",
    ]
    if profile.protocol == "modbus":
        out += _limits(profile)
    out += [f"  note: {line}" if i == 0 else f"        {line}" for i, line in enumerate(profile.note.strip().splitlines())]
    rows = [("SIGNAL", "KIND", "类型", "WHERE", "MEANING")]
    rows += [(each.name, each.kind, KINDS_ZH[each.kind], where(profile, each), meaning(each)) for each in profile.signals]
    return [*out, "", *table(rows, (28, 12, 10, 38, 1000))]


def _serial(profile: Profile) -> str:
    serial = profile.serial
    return f"{serial.baud} baud {serial.data_bits}{serial.parity}{serial.stop_bits}, unit {serial.unit}"


def _limits(profile: ModbusProfile) -> list[str]:
    limits = profile.limits
    words = [f"reply within {limits.timeout_ms} ms (healthy: {limits.delay_ms} ms)", f"at most {limits.max_registers} registers a read"]
    if limits.gap_ms:
        words.append(f"{limits.gap_ms} ms pause between requests")
    if profile.warm_up_s:
        words.append(f"{profile.warm_up_s:g} s warm-up")
    if profile.identity:
        words.append(f"identity: {profile.identity.area} {profile.identity.address} = 0x{profile.identity.expect:04x}")
    if profile.heartbeat:
        words.append(f"heartbeat: {profile.heartbeat.signal} within {profile.heartbeat.within_s:g} s")
    return [f"  {'; '.join(words)}"]


def where(profile: Profile, signal: Any) -> str:
    """Where a signal lies, in the words of its protocol."""
    many = f" x {signal.repeat.count}" if signal.repeat else ""
    if profile.protocol == "gpio":
        return f"line {signal.line}{many}"
    if profile.protocol == "osdp":
        return f"{signal.what} {signal.number}"
    if profile.protocol == "frames":
        return "text" if getattr(signal, "pattern", "") else f"byte {signal.at}" if getattr(signal, "at", None) is not None else "frame"
    if signal.from_signals:
        return f"from {', '.join(signal.from_signals)}"
    number = signal.type if signal.type != "bool" else ""
    bit = "" if signal.bit is None else f" bit {signal.bit}" if signal.bits == 1 else f" bits {signal.bit}-{signal.bit + signal.bits - 1}"
    step = f" (step {signal.repeat.stride})" if signal.repeat and signal.repeat.stride != 1 else ""
    return f"{signal.area} {signal.address}{bit}{many}{step} {number}".rstrip()


def meaning(signal: Any) -> str:
    """Unit, names and conditions of a signal."""
    words: list[str] = []
    scale, offset = getattr(signal, "scale", 1.0), getattr(signal, "offset", 0.0)
    if scale != 1.0 or offset:
        words.append(f"x {scale:g}{f' {offset:+g}' if offset else ''}")
    if signal.unit:
        words.append(signal.unit)
    if getattr(signal, "invert", False):
        words.append("0 is active")
    names = getattr(signal, "enum", {}) or getattr(signal, "loop", {}) or getattr(signal, "table", {})
    if names:
        words.append(", ".join(f"{raw} {name}" for raw, name in list(names.items())[:8]) + (", ..." if len(names) > 8 else ""))
    for raw, fault in list(getattr(signal, "sentinels", {}).items()):
        words.append(f"{raw}: {fault}")
    words += [f"only while {when.signal} is {_one_of(when)}" for when in getattr(signal, "valid_when", [])]
    if getattr(signal, "clear", None):
        words.append("released by a write" + (" that clears all latches of the device" if signal.clear.whole_device else ""))
    if getattr(signal, "read_clears", False):
        words.append("reading clears it")
    if signal.note:
        words.append(signal.note.strip().splitlines()[0])
    return "; ".join(words)


def _one_of(when: When) -> str:
    return ("" if when.is_in else "not ") + " or ".join(map(str, when.is_in or when.not_in))


def readable(profile: ModbusProfile) -> list[str]:
    """Names of all signals that can be read, repeats written out."""
    return [placed.name for placed in placed_signals(profile) if placed.signal.kind != "output"]


def names_of(profile: FramesProfile) -> list[str]:
    """Names of all signals that a device with frames of its own can tell."""
    return [placed.name for placed in frames_signals(profile) if placed.signal.kind != "output"]


def block_plan(profile: ModbusProfile, signals: Sequence[str], baud: int) -> list[str]:
    """How these signals would be read: each request, its size, and its time on the wire."""
    points = [WirePoint(name, name, WireClass.MEASUREMENT, 1.0) for name in signals]
    driver = ModbusDriver("device", profile, profile.serial.unit, points)
    serial = any(transport in ("rtu", "rtu-tcp", "ascii") for transport in profile.transports)
    wire = Wire("rtu" if serial else "tcp", baud if serial else None)
    rows = [("REQUEST", "BYTES", f"TIME AT {baud}" if serial else "TIME", "SIGNALS")]
    total_s = 0.0
    for block in driver.plan():
        times = held(block, wire)
        total_s += times.healthy_s
        rows.append(
            (
                request_words(block),
                f"{len(block.request) + 3}/{block.reply_bytes + 3}",
                f"{times.healthy_s * 1000:.1f} ms",
                _few(block.points),
            )
        )
    return [*table(rows, (44, 9, 14, 80)), f"{len(rows) - 1} requests read {len(signals)} signals in {total_s * 1000:.0f} ms"]


def request_words(block: Block) -> str:
    """`function 3: holding registers 0-9`."""
    function, start, count = struct.unpack(">BHH", block.request[:5])
    if function not in FUNCTIONS:
        return f"function {function}: write to {start}"
    return f"function {function}: {FUNCTIONS[function]} {start}{f'-{start + count - 1}' if count > 1 else ''}"


def reading_rows(readings: dict[str, Reading], signals: Sequence[str], units: dict[str, str]) -> list[str]:
    """Every signal decoded, with its quality."""
    rows = [("SIGNAL", "VALUE", "QUALITY", "REASON")]
    for name in signals:
        reading = readings.get(name)
        if reading is None:
            rows.append((name, "-", "bad", "not read"))
            continue
        value = "-" if reading.value is None else str(reading.value).lower() if isinstance(reading.value, bool) else str(reading.value)
        unit = units.get(name, "")
        rows.append((name, f"{value} {unit}".strip(), str(reading.quality), reading.reason if reading.quality is not Quality.GOOD else ""))
    return table(rows, (32, 30, 10, 70))


def units_of(profile: ModbusProfile) -> dict[str, str]:
    """Signal -> its unit."""
    return {placed.name: _unit(placed.signal) for placed in placed_signals(profile)}


def _unit(signal: Signal) -> str:
    return signal.unit or ("mA" if signal.current_loop else "")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def table(rows: Sequence[tuple[str, ...]], widest: tuple[int, ...]) -> list[str]:
    """Aligned columns; Chinese characters take two. A cell longer than its column's limit is cut with an ellipsis."""
    cells = [[_cut(cell, widest[i]) for i, cell in enumerate(row)] for row in rows]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(widest))]
    return ["  ".join(cell + " " * (widths[i] - _width(cell)) for i, cell in enumerate(row)).rstrip() for row in cells]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _cut(text: str, most: int) -> str:
    if _width(text) <= most:
        return text
    while _width(text) > most - 1:
        text = text[:-1]
    return text + "…"
