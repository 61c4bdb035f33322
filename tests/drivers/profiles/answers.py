"""A device's answers for the profile tests: data units by first address, and whole frames as manuals print them."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.core.reading import Quality
from gateway.core.wire import Block, Exchange
from tests.drivers.golden import address_of, said

Said = dict[str, tuple[object, Quality, str]]


def told(device: ModbusDriver, replies: Mapping[int, bytes], now_s: float = 1.0) -> Said:
    """What the device's points say last after each block was answered; every block needs its reply, by first address."""
    readings: Said = {}
    for block in device.plan():
        readings.update(said(device.decode(block, replies[address_of(block)[1]], now_s)))
    return readings


def from_frames(device: ModbusDriver, block: Block, request: str, reply: str, transport: str = "rtu") -> Said:
    """The same from two whole frames in hex: the request must be ours to the byte, the reply must be taken."""
    framing = framing_for(transport)
    assert framing.encode(block.unit, block.request, block.reply_bytes) == bytes.fromhex(request)
    found = framing.feed(bytes.fromhex(reply))
    assert found is not None
    assert found.failure is None
    return said(device.decode(block, found.pdu, 1.0))


def wire(exchange: Exchange, transport: str = "rtu") -> str:
    """The whole frame of a write, in hex with spaces."""
    return framing_for(transport).encode(exchange.unit, exchange.request, exchange.reply_bytes).hex(" ").upper()


def written(device: ModbusDriver, signal: str, value: bool | int | float | str = True) -> list[str]:
    """Data units of the writes that set an output, in hex."""
    return [exchange.request.hex(" ").upper() for exchange in device.encode(signal, value)]
