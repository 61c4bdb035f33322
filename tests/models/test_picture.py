"""Geometry and normalisation of the network's input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import Colour
from models.picture import Fit, Letterbox, Mode, cut, region_around

BGR = Colour(order="BGR", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))


@pytest.mark.parametrize(
    ("source", "expected"), [((640, 360), (416, 256)), ((640, 480), (416, 320)), ((512, 512), (416, 416)), ((1920, 1080), (416, 256))]
)
def test_the_input_follows_the_camera(source: tuple[int, int], expected: tuple[int, int]) -> None:
    fit = Fit.of(*source, 416, 32)
    assert (fit.input_width, fit.input_height) == expected


@given(st.integers(64, 2000), st.integers(64, 2000), st.sampled_from([320, 416, 640]))
def test_a_box_comes_back_where_it_was(width: int, height: int, input_width: int) -> None:
    fit = Fit.of(width, height, input_width, 32)
    left, top, inner_width, inner_height = fit.inner
    assert left >= 0
    assert top >= 0
    assert left + inner_width <= fit.input_width
    assert top + inner_height <= fit.input_height
    whole = fit.to_source(np.array([[left, top, left + inner_width, top + inner_height]], np.float32))
    assert whole[0].tolist() == pytest.approx([0, 0, width, height], abs=0.01)
    outside = fit.to_source(np.array([[-500, -500, 5000, 5000]], np.float32))
    assert outside[0].tolist() == [0, 0, width, height], "boxes are cut at the picture's edges"


def test_pixels_are_normalised_in_the_order_of_the_manifest() -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:] = (10, 100, 200)
    tensor = Letterbox(Fit(64, 32, 64, 32), BGR, 114)(picture)
    assert tensor.shape == (1, 3, 32, 64)
    wanted = [(10 - 103.53) / 57.375, (100 - 116.28) / 57.12, (200 - 123.675) / 58.395]
    assert tensor[0, :, 5, 5].tolist() == pytest.approx(wanted, rel=1e-5)
    other = Letterbox(Fit(64, 32, 64, 32), BGR.model_copy(update={"order": "RGB"}), 114)(picture)
    assert other[0, 0, 5, 5] == pytest.approx((200 - 103.53) / 57.375, rel=1e-5)


def test_the_border_is_padded_and_the_picture_is_centred() -> None:
    fit = Fit(64, 16, 64, 32)
    letterbox = Letterbox(fit, BGR, 114)
    tensor = letterbox(np.full((16, 64, 3), 255, np.uint8))
    pad, white = (114 - 103.53) / 57.375, (255 - 103.53) / 57.375
    assert tensor[0, 0, :8].ravel().tolist() == pytest.approx([pad] * 8 * 64, rel=1e-5)
    assert tensor[0, 0, 8:24].ravel().tolist() == pytest.approx([white] * 16 * 64, rel=1e-5)
    assert tensor[0, 0, 24:].ravel().tolist() == pytest.approx([pad] * 8 * 64, rel=1e-5)


@pytest.mark.parametrize(
    ("mode", "inner"), [("letterbox-centre", (0, 16, 64, 32)), ("letterbox-topleft", (0, 0, 64, 32)), ("squash", (0, 0, 64, 64))]
)
def test_how_a_wide_picture_lies_in_a_square_input(mode: Mode, inner: tuple[int, int, int, int]) -> None:
    fit = Fit(128, 64, 64, 64, mode)
    assert fit.inner == inner
    left, top, width, height = inner
    whole = np.array([[left, top, left + width, top + height]], np.float32)
    assert fit.to_source(whole).tolist() == [[0, 0, 128, 64]]


def test_colours_are_scaled_before_the_mean() -> None:
    colour = Colour(order="RGB", scale="1/255", mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    bgr = np.zeros((32, 32, 3), np.uint8)
    bgr[:, :] = (255, 0, 51)  # blue 1, green 0, red 0.2
    tensor = Letterbox(Fit(32, 32, 32, 32), colour, 0)(bgr)
    assert tensor[0, :, 5, 5].tolist() == pytest.approx([-0.6, -1.0, 1.0])


def test_a_cut_is_a_view_with_its_corner() -> None:
    picture = np.arange(10 * 20 * 3, dtype=np.uint8).reshape(10, 20, 3)
    part, corner = cut(picture, (0.25, 0.5, 0.75, 1.0))
    assert corner == (5, 5)
    assert part.shape == (5, 10, 3)
    assert np.shares_memory(part, picture)
    assert np.array_equal(part, picture[5:, 5:15])


@given(st.tuples(*[st.floats(0, 1)] * 4), st.integers(1, 40), st.integers(1, 40))
def test_a_cut_is_never_empty(edges: tuple[float, float, float, float], width: int, height: int) -> None:
    left, right = sorted(edges[:2])
    top, bottom = sorted(edges[2:])
    part, (x, y) = cut(np.zeros((height, width, 3), np.uint8), (left, top, right, bottom))
    assert part.size > 0
    assert 0 <= x < width
    assert 0 <= y < height


def test_the_region_around_a_gate_has_room_for_heads() -> None:
    gate = [(0.4, 0.6), (0.6, 0.6), (0.6, 0.8), (0.4, 0.8)]
    assert region_around([gate]) == pytest.approx((0.35, 0.2, 0.65, 0.85))


@pytest.mark.parametrize(
    "polygons", [[], [[(0.1, 0.5), (0.9, 0.5), (0.9, 0.6)]], [[(0.1, 0.5), (0.2, 0.5), (0.2, 0.6)], [(0.8, 0.5), (0.9, 0.6), (0.8, 0.6)]]]
)
def test_no_region_where_there_is_no_zone_or_it_gains_nothing(polygons: list[list[tuple[float, float]]]) -> None:
    assert region_around(polygons) is None
