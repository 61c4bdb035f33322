"""Mutated frames: no exception, no hang, never a value from a frame whose check is wrong; any split gives the same frames.

FUZZ_FRAMES: mutated frames for each form, 10,000 if it is not set.
"""

from __future__ import annotations

import os
import random

import pytest

from drivers.frames import FramesDriver
from drivers.frames_split import Splitter
from drivers.frames_values import placed_signals
from gateway.config.profile_frames import FramesProfile
from gateway.core.wire import WireClass, WirePoint
from tests.drivers.frames_golden import load
from tests.drivers.test_frames_split import WHOLE

FRAMES = int(os.environ.get("FUZZ_FRAMES", "10000"))
IN_ONE_STREAM = 50
PROVEN = sorted(set(WHOLE) - {"gst9000-printer", "s4a-wiegand"})


def proven(name: str, frame: bytes) -> bool:
    """The rule of the form, written down a second time."""
    if name.startswith("winsen"):
        return len(frame) == 9 and frame[0] == 0xFF and sum(frame[1:]) % 256 == 0
    if name == "rdm6300":
        number = int(frame[1:11], 16).to_bytes(5, "big")
        told = int(frame[11:13], 16)
        return len(frame) == 14 and number[0] ^ number[1] ^ number[2] ^ number[3] ^ number[4] == told
    if name == "machpower-ac-atri-018":
        return len(frame) == 5 and frame[0] ^ frame[1] ^ frame[2] ^ frame[3] == frame[4]
    if name == "dooya-rs485":
        remainder = 0xFFFF
        for byte in frame:  # over the frame with its CRC the remainder is 0
            remainder ^= byte
            for _ in range(8):
                remainder = (remainder >> 1) ^ (0xA001 * (remainder & 1))
        return len(frame) == 7 and remainder == 0
    assert name == "gb26875"
    fold = 0
    for byte in frame[2:-3]:
        fold ^= byte
    stated = 30 + frame[24] + 256 * frame[25]
    return len(frame) == stated and frame[-2:] == b"##" and frame[-3] in (sum(frame[2:-3]) % 256, fold)


def mutated(rng: random.Random, frame: bytes) -> bytes:
    """One or more wounds: flipped, dropped, doubled, inserted bytes, a cut, or a piece of another place."""
    out = bytearray(frame)
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(5):
            case 0 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at : at + rng.randrange(1, 4)]
            case 2:
                out[at:at] = rng.randbytes(rng.randrange(1, 4))
            case 3:
                out[at:at] = out[: rng.randrange(1, 12)]
            case _:
                del out[at:]
    return bytes(out)


def stream(rng: random.Random, frames: list[bytes]) -> bytes:
    return b"".join(mutated(rng, rng.choice(frames)) for _ in range(IN_ONE_STREAM))


def every_signal(profile: FramesProfile) -> FramesDriver:
    readable = [placed.name for placed in placed_signals(profile) if placed.signal.kind != "output"]
    return FramesDriver("dev", profile, 0, [WirePoint(name, name, WireClass.STATE, 1.0) for name in readable], bytes.hex)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_mutated_frames_never_raise_and_never_pass_without_their_check(name: str) -> None:
    rng = random.Random(f"frames {name}")
    profile = load(name)
    splitter, driver = Splitter(profile), every_signal(profile)
    found = 0
    for n in range(FRAMES // IN_ONE_STREAM):
        for frame in splitter.feed(stream(rng, WHOLE[name])) + splitter.flush():
            found += 1
            assert name not in PROVEN or proven(name, frame), frame.hex()
            driver.hear(frame, n / 10)
            driver.answer(frame)
        assert not splitter.pending
    assert found > FRAMES // 20, "among the mutated ones there are sound frames, too"
    assert splitter.rejected_bytes > 0


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_the_driver_never_raises_whatever_it_is_handed(name: str) -> None:
    """Past the splitter: the forms without a check let more through."""
    rng = random.Random(f"driver {name}")
    profile = load(name)
    driver = every_signal(profile)
    for n in range(FRAMES // 10):
        frame = rng.choice(WHOLE[name])
        driver.hear(rng.randbytes(rng.randrange(1, 2 * len(frame))), n / 10)
        driver.hear(mutated(rng, frame), n / 10)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_any_split_of_the_stream_gives_the_same_frames(name: str) -> None:
    rng = random.Random(f"split {name}")
    profile = load(name)
    for _ in range(max(1, FRAMES // 1000)):
        data = stream(rng, WHOLE[name])
        whole = Splitter(profile)
        expected = whole.feed(data) + whole.flush()
        pieces = Splitter(profile)
        got: list[bytes] = []
        at = 0
        while at < len(data):
            size = rng.choice((1, 1, 2, 7, 30))
            got += pieces.feed(data[at : at + size])
            at += size
        assert got + pieces.flush() == expected
        assert (pieces.rejected_bytes, pieces.rejected_frames) == (whole.rejected_bytes, whole.rejected_frames)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_plain_noise_gives_no_frame_without_its_check(name: str) -> None:
    rng = random.Random(f"noise {name}")
    splitter = Splitter(load(name))
    for _ in range(max(1, FRAMES // 1000)):
        for frame in splitter.feed(rng.randbytes(1000)) + splitter.flush():
            assert name not in PROVEN or proven(name, frame)
