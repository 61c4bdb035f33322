"""A simulated school: every bus and device of a site file on real wires, with its points to act on."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from simulators.device import Device
from simulators.encode import Value
from simulators.errors import SimError
from simulators.frame_device import FrameDevice
from simulators.frame_profile import FrameProfile
from simulators.frame_wires import SerialFrames, TcpFrames
from simulators.library import AnyProfile
from simulators.profiles import Profile
from simulators.reader_device import ReaderDevice, ReaderWire
from simulators.serial_line import SerialLine
from simulators.site import BusPlan, CameraPlan, DevicePlan, PointPlan, SitePlan
from simulators.surroundings import Surroundings
from simulators.troubles import Troubles
from simulators.wires import TcpWire, WireTraffic

LONGEST_PRESS_MS = 600_000

AnyDevice = Device | FrameDevice | ReaderDevice
Kind = TypeVar("Kind", Device, FrameDevice, ReaderDevice)


class Unknown(Exception):
    """There is no point, device, signal or bus of that name. The message names the near miss."""


class Wire(Protocol):
    """A bus that can be unplugged and plugged in again."""

    traffic: WireTraffic

    @property
    def address(self) -> str: ...
    @property
    def plugged(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def noise(self, data: bytes) -> None: ...


class CameraServer(Protocol):
    """A simulated camera, as `simulators.camera` makes it."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def set(self, **scene: Any) -> None: ...
    def state(self) -> dict[str, Any]: ...


class School:
    """Wires, devices and points of one site. `async with` plugs everything in and takes it down again.

    around: broker, network, clock and disk, where they are played too. troubles: what is wrong at present.
    """

    def __init__(
        self, plan: SitePlan, delay_s: float = 0.005, jitter_s: float = 0.0, cameras: bool = True, around: Surroundings | None = None
    ) -> None:
        self.plan = plan
        self.around = around
        self.troubles = Troubles()
        self.devices: dict[str, AnyDevice] = {each.id: _device(each) for each in plan.devices}
        self.points = {point.id: point for point in plan.points}
        self.wires: dict[str, Wire] = {}
        for bus in plan.buses:
            members = [self.devices[each.id] for each in plan.devices if each.bus == bus.id]
            self.wires[bus.id] = _wire(bus, members, delay_s, jitter_s)
        for point in plan.points:
            if point.normally_closed and self._kind(point) == "contact":
                self.devices[point.device].rest(point.signal, True)
        self.cameras: dict[str, CameraServer] = {}
        self.hands: list[Callable[[str, str], None]] = []  # told of each signal (device, signal) that is set from here
        self._with_cameras = cameras
        self._releases: dict[tuple[str, str], asyncio.TimerHandle] = {}

    async def __aenter__(self) -> School:
        await self.troubles.__aenter__()
        try:
            if self.around is not None:
                await self.around.start()
            for wire in self.wires.values():
                await wire.start()
            if self._with_cameras and self.plan.cameras:
                self.cameras = open_cameras(self.plan.cameras)
        except SimError:
            await self._down()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._down()

    async def _down(self) -> None:
        await self.troubles.__aexit__(None, None, None)
        for release in self._releases.values():
            release.cancel()
        for camera in self.cameras.values():
            camera.stop()
        for wire in self.wires.values():
            await wire.stop()
        if self.around is not None:
            await self.around.stop()

    # --- what happens in the school ------------------------------------------------------------------

    def point_value(self, point_id: str) -> Value:
        """Present value of a point; contacts are true when active, whatever way they are wired."""
        point = self.point(point_id)
        value = self.devices[point.device].get(point.signal)
        return not value if self._inverted(point) and not isinstance(value, str) else value

    def set_point(self, point_id: str, value: Value) -> int:
        """Sets a point, contacts in their active sense; returns when (monotonic ns). ValueError for what it cannot hold."""
        point = self.point(point_id)
        self._forget_release(point.device, point.signal)
        device = self.devices[point.device]
        if self._kind(point) == "contact" and value not in (0, 1) and not _has_states(device, point.signal):
            raise ValueError(f"{point_id} is a contact: true or false, not {value!r}")
        return device.set(point.signal, not value if self._inverted(point) and not isinstance(value, str) else value)

    def press_point(self, point_id: str, press_ms: int) -> int:
        """Makes a point active for `press_ms`; a counter counts one, a latch is set. Returns when it began (monotonic ns)."""
        point = self.point(point_id)
        if not 0 < press_ms <= LONGEST_PRESS_MS:
            raise ValueError(f"press_ms is 1 to {LONGEST_PRESS_MS}, not {press_ms}")
        self._forget_release(point.device, point.signal)
        device = self.devices[point.device]
        at_ns = device.press(point.signal)
        self._releases[point.device, point.signal] = asyncio.get_running_loop().call_later(
            press_ms / 1000, device.release, point.signal
        )  # fmt: skip
        return at_ns

    def set_signal(self, device_id: str, signal: str, value: Value) -> int:
        """Sets a signal of a device as its sensor would, no matter how a point is wired to it. Returns when (monotonic ns)."""
        device = self.signal(device_id, signal)
        self._forget_release(device_id, signal)
        return device.set(signal, value)

    def say(self, device_id: str, data: bytes) -> int:
        """Lets a device with frames of its own say these very bytes. Returns when (monotonic ns)."""
        device = self.device(device_id)
        if isinstance(device, FrameDevice):
            device.say(data)
            return time.monotonic_ns()
        raise ValueError(f"device {device_id} has no frames of its own: it says nothing unasked")

    def set_camera(self, camera_id: str, scene: dict[str, Any]) -> int:
        """Changes what a camera sees: person, freeze, black. Returns when (monotonic ns)."""
        camera = self.camera(camera_id)
        try:
            camera.set(**scene)
        except TypeError as error:
            raise ValueError(f"camera {camera_id}: {error}") from error
        return time.monotonic_ns()

    async def unplug(self, bus_id: str) -> None:
        await self.wire(bus_id).stop()

    async def plug(self, bus_id: str) -> None:
        await self.wire(bus_id).start()

    # --- who is there --------------------------------------------------------------------------------

    def point(self, point_id: str) -> PointPlan:
        if point_id not in self.points:
            raise Unknown(_near("no point", point_id, self.points))
        return self.points[point_id]

    def device(self, device_id: str) -> AnyDevice:
        if device_id not in self.devices:
            raise Unknown(_near("no device", device_id, self.devices))
        return self.devices[device_id]

    def signal(self, device_id: str, signal: str) -> AnyDevice:
        """The device, which has this signal."""
        device = self.device(device_id)
        if signal not in device.profile.signals:
            raise Unknown(_near(f"device {device_id} has no signal", signal, device.profile.signals))
        return device

    def camera(self, camera_id: str) -> CameraServer:
        if camera_id not in self.cameras:
            known = [camera.id for camera in self.plan.cameras]
            raise Unknown(f"camera {camera_id} is not simulated" if camera_id in known else _near("no camera", camera_id, known))
        return self.cameras[camera_id]

    def wire_of(self, device_id: str) -> Wire:
        """The wire on which a device hangs."""
        self.device(device_id)
        return self.wires[next(plan.bus for plan in self.plan.devices if plan.id == device_id)]

    def wire(self, bus_id: str) -> Wire:
        if bus_id not in self.wires:
            raise Unknown(_near("no bus", bus_id, self.wires))
        return self.wires[bus_id]

    def _kind(self, point: PointPlan) -> str:
        return self.devices[point.device].profile.signals[point.signal].kind

    def _inverted(self, point: PointPlan) -> bool:
        return point.normally_closed and self._kind(point) == "contact"

    def _forget_release(self, device_id: str, signal: str) -> None:
        """A newer press or value overrides the end of the last press."""
        for tell in self.hands:
            tell(device_id, signal)
        release = self._releases.pop((device_id, signal), None)
        if release is not None:
            release.cancel()


def lone_device(profile: AnyProfile, unit: int, bus: BusPlan, key_file: Path | None = None) -> SitePlan:
    """A site that is one device alone, each of its signals a point of the same name."""
    device = DevicePlan("device", bus.id, unit, profile, key_file)
    points = tuple(PointPlan(name, "", device.id, name) for name in profile.signals)
    return SitePlan(Path(), "bench", profile.summary, (bus,), (device,), points, ())


def open_cameras(plans: Iterable[CameraPlan]) -> dict[str, CameraServer]:
    """Starts the cameras with a local rtsp:// address. Without the camera part, or its libraries, says so and goes on."""
    try:
        module = importlib.import_module("simulators.camera")
    except ImportError as error:
        print(f"cameras are not simulated: {error}", file=sys.stderr, flush=True)
        return {}
    servers: dict[str, CameraServer] = {}
    for plan in plans:
        url = urlsplit(plan.url)
        if url.scheme != "rtsp" or url.hostname not in ("127.0.0.1", "localhost", "::1"):
            print(f"camera {plan.id} is not simulated: {plan.url} is not an rtsp:// address of this machine", file=sys.stderr, flush=True)
            continue
        server: CameraServer = module.CameraServer(url.hostname, url.port or 554, url.path)
        try:
            server.start()
        except OSError as error:
            for other in servers.values():
                other.stop()
            raise SimError(f"cannot open camera {plan.id} at {plan.url}: {error}") from error
        servers[plan.id] = server
    return servers


def _device(plan: DevicePlan) -> AnyDevice:
    if isinstance(plan.profile, Profile):
        return Device(plan.id, plan.unit, plan.profile)
    if isinstance(plan.profile, FrameProfile):
        return FrameDevice(plan.id, plan.unit, plan.profile)
    return ReaderDevice(plan.id, plan.unit, plan.profile, plan.key_file)


def _wire(bus: BusPlan, members: list[AnyDevice], delay_s: float, jitter_s: float) -> Wire:
    """The wire of a bus. SimError when a device of it does not speak what goes over it."""
    if bus.transport in ("serial", "raw-tcp"):
        framed = _all_of(FrameDevice, members, bus)
        return SerialFrames(bus.link, bus.baud, framed) if bus.link is not None else TcpFrames(bus.host, bus.port, framed)
    if bus.transport == "osdp":
        assert bus.link is not None
        return ReaderWire(bus.link, _all_of(ReaderDevice, members, bus))
    units: Mapping[int, Device] = {device.unit: device for device in _all_of(Device, members, bus)}
    if bus.link is not None:
        return SerialLine(bus.link, bus.baud, units, delay_s, jitter_s, bus.transport)
    return TcpWire(bus.host, bus.port, bus.transport, units)


def _all_of(kind: type[Kind], members: Iterable[AnyDevice], bus: BusPlan) -> list[Kind]:
    found = []
    for device in members:
        if not isinstance(device, kind):
            raise SimError(f"device {device.id} ({device.profile.id}) does not speak {bus.transport}, as bus {bus.id} does")
        found.append(device)
    return found


def _has_states(device: AnyDevice, name: str) -> bool:
    """A contact that can be open or short as well."""
    return isinstance(device, Device) and bool(device.profile.signals[name].loop or device.profile.signals[name].made_from)


def _near(what: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"{what} {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
