"""Modbus on the wire: RTU frames (RS-485, or RTU over TCP), ASCII frames and Modbus TCP, on pymodbus's framers.

    RTU   [unit 1][function 1][data n][CRC 2, low byte first]                         at most 256 bytes
    ASCII ":" [unit 2][function 2][data 2n][LRC 2] CR LF, two hex digits a byte        at most 513 characters
    TCP   [transaction 2][protocol 2 = 0][length 2][unit 1][function 1][data n]       at most 260 bytes

How real cabling breaks it, and what is done: bytes before a frame (an adapter's echo, line noise) are
skipped by looking for the awaited frame at every offset; a changed byte fails the CRC and the frame never
becomes a value; half a frame waits until `give_up`; a late answer of another unit is stepped over in RTU and
ASCII, and by its transaction id in TCP; a stated length is believed only below the caps above. A reply of the
awaited kind with another length than the request asked for is a bad frame, never a shorter value. Some boards
echo a whole write where the standard has a short reply, so the awaited length is tried before the stated one.
"""

from __future__ import annotations

from binascii import Error as NotHex
from binascii import unhexlify

from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from gateway.core.wire import Failure, Framing, Reply

MAX_PDU_BYTES = 253  # Modbus application protocol V1.1b3, 4.1
MAX_RECEIVED_BYTES = 1024  # four frames; a babbling line never grows the buffer further
_CRC_BYTES = 2
FRAMES_KEPT = 1000
_MBAP_BYTES = 7
_EXCEPTION_FRAME_BYTES = 5
_ASCII_START, _ASCII_END = b":", b"\r\n"
_ASCII_MARKS = len(_ASCII_START) + len(_ASCII_END)
_ASCII_LEAST = 4  # unit, function, one byte, LRC
_FOREIGN = -1  # no frame of another unit was seen

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge, still working",
    6: "busy",
    8: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target does not answer",
}


def _judge(request: bytes, reply_bytes: int, pdu: bytes) -> Reply:
    """What a whole and undamaged reply says to this request."""
    function = request[0]
    if pdu[0] == function | 0x80:
        if len(pdu) < 2:
            return Reply(b"", Failure.BAD_FRAME, detail="exception without a code")
        code = pdu[1]
        return Reply(b"", Failure.EXCEPTION, code, f"exception {code}: {EXCEPTIONS.get(code, 'unknown code')}")
    if pdu[0] != function:
        return Reply(b"", Failure.BAD_FRAME, detail=f"function {function} asked, {pdu[0]} answered")
    if len(pdu) != reply_bytes:
        return Reply(b"", Failure.BAD_FRAME, detail=f"{len(pdu)} bytes answered, {reply_bytes} expected")
    if function <= 4 and pdu[1] != reply_bytes - 2:
        return Reply(b"", Failure.BAD_FRAME, detail=f"byte count {pdu[1]} stated, {reply_bytes - 2} expected")
    return Reply(pdu)


class RtuFraming:
    """RTU frames; without transaction ids, so every request starts with an empty buffer."""

    def __init__(self) -> None:
        self._decoder = DecodePDU(is_server=False)
        self._framer = FramerRTU(self._decoder)
        self._received = bytearray()
        self._frames: dict[tuple[int, bytes], bytes] = {}  # the same requests come again and again
        self._request = b"\x00"
        self._unit = 0
        self._reply_bytes = 0
        self._foreign = _FOREIGN

    def encode(self, unit: int, request: bytes, reply_bytes: int) -> bytes:
        """Wire bytes of one request, at most 256."""
        self._received.clear()
        self._request, self._unit, self._reply_bytes, self._foreign = request, unit, reply_bytes, _FOREIGN
        frame = self._frames.get((unit, request))
        if frame is None:
            frame = bytes(self._framer.encode(request, unit, 0))
            if len(self._frames) < FRAMES_KEPT:
                self._frames[unit, request] = frame
        return frame

    def feed(self, received: bytes) -> Reply | None:
        """The reply once its CRC holds; bytes that belong to nothing are stepped over."""
        buffer = self._received
        buffer += received
        if len(buffer) > MAX_RECEIVED_BYTES:
            del buffer[: -MAX_RECEIVED_BYTES // 2]
        function = self._request[0]
        for start in range(len(buffer) - _EXCEPTION_FRAME_BYTES + 1):
            if buffer[start + 1] & 0x7F != function:
                continue
            frame = self._frame(buffer, start)
            if not frame:
                continue
            if frame[0] == self._unit:
                return _judge(self._request, self._reply_bytes, frame[1:-2])
            self._foreign = frame[0]
        return None

    def _frame(self, buffer: bytearray, start: int) -> bytes:
        """The frame that begins at `start`; nothing while its CRC does not hold at any length that it may have."""
        if not buffer[start + 1] & 0x80:
            frame = _checked(buffer, start, self._reply_bytes + 1 + _CRC_BYTES)
            if frame:
                return frame
        return _checked(buffer, start, self._stated_bytes(buffer, start))

    def _stated_bytes(self, buffer: bytearray, start: int) -> int:
        """Length of the frame that would begin at `start`, as its function and byte count state it."""
        head = bytes(buffer[start : start + 3])
        pdu_class = self._decoder.lookupPduClass(head)
        return int(pdu_class.calculateRtuFrameSize(head)) if pdu_class else self._reply_bytes + 1 + _CRC_BYTES

    def give_up(self) -> Reply:
        """Silence, a frame of another unit, or bytes that are no frame."""
        return _given_up(self._unit, self._foreign, self._received)

    def reset(self) -> None:
        """Forget all received bytes."""
        self._received.clear()

    @property
    def missing_bytes(self) -> int:
        """Bytes until the normal reply could be whole."""
        return max(0, self._reply_bytes + 1 + _CRC_BYTES - len(self._received))


def _checked(buffer: bytearray, start: int, size: int) -> bytes:
    """So many bytes from `start` if their CRC holds, else nothing."""
    frame = bytes(buffer[start : start + size])
    whole = len(frame) == size > _CRC_BYTES + 1
    return frame if whole and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")) else b""


class AsciiFraming:
    """ASCII frames. pymodbus writes them; its reader raises on a broken unit number and takes signs for hex digits, so reading is ours."""

    def __init__(self) -> None:
        self._framer = FramerAscii(DecodePDU(is_server=False))
        self._received = bytearray()
        self._request = b"\x00"
        self._unit = 0
        self._reply_bytes = 0
        self._foreign = _FOREIGN

    def encode(self, unit: int, request: bytes, reply_bytes: int) -> bytes:
        """Wire characters of one request, at most 513."""
        self._received.clear()
        self._request, self._unit, self._reply_bytes, self._foreign = request, unit, reply_bytes, _FOREIGN
        return bytes(self._framer.encode(request, unit, 0))

    def feed(self, received: bytes) -> Reply | None:
        """The reply once its LRC holds; a colon always begins a frame anew."""
        buffer = self._received
        buffer += received
        if len(buffer) > MAX_RECEIVED_BYTES:
            del buffer[: -MAX_RECEIVED_BYTES // 2]
        at = 0
        while (end := buffer.find(_ASCII_END, at)) >= 0:
            start = buffer.rfind(_ASCII_START, at, end)
            at = end + len(_ASCII_END)
            frame = _ascii_frame(bytes(buffer[start + 1 : end])) if start >= 0 else b""
            if not frame:
                continue
            if frame[0] == self._unit:
                return _judge(self._request, self._reply_bytes, frame[1:-1])
            self._foreign = frame[0]
        return None

    def give_up(self) -> Reply:
        """Silence, a frame of another unit, or characters that are no frame."""
        return _given_up(self._unit, self._foreign, self._received)

    def reset(self) -> None:
        """Forget all received characters."""
        self._received.clear()

    @property
    def missing_bytes(self) -> int:
        """Characters until the normal reply could be whole."""
        return max(0, 2 * (self._reply_bytes + 2) + _ASCII_MARKS - len(self._received))


def _ascii_frame(characters: bytes) -> bytes:
    """Bytes of a frame, LRC included; nothing when they are not hexadecimal, too few, or the LRC does not hold."""
    try:
        frame = unhexlify(characters)
    except NotHex:
        return b""
    return frame if len(frame) >= _ASCII_LEAST and FramerAscii.check_LRC(frame[:-1], frame[-1]) else b""


def _given_up(unit: int, foreign: int, received: bytearray) -> Reply:
    if not received:
        return Reply(b"", Failure.NO_ANSWER, detail=f"unit {unit} is silent")
    if foreign != _FOREIGN:
        return Reply(b"", Failure.WRONG_UNIT, detail=f"unit {unit} asked, unit {foreign} answered")
    shown = bytes(received[:16]).hex(" ")
    return Reply(b"", Failure.BAD_FRAME, detail=f"{len(received)} bytes without a valid frame: {shown}")


class TcpFraming:
    """Modbus TCP; the transaction id tells a late answer from the awaited one."""

    def __init__(self) -> None:
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._received = bytearray()
        self._request = b"\x00"
        self._unit = 0
        self._reply_bytes = 0
        self._transaction = 0
        self._other: int | None = None

    def encode(self, unit: int, request: bytes, reply_bytes: int) -> bytes:
        """Wire bytes of one request, at most 260, under the next transaction id (1..65535)."""
        self._transaction = self._transaction % 0xFFFF + 1
        self._request, self._unit, self._reply_bytes, self._other = request, unit, reply_bytes, None
        return bytes(self._framer.encode(request, unit, self._transaction))

    def feed(self, received: bytes) -> Reply | None:
        """The reply with the awaited transaction id; others are stepped over."""
        buffer = self._received
        buffer += received
        while len(buffer) >= _MBAP_BYTES + 1:
            length = buffer[4] << 8 | buffer[5]
            if buffer[2] or buffer[3] or not 2 <= length <= MAX_PDU_BYTES + 1:
                detail = f"no Modbus TCP header: {bytes(buffer[:8]).hex(' ')}"
                buffer.clear()
                return Reply(b"", Failure.BAD_FRAME, detail=detail, out_of_step=True)
            if len(buffer) < 6 + length:
                return None
            used, unit, transaction, pdu = self._framer.decode(bytes(buffer[: 6 + length]))
            del buffer[:used]
            if transaction != self._transaction:
                self._other = transaction
                continue
            if unit != self._unit:
                return Reply(b"", Failure.WRONG_UNIT, detail=f"unit {self._unit} asked, unit {unit} answered")
            return _judge(self._request, self._reply_bytes, pdu)
        return None

    def give_up(self) -> Reply:
        """Silence, answers to other requests only, or half a frame."""
        if self._other is not None:
            return Reply(b"", Failure.BAD_FRAME, detail=f"transaction {self._transaction} asked, {self._other} answered")
        if self._received:
            return Reply(b"", Failure.BAD_FRAME, detail=f"only {len(self._received)} bytes of a frame came", out_of_step=True)
        return Reply(b"", Failure.NO_ANSWER, detail=f"unit {self._unit} is silent")

    def reset(self) -> None:
        """Forget all received bytes."""
        self._received.clear()

    @property
    def missing_bytes(self) -> int:
        """Bytes until the normal reply could be whole."""
        return max(0, self._reply_bytes + _MBAP_BYTES - len(self._received))


FRAMINGS: dict[str, type[RtuFraming] | type[AsciiFraming] | type[TcpFraming]] = {
    "rtu": RtuFraming,
    "rtu-tcp": RtuFraming,
    "ascii": AsciiFraming,
    "tcp": TcpFraming,
}


def framing_for(transport: str) -> Framing:
    """A new framing for a bus of this transport: `tcp`, `rtu-tcp`, `rtu` or `ascii`."""
    return FRAMINGS[transport]()
