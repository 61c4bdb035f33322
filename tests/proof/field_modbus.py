"""A Modbus TCP device that has some holding registers and refuses every read that touches another one (MODBUS 1.1b3, 6.3)."""

from __future__ import annotations

import socketserver
import struct
import threading
from typing import Self

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


class GapsDevice:
    """Serves on `port` of loopback until it is left. registers: address -> value. reads: (first, count) of each read, in order."""

    def __init__(self, registers: dict[int, int]) -> None:
        self.registers = registers
        self.reads: list[tuple[int, int]] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: bytes) -> bytes:
        """Reply data unit to a request's data unit."""
        function, first, count = struct.unpack(">BHH", request[:5])
        if function != 3:
            return bytes([function | 0x80, ILLEGAL_FUNCTION])
        self.reads.append((first, count))
        wanted = range(first, first + count)
        if any(address not in self.registers for address in wanted):
            return bytes([function | 0x80, ILLEGAL_ADDRESS])
        return struct.pack(f">BB{count}H", function, 2 * count, *(self.registers[address] for address in wanted))


def _handler(device: GapsDevice) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(7):
                number, protocol, size, unit = struct.unpack(">HHHB", head)
                reply = device.answer(self.rfile.read(size - 1))
                self.request.sendall(struct.pack(">HHHB", number, protocol, len(reply) + 1, unit) + reply)

    return Handler
