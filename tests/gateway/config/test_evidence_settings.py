"""What a site file says about evidence, and what it may not say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.site import Camera, Vision

DEVICE, CHANNEL = "34020000001180000001", "34020000001310000001"


def camera(**changes: Any) -> Camera:
    return Camera.model_validate({"id": "c", "url": "rtsp://c/1", "place": "gate"} | changes)


def test_as_it_is_if_nothing_is_said() -> None:
    vision = Vision()
    assert (vision.evidence_hours, vision.clip_before_s, vision.clip_after_s) == (72, 30, 15)
    assert (vision.send_stills, vision.heads_blurred) == (False, True)
    assert camera().recorder is None


def test_the_recorder_of_a_camera() -> None:
    recorder = camera(recorder={"device": DEVICE, "channel": CHANNEL}).recorder
    assert recorder is not None
    assert (recorder.device, recorder.channel) == (DEVICE, CHANNEL)


@pytest.mark.parametrize(
    "recorder",
    [
        {"device": DEVICE},
        {"device": DEVICE[:-1], "channel": CHANNEL},
        {"device": DEVICE, "channel": f"{CHANNEL}0"},
        {"device": DEVICE, "channel": "x" * 20},
        {"device": int(DEVICE), "channel": CHANNEL},
        {"device": DEVICE, "channel": CHANNEL, "url": "rtsp://r"},
    ],
)
def test_other_codes_are_refused(recorder: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        camera(recorder=recorder)


@pytest.mark.parametrize(
    "change", [{"evidence_hours": 721}, {"evidence_hours": 0}, {"clip_before_s": 61}, {"clip_after_s": -1}, {"clips_mb": 0}]
)
def test_nothing_is_kept_for_ever(change: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Vision.model_validate(change)


@pytest.mark.parametrize("masks", [[[[0, 0], [1, 1]]], [[[0, 0], [1, 1], [1.1, 0]]]])
def test_masks_are_polygons_within_the_picture(masks: Any) -> None:
    with pytest.raises(ValidationError):
        camera(masks=masks)
