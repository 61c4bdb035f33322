"""Tells systemd that the daemon is ready, and feeds its watchdog only while real progress is made.

Progress means: every line has completed an attempt of any kind (answer, time-out, port error) and the journal's
thread has answered (a commit or a refusal). A cut cable or a full disk does not reboot the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

from gateway.bus.line import Line
from gateway.journal.store import Batch
from gateway.journal.writer import Writer

log = logging.getLogger(__name__)

LINE_DEADLINE_S = 45.0  # the longest connect time-out that a site file may set, with margin
JOURNAL_DEADLINE_S = 10.0


def notify(text: str) -> None:
    """Send one line to systemd (sd_notify protocol); nothing happens where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.sendto(text.encode(), address)
        except OSError as error:
            log.warning("systemd could not be told %r: %s", text.split("\n")[0], error)


def period_s() -> float | None:
    """How often to feed the watchdog: half of what systemd asks for, None without one."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() and int(microseconds) else None


class Watchdog:
    """Looks for progress. stalled() names what makes none, or is empty."""

    def __init__(self, lines: dict[str, Line], writer: Writer, now: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._writer = writer
        self._now = now
        self._began_s = now()

    def stalled(self) -> str:
        """What has made no progress within its deadline."""
        now_s = self._now()
        for name, line in self._lines.items():
            last_s = max(line.counters.last_attempt_s, self._began_s)
            if now_s - last_s > LINE_DEADLINE_S:
                return f"line {name} has completed no attempt for {now_s - last_s:.0f} s"
        if not self._writer.alive():
            return "the journal's thread has ended"
        if now_s - self._writer.counts.last_answer_s > JOURNAL_DEADLINE_S:
            return f"the journal has not answered for {now_s - self._writer.counts.last_answer_s:.0f} s"
        return ""

    async def run(self) -> None:
        """Ask the journal for a sign of life, and feed systemd while there is progress."""
        feed_s = period_s()
        told = ""
        while True:
            self._writer.submit(Batch())
            await asyncio.sleep(min(feed_s or 2.0, 2.0))
            stalled = self.stalled()
            if stalled and stalled != told:
                log.error("no progress: %s", stalled)
            told = stalled
            if not stalled and feed_s is not None:
                notify("WATCHDOG=1")
