"""The benchmark of sight: its arithmetic, its films, and one very short real run."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_site
from tests.bench.figures import Figure, table
from tests.bench.vision import EMPTY, KEPT, empty
from tests.bench.vision_cost import chain
from tests.bench.vision_hour import slope
from tests.bench.vision_panic import panic_figures
from tests.bench.vision_reel import FPS, film, packets, still
from tests.bench.vision_rig import Effort, apron, decoders, footprint, site_text, strips
from tests.bench.vision_zones import COUNTED, FALSE, NAME, ZONES, Stay, judge, runs_of, stays, told_s, zones
from tests.vision_data import need_data

TINY = Effort(reel_s=4.0, settle_s=0.5, chain_rounds=1, chain_s=3.0)
USE = {"machine_busy_cores": 1.0}


def told(zone: str, *said: tuple[float, bool, int]) -> list[tuple[float, dict[str, Any]]]:
    """Readings of a zone: seconds of the clip, occupied, count."""
    return [
        (at_s, {"point": f"seen-{zone}", "value": value, "quality": "good", "reason": "", "detail": {"count": count}})
        for at_s, value, count in said
    ]


def test_a_figure_without_a_value_is_missing_and_not_met() -> None:
    figure = Figure("vision.share", None, "share", ">= 0.95", "no clip")
    assert not figure.met
    assert "missing" in table([figure])
    assert json.dumps(figure.as_json()).count("null") == 1


def test_figures_that_need_the_labelled_pictures_say_so_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VISION_DATA", str(tmp_path))
    figures = zones(TINY, tmp_path, print).figures + empty(TINY, tmp_path, print).figures
    assert [figure.name for figure in figures] == [NAME, COUNTED, FALSE, EMPTY, KEPT]
    assert all(figure.value is None and "VISION_DATA" in figure.note for figure in figures)


def test_gaps_of_less_than_a_second_are_bridged() -> None:
    assert runs_of([0.0, 0.1, 1.0, 2.0, 2.9]) == [(0.0, 1.0), (2.0, 2.9)]


def test_an_entry_is_told_from_its_begin_until_a_second_and_a_half_after_its_confirmation() -> None:
    stay = Stay("west", 1, 10.0, 15.0)
    assert told_s(stay, 1, told("west", (9.5, True, 1))) == 10.0, "told before, and still so"
    assert told_s(stay, 1, told("west", (9.5, True, 1), (10.5, False, 0))) is None, "taken back before it was confirmed"
    assert told_s(stay, 1, told("west", (12.4, True, 1))) == 12.4
    assert told_s(stay, 1, told("west", (12.6, True, 1))) is None
    assert told_s(stay, 2, told("west", (11.0, True, 1), (12.0, True, 2))) == 12.0
    assert told_s(stay, 1, told("east", (11.0, True, 1))) is None


def test_entries_are_judged_and_false_ones_counted() -> None:
    labelled = [Stay("west", 1, 10.0, 15.0), Stay("west", 2, 12.0, 16.0), Stay("north", 3, 30.0, 31.0)]
    heard = sorted(
        told("west", (11.2, True, 1), (17.0, False, 0)) + told("east", (20.0, True, 1), (21.0, False, 0)) + told("north", (31.2, True, 1)),
        key=lambda item: item[0],
    )
    result = judge(labelled, labelled, heard, 60.0, USE, print)
    assert {figure.name: figure.value for figure in result.figures} == {NAME: 1.0, COUNTED: 0.5, FALSE: 1}
    assert "of 1 into an empty zone 1, the latest 0.20 s" in result.figures[0].note
    assert result.runs[0]["false"] == ["east at 20.0 s"]


def test_the_labels_hold_enough_entries_in_each_zone_of_the_campus() -> None:
    found = [stay for stay in stays(need_data("dev", "pets-s2l1", "gt.txt")) if stay.end_s - stay.begin_s > 2]
    assert len(found) == 45
    assert {stay.zone for stay in found} == set(ZONES)


def test_a_slope_is_found_with_its_confidence() -> None:
    chance = random.Random(1)
    moments = [float(second) for second in range(0, 1800, 2)]
    noisy = slope(moments, [100 + chance.gauss(0, 3) for _ in moments])
    assert noisy.least <= 0 <= noisy.per_hour + noisy.half
    growing = slope(moments, [100 + moment / 3600 * 20 + chance.gauss(0, 3) for moment in moments])
    assert growing.least > 10
    assert growing.per_hour == pytest.approx(20, abs=4)
    with pytest.raises(ValueError, match="blocks"):
        slope(moments[:60], moments[:60])


def test_presses_of_all_rounds_are_taken_together() -> None:
    runs = [
        {"subject": name, "delay_ms": delays, "inside_ms": [10.0] * 3, "cpu_share": 0.9, **USE}
        for name, delays in (
            ("without", [10.0, 20.0, 50.0]),
            ("with", [10.0, 20.0, 55.0]),
            ("without", [1.0, 2.0, 40.0]),
            ("with", [1.0] * 3),
        )
    ]
    assert [(figure.name, figure.value) for figure in panic_figures(runs)] == [
        ("vision.panic_delay_ratio", 1.1),
        ("vision.panic_inside_ratio", 1.0),
    ]


def test_a_film_has_a_key_picture_each_two_seconds(tmp_path: Path) -> None:
    assert film(tmp_path / "a.h264", still(2.2, size=(64, 48)), (64, 48)) == 55
    found = packets(tmp_path / "a.h264")
    assert [number for number, (_, key) in enumerate(found) if key] == [0, 2 * FPS]
    assert len(found) == 55


def test_the_site_of_the_benchmark_is_taken(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(site_text([apron("a", "rtsp://127.0.0.1/a"), strips("b", "rtsp://127.0.0.1/b")]))
    site = load_site(tmp_path / "site.toml").site
    assert [len(camera.zones) for camera in site.cameras] == [1, 8]
    assert len(site.points) == 9


def test_a_process_without_decoders_has_a_footprint(tmp_path: Path) -> None:
    assert decoders(os.getpid()) == []
    found = footprint(os.getpid())
    assert found["processes"] >= 1
    assert found["descriptors"] >= 3
    assert found["pss_mb"] > 10


@pytest.mark.slow
def test_the_chain_beside_the_bare_parts(tmp_path: Path) -> None:
    result = chain(TINY, tmp_path / "run", print)
    (run,) = result.runs
    assert run["pictures"] >= run["inferences"] > 0
    assert run["parent_s"] > 0
    assert run["child_s"] > 0
    assert all(figure.value is not None and figure.value > 0.5 for figure in result.figures)
