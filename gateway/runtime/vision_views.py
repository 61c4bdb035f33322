"""The views of cameras on the disk: what each usually sees, so that a restart does not take a covered lens for the view.

A view is no picture: its edges and its fine detail, averaged over minutes, in 180 x 320 numbers, in a file that only its owner reads.
"""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gateway.vision.sight import Views
from gateway.vision.view import COARSE, FINE, Look, again

FOLDER_NAME = "views"
ACCEPT = ".accept"

log = logging.getLogger(__name__)


def restore(folder: Path, camera: str) -> Views:
    """As stored; without views when there are none, or the file is damaged."""
    try:
        with np.load(io.BytesIO((folder / f"{camera}.npz").read_bytes()), allow_pickle=False) as stored:
            looks = {
                name: _look(stored[f"{name}_plane"], stored[f"{name}_detail"]) for name in ("colour", "grey") if f"{name}_plane" in stored
            }
    except FileNotFoundError:
        return Views()
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        log.error("camera %s: its stored view cannot be read and is learned anew: %s", camera, error)
        return Views()
    return Views(**looks)


def store(folder: Path, camera: str, views: Views) -> None:
    """Whole or not at all. OSError is logged: the camera is judged all the same."""
    parts: dict[str, NDArray[Any]] = {}
    for name, look in (("colour", views.colour), ("grey", views.grey)):
        if look is not None:
            parts |= {f"{name}_plane": look.plane, f"{name}_detail": look.detail.astype(np.float16)}
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
        log.error("camera %s: its view cannot be stored: %s", camera, error)


def accept(folder: Path, camera: str) -> None:
    """Ask the vision process to take what the camera shows now for its view. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{camera}{ACCEPT}").touch(0o600)


def accepted(folder: Path, camera: str) -> bool:
    """Whether somebody has asked for that; asked once, it is told once, and the stored view is gone."""
    asked = folder / f"{camera}{ACCEPT}"
    if not asked.exists():
        return False
    (folder / f"{camera}.npz").unlink(missing_ok=True)
    asked.unlink(missing_ok=True)
    return True


def _look(plane: NDArray[Any], detail: NDArray[Any]) -> Look:
    if plane.shape != COARSE[::-1] or detail.shape != FINE[::-1]:
        raise ValueError(f"planes of {plane.shape} and {detail.shape}; expected {COARSE[::-1]} and {FINE[::-1]}")
    return again(plane.astype(np.float32), detail.astype(np.float32))
