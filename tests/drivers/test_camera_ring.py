"""The ring of packets: newest kept, oldest overwritten, whole after its writer was killed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera_ring import ENTRIES, KEY, PARAMETERS, Coded, PacketRing, Parameters, kept

CODEC: Any = SimpleNamespace(name="h264", width=64, height=48, extradata=b"\0\0\0\1sps")
PARAMETERS_SEEN = Parameters("h264", 64, 48, b"\0\0\0\1sps")


@pytest.fixture
def ring() -> Iterator[PacketRing]:
    made = PacketRing.create(10_000)
    yield made
    made.close()


class Packet:
    """What of PyAV's packet is used."""

    time_base = Fraction(1, 10)

    def __init__(self, body: bytes, pts: int | None, key: bool = False) -> None:
        self.body, self.pts, self.is_keyframe, self.size = body, pts, key, len(body)

    def __bytes__(self) -> bytes:
        return self.body


def stream(ring: PacketRing, packets: list[Packet], *, stamped: bool = True) -> None:
    assert list(kept(packets, CODEC, ring, stamped=stamped)) == packets, "passed on as they came"


def test_packets_with_their_times_keys_and_parameters(ring: PacketRing) -> None:
    stream(ring, [Packet(b"lost", 0), Packet(b"key", 10, True), Packet(b"next", 11), Packet(b"", None), Packet(b"odd", None)])
    found = ring.read()
    assert [(coded.body, coded.key, coded.stamp_s) for coded in found[:2]] == [(b"key", True, 1.0), (b"next", False, 1.1)]
    assert math.isnan(found[2].stamp_s)
    assert {(coded.session, coded.parameters) for coded in found} == {(1, PARAMETERS_SEEN)}, "what comes before parameters is no use"
    stream(ring, [Packet(b"again", 5, True)], stamped=False)
    again = ring.read()[-1]
    assert (again.session, math.isnan(again.stamp_s)) == (2, True)


@given(st.lists(st.integers(1, 2500), min_size=1, max_size=60))
def test_the_newest_stay_and_what_is_read_is_what_was_written(sizes: list[int]) -> None:
    ring = PacketRing.create(10_000)
    bodies = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    for number, body in enumerate(bodies):
        stream(ring, [Packet(body, number, True)])
    read = [coded.body for coded in ring.read()]
    ring.close()
    assert read == bodies[len(bodies) - len(read) :]
    about = 80  # bytes of parameters before each
    assert len(read) == len(bodies) or sum(len(body) + about for body in bodies[len(bodies) - len(read) - 1 :]) > 9_500


def test_more_packets_than_entries(ring: PacketRing) -> None:
    ring.write(b"{}", PARAMETERS, 1, 0.0, 0.0)
    for number in range(ENTRIES + 10):
        ring.write(b"x", KEY, 1, float(number), 0.0)
    assert ring.read() == [], "their parameters are gone, and nothing torn is read"
    stream(ring, [Packet(b"key", 1, True)])
    assert [coded.body for coded in ring.read()] == [b"key"]


def test_what_is_larger_than_the_ring_is_left_out(ring: PacketRing) -> None:
    stream(ring, [Packet(b"key", 1, True), Packet(bytes(10_001), 2)])
    assert [coded.body for coded in ring.read()] == [b"key"]


def test_a_writer_that_was_killed_leaves_what_was_whole(ring: PacketRing) -> None:
    writer = """
import sys
from drivers.camera_ring import KEY, PacketRing
ring = PacketRing(int(sys.argv[1]))
ring.write(b'{"codec": "h264", "width": 64, "height": 48, "extradata": ""}', 2, 1, 1.0, 1.0)
ring.write(b"whole", KEY, 1, 1.0, 1.0)
ring._map[8:16] = (int.from_bytes(ring._map[8:16], "little") + 4000).to_bytes(8, "little")  # in the middle of the next one
print("there", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", writer, str(ring.fd)], pass_fds=(ring.fd,), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == b"there\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    whole = Coded(b"whole", True, 1, 1.0, 1.0, Parameters("h264", 64, 48, b""))
    assert ring.read() == [whole]
    stream(ring, [Packet(b"next", 2, True)])
    assert [coded.body for coded in ring.read()] == [b"whole", b"next"]
