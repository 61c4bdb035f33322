"""Heads that may leave are beyond recognition."""

from __future__ import annotations

import numpy as np

from gateway.vision.heads import blurred, head_areas


def test_the_head_is_a_few_patches_and_the_rest_stays() -> None:
    face = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    before_all = face.copy()
    box = np.array([[150.0, 0.0, 350.0, 512.0]])
    out = blurred(face, box)
    (left, top, right, bottom) = head_areas(box, 512, 512)[0]
    assert (left, top, right, bottom) == (100, 0, 400, 128)
    head, before = out[top:bottom, left:right].astype(int), face[top:bottom, left:right].astype(int)
    steps = np.abs(np.diff(head, axis=1)).max(), np.abs(np.diff(before, axis=1)).max()
    assert steps[0] * 10 < steps[1], "no edge is left"
    assert (out[bottom:] == face[bottom:]).all()
    assert (out[:, :left] == face[:, :left]).all()
    assert (face == before_all).all(), "the picture that was handed in stays as it was"


def test_who_is_cut_off_by_the_edge_shows_more_head() -> None:
    ((_, _, _, bottom),) = head_areas(np.array([[100.0, 100.0, 240.0, 300.0]]), 640, 300)
    assert bottom == 184, "0.6 of 140 px"
    ((_, _, _, bottom),) = head_areas(np.array([[0.0, 200.0, 640.0, 300.0]]), 640, 300)
    assert bottom == 300, "somebody who lies is blurred wholly"


def test_boxes_at_the_edge_and_outside() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[-20.0, -10.0, 10.0, 50.0], [90.0, 95.0, 140.0, 300.0], [200.0, 200.0, 220.0, 260.0], [5.0, 5.0, 5.0, 5.0]])
    for left, top, right, bottom in head_areas(boxes, 100, 100):
        assert 0 <= left < right <= 100
        assert 0 <= top < bottom <= 100
    assert len(head_areas(boxes, 100, 100)) == 2
    assert blurred(picture, np.zeros((0, 4))).shape == picture.shape
