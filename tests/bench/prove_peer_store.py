"""One store in a process of its own, put to the same proof as its peer: it takes numbers at a steady rate, or gives back what it holds.

    python -m tests.bench.prove_peer_store ours put FOLDER FIRST
        says "ready", waits for a line, then says "NUMBER MICROSECONDS" for each number that the store has taken
    python -m tests.bench.prove_peer_store ours give FOLDER
        says each number that comes out, then "end"

The peer's own Python runs this file by its path, so here nothing but the standard library is imported at the top. SIGTERM while it
puts stops the store in good order.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

PER_S = 20.0  # as the field is pressed
EMPTY_WITHIN_S = 60.0
PAGE = 500
TEXT = {"zh": "一键报警：门卫室" * 6, "en": "One-key alarm: gatehouse " * 6}  # so that an event has about its usual size


class Store(Protocol):
    """What is put to the proof."""

    def put(self, number: int) -> bool:
        """Take one event; True when the caller is told that the store has it."""

    def give(self) -> Iterator[int]:
        """Everything it holds, through its own interface, each page settled before the next."""

    def stop(self) -> None:
        """An orderly end."""


class Ours:
    """The journal: it has an event when its commit has come back."""

    def __init__(self, folder: Path) -> None:
        from gateway.core.ids import EventIds
        from gateway.journal.reader import Reader
        from gateway.journal.writer import Writer
        from tests.bench.journal import opened

        self._ids = EventIds()
        self._committed = threading.Event()
        self._writer = Writer(opened(folder), lambda _: self._committed.set(), lambda _: None)
        self._reader = Reader(folder)
        self._writer.start()

    def put(self, number: int) -> bool:
        from dataclasses import replace

        from gateway.journal.store import Batch
        from tests.bench.journal import draft

        event = draft(self._ids, "alarm")
        self._committed.clear()
        self._writer.submit(Batch([replace(event, data=event.data | {"number": number})]))
        self._committed.wait()
        return True

    def give(self) -> Iterator[int]:
        from gateway.core.delivery import RECEIVED, Settlement

        after = 0
        while page := asyncio.run(self._reader.owed(after, PAGE)):
            bodies = asyncio.run(self._reader.bodies([owed.row for owed in page]))
            for owed in page:
                data = json.loads(bodies[owed.row][1])["data"]
                if "number" in data:
                    yield data["number"]
            self._writer.settle([Settlement(owed.row, name, RECEIVED, 1) for owed in page for name in owed.recipients])
            after = page[-1].row

    def stop(self) -> None:
        self._writer.stop()


class Thingsboard:
    """SQLiteEventStorage of thingsboard-gateway with its default settings: it has an event when put() returns True."""

    def __init__(self, folder: Path) -> None:
        logging.setLoggerClass(importlib.import_module("thingsboard_gateway.tb_utility.tb_logger").TbLogger)
        log = logging.getLogger("storage")
        log.setLevel("ERROR")
        storage = importlib.import_module("thingsboard_gateway.storage.sqlite.sqlite_event_storage").SQLiteEventStorage
        settings = {"data_file_path": f"{folder}/", "messages_ttl_check_in_hours": 1, "messages_ttl_in_days": 7}
        self._store: Any = storage(settings, log, threading.Event())

    def put(self, number: int) -> bool:
        values = {"alarm": True, "number": number, "text": TEXT}
        telemetry = [{"ts": time.time_ns() // 1_000_000, "values": values}]
        event = {"deviceName": "panic-gatehouse", "deviceType": "default", "telemetry": telemetry}
        return bool(self._store.put(json.dumps(event)))

    def give(self) -> Iterator[int]:
        end_s = time.monotonic() + EMPTY_WITHIN_S
        while time.monotonic() < end_s:
            pack = self._store.get_event_pack()
            for event in pack:
                yield json.loads(event)["telemetry"][0]["values"]["number"]
            if pack:
                self._store.event_pack_processing_done()
            elif not self._store.len():
                return
            else:
                time.sleep(0.05)  # its own sender asks as often

    def stop(self) -> None:
        self._store.stop()


STORES = {"ours": Ours, "thingsboard": Thingsboard}


def put(store: Store, first: int) -> None:
    """Numbers from `first` on until SIGTERM; what the store has taken is said at once, and unbuffered: who hears it will count on it."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    _say("ready")
    if not sys.stdin.readline():
        return  # who would have said "go" is gone
    number, due_s = first, time.monotonic()
    while not stopped.is_set():
        began_s = time.perf_counter()
        if store.put(number):
            _say(f"{number} {(time.perf_counter() - began_s) * 1e6:.0f}")
        number += 1
        due_s += 1 / PER_S
        stopped.wait(max(0.0, due_s - time.monotonic()))
    store.stop()


def main(words: list[str]) -> int:
    """0 when done."""
    kind, work, folder = words[:3]
    store: Store = STORES[kind](Path(folder))
    if work == "put":
        put(store, int(words[3]))
        return 0
    for number in store.give():
        _say(str(number))
    store.stop()
    _say("end")
    return 0


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
