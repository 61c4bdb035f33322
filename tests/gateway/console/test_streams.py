"""Open pages: no person keeps the others out by opening many."""

from __future__ import annotations

from gateway.console.streams import Stream, Streams


def opened(streams: Streams, name: str) -> Stream:
    stream = streams.begin(name)
    assert stream is not None
    return stream


def test_who_has_most_pages_gives_one_up_for_somebody_else() -> None:
    streams = Streams(3)
    many = [opened(streams, "viewer") for _ in range(3)]
    assert streams.begin("viewer") is None
    guard = opened(streams, "guard")
    assert [each.over for each in many] == [True, False, False], "the oldest"
    assert streams.begin("guard") is None, "both would have two of three: nobody has more than this one would have"
    assert streams.begin("viewer") is None
    leader = opened(streams, "leader")
    assert ([each.over for each in many], guard.over) == ([True, True, False], False)
    for each in (*many, guard, leader):
        streams.end(each)
    assert [streams.begin("viewer") is not None for _ in range(4)] == [True, True, True, False], "an end is counted once"
