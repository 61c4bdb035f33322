"""From an order to a trouble: what each kind of `faults` and `vocabulary` does to a school, and how it is undone.

The functions check what can be checked at once (ValueError, Unknown), so that whoever ordered it is told.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from simulators.disk_brake import FOR_EVER_S
from simulators.errors import SimError
from simulators.faults import Fault
from simulators.frame_wires import TcpFrames
from simulators.kinds import Kind, Order, order
from simulators.school import School, Unknown, Wire
from simulators.troubles import Trouble
from simulators.vocabulary import ALL, PICTURES
from simulators.wires import TcpWire

ANSWERS, CABLE, NOISE, ALL_OF_IT = "answers", "cable", "noise", "all"
FLAGS = {"network": "--broker", "broker": "--broker nats or mosquitto", "clock": "--clock FILE", "disk": "--disk FOLDER"}


def targets(school: School) -> dict[str, dict[str, list[str]]]:
    """Sort of thing -> id -> the kinds of trouble that it can have. What is not there, is not told."""
    around = school.around
    found = {
        "device": {device.id: list(device.can) for device in school.devices.values()},
        "bus": {bus_id: list(ALL["bus"]) for bus_id in school.wires},
        "camera": {camera_id: list(ALL["camera"]) for camera_id in school.cameras},
        "network": {name: list(ALL["network"]) for name in (around.links if around else ())},
    }
    parts = {"broker": around.broker, "clock": around.clock, "disk": around.disk} if around else {}
    return found | {sort: {sort: list(ALL[sort])} for sort, part in parts.items() if part is not None}


async def begin(school: School, sort: str, name: str, body: Mapping[str, Any]) -> int:
    """One trouble from its JSON. Returns when (monotonic ns). ValueError, SimError: cannot be; Unknown: nobody has that name."""
    kinds = _kinds(school, sort, name)
    makers: dict[str, Callable[[School, str, Order], Trouble]] = {
        "device": _device,
        "bus": _bus,
        "camera": _camera,
        "network": _network,
        "broker": _broker,
        "clock": _clock,
        "disk": _disk,
    }
    asked = order(kinds, body)
    trouble = makers[sort](school, name, asked)
    if not kinds[asked.kind].once:
        return await school.troubles.begin(trouble)
    if sort == "broker":
        await school.troubles.heal(sort)
    await trouble.begin()
    return time.monotonic_ns()


def must_be_there(school: School, sort: str, name: str) -> None:
    """Unknown when this school has no such thing."""
    _kinds(school, sort, name)


def _kinds(school: School, sort: str, name: str) -> dict[str, Kind]:
    """The kinds that this thing can have."""
    if sort == "device":
        can = school.device(name).can
        return {kind: words for kind, words in ALL[sort].items() if kind in can}
    if sort == "bus":
        school.wire(name)
    if sort == "camera":
        school.camera(name)
    if sort in FLAGS and name not in targets(school).get(sort, {}):
        there = ", ".join(targets(school).get(sort, {}))
        raise Unknown(
            f"no {sort} {name!r}; there is {there}" if there else f"this school has no {sort} of its own: start it with {FLAGS[sort]}"
        )
    return ALL[sort]


async def _nothing() -> None:
    """Nothing to do."""


def _plain(act: Callable[[], object]) -> Callable[[], Awaitable[None]]:
    """A quick call, as something to wait for."""

    async def done() -> None:
        act()

    return done


def _device(school: School, name: str, asked: Order) -> Trouble:
    device, options = school.device(name), asked.options
    signal = options.get("signal", "")
    if signal:
        school.signal(name, signal)
    match asked.kind:
        case "stuck":
            place = ("device", name, f"signal {signal or ALL_OF_IT}")
            return Trouble(place, asked, _plain(lambda: device.hold(signal)), _plain(lambda: device.let_go(signal)))
        case "chattering":
            return _chattering(school, name, asked)
        case "counter-reset":
            return Trouble(("device", name, ""), asked, _plain(lambda: device.reset_counters(signal)), _nothing)
        case "babbling":
            return _noise(("device", name, NOISE), school.wire_of(name), asked)
        case "unplugged" | "reboot" if _is_alone(school, name):
            return _off(school, name, asked, school.wire_of(name).stop, school.wire_of(name).start)
        case "unplugged" | "reboot":
            return _off(school, name, asked, _answers(device, Fault(asked.kind)), _answers(device, None))
    fault = Fault.of(asked.kind, options)
    return Trouble(("device", name, ANSWERS), asked, _answers(device, fault), _answers(device, None))


def _answers(device: Any, fault: Fault | None) -> Callable[[], Awaitable[None]]:
    return _plain(lambda: setattr(device, "fault", fault))


def _off(school: School, name: str, asked: Order, begin: Callable[[], Awaitable[None]], back: Callable[[], Awaitable[None]]) -> Trouble:
    """Off its wire, or without power."""
    if asked.kind == "unplugged":
        return Trouble(("device", name, ANSWERS), asked, begin, back)
    device, options = school.device(name), asked.options

    async def end() -> None:
        device.restart(options["keeps"])
        await back()

    return Trouble(("device", name, ANSWERS), asked, begin, end, lambda: asyncio.sleep(options["off_s"]))


def _chattering(school: School, name: str, asked: Order) -> Trouble:
    device, signal, per_s = school.device(name), asked.options["signal"], asked.options["per_s"]
    before = device.get(signal)
    if device.profile.signals[signal].kind != "contact" or not isinstance(before, bool):
        raise ValueError(
            f"{signal} is a {device.profile.signals[signal].kind} at {before!r}: only a contact that is open or closed can chatter"
        )

    async def work() -> None:
        while True:
            device.set(signal, not device.get(signal))
            await asyncio.sleep(1 / per_s)

    return Trouble(("device", name, f"signal {signal}"), asked, _nothing, _plain(lambda: device.set(signal, before)), work)


def _noise(place: tuple[str, str, str], wire: Wire, asked: Order) -> Trouble:
    async def work() -> None:
        while True:
            wire.noise(secrets.token_bytes(asked.options["bytes"]))
            await asyncio.sleep(asked.options["ms"] / 1000)

    return Trouble(place, asked, _nothing, _nothing, work)


def _is_alone(school: School, name: str) -> bool:
    """A TCP module by itself: without it nobody listens at its address."""
    wire = school.wire_of(name)
    return isinstance(wire, TcpWire | TcpFrames) and sum(school.wire_of(other) is wire for other in school.devices) == 1


def _bus(school: School, name: str, asked: Order) -> Trouble:
    wire = school.wire(name)
    if asked.kind == "noise":
        return _noise(("bus", name, NOISE), wire, asked)
    return Trouble(("bus", name, CABLE), asked, wire.stop, wire.start)


def _camera(school: School, name: str, asked: Order) -> Trouble:
    """A camera has one trouble at a time; the size that it had comes back."""
    camera, options = school.camera(name), asked.options
    size = camera.state()["size"]
    if asked.kind == "wrong-size":
        scene: dict[str, Any] = {"size": (options["width"], options["height"])}
    elif asked.kind in PICTURES:
        scene = {"trouble": asked.kind}
    else:
        scene = {{"stalled": "silent", "restart": "gone"}.get(asked.kind, asked.kind): True}
    well = {"trouble": "none", "silent": False, "gone": False, "garbage": False, "size": size}
    back = {key: well[key] for key in scene}

    def shown(what: dict[str, Any]) -> None:
        try:
            camera.set(**what)
        except OSError as error:
            raise SimError(f"camera {name}: {error}") from error

    work = (lambda: asyncio.sleep(options["off_s"])) if asked.kind == "restart" else None
    return Trouble(("camera", name, ALL_OF_IT), asked, _plain(lambda: shown(scene)), _plain(lambda: shown(back)), work)


def _network(school: School, name: str, asked: Order) -> Trouble:
    assert school.around is not None
    link = school.around.links[name]
    what = "" if asked.kind == "cut" else asked.kind  # delay and throttle may go together
    return Trouble(("network", name, what), asked, lambda: link.begin(asked.kind, asked.options), lambda: link.end(asked.kind))


def _broker(school: School, name: str, asked: Order) -> Trouble:
    assert school.around is not None
    broker = school.around.broker
    assert broker is not None
    return Trouble(("broker", name, ALL_OF_IT), asked, lambda: broker.begin(asked.kind, asked.options), lambda: broker.end(asked.kind))


def _clock(school: School, name: str, asked: Order) -> Trouble:
    """Jumps add up; each is a trouble of its own."""
    assert school.around is not None
    clock, by_s = school.around.clock, asked.options["jump_s"]
    assert clock is not None
    place = ("clock", name, f"jump {time.monotonic_ns()}")
    return Trouble(place, asked, _plain(lambda: clock.jump(by_s)), _plain(lambda: clock.jump(-by_s)))


def _disk(school: School, name: str, asked: Order) -> Trouble:
    assert school.around is not None
    disk, options = school.around.disk, asked.options
    assert disk is not None

    async def begin() -> None:
        if asked.kind == "full":
            await asyncio.to_thread(disk.fill, options["free_bytes"])
        else:
            await asyncio.to_thread(disk.brake, options["ms"] / 1000 if asked.kind == "slow" else FOR_EVER_S)

    async def end() -> None:
        await asyncio.to_thread(disk.free if asked.kind == "full" else disk.release)

    return Trouble(("disk", name, ALL_OF_IT), asked, begin, end)
