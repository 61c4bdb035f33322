"""What an alarm's event says of the pictures that led to it, whatever the door let pass."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.reading import Now, Reading
from gateway.runtime.decide_frames import detail_data

NOW = Now(1000.0, 1_700_000_000_000)
BOX = [0.1, 0.2, 0.3, 0.4]


def data(detail: dict[str, Any] | None) -> dict[str, Any]:
    return detail_data(Reading("p", True, detail=detail), NOW)


def test_capture_times_become_utc_by_the_clock_of_the_event() -> None:
    found = data({"confidence": 0.7, "count": 1, "frames": [{"at_s": 998.5, "score": 0.71, "box": BOX}, {"at_s": 1000.0, "box": BOX}]})
    assert found == {
        "detail": {"confidence": 0.7, "count": 1},
        "evidence_frames": [
            {"at": "2023-11-14T22:13:18.500Z", "score": 0.71, "box": BOX},
            {"at": "2023-11-14T22:13:20.000Z", "box": BOX},
        ],
    }


def test_of_many_the_newest_five_are_told() -> None:
    frames = data({"frames": [{"at_s": float(at_s), "box": BOX} for at_s in range(990, 1000)]})["evidence_frames"]
    assert [frame["at"][-7:-1] for frame in frames] == ["15.000", "16.000", "17.000", "18.000", "19.000"]


@pytest.mark.parametrize(
    "frames",
    [
        "x",
        [None],
        [{}],
        [{"at_s": "now", "box": BOX}],
        [{"at_s": True, "box": BOX}],
        [{"at_s": 1e300, "box": BOX}],
        [{"at_s": 999.0, "box": [0.1, 0.2, 0.3]}],
        [{"at_s": 999.0, "box": [0.1, 0.2, 0.3, 7]}],
    ],
)
def test_what_is_no_frame_is_left_out(frames: object) -> None:
    assert data({"count": 1, "frames": frames}) == {"detail": {"count": 1}}


def test_without_detail_nothing_is_said() -> None:
    assert data(None) == {}
    assert detail_data(None, NOW) == {}
