"""Who listens to a fleet: the linkage centre itself, which answers, or a mere ear. Both note what arrived, and when."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiomqtt

from simulators.centre.keys import make_key
from simulators.errors import SimError
from simulators.leash import __file__ as leash_file

PREFIX = "campus/v1"
READY_WITHIN_S = 30.0
LINE_LIMIT_BYTES = 1 << 20  # one line of the centre: an event and what is said about it
RECIPIENT = "police"


class FarEnd(Protocol):
    """arrived: event id -> CLOCK_MONOTONIC in ns of its first arrival. repeats: how often one came again. bad: what was not believed."""

    arrived: dict[str, int]
    repeats: int
    bad: list[str]

    async def run(self) -> None:
        """Listen until cancelled. SimError when it cannot."""
        ...

    async def ready(self) -> None:
        """It hears everything from now on."""
        ...


class Ear:
    """A session that lasts at one broker, and answers nothing."""

    def __init__(self, url: str) -> None:
        self.arrived: dict[str, int] = {}
        self.repeats = 0
        self.bad: list[str] = []
        self._url = urlsplit(url)
        self._ready = asyncio.Event()

    async def ready(self) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            await self._ready.wait()

    async def run(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                await self._listen()
            await asyncio.sleep(random.uniform(0.1, 1.0))

    async def _listen(self) -> None:
        host, port = self._url.hostname or "", self._url.port or 1883
        async with aiomqtt.Client(host, port, identifier="fleet-ear", clean_session=False, timeout=READY_WITHIN_S) as client:
            await client.subscribe(f"{PREFIX}/+/+/event/+", qos=1)
            self._ready.set()
            async for message in client.messages:
                self._take(message.payload)

    def _take(self, payload: object) -> None:
        name = json.loads(payload if isinstance(payload, bytes) else b"")["id"]
        if name in self.arrived:
            self.repeats += 1
        else:
            self.arrived[name] = time.monotonic_ns()


class Centre:
    """`campus-centre run` as a program of its own: verifies, keeps, receipts. trusted: {source, kid, x} of each gateway."""

    def __init__(self, url: str, folder: Path, trusted: list[dict[str, str]]) -> None:
        self.arrived: dict[str, int] = {}
        self.repeats = 0
        self.bad: list[str] = []
        self._folder = folder
        self._url = url
        self._ready = asyncio.Event()
        self.key = make_key(folder / "centre.jwk", RECIPIENT)
        (folder / "trust.json").write_text(json.dumps({"keys": trusted}), encoding="utf-8")

    async def ready(self) -> None:
        async with asyncio.timeout(READY_WITHIN_S):
            await self._ready.wait()

    async def run(self) -> None:
        files = [f"--{name}={self._folder / file}" for name, file in (("key", "centre.jwk"), ("trust", "trust.json"), ("db", "centre.db"))]
        words = ["-m", "simulators.centre", "run", "--url", self._url, "--protocol", "3.1.1", "--prefix", PREFIX, "--json", *files]
        leash = [sys.executable, "-I", "-S", leash_file, sys.executable]  # what it says comes out of the leash's standard error
        process = await asyncio.create_subprocess_exec(*leash, *words, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, limit=LINE_LIMIT_BYTES)
        try:
            await self._read(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def _read(self, process: Process) -> None:
        assert process.stderr is not None
        with (self._folder / "centre.log").open("wb") as log:
            async for line in process.stderr:
                if line.startswith(b"{"):
                    self._take(json.loads(line))
                else:
                    log.write(line)
                    log.flush()
        raise SimError(f"the centre ended: see {self._folder / 'centre.log'}")

    def _take(self, told: dict[str, object]) -> None:
        match told["kind"]:
            case "online":
                self._ready.set()
            case "event" if told["standing"] == "new":
                self.arrived[str(told["id"])] = int(str(told["arrived_monotonic_ns"]))
            case "event" if told["standing"] == "resend":
                self.repeats += 1
            case "event" | "bad":
                self.bad.append(f"{told['source']}: {told['problem']}")
            case "gap":
                self.bad.append(f"{told['source']}: a gap from {told['first']} to {told['last']}")
            case _:
                pass
