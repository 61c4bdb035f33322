"""Geometry and normalisation of the network's input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import Colour
from models.picture import Fit, Letterbox

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
