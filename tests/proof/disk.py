"""A power cut without a power cut: an ext4 image on a loop device, copied while its writer stands still.

The copy is the disk as the kernel had written it at that moment; what only sat in the page cache is missing, as after a real cut.
Needs root and a loop device; skips where they are not to be had.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

IMAGE_BYTES = 192 * 1024 * 1024


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount an ext4 image; commit=60 keeps the kernel from syncing by itself during the test."""
    folder.mkdir()
    done = subprocess.run(["mount", "-o", "loop,commit=60", str(image), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def new_disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """(image file, folder where it is mounted), empty."""
    if os.geteuid() != 0:
        pytest.skip("a power cut needs root: loop devices and mount")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(image, tmp_path / "disk") as folder:
        yield image, folder


def cut(image: Path) -> Path:
    """The image as it is on the medium now; its writer must stand still (SIGSTOP)."""
    copy = image.with_name("cut.img")
    subprocess.run(["cp", "--sparse=always", str(image), str(copy)], check=True)
    return copy
