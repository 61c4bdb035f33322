"""The task that lets a school live: ten times a second its world goes on, and sets the signals of devices as its sensors would."""

from __future__ import annotations

import asyncio
import contextlib
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any

from simulators.device import Device
from simulators.encode import Value
from simulators.errors import SimError
from simulators.physics.layout import Layout, layout
from simulators.physics.world import World
from simulators.school import AnyDevice, School
from simulators.signals import Signal

PERIOD_S = 0.1
LONGEST_S = 1.0  # a machine that was asleep does not make up for it
AGAIN_S = 1.0  # what a device lost, say by a restart, is shown again after so long
Order = Callable[[World], Any]


class SchoolField:
    """A school as the models see it. A point that somebody sets by hand is left alone until something is done to its thing.

    hands: those points, of those that are modelled. cannot: point -> why it cannot show what its model says.
    """

    def __init__(self, school: School, plan: Layout) -> None:
        self.hands: set[str] = set()
        self.cannot: dict[str, str] = {}
        self.modelled: set[str] = set()
        self._school = school
        self._plan = plan
        self._shown: dict[str, Value] = {}
        self._points = {(p.device, p.signal): p.id for p in school.plan.points}
        self._own_work = False

    # --- what models ask and say ---------------------------------------------------------------------

    def show(self, point: str, value: Value) -> None:
        if point in self.hands or point not in self._school.points or self._shown.get(point) == value:
            return
        first = point not in self._shown
        self._shown[point] = value
        if not first or self.value(point) != value:
            self._set(point, value)

    def press(self, point: str, press_ms: int) -> None:
        if point in self._school.points:
            with self._working(point):
                self._school.press_point(point, press_ms)

    def value(self, point: str) -> Value:
        return self._school.point_value(point) if point in self._school.points else False

    def words(self, point: str) -> list[str]:
        signal = self._signal(point)
        names = [str(each[-1]) for each in getattr(signal, "enum", ())]
        return names + ([name for _, name in signal.table] if isinstance(signal, Signal) and signal.kind == "enum" else [])

    def unit(self, point: str) -> str:
        signal = self._signal(point)
        return "mA-loop" if getattr(signal, "current_loop", False) else str(getattr(signal, "unit", ""))

    def is_on(self, output: str) -> bool:
        at = self._plan.outputs[output]
        device = self._school.devices.get(at.device)
        return device is not None and device.get(at.signal) is True

    def card(self, reader: str, card: str) -> None:
        point = self._school.points.get(reader)
        device = self._school.devices.get(point.device if point else reader)
        if device is None:
            return
        name = point.signal if point else next((n for n, s in device.profile.signals.items() if s.kind == "card"), "")
        with self._working(reader):
            device.set(name, card.rpartition(" ")[2] if hasattr(device, "say") else card)  # frames carry the digits alone

    def scene(self, camera: str, scene: dict[str, object]) -> None:
        if camera in self._school.cameras:
            with self._working(camera):
                self._school.set_camera(camera, {"scene": scene})

    # --- for the task --------------------------------------------------------------------------------

    def again(self) -> None:
        """Shows once more what a Modbus device no longer shows. Others tell changes only, and a restart of them is no change."""
        for point, value in self._shown.items():
            device = self._school.devices[self._school.points[point].device]
            if point not in self.hands and isinstance(device, Device) and not _same(self.value(point), value):
                self._set(point, value)

    def by_hand(self, device: str, signal: str) -> None:
        """Somebody has set a signal."""
        point = self._points.get((device, signal), "")
        if point in self.modelled and not self._own_work:
            self.hands.add(point)
            self._shown.pop(point, None)

    def _set(self, point: str, value: Value) -> None:
        with self._working(point):
            self._school.set_point(point, value)

    @contextlib.contextmanager
    def _working(self, name: str) -> Iterator[None]:
        self._own_work = True
        try:
            yield
        except (ValueError, KeyError) as error:
            self.cannot[name] = str(error)
        finally:
            self._own_work = False

    def _signal(self, point: str) -> Any:
        at = self._school.points[point]
        return self._school.devices[at.device].profile.signals[at.signal]


class Alive:
    """The world of a school and its task. `async with` runs it. The task sleeps until somebody acts, or the school comes alive."""

    def __init__(self, school: School, seed: int = 1) -> None:
        self.plan = _layout(school)
        self._school = school
        self.field = SchoolField(school, self.plan)
        now = datetime.now().astimezone()
        self.world = World(self.plan, self.field, seed, now.hour + now.minute / 60)
        self.field.modelled = self.world.shown()
        self._switched: deque[tuple[str, bool]] = deque()  # filled by the threads of wires
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        school.hands.append(self.field.by_hand)
        for device in school.devices.values():
            mine = {output.signal: name for name, output in self.plan.outputs.items() if output.device == device.id}
            if mine:
                device.on_change.append(partial(self._output_changed, mine))

    async def __aenter__(self) -> Alive:
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._live(), name="world")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def order(self, act: Order, points: tuple[str, ...] = ()) -> tuple[int, Any]:
        """Somebody does something to the world, and to the things of these points. Returns when (monotonic ns), and its answer."""
        answer = act(self.world)
        self.field.hands -= set(points)
        if self.world.begun:
            self._first.set()
        self._step(0.0)
        return time.monotonic_ns(), answer

    def liven(self) -> None:
        """The school comes alive."""
        self.order(lambda world: world.liven(self.field))

    def state(self) -> dict[str, Any]:
        """The world, small, for those who watch."""
        cameras = {name: camera.state()["scene"] for name, camera in self._school.cameras.items()}
        return {**self.world.state(), "cameras": cameras, "by_hand": sorted(self.field.hands), "cannot": self.field.cannot}

    async def _live(self) -> None:
        await self._first.wait()
        before_s = again_s = time.monotonic()
        while True:
            await asyncio.sleep(PERIOD_S)
            now_s = time.monotonic()
            self._step(min(LONGEST_S, now_s - before_s))
            before_s = now_s
            if now_s >= again_s:
                again_s = now_s + AGAIN_S
                self.field.again()

    def _step(self, dt_s: float) -> None:
        switched = [self._switched.popleft() for _ in range(len(self._switched))]
        self.world.step(dt_s, self.field, switched)

    def _output_changed(self, mine: dict[str, str], device: AnyDevice, signal: str, value: Value, at_ns: int) -> None:
        if signal in mine:
            self._switched.append((mine[signal], value is True))


def _layout(school: School) -> Layout:
    """The things of the site file that a school was read from; of a lone device each signal is a point without a role: nothing lives."""
    path = school.plan.path
    if not path.is_file():
        return Layout()
    try:
        return layout(tomllib.loads(path.read_text(encoding="utf-8")), school.points)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise SimError(f"{path}: cannot make a world of it: {error!r}") from error


def _same(one: Value, other: Value) -> bool:
    """Alike, but for what a register rounds away."""
    if type(one) in (int, float) and type(other) in (int, float):
        return abs(float(one) - float(other)) <= 1.0
    return one == other
