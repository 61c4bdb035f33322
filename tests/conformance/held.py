"""What this process holds; a line gives all of it back."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Held:
    """Numbers of open descriptors, of threads and of tasks."""

    descriptors: int
    threads: int
    tasks: int


def held() -> Held:
    """Now."""
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), len(asyncio.all_tasks()))
