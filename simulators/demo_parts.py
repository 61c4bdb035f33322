"""The demo's processes: each a program of its own, with a log, on a leash."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from simulators.broker import LOOPBACK, Broker
from simulators.errors import SimError
from simulators.leash import Leashed

LAST_LINES = 15
LOOK_EVERY_S = 0.05
ANSWER_S = 10.0


class Part:
    """One program, `python -m MODULE ...`; its output goes to `log`."""

    def __init__(self, name: str, folder: Path, module: str, *arguments: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._read_bytes = 0
        self._process = Leashed([sys.executable, "-u", "-m", module, *arguments], self.log)

    def check(self) -> None:
        """SimError with its last words when it has ended."""
        if not self._process.running:
            raise SimError(f"{self.name} ended early. {last_words(self.log)}")

    def lines(self) -> Iterator[str]:
        """Whole lines that it has written since the last look."""
        with self.log.open("rb") as file:
            file.seek(self._read_bytes)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self._read_bytes += len(raw)
                yield raw.decode("utf-8", "replace").rstrip("\n")

    def stop(self) -> None:
        """End it in good order."""
        self._process.stop()


class Parts:
    """All processes of one demo; stopped in the opposite order, whatever happens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[Part] = []
        self.broker: Broker | None = None

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        for part in reversed(self._parts):
            part.stop()
        if self.broker is not None:
            self.broker.stop()

    def start(self, name: str, module: str, *arguments: str) -> Part:
        """Start one more program."""
        part = Part(name, self._folder, module, *arguments)
        self._parts.append(part)
        return part

    def start_broker(self, port: int) -> Broker:
        """Start the broker; it is not watched, since the story kills it."""
        self.broker = Broker("nats", port, self._folder / "broker")
        self.broker.folder.mkdir(exist_ok=True)
        self.broker.start()
        return self.broker

    async def guard(self) -> None:
        """Until one of them ends; then SimError says which, with its last words."""
        while True:
            for part in self._parts:
                part.check()
            await asyncio.sleep(4 * LOOK_EVERY_S)


async def run(module: str, *arguments: str) -> str:
    """Standard output of a program that ends by itself; SimError with its last words when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise SimError(f"{module} {' '.join(arguments)} failed: {err.decode('utf-8', 'replace').strip()}")
    return out.decode("utf-8")


async def post(port: int, path: str, body: Mapping[str, Any]) -> int:
    """POST to the simulated school; gives `at_ns`, the CLOCK_MONOTONIC time of the change."""
    return await asyncio.to_thread(_post, port, path, json.dumps(body).encode())


def _post(port: int, path: str, body: bytes) -> int:
    link = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_S)
    try:
        link.request("POST", path, body, {"Content-Type": "application/json"})
        answer = link.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise SimError(f"the school refused POST {path}: {answer.status} {text.decode('utf-8', 'replace')}")
        return int(json.loads(text)["at_ns"])
    except (OSError, http.client.HTTPException, ValueError, KeyError) as problem:
        raise SimError(f"the school did not do POST {path}: {problem!r}") from None
    finally:
        link.close()


def last_words(log: Path) -> str:
    """The end of a log, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.path.getsize(log) - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()[-LAST_LINES:]
    except OSError:
        lines = []
    return "Its last lines:\n  " + "\n  ".join(lines) if lines else "It said nothing."
