"""A gateway among real parts: a broker, a simulated school, the daemon and the centre, each a process of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.broker import free_port

READY_S = 20.0
PROFILES = Path(__file__).parent / "profiles"


def wait_for(condition: Callable[[], Any], what: str, within_s: float = READY_S) -> Any:
    """Poll until the condition holds; its value. Fails with `what` after `within_s`."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise AssertionError(f"not within {within_s:.0f} s: {what}")
        time.sleep(0.02)


class Program:
    """One child process with its output in a file; ends with the test."""

    def __init__(self, log: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.log = log
        self._arguments = [sys.executable, "-m", *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Program:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self._arguments, stdout=out, stderr=subprocess.STDOUT, env=self._environment, start_new_session=True
            )
        return self

    def kill(self) -> None:
        """SIGKILL, and nothing else."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self._arguments[2]} did not end on SIGTERM; its last words:\n{self.tail()}") from None
        return self.process.returncode

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Rig:
    """Folder, ports and programs of one run."""

    folder: Path
    site: Path
    gateway: Program
    school: Program | None = None
    centre: Program | None = None
    http: int = 0
    programs: list[Program] = field(default_factory=list)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request to the simulated school."""
        return _request(self.http, "POST", path, body)

    def get(self, path: str) -> dict[str, Any]:
        return _request(self.http, "GET", path, None)

    def delete(self, path: str) -> dict[str, Any]:
        return _request(self.http, "DELETE", path, None)

    def events(self) -> list[dict[str, Any]]:
        """What the centre has received so far, resends included."""
        return [line for line in self.centre_lines() if line["kind"] == "event"]

    def centre_lines(self) -> list[dict[str, Any]]:
        assert self.centre is not None
        lines = self.centre.log.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"\n")]

    def status(self) -> dict[str, Any]:
        """Answer of `campus-gateway status`; empty while the daemon is not up."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "status", "--config", str(self.site), "--json"], capture_output=True, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def metric(self, name: str) -> dict[str, float]:
        """Samples of one metric by their label text."""
        url = self.status()["metrics"]
        host = url.split("/")[2]
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        out = {}
        for line in text.splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                labels, _, value = line[len(name) :].rpartition(" ")
                out[labels] = float(value)
        return out

    def faults(self) -> set[str]:
        """Local faults whose cause is there now, as point/alarm."""
        return {item["alarm"] for item in self.status().get("faults", []) if item["state"] in ("unacknowledged", "acknowledged")}

    def journal(self, query: str) -> list[tuple[Any, ...]]:
        """Read the journal file directly."""
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/state/journal.db?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(query).fetchall()

    def report(self) -> dict[str, Any]:
        """The centre's own account of this gateway."""
        done = subprocess.run(
            [sys.executable, "-m", "simulators.centre", "report", "--db", str(self.folder / "centre.db"), "--json"],
            capture_output=True,
            check=True,
        )
        return next(iter(json.loads(done.stdout)["gateways"].values()))


def _request(port: int, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, f"{method} {path}: {answer.status} {text.decode()}"
        return json.loads(text)
    finally:
        connection.close()


@contextlib.contextmanager
def rig(
    folder: Path,
    broker_url: str,
    field_text: str,
    *,
    protocol: str = "3.1.1",
    uplink: str = "",
    path: str = "",
    second: str = "",
    key: str = "",
    centre: tuple[str, ...] | None = (),
    environment: dict[str, str] | None = None,
    school: bool = True,
) -> Iterator[Rig]:
    """A running gateway with its field and centre. field_text: buses, devices and points in TOML.

    uplink, path, key: further keys of [uplink], of its path and of the centre's key. second: another path, as a TOML table.
    centre: further arguments of `campus-centre run`, None for no centre.
    """
    centre_key = folder / "centre.jwk"
    made = subprocess.run(
        [sys.executable, "-m", "simulators.centre", "keygen", "--id", "police", str(centre_key)], capture_output=True, check=True
    )
    public = _public(made.stdout, centre_key)
    site = folder / "site.toml"
    _profiles(folder)
    site.write_text(
        f"""schema = 1
profile_dirs = ["profiles"]
[site]
id = "proof-school"
name = "验证学校"
name_en = "Proof school"
state_dir = "state"
[uplink]
{uplink}
paths = [{{ url = "{broker_url}", protocol = "{protocol}"{path} }}{", " if second else ""}{second}]
[[uplink.recipients]]
id = "police"
keys = [{{ kid = "{public["kid"]}", x = "{public["x"]}"{key} }}]
[places]
gate = {{ name = "校门", name_en = "gate", type = "gate" }}
[metrics]
port = 0
{field_text}
"""
    )
    gateway = Program(
        folder / "gateway.log", "gateway", "run", "--config", str(site), "--no-vision", "--no-console", environment=environment
    )
    here = Rig(folder, site, gateway)
    try:
        if school:
            here.http = free_port()
            here.school = Program(
                folder / "school.log", "simulators", "school", str(site), "--http", str(here.http), "--no-cameras",
                "--profiles", str(folder / "profiles"), "--delay-ms", "1", "--jitter-ms", "0",
            ).start()  # fmt: skip
            wait_for(lambda: b"ready" in here.school.log.read_bytes(), "the simulated school is ready")  # type: ignore[union-attr]
        enrolled = subprocess.run([sys.executable, "-m", "gateway", "key", str(site)], capture_output=True, check=True)
        (folder / "trust.json").write_text(json.dumps({"keys": [json.loads(enrolled.stdout)]}))
        if centre is not None:
            here.centre = start_centre(here, broker_url, protocol, *centre)
        gateway.start()
        yield here
    finally:
        for program in (here.gateway, here.centre, here.school):
            if program is not None and program.process is not None and program.process.poll() is None:
                program.kill()


def start_centre(here: Rig, broker_url: str, protocol: str, *further: str) -> Program:
    """Start the centre program of this rig."""
    return Program(
        here.folder / "centre.log", "simulators.centre", "run", "--url", broker_url, "--protocol", protocol, "--json",
        "--key", str(here.folder / "centre.jwk"), "--trust", str(here.folder / "trust.json"), "--db", str(here.folder / "centre.db"),
        *further,
    ).start()  # fmt: skip


def _public(stdout: bytes, key: Path) -> dict[str, str]:
    found = json.loads(key.read_text())
    return {"kid": found["kid"], "x": found["x"]}


def _profiles(folder: Path) -> None:
    """The shipped profiles and those of the proofs in one folder, as the simulator wants them."""
    joined = folder / "profiles"
    joined.mkdir(exist_ok=True)
    shipped = Path(__file__).resolve().parents[2] / "drivers" / "profiles"
    for source in (*shipped.glob("*.toml"), *PROFILES.glob("*.toml")):
        (joined / source.name).write_text(source.read_text())


class Pace(threading.Thread):
    """Calls `act` at a steady rate until stopped; `error` holds what went wrong."""

    def __init__(self, per_s: float, act: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._period_s = 1 / per_s
        self._act = act
        self._ended = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        due_s = time.monotonic()
        try:
            while not self._ended.is_set():
                self._act()
                due_s += self._period_s
                self._ended.wait(max(0.0, due_s - time.monotonic()))
        except (OSError, AssertionError) as error:
            self.error = error

    def stop(self) -> None:
        self._ended.set()
        self.join()
        if self.error is not None:
            raise self.error
