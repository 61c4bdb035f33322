"""What stands around a gateway besides the field: the way to the broker, the broker, the clock and the disk. Each of them is optional.

The broker is one of our own (nats or mosquitto) or somebody's; the ways to it are proxies at the addresses where the site file's
`uplink.paths` look for it, so that the gateway needs no other site file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from simulators.broker import KINDS, Broker
from simulators.broker import Kind as BrokerKind
from simulators.clock import FakeClock
from simulators.disk import Disk
from simulators.errors import SimError
from simulators.network import LOOPBACK, Link
from simulators.site import PathPlan

ALLOW_ALL = "topic readwrite #\n"
DEFAULT_LINK = "broker"
HOSTS_HERE = ("127.0.0.1", "localhost")


class OwnBroker:
    """A broker of our own, and what can happen to it. Blocking calls run in a thread."""

    def __init__(self, kind: BrokerKind, folder: Path) -> None:
        self._acl = folder / "acl"
        self._acl.write_text(ALLOW_ALL, encoding="ascii")
        self.broker = Broker(kind, dir=folder, extra=f"acl_file {self._acl}" if kind == "mosquitto" else "")

    async def start(self) -> None:
        await asyncio.to_thread(self.broker.start)

    async def begin(self, kind: str, options: Mapping[str, Any]) -> None:
        """One trouble. ValueError where this broker cannot have it."""
        if kind in ("hang", "refuse-publish") and not self.broker.running:
            raise ValueError("the broker is down: start it first")
        match kind:
            case "kill":
                await asyncio.to_thread(self.broker.kill)
            case "stop":
                await asyncio.to_thread(self.broker.stop)
            case "restart":
                await asyncio.to_thread(self.broker.restart)
            case "hang":
                self._signal(signal.SIGSTOP)
            case "refuse-publish":
                if self.broker.kind != "mosquitto":
                    raise ValueError("nats speaks MQTT 3.1.1, in which a broker cannot refuse a publish: use --broker mosquitto")
                self._allow(f"topic deny {options['topic']}\ntopic read {options['topic']}\n" + ALLOW_ALL)

    async def end(self, kind: str) -> None:
        """That trouble is over."""
        match kind:
            case "kill" | "stop":
                await self.start()
            case "hang":
                self._signal(signal.SIGCONT)
            case "refuse-publish":
                self._allow(ALLOW_ALL)

    async def stop(self) -> None:
        """Ends it and what is left of it."""
        self._signal(signal.SIGCONT)
        await asyncio.to_thread(self.broker.close)

    def _allow(self, lines: str) -> None:
        self._acl.write_text(lines, encoding="utf-8")
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        if self.broker.running and self.broker.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.broker.pid, number)


class Surroundings:
    """broker: `nats`, `mosquitto` (one of our own), `mqtt://HOST:PORT` or `mqtts://HOST:PORT` (somebody's), empty for none.

    paths: of the site file; a proxy stands at each of them that is on this machine. clock: file for FakeClock. disk: folder for Disk.
    SimError for what cannot be, here or at start().
    """

    def __init__(
        self, broker: str = "", paths: Sequence[PathPlan] = (), clock: Path | None = None, disk: Path | None = None, disk_mb: int = 64
    ) -> None:
        self.links: dict[str, Link] = {}
        self.broker: OwnBroker | None = None
        self.clock = FakeClock(clock) if clock else None
        self.disk = Disk(disk, disk_mb) if disk else None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if broker:
            target = urlsplit(broker)
            own = next((kind for kind in KINDS if kind == broker), None)
            if own is not None:
                self._folder = tempfile.TemporaryDirectory(prefix="campus-broker-")
                self.broker = OwnBroker(own, Path(self._folder.name))
                target = urlsplit(self.broker.broker.url)
            elif target.scheme not in ("mqtt", "mqtts") or not target.hostname:
                raise SimError(f"--broker takes {', '.join(KINDS)} or mqtt://HOST:PORT, not {broker!r}")
            self._add_links(paths, target.hostname or LOOPBACK, target.port or (8883 if target.scheme == "mqtts" else 1883))

    def _add_links(self, paths: Sequence[PathPlan], host: str, port: int) -> None:
        for path in paths:
            url = urlsplit(path.url)
            if url.hostname not in HOSTS_HERE:
                print(f"path {path.id} has no proxy: {path.url} is not an address of this machine", file=sys.stderr, flush=True)
            elif self.broker is not None and url.scheme == "mqtts":
                print(f"path {path.id} has no broker: {path.url} wants TLS; start one and give its address", file=sys.stderr, flush=True)
            elif url.port == port and host in HOSTS_HERE:
                raise SimError(f"path {path.id} is at {path.url}, where the broker itself is: a proxy needs a port of its own")
            else:
                self.links[path.id] = Link(url.port or 1883, port, host)
        if not self.links:
            self.links[DEFAULT_LINK] = Link(0, port, host)

    async def start(self) -> None:
        """Starts all of it."""
        if self.disk is not None:
            self.disk.start()
        if self.broker is not None:
            await self.broker.start()
        for link in self.links.values():
            await link.start()

    async def stop(self) -> None:
        """Takes it down again."""
        for link in self.links.values():
            await link.stop()
        if self.broker is not None:
            await self.broker.stop()
        if self.disk is not None:
            self.disk.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def lines(self) -> list[str]:
        """What a person has to know to use it."""
        told = [f"{name}: {link.url} -> {link.target[0]}:{link.target[1]}" for name, link in self.links.items()]
        if self.clock is not None:
            told.append("clock: start the gateway with " + " ".join(f"{key}={value}" for key, value in self.clock.environment().items()))
        if self.disk is not None:
            told.append(f"disk: {self.disk.mounted_at}")
        return told
