"""Which packets of a stream make a clip, and when each picture of it was taken. Pure; nothing is decoded here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Protocol, TypeVar


class Timed(Protocol):
    """A coded packet. session: of its stream. arrival_s: monotonic; stamp_s: the stream's own time, NaN where it has none."""

    @property
    def key(self) -> bool: ...
    @property
    def session(self) -> int: ...
    @property
    def arrival_s(self) -> float: ...
    @property
    def stamp_s(self) -> float: ...


T = TypeVar("T", bound=Timed)

JUMP_S = 10.0  # stamps that leap by more, or go back by more than pictures are reordered, are a new count
BACK_S = 1.0


def dated(packets: Sequence[T]) -> list[tuple[float, T]]:
    """(monotonic seconds of its capture, packet), in the order of decoding.

    The quickest packet of a session tells how far the stream's clock lies behind ours; without stamps arrival has to do. What comes
    before the first key picture of a session, or without a stamp in a session that has them, cannot be shown and is left out.
    """
    found: list[tuple[float, T]] = []
    for _, group in groupby(packets, lambda packet: packet.session):
        whole = list(group)
        true = [packet for packet in whole if not math.isnan(packet.stamp_s)]
        if not true:
            found += [(packet.arrival_s, packet) for packet in _from_key(whole)]
        for run in _runs(_from_key(true)):
            behind_s = min(packet.arrival_s - packet.stamp_s for packet in run)
            found += [(packet.stamp_s + behind_s, packet) for packet in run]
    return found


def _from_key(packets: list[T]) -> list[T]:
    return packets[next((i for i, packet in enumerate(packets) if packet.key), len(packets)) :]


def _runs(packets: list[T]) -> list[list[T]]:
    """Parts whose stamps count on."""
    runs: list[list[T]] = []
    for packet in packets:
        if runs and -BACK_S <= packet.stamp_s - runs[-1][-1].stamp_s <= JUMP_S:
            runs[-1].append(packet)
        else:
            runs.append([packet])
    return runs


def chosen(packets: Sequence[T], from_s: float, to_s: float) -> list[tuple[float, T]]:
    """Those of the span, from the key picture at or before its beginning on. Empty when nothing of the span is there."""
    every = dated(packets)
    within = [i for i, (at_s, _) in enumerate(every) if from_s <= at_s <= to_s]
    if not within:
        return []
    keys = [i for i, (at_s, packet) in enumerate(every) if packet.key and i <= within[0]]
    begin = keys[-1]  # each session begins with one
    return every[begin : within[-1] + 1]


def ticks(times_s: Iterable[float], hertz: int) -> list[tuple[int, int]]:
    """(pts, dts) of each packet in ticks from 0, pictures in the order of decoding: dts rises and never exceeds pts."""
    shown = [round(at_s * hertz) for at_s in times_s]
    if not shown:
        return []
    in_order: list[int] = []
    for tick in sorted(shown):
        in_order.append(max(tick, in_order[-1] + 1) if in_order else tick)
    place = {i: rank for rank, i in enumerate(sorted(range(len(shown)), key=lambda i: (shown[i], i)))}
    pts = [in_order[place[i]] for i in range(len(shown))]
    late = max(0, *(due - own for due, own in zip(in_order, pts, strict=True)))
    dts = [due - late for due in in_order]
    return [(own - dts[0], due - dts[0]) for own, due in zip(pts, dts, strict=True)]
