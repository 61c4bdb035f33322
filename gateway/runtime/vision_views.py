"""The views of cameras on the disk: what each usually sees, so that a restart does not take a covered lens for the view.

A view is no picture: its edges and its fine detail, averaged over minutes, in 180 x 320 numbers, in a file that only its owner reads.
What is masked is not in it: the process judges by the whole view, the file has flat cells there.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.core.said import about
from gateway.vision.mask import Polygon, covered
from gateway.vision.sight import Views
from gateway.vision.view import COARSE, FINE, Look, again, blanked, can_be_judged

FOLDER_NAME = "views"
ACCEPT = ".accept"
NEAR_CELLS = 2  # around a mask: the fine detail of a place holds something of what is up to 6 of its pixels, 1.5 cells, away

log = logging.getLogger(__name__)


def restore(folder: Path, camera: str) -> Views:
    """As stored; without views when there are none, or the file is damaged."""
    try:
        with np.load(io.BytesIO((folder / f"{camera}.npz").read_bytes()), allow_pickle=False) as stored:
            looks = {name: _look(stored, name) for name in ("colour", "grey") if f"{name}_plane" in stored}
    except FileNotFoundError:
        return Views()
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.error("camera %s: its stored view cannot be read and is learned anew: %s", camera, error, extra=about(camera=camera))
        return Views()
    return Views(**{name: look for name, look in looks.items() if look.blank is None or can_be_judged(look)})  # masks may leave too little


def store(folder: Path, camera: str, views: Views, masks: Sequence[Polygon] = ()) -> None:
    """Whole or not at all, and flat where masks lie. OSError is logged: the camera is judged all the same."""
    parts: dict[str, NDArray[Any]] = {}
    blank = _blank(masks)
    for name, look in (("colour", views.colour), ("grey", views.grey)):
        if look is not None:
            flat = blanked(look, blank)
            parts |= {f"{name}_plane": flat.plane, f"{name}_detail": flat.detail.astype(np.float16)}
            parts |= {f"{name}_blank": blank if flat.blank is None else flat.blank}
    body = io.BytesIO()
    np.savez(body, allow_pickle=False, **parts)
    partial = folder / f"{camera}.partial"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(body.getvalue())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / f"{camera}.npz")
    except OSError as error:
        log.error("camera %s: its view cannot be stored: %s", camera, error, extra=about(camera=camera))


def accept(folder: Path, camera: str) -> None:
    """Ask the vision process to take what the camera shows now for its view. Raises OSError.

    Asked by root, folder and file belong to the owner of the state folder: the vision process must be able to take them away.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    asked = folder / f"{camera}{ACCEPT}"
    with suppress(FileExistsError):  # asked already
        os.close(os.open(asked, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        for path in (folder, asked):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def accepted(folder: Path, camera: str) -> bool:
    """Whether somebody has asked for that; asked once, it is told once, and the stored view is gone.

    False where files cannot be read or taken away (logged once): a view is not accepted again with each picture.
    """
    asked = folder / f"{camera}{ACCEPT}"
    try:
        if not asked.exists():
            return False
        (folder / f"{camera}.npz").unlink(missing_ok=True)
        asked.unlink(missing_ok=True)
    except OSError as error:
        _say_once(camera, str(error))
        return False
    return True


@cache
def _say_once(camera: str, error: str) -> None:
    log.error("camera %s: cannot tell whether a new view is accepted: %s", camera, error, extra=about(camera=camera))


def _blank(masks: Sequence[Polygon]) -> NDArray[np.bool_]:
    """(45, 80): the cells in which, or so near to which, a mask lies that they show something of it."""
    if not masks:
        return np.zeros(COARSE[::-1], bool)
    side = 2 * NEAR_CELLS + 1
    return cv2.dilate(covered(masks, *COARSE).astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def _look(stored: Mapping[str, NDArray[Any]], name: str) -> Look:
    plane, detail, blank = (stored[f"{name}_{part}"] for part in ("plane", "detail", "blank"))
    if blank.shape != plane.shape or blank.dtype != np.bool_:
        raise ValueError(f"{name}: what is blank is {blank.dtype} of {blank.shape}")
    if plane.shape != COARSE[::-1] or detail.shape != FINE[::-1]:
        raise ValueError(f"planes of {plane.shape} and {detail.shape}; expected {COARSE[::-1]} and {FINE[::-1]}")
    return again(plane.astype(np.float32), detail.astype(np.float32), blank if blank.any() else None)
