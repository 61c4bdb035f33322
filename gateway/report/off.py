"""Times in which nothing was watched because the gateway was off. Pure; spans are UTC milliseconds, their end not included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.points import Text

Span = tuple[int, int]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times, in order and without overlaps."""
    out: list[Span] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def within(spans: Sequence[Span], from_ms: int, to_ms: int) -> list[Span]:
    """What of them lies in the period, in order and without overlaps."""
    cut = [(max(begin, from_ms), min(end, to_ms)) for begin, end in spans]
    return merged((begin, end) for begin, end in cut if begin < end)


def lasted_ms(spans: Sequence[Span]) -> int:
    """Of all of them together; none may overlap."""
    return sum(end - begin for begin, end in spans)


def duration(ms: int) -> Text:
    """In words, down to whole minutes; the two largest units."""
    minutes = ms // 60_000
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "天", "d"), (hours, "小时", "h"), (rest, "分钟", "min")]
    told = [part for part in parts if part[0]][:2] or [(0, "分钟", "min")]
    return Text(" ".join(f"{count} {zh}" for count, zh, _ in told), " ".join(f"{count} {en}" for count, _, en in told))
