"""The simulated wires: a TCP listener, or an RS-485 line that appears as a pty.

Several devices hang on one wire, told apart by their unit ids. A wire can be unplugged and plugged in again while it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from simulators import modbus
from simulators.device import Device
from simulators.errors import SimError
from simulators.faults import spoil


@dataclass(slots=True)
class WireTraffic:
    """What passed on a wire. strangers: requests to a unit that is not there. short_silence: requests that came less than the 3.5
    characters of silence after an answer that Modbus asks for (a real device may miss them; these are answered)."""

    requests: int = 0
    answers: int = 0
    bad_frames: int = 0
    strangers: int = 0
    short_silence: int = 0
    connections: int = 0


def hearers(devices: Mapping[int, Device], unit: int) -> list[Device]:
    """Who takes a request for this unit: the one that has it, and those whose address switch stands wrong."""
    return [device for own, device in devices.items() if _address(device, own) == unit]


def answers_to(devices: Mapping[int, Device], unit: int, pdu: bytes, is_rtu: bool) -> list[tuple[Device, bytes]]:
    """(device, reply data unit) for one request. A broadcast (RTU, unit 0 that nobody has) is obeyed by all and answered by none.

    A device also says nothing to a write that its profile calls unanswered.
    """
    if found := hearers(devices, unit):
        return [(device, reply) for device in found if (reply := device.answer(pdu))]
    if is_rtu and unit == 0:
        for own, device in devices.items():
            if _address(device, own) is not None:
                device.answer(pdu)
    return []


def late_s(device: Device) -> float:
    """How much later than usual it answers at present."""
    return device.fault.ms / 1000 if device.fault and device.fault.kind == "late" else 0.0


def _address(device: Device, own: int) -> int | None:
    """The unit that a device takes itself for; None while it hears nothing."""
    fault = device.fault
    if fault is None:
        return own
    return None if fault.is_off else fault.unit if fault.kind == "wrong-address" else own


class TcpWire:
    """A Modbus TCP module, or a converter that passes RTU frames through TCP.

    transport: `tcp` or `rtu-tcp`. port 0 takes a free one; `port` says which. delay_s: what the module takes for an answer.
    A connection beyond the fewest `max_clients` of its devices is closed at once.
    """

    def __init__(self, host: str, port: int, transport: str, devices: Mapping[int, Device], delay_s: float = 0.0) -> None:
        self._most = min((device.profile.max_clients for device in devices.values() if device.profile.max_clients), default=0)
        self.host = host
        self.port = port
        self.traffic = WireTraffic()
        self._is_rtu = transport == "rtu-tcp"
        self._devices = devices
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    @property
    def address(self) -> str:
        """Where a master finds it."""
        return f"{self.host}:{self.port}"

    @property
    def plugged(self) -> bool:
        return self._server is not None

    async def start(self) -> None:
        """Listens. SimError when the port is busy or not of this machine."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, reuse_address=True)
        except OSError as error:
            raise SimError(f"cannot listen on {self.address}: {error.strerror or error}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the port and every connection, as a module that lost its power: connections are then refused."""
        if self._server is None:
            return
        self._server.close()
        for transport in list(self._open):
            transport.abort()
        self._server = None

    def noise(self, data: bytes) -> None:
        """Bytes that nobody asked for, to everybody who is connected."""
        for transport in self._open:
            transport.write(data)

    # --- for the connections ------------------------------------------------------------------------

    def opened(self, transport: asyncio.Transport) -> None:
        if self._most and len(self._open) >= self._most:
            transport.abort()
            return
        self._open.add(transport)
        self.traffic.connections += 1

    def closed(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)

    @property
    def is_rtu(self) -> bool:
        return self._is_rtu

    def serve(self, transport: asyncio.Transport, transaction: int, unit: int, pdu: bytes) -> None:
        """Answers one request on the connection that it came by."""
        self.traffic.requests += 1
        frame = modbus.rtu_frame if self._is_rtu else partial(modbus.mbap_frame, transaction)
        replies = answers_to(self._devices, unit, pdu, self._is_rtu)
        if not hearers(self._devices, unit):
            self.traffic.strangers += 1
            if not self._is_rtu:  # what a TCP module with a line behind it says of a unit that is not there
                transport.write(frame(unit, modbus.exception_reply(pdu[0], modbus.NO_TARGET)))
        for device, reply in replies:
            data = spoil(device.fault, unit, reply, frame, self._is_rtu)
            delay_s = self._delay_s + late_s(device)
            if not data:
                continue
            self.traffic.answers += 1
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, _write_if_open, transport, data)
            else:
                transport.write(data)


def _write_if_open(transport: asyncio.Transport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)


class _Connection(asyncio.Protocol):
    """One master on a TCP wire."""

    def __init__(self, wire: TcpWire) -> None:
        self._wire = wire
        self._mbap = modbus.MbapReceiver()
        self._rtu = modbus.RtuReceiver()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wire.opened(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._wire.closed(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        if self._wire.is_rtu:
            before = self._rtu.bad
            for unit, pdu, _ in self._rtu.feed(data):
                self._wire.serve(self._transport, 0, unit, pdu)
            self._wire.traffic.bad_frames += self._rtu.bad - before
            return
        try:
            for transaction, unit, pdu in self._mbap.feed(data):
                self._wire.serve(self._transport, transaction, unit, pdu)
        except ValueError:
            self._wire.traffic.bad_frames += 1
            self._transport.abort()
