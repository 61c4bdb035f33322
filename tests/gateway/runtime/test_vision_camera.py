"""What the vision process holds of a camera: its troubles in order of gravity, its rate, its stored view."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from drivers.camera import Camera as Driver
from drivers.camera_memory import Frame
from gateway.config.site import Camera
from gateway.core.cameras import COVERED, MOVED, NO_FRAMES, NO_MODEL, OVERDUE, SLOW, TROUBLES, WASHED_OUT, words
from gateway.core.errors import ModelRefused
from gateway.runtime import vision_views
from gateway.runtime.vision_camera import RATE_S, Watched
from gateway.vision.sight import Views
from gateway.vision.view import look
from tests.gateway.vision import scenes
from tests.gateway.vision.scenes import Made, shot, still_shot


def _box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


TOP_BAND = [_box(0.0, 0.0, 1.0, 0.25)]
MANY_WINDOWS = [_box(x, 0.3, x + 0.06, 0.45) for x in np.arange(0.03, 0.95, 0.1).tolist()]


class Clock:
    """Seconds that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watched(folder: Path, clock: Clock, **settings: object) -> Watched:
    camera = Camera.model_validate({"id": "gate", "url": "rtsp://127.0.0.1/gate", "place": "gate", **settings})
    return Watched(camera, Driver(camera, now=clock), folder / "views", clock(), clock())


def feed(camera: Watched, clock: Clock, made: Made, for_s: float, fps: float = 5.0) -> None:
    """Fresh pictures that are judged at once."""
    for number in range(round(for_s * fps)):
        clock.now_s += 1 / fps
        frame = Frame(number, 640, 360, clock(), clock(), still_shot(made, 3.0, number % 4))
        camera.driver._take(frame, lambda _: None)
        camera.look(frame)
        camera.note(clock(), clock())


def test_in_order_of_gravity(tmp_path: Path, clock: Clock) -> None:
    camera = watched(tmp_path, clock)
    feed(camera, clock, scenes.plain, 12.0)
    assert camera.judge("", clock()) == ("", "")
    assert camera.judge("no such file", clock()) == (NO_MODEL, "no such file")
    feed(camera, clock, scenes.covered, 10.0)
    assert camera.judge("no such file", clock())[0] == COVERED, "somebody at the camera is graver than a fault of our own"
    clock.now_s += 5.0
    assert camera.judge("", clock())[0] == NO_FRAMES


def test_pictures_that_come_and_are_not_judged_are_overdue(tmp_path: Path, clock: Clock) -> None:
    camera = watched(tmp_path, clock)
    feed(camera, clock, scenes.plain, 12.0)
    for number in range(25):
        clock.now_s += 0.2
        camera.driver._take(Frame(number, 640, 360, clock(), clock(), still_shot(scenes.plain, 3.0, 0)), lambda _: None)
    assert camera.judge("", clock())[0] == OVERDUE


@pytest.mark.parametrize(("settings", "least_fps"), [({}, 2.5), ({"analysed_fps": 2.5}, 2.0), ({"least_fps": 4.0}, 4.0)])
def test_too_few_pictures_judged(tmp_path: Path, clock: Clock, settings: dict[str, float], least_fps: float) -> None:
    camera = watched(tmp_path, clock, **settings)
    assert camera.least_fps == least_fps
    feed(camera, clock, scenes.plain, RATE_S + 1, fps=5.0)
    assert camera.judge("", clock()) == ("", "")
    feed(camera, clock, scenes.plain, RATE_S + 1, fps=least_fps * 0.8)
    assert camera.judge("", clock())[0] == SLOW
    camera.say(*camera.judge("", clock()))
    assert not camera.blind, "what is judged is judged"
    feed(camera, clock, scenes.plain, RATE_S + 1, fps=5.0)
    assert camera.judge("", clock()) == ("", "")


@pytest.mark.parametrize("settings", [{}, {"least_fps": 0.5}, {"analysed_fps": 1.0}])
def test_less_than_a_picture_a_second_is_blindness(tmp_path: Path, clock: Clock, settings: dict[str, float]) -> None:
    camera = watched(tmp_path, clock, **settings)
    feed(camera, clock, scenes.plain, RATE_S + 1, fps=5.0)
    feed(camera, clock, scenes.plain, 3 * RATE_S, fps=0.6)
    camera.say(*camera.judge("", clock()))
    assert (camera.trouble, camera.blind) == (SLOW, True)
    feed(camera, clock, scenes.plain, 2 * RATE_S, fps=camera.settings.analysed_fps)
    camera.say(*camera.judge("", clock()))
    assert (camera.trouble, camera.blind) == ("", False)


def test_a_model_that_is_back_is_not_slow_at_once(tmp_path: Path, clock: Clock) -> None:
    camera = watched(tmp_path, clock)
    for number in range(100):
        clock.now_s += 0.2
        camera.driver._take(Frame(number, 640, 360, clock(), clock(), still_shot(scenes.plain, 3.0, 0)), lambda _: None)
        assert camera.judge("no such file", clock())[0] == NO_MODEL
    feed(camera, clock, scenes.plain, 1.0)
    assert camera.judge("", clock()) == ("", "")


def test_the_view_outlives_the_process(tmp_path: Path, clock: Clock) -> None:
    first = watched(tmp_path, clock)
    feed(first, clock, scenes.plain, 5.0)
    again = watched(tmp_path, clock)
    feed(again, clock, scenes.covered, 10.0)
    assert again.sight.trouble == COVERED
    vision_views.accept(tmp_path / "views", "gate")
    feed(again, clock, scenes.moved, 5.0)
    assert again.sight.trouble == ""


def test_a_stored_view_shows_nothing_of_what_is_masked(tmp_path: Path, clock: Clock) -> None:
    left_half = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    for name, masks in (("open", []), ("masked", [left_half])):
        (tmp_path / name).mkdir()
        feed(watched(tmp_path / name, clock, masks=masks), clock, scenes.plain, 5.0)
    seen, masked = (vision_views.restore(tmp_path / name / "views", "gate").colour for name in ("open", "masked"))
    assert seen is not None
    assert masked is not None
    inner = np.s_[:, : int(seen.detail.shape[1] * 0.45)]
    assert np.ptp(seen.detail[inner]) > 0
    assert np.ptp(masked.detail[inner]) == 0
    assert np.ptp(masked.plane[:, : int(masked.plane.shape[1] * 0.4)]) == 0


def test_a_stored_view_is_the_same_whatever_is_behind_the_mask(tmp_path: Path) -> None:
    """Up to the border: not even the fine detail beside it tells anything. A camera without any noise shows the least."""
    hidden, bodies = shot(scenes.gate(), 0.0), []
    hidden[100:200, 200:300] = np.random.default_rng(3).integers(16, 235, (100, 100))
    for luma in (shot(scenes.gate(), 0.0), hidden):
        vision_views.store(tmp_path, "gate", Views(colour=look(luma[:360])), [_box(200 / 640, 100 / 360, 300 / 640, 200 / 360)])
        bodies.append((tmp_path / "gate.npz").read_bytes())
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("masks", [TOP_BAND, MANY_WINDOWS, [*MANY_WINDOWS, *TOP_BAND]])
@pytest.mark.parametrize(("made", "troubles"), [(scenes.covered, {COVERED}), (scenes.washed, {WASHED_OUT}), (scenes.moved, {MOVED})])
def test_masks_hide_no_trouble(tmp_path: Path, clock: Clock, masks: list[list[list[float]]], made: Made, troubles: set[str]) -> None:
    first = watched(tmp_path, clock, masks=masks)
    feed(first, clock, scenes.plain, 5.0)
    feed(first, clock, made, 10.0)
    assert first.sight.trouble in troubles
    restarted = watched(tmp_path, clock, masks=masks)
    assert restarted.sight.views.colour is not None
    feed(restarted, clock, made, 10.0)
    assert restarted.sight.trouble in troubles
    feed(restarted, clock, scenes.plain, 5.0)
    assert restarted.sight.trouble == ""
    assert restarted.sight.views.colour.blank is None, "what the file did not hold is learned again"


def test_a_view_that_is_nearly_all_masked_is_learned_anew(tmp_path: Path, clock: Clock) -> None:
    masks = [_box(0.0, 0.0, 1.0, 0.95)]
    feed(watched(tmp_path, clock, masks=masks), clock, scenes.plain, 5.0)
    restarted = watched(tmp_path, clock, masks=masks)
    assert restarted.sight.views == Views()
    feed(restarted, clock, scenes.plain, 12.0)
    assert restarted.sight.trouble == ""


def test_what_cannot_be_taken_away_is_not_accepted_with_each_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "locked.accept").mkdir()
    assert [vision_views.accepted(tmp_path, "locked") for _ in range(3)] == [False, False, False]
    assert caplog.text.count("locked") == caplog.text.count("cannot tell") * 2 == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_accepts_for_the_owner_of_the_state_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4322)
    for _ in range(2):
        vision_views.accept(tmp_path / "views", "gate")
    for path in (tmp_path / "views", tmp_path / "views" / "gate.accept"):
        assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 nonsense", b"\x93NUMPY"])
def test_a_stored_view_that_is_damaged_is_learned_anew(tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "gate.npz").write_bytes(body)
    assert vision_views.restore(tmp_path, "gate") == Views()
    assert "learned anew" in caplog.text


def test_a_disk_that_is_full_or_missing_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    vision_views.store(tmp_path / "none" / "views", "gate", Views())
    assert "cannot be stored" in caplog.text


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_trouble_has_words_in_both_languages(trouble: str) -> None:
    zh, en = TROUBLES[trouble]
    assert words(trouble) == f"{zh} ({en})"
    assert words(trouble, "why") == f"{zh} ({en}): why"


def test_a_model_that_fails_is_not_hidden(tmp_path: Path, clock: Clock) -> None:
    class Failing:
        def look(self, picture: Frame) -> list[object]:
            raise ModelRefused("the runtime failed")

        def forget(self) -> None: ...

    camera = watched(tmp_path, clock)
    camera.eye = Failing()  # type: ignore[assignment]
    with pytest.raises(ModelRefused):
        camera.look(Frame(1, 640, 360, clock(), clock(), np.ascontiguousarray(still_shot(scenes.plain, 3.0, 0))))
