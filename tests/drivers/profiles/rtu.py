"""Published RTU frames, with their checksums, for the profile tests."""

from __future__ import annotations

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import RtuFraming
from gateway.core.reading import Quality
from gateway.core.wire import Block, Exchange
from tests.drivers.golden import said


def sent(request: Block | Exchange) -> str:
    """The request as it goes on the wire, in capital hexadecimal."""
    return RtuFraming().encode(request.unit, request.request, request.reply_bytes).hex(" ").upper()


def heard(device: ModbusDriver, block: Block, frame: str, now_s: float = 1.0) -> dict[str, tuple[object, Quality, str]]:
    """What a whole reply frame means; a frame that is none gives what its failure means."""
    framing = RtuFraming()
    framing.encode(block.unit, block.request, block.reply_bytes)
    reply = framing.feed(bytes.fromhex(frame)) or framing.give_up()
    if reply.failure is not None:
        return said(device.fail(block, str(reply.failure), now_s))
    return said(device.decode(block, reply.pdu, now_s))


def answered(exchange: Exchange, frame: str) -> bool:
    """True when this reply frame is the one that means "done"."""
    framing = RtuFraming()
    framing.encode(exchange.unit, exchange.request, exchange.reply_bytes)
    reply = framing.feed(bytes.fromhex(frame))
    return reply is not None and reply.failure is None and reply.pdu == exchange.expect
