"""[plan]: the drawing must be one that can be shown, and what is on it must be there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.plan_file import PNG, SVG, PlanRefused, height_ratio, read_plan
from gateway.config.settings import ConfigRefused

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
DEMO = EXAMPLES / "demo-school.toml"
PLAN = EXAMPLES / "demo-plan.svg"


def png(width: int, height: int) -> bytes:
    """The beginning of a PNG: signature and size."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"


def refusal(folder: Path, old: str, new: str) -> list[str]:
    """What is said of the demo's site file after one change."""
    text = DEMO.read_text(encoding="utf-8")
    assert old in text
    (folder / "site.toml").write_text(text.replace(old, new), encoding="utf-8")
    shutil.copy(PLAN, folder)
    with pytest.raises(ConfigRefused) as refused:
        load_site(folder / "site.toml")
    return [f"{problem.key}: {problem.text}" for problem in refused.value.problems]


def test_the_demo_has_a_plan_with_points_and_a_camera_on_it() -> None:
    plan = load_site(DEMO).site.plan
    assert plan is not None
    assert {"panic-gatehouse", "gate-camera"} <= plan.at.keys()
    assert height_ratio(*read_plan(PLAN)) == pytest.approx(0.47)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("panic-gatehouse = [0.2, 0.79]", "panik-gatehouse = [0.2, 0.79]", 'did you mean "panic-gatehouse"?'),
        ("panic-gatehouse = [0.2, 0.79]", "panic-gatehouse = [1.2, 0.79]", "at most 1"),
        ('file = "demo-plan.svg"', 'file = "gone.svg"', "plan.file: "),
        ('file = "demo-plan.svg"', 'file = "site.toml"', "neither SVG nor PNG"),
    ],
)
def test_what_is_wrong_is_said_at_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    (told,) = refusal(tmp_path, old, new)
    assert said in told
    assert told.startswith("plan.")


@pytest.mark.parametrize(
    ("content", "media_type", "ratio"),
    [
        (b'<?xml version="1.0"?>\n<svg xmlns="x" viewBox="0 0 200 100">', SVG, 0.5),
        (b"<svg viewBox='-10,-10, 1e3 ,500'/>", SVG, 0.5),
        (png(640, 480), PNG, 0.75),
    ],
)
def test_the_size_is_read_from_the_drawing(tmp_path: Path, content: bytes, media_type: str, ratio: float) -> None:
    (tmp_path / "plan").write_bytes(content)
    assert read_plan(tmp_path / "plan") == (content, media_type)
    assert height_ratio(content, media_type) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'<svg width="200" height="100">', SVG),
        (b'<svg viewBox="0 0 ... 1">', SVG),
        (b'<svg viewBox="0 0 0 100">', SVG),
        (b'<svg viewBox="0 0 10000 1">', SVG),
        (png(0, 10), PNG),
        (png(1, 1)[:16], PNG),
    ],
)
def test_a_drawing_without_a_usable_size_is_refused(content: bytes, media_type: str) -> None:
    with pytest.raises(PlanRefused):
        height_ratio(content, media_type)


def test_a_drawing_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "plan.png").open("wb") as file:
        file.write(png(10, 10))
        file.truncate(4_000_001)
    with pytest.raises(PlanRefused, match="larger than 4 MB"):
        read_plan(tmp_path / "plan.png")
