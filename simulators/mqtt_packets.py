"""Where one MQTT packet ends and the next begins. Pure.

kind 4 bits | flags 4 bits | length of the rest, 7 bits in each of 1 to 4 bytes, lowest first | rest      (OASIS MQTT 3.1.1 and 5.0, 2.1)
"""

from __future__ import annotations

CONNACK = 2
LONGEST_LENGTH_BYTES = 4


class MqttCutter:
    """Cuts what a broker sends into packets. A stream that does not begin with CONNACK is none (TLS): it passes as it comes."""

    def __init__(self) -> None:
        self.is_opaque = False
        self._held = b""
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that are whole now; of an opaque stream the bytes themselves."""
        if data and not self._begun:
            self._begun = True
            self.is_opaque = data[0] >> 4 != CONNACK
        if self.is_opaque:
            return [data]
        self._held += data
        packets = []
        while size := packet_bytes(self._held):
            if len(self._held) < size:
                break
            packets.append(self._held[:size])
            self._held = self._held[size:]
        return packets


def packet_bytes(held: bytes) -> int:
    """Length of the packet that begins here; 0 while it cannot be told. A length of more than four bytes is cut there."""
    length = 0
    for i, byte in enumerate(held[1 : 1 + LONGEST_LENGTH_BYTES]):
        length |= (byte & 0x7F) << 7 * i
        if not byte & 0x80 or i + 1 == LONGEST_LENGTH_BYTES:
            return 2 + i + length
    return 0
