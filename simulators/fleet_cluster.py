"""The broker of a fleet: a cluster of nats-servers on loopback, of which single nodes can be killed and started again.

Made as deploy/centre makes the city's bus (JetStream, every message on all nodes, each one on disk before it is acknowledged), but
without accounts and TLS, as all brokers of this package.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path

from simulators.broker import LOOPBACK, find, free_port, takes_sessions
from simulators.errors import SimError
from simulators.leash import Leashed

READY_WITHIN_S = 300.0  # a node with thousands of consumers takes its time to come back
MOST_NODES = 5
_NODE = """server_name: {name}
listen: "{host}:-1"
jetstream {{ store_dir: "{dir}", max_mem: 64MB, max_file: 4GB, sync_interval: always, limits {{ default_max_consumers: 10000 }} }}
mqtt {{ listen: "{host}:{port}", js_api_timeout: "30s"{replicas} }}
"""
_MEMBER = 'cluster {{ name: campus-sim, listen: "{host}:{port}", routes: [{routes}] }}\n'


class Cluster:
    """nodes: 1 (a broker alone), 3 or 5, numbered from 1. Ports and data of a node stay the same over its restarts.

    folder: for its data, None for a temporary one that `close` removes. The nodes die with this process, even if that is killed.
    """

    def __init__(self, nodes: int, folder: Path | None = None) -> None:
        if nodes not in (1, 3, MOST_NODES):
            raise SimError(f"a cluster has 1, 3 or {MOST_NODES} nodes, so that a majority can decide; not {nodes}")
        self._program = find("nats")
        self._temporary = folder is None
        self.folder = (folder or Path(tempfile.mkdtemp(prefix="campus-cluster-"))).resolve()
        self._ports = {number: free_port() for number in range(1, nodes + 1)}
        routes = {number: free_port() for number in self._ports}
        self._settings = {number: self._write(number, routes) for number in self._ports}
        self._processes: dict[int, Leashed] = {}
        self._memory_mb: dict[int, float] = {}
        self._cpu_s = 0.0  # of processes that have ended

    @property
    def urls(self) -> list[str]:
        """Of all nodes, by number."""
        return [f"mqtt://{LOOPBACK}:{port}" for port in self._ports.values()]

    @property
    def running(self) -> list[int]:
        """Numbers of the nodes that are up."""
        return [number for number, process in self._processes.items() if process.running]

    @property
    def memory_mb(self) -> dict[int, float]:
        """The most resident memory that each node has had, by number."""
        for number, process in self._processes.items():
            if process.running:
                self._memory_mb[number] = max(self._memory_mb.get(number, 0.0), peak_memory_mb(process.pid))
        return dict(sorted(self._memory_mb.items()))

    @property
    def cpu_s(self) -> float:
        """Processor time of all nodes so far."""
        return self._cpu_s + sum(cpu_s(process.pid) for process in self._processes.values() if process.running)

    def log(self, number: int) -> Path:
        """What this node said."""
        return self.folder / f"node-{number}.log"

    async def start(self) -> None:
        """Starts all nodes and waits until each takes sessions. SimError when one does not."""
        for number in self._ports:
            self.start_node(number)
        for number in self._ports:
            await self.ready(number)

    def start_node(self, number: int) -> None:
        """Starts one node; `ready` waits for it."""
        self._processes[number] = Leashed([self._program, "-c", str(self._settings[number])], self.log(number))

    def kill_node(self, number: int) -> None:
        """Ends one node as a crash would (SIGKILL); its data stay."""
        self._cpu_s, _ = self._cpu_s + cpu_s(self._processes[number].pid), self.memory_mb
        self._processes.pop(number).kill()

    async def ready(self, number: int) -> None:
        """Waits until this node takes sessions, which it does once the cluster has agreed on a leader. SimError when it does not."""
        end_s = time.monotonic() + READY_WITHIN_S
        while not await asyncio.to_thread(takes_sessions, self._ports[number]):
            if number not in self.running or time.monotonic() > end_s:
                raise SimError(f"node {number} takes no sessions; see {self.log(number)}")
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """Ends all nodes at once (in good order each would hand over to the others first); a temporary folder is removed."""
        for process in self._processes.values():
            process.kill()
        self._processes.clear()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, number: int, routes: dict[int, int]) -> Path:
        data = self.folder / f"node-{number}"
        data.mkdir(parents=True, exist_ok=True)
        alone = len(self._ports) == 1
        replicas = "" if alone else ", stream_replicas: 3, max_ack_pending: 1000"
        text = _NODE.format(name=f"node-{number}", host=LOOPBACK, dir=data, port=self._ports[number], replicas=replicas)
        if not alone:
            known = ", ".join(f'"nats://{LOOPBACK}:{port}"' for port in routes.values())
            text += _MEMBER.format(host=LOOPBACK, port=routes[number], routes=known)
        path = self.folder / f"node-{number}.conf"
        path.write_text(text, encoding="utf-8")
        return path


def peak_memory_mb(pid: int) -> float:
    """The most resident memory that this process has had."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def cpu_s(pid: int) -> float:
    """Processor time of this process (proc(5): utime and stime, in clock ticks)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
