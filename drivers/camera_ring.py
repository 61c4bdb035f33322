"""The last seconds of a camera as it sent them: coded packets in anonymous shared memory, written by the decoder child.

The memory belongs to the vision process and is inherited by the child, so that it outlives a child that is killed, and a camera that
is smashed: the seconds before are the evidence. Oldest packets are overwritten. Nothing of it ever lies on a disk.

Layout (little endian): 64 bytes header = count of entries (u64), claimed (u64: the byte up to which data was, or is being, written,
counted from the first ever). Then ENTRIES of 48 bytes, entry n at n % ENTRIES: number n from 1 (u64), position of its data (u64),
length (u32), flags (u32), session (u32), 4 bytes unused, arrival (f64, monotonic s), stamp (f64, the stream's own s; NaN: none).
Then the data, a circle. The writer claims, then copies, then enters, then counts; a reader leaves out what was claimed while it copied.
Before each key picture stands a record of the stream's parameters as JSON, so that whatever is still there can be decoded.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

RING_BYTES = 8_000_000  # 64 s at 1 Mbit/s, 128 s at the 512 kbit/s that a sub-stream usually has
ENTRIES = 4096  # 136 s at 30 pictures a second
KEY, PARAMETERS = 1, 2
_HEAD_BYTES = 64
_HEAD = struct.Struct("<QQ")
_COUNT = struct.Struct("<Q")
_ENTRY = struct.Struct("<QQIII4xdd")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a decoder must know. codec: libav's name. extradata: parameter sets, b'' where they come with the pictures."""

    codec: str
    width_px: int
    height_px: int
    extradata: bytes


@dataclass(frozen=True, slots=True)
class Coded:
    """One packet. session: of the stream, counted by the ring. arrival_s: monotonic; stamp_s: the stream's own, NaN for none."""

    body: bytes
    key: bool
    session: int
    arrival_s: float
    stamp_s: float
    parameters: Parameters


class _Packet(Protocol):
    """What of PyAV's packet is looked at."""

    @property
    def size(self) -> int: ...
    @property
    def is_keyframe(self) -> bool: ...


P = TypeVar("P", bound=_Packet)


class PacketRing:
    """Both ends of the memory. One writer at a time, any number of readers."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, os.fstat(fd).st_size)
        self._data = _HEAD_BYTES + ENTRIES * _ENTRY.size
        self._room = len(self._map) - self._data

    @classmethod
    def create(cls, room: int = RING_BYTES) -> PacketRing:
        """New memory with so many bytes for packets; pages are taken only as they fill."""
        fd = os.memfd_create("camera-packets", os.MFD_CLOEXEC)
        os.ftruncate(fd, _HEAD_BYTES + ENTRIES * _ENTRY.size + room)
        return cls(fd)

    @classmethod
    def holding(cls, packets: Sequence[tuple[float, Coded]]) -> PacketRing:
        """New memory with these packets only, beginning with a key picture. Each arrived at the seconds given and has no stamp."""
        records: list[tuple[bytes, int, int, float]] = []
        parameters: Parameters | None = None
        for at_s, coded in packets:
            if coded.parameters != parameters:
                parameters = coded.parameters
                records.append((_words(parameters), PARAMETERS, coded.session, at_s))
            records.append((coded.body, KEY if coded.key else 0, coded.session, at_s))
        made = cls.create(max(1, sum(len(body) for body, *_ in records)))
        for body, flags, session, at_s in records:
            made.write(body, flags, session, at_s, math.nan)
        return made

    @property
    def overwritten(self) -> bool:
        """Whether something that was here is gone."""
        count, claimed = _HEAD.unpack_from(self._map, 0)
        return bool(claimed > self._room or count >= ENTRIES)

    def close(self) -> None:
        """Lets go of the memory and the descriptor."""
        self._map.close()
        os.close(self.fd)

    def new_session(self) -> int:
        """Number for a stream that is about to begin: above that of every packet here."""
        count, _ = _HEAD.unpack_from(self._map, 0)
        return int(_ENTRY.unpack_from(self._map, self._place(count))[4]) + 1 if count else 1

    def write(self, body: bytes, flags: int, session: int, arrival_s: float, stamp_s: float) -> None:
        """Append one record; what is larger than the whole ring is left out."""
        if len(body) > self._room:
            return
        count, position = _HEAD.unpack_from(self._map, 0)
        _COUNT.pack_into(self._map, 8, position + len(body))
        at = position % self._room
        first = min(len(body), self._room - at)
        self._map[self._data + at : self._data + at + first] = body[:first]
        if first < len(body):
            self._map[self._data : self._data + len(body) - first] = body[first:]
        number = count + 1
        _ENTRY.pack_into(self._map, self._place(number), number, position, len(body), flags, session, arrival_s, stamp_s)
        _COUNT.pack_into(self._map, 0, number)

    def read(self) -> list[Coded]:
        """Everything that is whole and can be decoded, oldest first."""
        count, _ = _HEAD.unpack_from(self._map, 0)
        copy = bytes(self._map)
        newest, claimed = _HEAD.unpack_from(self._map, 0)
        found: list[Coded] = []
        parameters: Parameters | None = None
        for number in range(max(1, newest + 2 - ENTRIES), count + 1):
            entered, position, length, flags, session, arrival_s, stamp_s = _ENTRY.unpack_from(copy, self._place(number))
            if entered != number or position < claimed - self._room:
                parameters = None
                continue
            body = self._body(copy, position, length)
            if flags & PARAMETERS:
                parameters = _parameters(body)
            elif parameters is not None:
                found.append(Coded(body, bool(flags & KEY), session, arrival_s, stamp_s, parameters))
        return found

    def _place(self, number: int) -> int:
        return _HEAD_BYTES + number % ENTRIES * _ENTRY.size

    def _body(self, copy: bytes, position: int, length: int) -> bytes:
        at = position % self._room
        whole = copy[self._data + at : self._data + min(at + length, self._room)]
        return whole + copy[self._data : self._data + length - len(whole)]


def kept(packets: Iterable[P], codec: Any, ring: PacketRing, *, stamped: bool) -> Iterator[P]:
    """Passes a stream's packets on and keeps each in the ring. codec: the stream's codec context. stamped: its time stamps are true."""
    session = ring.new_session()
    for packet in packets:
        if packet.size:
            _keep(packet, codec, ring, session, stamped=stamped)
        yield packet


def _keep(packet: Any, codec: Any, ring: PacketRing, session: int, *, stamped: bool) -> None:
    arrival_s = time.monotonic()
    stamp_s = float(packet.pts * packet.time_base) if stamped and packet.pts is not None else math.nan
    if packet.is_keyframe:
        parameters = Parameters(codec.name, codec.width, codec.height, bytes(codec.extradata or b""))
        ring.write(_words(parameters), PARAMETERS, session, arrival_s, stamp_s)
    ring.write(bytes(packet), KEY if packet.is_keyframe else 0, session, arrival_s, stamp_s)


def _words(of: Parameters) -> bytes:
    return json.dumps({"codec": of.codec, "width": of.width_px, "height": of.height_px, "extradata": of.extradata.hex()}).encode()


def _parameters(body: bytes) -> Parameters:
    words = json.loads(body)
    return Parameters(words["codec"], words["width"], words["height"], bytes.fromhex(words["extradata"]))
