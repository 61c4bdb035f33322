"""Ways in which cabling, adapters and devices spoil an answer. Each gives pieces: (seconds of pause before it, bytes)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

BYTE_PAUSE_S = 0.0005
LATE_S = 0.12


@dataclass(frozen=True)
class Answer:
    """A sound frame and how the device could have made it otherwise. None: frames of this kind carry no such thing."""

    frame: bytes
    wrong_address: Callable[[], bytes] | None = None
    oversize: Callable[[], bytes] | None = None


Pieces = list[tuple[float, bytes]]
Spoil = Callable[[Answer, random.Random], Pieces]


def byte_by_byte(answer: Answer, dice: random.Random) -> Pieces:
    return [(BYTE_PAUSE_S, bytes([byte])) for byte in answer.frame]


def pieces_of_any_size(answer: Answer, dice: random.Random) -> Pieces:
    cuts = sorted(dice.sample(range(1, len(answer.frame)), 3))
    ends = [*cuts, len(answer.frame)]
    return [(BYTE_PAUSE_S, answer.frame[begin:end]) for begin, end in zip([0, *cuts], ends, strict=True)]


def noise_before(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, noise(dice) + answer.frame)]


def noise_after(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, answer.frame + noise(dice))]


def said_twice(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, answer.frame + answer.frame)]


def said_twice_with_a_pause(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, answer.frame), (0.004, answer.frame)]


def lost_byte(answer: Answer, dice: random.Random) -> Pieces:
    at = dice.randrange(len(answer.frame))
    return [(0.0, answer.frame[:at] + answer.frame[at + 1 :])]


def doubled_byte(answer: Answer, dice: random.Random) -> Pieces:
    at = dice.randrange(len(answer.frame))
    return [(0.0, answer.frame[: at + 1] + answer.frame[at:])]


def flipped_bit(answer: Answer, dice: random.Random) -> Pieces:
    spoilt = bytearray(answer.frame)
    spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
    return [(0.0, bytes(spoilt))]


def half_a_frame(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, answer.frame[: len(answer.frame) // 2])]


def silence(answer: Answer, dice: random.Random) -> Pieces:
    return []


def wrong_address(answer: Answer, dice: random.Random) -> Pieces:
    assert answer.wrong_address is not None
    return [(0.0, answer.wrong_address())]


def oversize_length(answer: Answer, dice: random.Random) -> Pieces:
    assert answer.oversize is not None
    return [(0.0, answer.oversize())]


def too_late(answer: Answer, dice: random.Random) -> Pieces:
    return [(LATE_S, answer.frame)]


def garbage(answer: Answer, dice: random.Random) -> Pieces:
    return [(0.0, dice.randbytes(dice.randint(0, 300)))]


def changed_bytes(answer: Answer, dice: random.Random) -> Pieces:
    spoilt = bytearray(answer.frame)
    for _ in range(dice.randint(1, 4)):
        spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
    return [(0.0, bytes(spoilt))]


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.randint(1, 12))


HARMLESS: list[Spoil] = [byte_by_byte, pieces_of_any_size, noise_before, noise_after, said_twice, said_twice_with_a_pause]
HARMFUL: list[Spoil] = [lost_byte, doubled_byte, flipped_bit]
NO_ANSWERS: list[Spoil] = [half_a_frame, wrong_address, oversize_length]
MUTATIONS: list[Spoil] = [*HARMLESS[:-1], lost_byte, doubled_byte, flipped_bit, half_a_frame, changed_bytes, garbage, silence]
