"""What every line of a site promises, and whether that is good enough: for `campus-gateway check`, the daemon and its metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.bus.promise import LinePromise, Wire, promise
from gateway.config.settings import Problem, Settings, problem_at
from gateway.config.toml_lines import KeyPath
from gateway.core.wire import Block, WireClass
from gateway.runtime.equipment import POLLED, drivers_of, plans_of, writing_buses

if TYPE_CHECKING:
    from gateway.config.profile import SerialDefaults
    from gateway.config.site import SerialBus, TcpBus

USED_MOST = 0.9
BAUDS = (9600, 19200, 38400, 57600, 115200)
TIMEOUTS_S = (0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02)
REGISTERS = (32, 16, 8)


@dataclass(frozen=True, slots=True)
class PointPromise:
    """One point: how long after a change it is known, at worst. period_s: how often it is asked for."""

    point: str
    bus: str
    device: str
    wire_class: WireClass
    period_s: float
    delay_s: float


@dataclass(slots=True)
class Judgement:
    """All lines of a site: (bus) -> share of its time that is used, the points' promises, and what cannot be accepted."""

    lines: dict[str, LinePromise] = field(default_factory=dict)
    unasked: list[str] = field(default_factory=list)  # buses whose devices speak by themselves: nothing is sampled there
    points: list[PointPromise] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def judge_site(settings: Settings) -> Judgement:
    """Plan all lines of a site and judge them."""
    drivers = drivers_of(settings)
    return judge(settings, plans_of(settings, drivers), writing_buses(settings, drivers))


def wire_of(bus: TcpBus | SerialBus, factory: SerialDefaults) -> Wire:
    """The bus as the arithmetic sees it. factory: serial settings where the site file is silent."""
    latency_s = bus.latency_ms / 1000
    if bus.transport in ("rtu", "ascii"):
        return Wire(bus.transport, bus.baud or factory.baud, latency_s)
    return Wire(bus.transport, None, latency_s, late_answers=bus.transport == "rtu-tcp")


def judge(settings: Settings, plans: Mapping[str, Sequence[Block]], writing: frozenset[str] = frozenset()) -> Judgement:
    """plans: blocks by bus id, of the polled lines. writing: buses on which outputs or latches are written."""
    out = Judgement()
    kinds = {name: point.kind for name, point in settings.points.items()}
    for index, bus in enumerate(settings.site.buses):
        blocks = plans.get(bus.id)
        if bus.transport not in POLLED or bus.transport == "gpio":
            out.unasked.append(bus.id)
            continue
        if not blocks:
            continue
        first = next(device for device in settings.site.devices if device.bus == bus.id)
        wire = wire_of(bus, settings.profiles[first.profile].serial)
        errands = bus.id in writing
        line = out.lines[bus.id] = promise(blocks, wire, errands=errands)
        worst: dict[str, PointPromise] = {}
        for each in line.blocks:
            block = each.block
            for point in block.points:
                found = PointPromise(point, bus.id, block.device, block.wire_class, block.period_s, each.delay_s)
                if point not in worst or worst[point].delay_s < found.delay_s:
                    worst[point] = found
        out.points += worst.values()
        if line.used_ratio > USED_MOST:
            words = f"would be used at {line.used_ratio:.2f} of its time, {USED_MOST:g} is the most; {_help_used(blocks, wire, errands)}"
            out.problems.append(problem_at(settings.file, ("buses", index), words))
            continue
        ways = _Ways(blocks, wire, errands, bus.panic_limit_ms / 1000)
        _judge_panic(settings, list(worst.values()), kinds, ways, out)
    out.points.sort(key=lambda each: (each.bus, each.wire_class, each.point))
    return out


def _judge_panic(settings: Settings, found: Sequence[PointPromise], kinds: Mapping[str, str], ways: _Ways, out: Judgement) -> None:
    limit_s = ways.limit_s
    index_of = {point.id: index for index, point in enumerate(settings.site.points)}
    for each in found:
        if each.wire_class is not WireClass.PANIC or each.delay_s <= limit_s or each.point not in index_of:
            continue
        words = f"{_late(each.delay_s)}, {_ms(limit_s)} is the most on this line"
        key: KeyPath = ("points", index_of[each.point])
        if kinds.get(each.point) in ("latched", "counter"):
            out.warnings.append(problem_at(settings.file, key, f"{words}; the press itself is kept by the device"))
        else:
            out.problems.append(problem_at(settings.file, key, f"{words}; {ways.help()}"))


@dataclass(slots=True)
class _Ways:
    """What would bring the panic points of one line below their limit; each way alone."""

    blocks: Sequence[Block]
    wire: Wire
    errands: bool
    limit_s: float
    _said: str = ""

    def help(self) -> str:
        """The ways that suffice, with what they would promise."""
        if not self._said:
            self._said = self._find()
        return self._said

    def _find(self) -> str:
        ways = []
        for timeout_s in TIMEOUTS_S:
            shorter = [replace(block, timeout_s=min(block.timeout_s, max(timeout_s, 2 * block.delay_s))) for block in self.blocks]
            if (worst_s := self._panic_s(shorter, self.wire)) <= self.limit_s:
                ways.append(f"timeout_ms = {timeout_s * 1000:g} for the devices of this line ({_ms(worst_s)})")
                break
        if self.wire.baud:
            for baud in BAUDS:
                if baud > self.wire.baud and (worst_s := self._panic_s(self.blocks, replace(self.wire, baud=baud))) <= self.limit_s:
                    ways.append(f"baud = {baud} ({_ms(worst_s)})")
                    break
        own = [block for block in self.blocks if block.wire_class is WireClass.PANIC]
        if len(own) < len(self.blocks) and (worst_s := self._panic_s(own, self.wire)) <= self.limit_s:
            ways.append(f"a line of its own ({_ms(worst_s)})")
        if longest := max((block.reply_bytes for block in self.blocks if block.wire_class is not WireClass.PANIC), default=0):
            for registers in REGISTERS:
                shorter = [replace(block, reply_bytes=min(block.reply_bytes, 2 + 2 * registers)) for block in self.blocks]
                if longest > 2 + 2 * registers and (worst_s := self._panic_s(shorter, self.wire)) <= self.limit_s:
                    ways.append(f"blocks of at most {registers} registers ({_ms(worst_s)})")
                    break
        ways.append("a device-latched input or a press counter")
        return f"what would help: {', or '.join(ways)}"

    def _panic_s(self, blocks: Sequence[Block], wire: Wire) -> float:
        line = promise(blocks, wire, errands=self.errands)
        if line.used_ratio > USED_MOST:
            return math.inf
        return max(each.delay_s for each in line.blocks if each.block.wire_class is WireClass.PANIC)


def _help_used(blocks: Sequence[Block], wire: Wire, errands: bool) -> str:
    ways = []
    if wire.baud:
        for baud in BAUDS:
            if baud > wire.baud and promise(blocks, replace(wire, baud=baud), errands=errands).used_ratio <= USED_MOST:
                ways.append(f"baud = {baud}")
                break
    used = promise(blocks, wire, errands=errands).used_ratio
    ways.append(f"periods {math.ceil(used / USED_MOST * 10) / 10:g} times as long (period_ms)")
    ways.append("a second line for some of its devices")
    return f"what would help: {', or '.join(ways)}"


def _late(delay_s: float) -> str:
    if math.isinf(delay_s):
        return "has no bounded delay when one device of its line is slow or dead"
    return f"could be known as late as {_ms(delay_s)} after the press"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
