"""The judge of a camera's pictures: each trouble is told in its time, and nothing that is none."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.core.cameras import BLACK, BLURRED, COVERED, FROZEN, MOVED, WASHED_OUT
from gateway.vision.sight import Sight, Views
from tests.gateway.vision import scenes
from tests.gateway.vision.scenes import FPS, Made, gate, plain, shot, still_shot

LEARN_S = 4.0
MOVING = (scenes.rain, scenes.snow, scenes.bus, scenes.crowd, scenes.pole_in_the_wind)


class Watch:
    """A camera over time: pictures of a scene, five a second, and when its trouble changed."""

    def __init__(self, views: Views | None = None) -> None:
        self.sight, self.now_s = Sight(views), 1000.0
        self.told: list[tuple[float, str]] = []

    def see(self, made: Made, for_s: float, noise: float = 3.0, repeats: bool = False) -> list[tuple[float, str]]:
        """What was told meanwhile: seconds since the scene began, and the trouble."""
        began_s, told, before = self.now_s, [], self.sight.trouble
        while self.now_s < began_s + for_s:
            self.now_s += 1 / FPS
            at_s = self.now_s - began_s
            picture = shot(made(gate(), at_s), noise) if made in MOVING else still_shot(made, noise, round(self.now_s * FPS) % 4)
            trouble = self.sight.judge(picture[:360], picture[360:], self.now_s, self.now_s - began_s if repeats else 0.0)
            if trouble != before:
                told.append((round(self.now_s - began_s, 1), trouble))
                before = trouble
        return told


@pytest.fixture
def watch() -> Watch:
    watch = Watch()
    assert watch.see(plain, LEARN_S) == []
    return watch


@pytest.mark.parametrize(
    ("made", "trouble", "within_s"),
    [
        (scenes.black, BLACK, 5.0),
        (scenes.washed, WASHED_OUT, 5.0),
        (scenes.blurred, BLURRED, 5.0),
        (scenes.covered, COVERED, 10.0),
        (scenes.sprayed, COVERED, 10.0),
        (scenes.moved, MOVED, 10.0),
        (scenes.turned, MOVED, 10.0),
    ],
)
def test_each_trouble_is_told_in_its_time_and_stands_until_the_view_is_back(
    watch: Watch, made: Made, trouble: str, within_s: float
) -> None:
    ((told_s, told),) = watch.see(made, 15.0)
    assert told == trouble
    assert told_s <= within_s - 0.5, "half a second is for the way to the reading"
    ((back_s, nothing),) = watch.see(plain, 4.0)
    assert nothing == ""
    assert back_s <= 2.5


def test_frozen(watch: Watch) -> None:
    ((told_s, told),) = watch.see(plain, 5.0, repeats=True)
    assert (told, told_s <= 4.5) == (FROZEN, True)
    assert [what for _, what in watch.see(plain, 3.0)] == [""]


def test_a_picture_that_is_black_and_stands_still_is_black(watch: Watch) -> None:
    assert [what for _, what in watch.see(scenes.black, 6.0, repeats=True)] == [BLACK]


@pytest.mark.parametrize(
    ("made", "noise"),
    [
        (scenes.night, 10.0),
        (scenes.dim, 6.0),
        (scenes.fog, 4.0),
        (scenes.rain, 3.0),
        (scenes.snow, 4.0),
        (scenes.headlights, 6.0),
        (scenes.bus, 3.0),
        (scenes.crowd, 3.0),
        (scenes.pole_in_the_wind, 3.0),
    ],
)
def test_what_is_no_trouble(watch: Watch, made: Made, noise: float) -> None:
    assert watch.see(made, 14.0, noise) == []
    assert watch.see(plain, 3.0) == []


def test_the_lamp_goes_on_and_off(watch: Watch) -> None:
    for _ in range(4):
        assert watch.see(scenes.dim, 3.0, 6.0) + watch.see(plain, 3.0) == []


def test_a_lens_covered_at_night_is_not_taken_for_the_night(watch: Watch) -> None:
    assert watch.see(scenes.night, 14.0, 8.0) == []
    ((_, told),) = watch.see(scenes.black_bag, 10.0, 8.0)
    assert told in (COVERED, BLACK)
    assert [what for _, what in watch.see(scenes.night, 3.0, 8.0)] == [""]


def test_what_is_seen_in_trouble_is_never_learned(watch: Watch) -> None:
    watch.see(scenes.covered, 30.0)
    views = watch.sight.views
    assert watch.see(scenes.covered, 10.0) == []
    assert watch.sight.trouble == COVERED
    assert watch.sight.views is views


def test_a_restart_does_not_make_a_covered_lens_the_view(watch: Watch) -> None:
    after = Watch(watch.sight.views)
    assert [what for _, what in after.see(scenes.covered, 10.0)] == [COVERED]


def test_a_technician_accepts_the_new_view(watch: Watch) -> None:
    watch.see(scenes.moved, 10.0)
    watch.sight.accept()
    assert watch.see(scenes.moved, 14.0) == []
    assert [what for _, what in watch.see(plain, 14.0)] == [MOVED]


def test_a_view_without_any_structure_is_not_learned() -> None:
    watch = Watch()
    assert [what for _, what in watch.see(scenes.covered, 10.0)] == [COVERED]
    assert watch.sight.views == Views()
    assert [what for _, what in watch.see(plain, 4.0)] == [""]


def test_a_pause_in_the_pictures_counts_for_nothing(watch: Watch) -> None:
    watch.see(scenes.covered, 5.0)
    watch.now_s += 60.0
    assert watch.see(plain, 3.0) == []
    assert watch.see(scenes.covered, 5.0) == [], "the view was back: what was before is over"


def test_a_pause_is_no_way_to_hide_a_covered_lens(watch: Watch) -> None:
    """What held before a pause and holds after it goes on; the pause alone never makes it last long enough."""
    watch.see(scenes.covered, 4.0)
    watch.now_s += 60.0
    assert watch.see(scenes.covered, 2.0) == []
    assert [what for _, what in watch.see(scenes.covered, 4.0)] == [COVERED]


@pytest.mark.parametrize(("made", "trouble"), [(scenes.covered, COVERED), (scenes.black, BLACK), (scenes.turned, MOVED)])
def test_a_stream_that_comes_and_goes(watch: Watch, made: Made, trouble: str) -> None:
    told = []
    for _ in range(6):
        told += watch.see(made, 3.0)
        watch.now_s += 3.0
    assert [what for _, what in told] == [trouble]


def test_a_clock_that_is_set_back_again_and_again(watch: Watch) -> None:
    told = []
    for _ in range(6):
        told += watch.see(scenes.covered, 3.0)
        watch.now_s -= 10.0
    assert [what for _, what in told] == [COVERED]


def test_a_picture_each_third_second_is_no_pause_where_none_else_was_asked_for() -> None:
    for gap_s, told in ((2.0, ""), (3.0, BLACK)):
        sight = Sight(gap_s=gap_s)
        for number in range(40):
            picture = still_shot(plain if number < 20 else scenes.black, 3.0, 0)
            sight.judge(picture[:360], picture[360:], 1000.0 + 2.5 * number, 0.0)
        assert sight.trouble == told


def test_the_same_view_in_another_size(watch: Watch) -> None:
    for _ in range(25):
        watch.now_s += 0.2
        i420 = shot(gate())
        luma = np.repeat(np.repeat(i420[:360], 2, axis=0), 2, axis=1)
        assert watch.sight.judge(luma, i420[360:], watch.now_s, 0.0) == ""
