"""A network of its own that loses packets: a namespace with nothing in it but loopback, and one iptables rule a direction."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator

from tests.bench.parts import program

CLONE_NEWNET = 0x40000000  # linux/sched.h
LOST_RATIO = 0.1


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """What this thread starts from now on has a loopback of its own. Needs root; OSError where the kernel refuses."""
    library = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if library.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace is to be had here")
        try:
            subprocess.run([program("ip", package="iproute2"), "link", "set", "lo", "up"], check=True)
            yield
        finally:
            library.setns(before, CLONE_NEWNET)
    finally:
        os.close(before)


def lose(port: int, ratio: float = LOST_RATIO) -> None:
    """From now on packets to and from this port are lost at random, for good: the rules go with the namespace. OSError without iptables."""
    for side in ("--dport", "--sport"):
        done = subprocess.run(
            [program("iptables", package="iptables"), "-A", "INPUT", "-p", "tcp", side, str(port),
             "-m", "statistic", "--mode", "random", "--probability", str(ratio), "-j", "DROP"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise OSError(f"iptables: {done.stderr.strip()}")
