"""Finds a device's frames in what its line delivers. Pure; time is told to it as "it was silent".

    noise | start ... length ... data ... check end | start ...
            ^ a candidate: complete and proven -> a frame; too short -> wait; anything else -> drop ONE byte, look again

How real lines break this, and what is done:
* noise or a half frame before a frame: one byte at a time is dropped until a start fits;
* a false start that waits for bytes which never come would hide the frame behind it: silence gives it up (`flush`);
* a stated length is noise, too: beyond `most` it is no start; the length decides, an end mark inside the data does not;
* a text frame that was cut off runs into the next one: a new start inside begins it anew;
* a single byte is a message only when it stands alone between two silences (`quiet_ms` with a `length`).
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import TYPE_CHECKING

from drivers.frames_checks import check

if TYPE_CHECKING:
    from gateway.config.profile_frames import Checksum, Framed, FramesProfile

GIVE_UP_S = 0.5  # silence after which an unfinished frame is given up: longer than any pause a device makes inside one

_MORE = 0  # a frame may begin here, bytes are missing
_NONE = -1
_BROKEN = -2  # it looked like one, but its end, check or text is wrong


class _Form:
    """One form of frame: how long is the one that begins here."""

    def __init__(self, framed: Framed, codec: str) -> None:
        self.start, self.end = bytes.fromhex(framed.start), bytes.fromhex(framed.end)
        self.quiet_s = framed.quiet_ms / 1000
        self._length, self._field, self._most = framed.length, framed.length_field, framed.most
        self._checksum = framed.checksum
        self._matches = re.compile(framed.matches, re.DOTALL) if framed.matches else None
        self._codec = codec
        self._least = max(1, len(self.start) + len(self.end), _reach(framed.checksum))

    def measure(self, data: bytearray, at: int, quiet: bool, alone: bool) -> int:
        """Bytes of the whole, proven frame at `at`; else _MORE, _NONE or _BROKEN.

        quiet: the line has been silent since the last byte. alone: what lies at `at` came first after a silence or a frame.
        """
        begin = data[at : at + len(self.start)]
        if not self.start.startswith(begin):
            return _NONE
        if len(begin) < len(self.start):
            return _MORE
        have = len(data) - at
        size = self._size(data, at, have, quiet)
        if size <= 0:
            return size
        if not self._least <= size <= self._most:
            return _NONE
        if self.quiet_s and (not alone or have > size):
            return _NONE
        if have < size or (self.quiet_s and not quiet):
            return _MORE
        frame = bytes(data[at : at + size])
        return size if self._proven(frame) else _BROKEN

    def _size(self, data: bytearray, at: int, have: int, quiet: bool) -> int:
        if self._length is not None:
            return self._length
        field = self._field
        if field is not None:
            stated = data[at + field.at : at + field.at + field.size]
            return int.from_bytes(stated, field.order) + field.plus if len(stated) == field.size else _MORE
        if not self.end:
            return _NONE if have > self._most else have if quiet else _MORE
        body = at + len(self.start)
        end = data.find(self.end, body, at + self._most)
        if self.start and data.find(self.start, body, end if end >= 0 else len(data)) >= 0:
            return _NONE
        if end < 0:
            return _MORE if have < self._most else _NONE
        return end + len(self.end) - at

    def _proven(self, frame: bytes) -> bool:
        if not frame.endswith(self.end):
            return False
        if self._checksum is not None and not _check_holds(self._checksum, frame):
            return False
        return self._matches is None or self._matches.fullmatch(frame.decode(self._codec, "replace")) is not None


def _reach(checksum: Checksum | None) -> int:
    """Bytes that a frame has at least, so that all positions of its checksum exist."""
    if checksum is None:
        return 0
    width = 2 if checksum.ascii_hex or checksum.kind == "crc16-modbus" else 1
    reach = max(position + width if position >= 0 else -position for position in (checksum.at, checksum.last))
    return max(reach, checksum.first + 1 - min(checksum.last + 1, 0))


def _check_holds(checksum: Checksum, frame: bytes) -> bool:
    last = checksum.last if checksum.last >= 0 else len(frame) + checksum.last
    covered = frame[checksum.first : last + 1]
    at = checksum.at if checksum.at >= 0 else len(frame) + checksum.at
    width = 2 if checksum.ascii_hex or checksum.kind == "crc16-modbus" else 1
    try:
        told = unhexlify(frame[at : at + 2]) if checksum.ascii_hex else frame[at : at + width]
        return told == check(checksum.kind, covered) or (checksum.or_kind is not None and told == check(checksum.or_kind, covered))
    except ValueError:  # ASCII hex that is none
        return False


class Splitter:
    """The frames of one device in its stream of bytes. rejected_bytes, rejected_frames: dropped so far; a frame counts once."""

    def __init__(self, profile: FramesProfile) -> None:
        self._forms = [_Form(framed, profile.codec) for framed in profile.frames]
        self._buffer = bytearray()
        self._alone = True
        self.rejected_bytes = 0
        self.rejected_frames = 0
        self.quiet_s = min((form.quiet_s for form in self._forms if form.quiet_s), default=GIVE_UP_S)

    @property
    def pending(self) -> bool:
        """True while bytes wait for more, or for `quiet_s` of silence and then `flush`."""
        return bool(self._buffer)

    def feed(self, received: bytes) -> list[bytes]:
        """Take what arrived, in pieces of any size; the frames that are whole now, in order."""
        self._buffer += received
        return self._take(quiet=False)

    def flush(self) -> list[bytes]:
        """The line has been silent for `quiet_s`: frames that silence ends. What is unfinished now is given up."""
        frames = self._take(quiet=True)
        self._alone = True
        return frames

    def reset(self) -> None:
        """Forget what was received: the connection is new."""
        self._buffer.clear()
        self._alone = True

    def _take(self, quiet: bool) -> list[bytes]:
        frames: list[bytes] = []
        data, at = self._buffer, 0
        while at < len(data):
            sizes = [form.measure(data, at, quiet, self._alone) for form in self._forms]
            size = max(sizes, default=_NONE)
            if size > 0:
                frames.append(bytes(data[at : at + size]))
                at += size
                self._alone = True
            elif size == _MORE and not quiet:
                break
            else:
                at += 1
                self._alone = False
                self.rejected_bytes += 1
                self.rejected_frames += _BROKEN in sizes
        del data[:at]
        return frames
