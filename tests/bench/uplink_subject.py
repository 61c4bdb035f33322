"""The daemon itself, given drafts where decide() would give them: at the journal's door.

Run as `python -m tests.bench.uplink_subject SITE`. Orders are lines of JSON on standard input, answers lines on standard output.
Everything behind the door is the daemon's own, wired as it wires it: the journal's thread and file, the outbox, the uplink's session.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from gateway.config.load import load_site
from gateway.core.points import Draft, Latch, Priority
from gateway.journal.store import Batch
from gateway.runtime.daemon import Daemon
from gateway.uplink.lane import Entry
from tests.bench.journal import MIX, draft

GAP_S = (0.005, 0.025)
POINT = "panic-gatehouse"


class Hand:
    """Carries out the orders at one daemon whose site has no recipient: the broker's PUBACK ends delivery."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._number = 0
        self._settled = asyncio.Event()
        settle = daemon.outbox.settle

        def noted(entry: Entry, recipient: str) -> None:
            settle(entry, recipient)
            self._settled.set()

        daemon.outbox.settle = noted  # type: ignore[method-assign] # to look for it again and again would cost more than an event does

    async def obey(self) -> None:
        """Orders until the input ends."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            orders = {"ready": self.ready, "press": self.press, "events": self.events}
            sys.stdout.write(json.dumps(await orders[order.pop("op")](**order)) + "\n")
            sys.stdout.flush()

    async def ready(self) -> dict[str, Any]:
        """There is a session in which something was acknowledged, and nothing is on its way."""
        while not all(link.counts.up and link.proven for link in self._daemon.uplink.links.values()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        await self._rest()
        return {"pid": self._daemon.pid}

    async def press(self, count: int, beside_per_s: float) -> dict[str, Any]:
        """Presses one after the other: id -> CLOCK_MONOTONIC in ns of the request to commit; and what one adds to SQLite's log in bytes.

        beside_per_s: observations that are committed meanwhile; 0: each press finds the journal at rest.
        """
        asked: dict[str, int] = {}
        log = self._daemon.settings.state_dir / "journal.db-wal"
        grown: list[int] = []
        async with asyncio.TaskGroup() as tasks:
            others = tasks.create_task(self._beside(beside_per_s)) if beside_per_s else None
            for _ in range(count):
                if others is None:
                    await self._rest()
                await asyncio.sleep(random.uniform(*GAP_S))
                press, size = self._draft("alarm"), log.stat().st_size
                asked[press.id] = time.monotonic_ns()
                await self._commit([press])
                grown.append(log.stat().st_size - size)
            if others is not None:
                others.cancel()
        await self._rest()
        return {"asked": asked, "commit_bytes": max(grown)}

    async def events(self, bursts: int, size: int) -> dict[str, Any]:
        """So many bursts of events, the next once the broker has the one before; CPU seconds of this whole process."""
        drafts = [[draft(self._daemon.ids, MIX[(n + k) % len(MIX)]) for k in range(size)] for n in range(0, bursts * size, size)]
        began_s = time.process_time()
        for burst in drafts:
            await self._commit(burst)
            await self._delivered()
        await self._rest()
        return {"cpu_s": time.process_time() - began_s}

    async def _commit(self, drafts: list[Draft]) -> None:
        """As the conveyor hands over what one wake-up of the loop decided; returns once the uplink has it."""
        done = asyncio.Event()
        self._number += 1
        self._daemon.writer.submit(Batch(drafts, [Latch(POINT, {"state": "unacknowledged", "count": self._number})], (done.set,)))
        await done.wait()

    async def _delivered(self) -> None:
        """The broker has all that was committed."""
        while len(self._daemon.outbox):
            self._settled.clear()
            await self._settled.wait()

    async def _rest(self) -> None:
        """Everything is acknowledged, and that is on the disk too."""
        await self._delivered()
        self._daemon.uplink.receipts.flush()
        done = asyncio.Event()
        self._daemon.writer.submit(Batch(after=(done.set,)))
        await done.wait()

    async def _beside(self, per_s: float) -> None:
        """Other events, each asked for on its own, whether or not the one before is on the disk."""
        while True:
            await asyncio.sleep(random.expovariate(per_s))
            self._daemon.writer.submit(Batch([self._draft("observation")]))

    def _draft(self, event_class: str) -> Draft:
        made = draft(self._daemon.ids, event_class)
        return dataclasses.replace(made, priority=Priority.URGENT) if event_class == "alarm" else made


async def _serve(site: Path) -> None:
    daemon = Daemon(load_site(site), spawn_vision=False)
    async with asyncio.TaskGroup() as tasks:
        hand = tasks.create_task(Hand(daemon).obey())
        await daemon.run()
        hand.cancel()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
