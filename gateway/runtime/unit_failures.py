"""What systemd recorded of units that failed: a file each under STATE_DIR/failures, written by the units themselves (systemd/README.md).

    1795430000 watchdog killed ABRT        Unix time, result, exit code, exit status

The record of a timer's service goes with its next success. Those of the processes that run for ever go after an hour without another one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.runtime.findings import Finding, soon, wrong

FOLDER = "failures"
RUN_FOR_EVER = ("campus-gateway", "campus-vision", "campus-console")
STANDS_S = 3600.0
LOOK_S = 10.0
MOST_WORDS = 80
DROP_IN = "/usr/share/doc/campus-gateway/drop-ins/other-time-service.conf"


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of one unit. at_s: Unix time; words: result, exit code and status as systemd names them."""

    unit: str
    at_s: float
    words: str


def failures(state_dir: Path) -> list[Failure]:
    """Of each unit that failed, by name. None where the folder cannot be read."""
    found = []
    with suppress(OSError):
        for path in sorted((state_dir / FOLDER).iterdir()):
            with suppress(OSError):
                words = path.read_text(encoding="utf-8", errors="replace").split(None, 1)
                found.append(Failure(path.name, path.stat().st_mtime, " ".join(words[1].split())[:MOST_WORDS] if len(words) > 1 else ""))
    return found


def standing(state_dir: Path, at_s: float) -> list[Failure]:
    """Those that still count; the files of others are removed. at_s: Unix time."""
    found = []
    for failure in failures(state_dir):
        if failure.unit in RUN_FOR_EVER and abs(at_s - failure.at_s) > STANDS_S:
            with suppress(OSError):
                (state_dir / FOLDER / failure.unit).unlink()
        else:
            found.append(failure)
    return found


async def watch(state_dir: Path, fault: Callable[[bool, str], None]) -> None:
    """Until cancelled: fault(active, reason) at each change."""
    told: list[Failure] | None = None
    while True:
        found = await asyncio.to_thread(standing, state_dir, time.time())
        if found != told:
            told = found
            fault(bool(found), "; ".join(f"{failure.unit}: {failure.words}" for failure in found))
        await asyncio.sleep(LOOK_S)


def judge_units(state_dir: Path, clock: str, daemon_clock: str) -> Iterator[Finding]:
    """For `doctor`. clock: quality as seen from here; daemon_clock: as the running daemon sees it, '' while it does not answer."""
    for failure in failures(state_dir):
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(failure.at_s))
        log = f"journalctl -u {failure.unit}"
        make = soon if failure.unit in RUN_FOR_EVER and daemon_clock else wrong
        yield make(
            failure.unit, f"系统服务于 {at} 失败：{failure.words}", f"this unit failed at {at}: {failure.words}", f"查看日志：{log}", log
        )
    if clock == "synchronised" and daemon_clock == "holdover":
        yield soon(
            "clock",
            "时钟已同步，但守护进程无权得知（chrony 或 ntpd）",
            "the clock is synchronised, and the daemon may not know it: it goes by systemd-timesyncd",
            f"安装 {DROP_IN}（见其说明）",
            f"install {DROP_IN} as it says itself",
        )
