"""Keeps a child program on a leash: when the one who started it is gone, however it went, the child is ended too.

Run as a program: `python leash.py PROGRAM ARGUMENTS...` with a pipe as standard input. It starts PROGRAM, prints its process id and
waits until either ends. The pipe breaks when its other end dies, also by SIGKILL; a parent-death signal would be lost by programs
that change their user, and would fire when a mere thread ends. `Leashed` is the other end of the pipe. Standard library only,
since it runs without site-packages to start fast.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

GRACE_S = 5.0  # from SIGTERM to SIGKILL


class Leashed:
    """A child program that cannot outlive this process. log: file that takes its output. OSError when it cannot be started."""

    def __init__(self, command: list[str], log: Path) -> None:
        with log.open("ab") as output:
            self._leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert self._leash.stdout is not None
        line = self._leash.stdout.readline()
        if not line.strip().isdigit():
            self.stop()
            raise OSError(f"cannot start {command[0]}: see {log}")
        self.pid = int(line)

    @property
    def running(self) -> bool:
        return self._leash.poll() is None

    def stop(self) -> None:
        """Ends the child in good order (SIGTERM, after 5 s SIGKILL) and waits until it is gone."""
        assert self._leash.stdin is not None
        assert self._leash.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._leash.stdin.close()
        self._leash.wait(timeout=2 * GRACE_S)
        self._leash.stdout.close()

    def kill(self) -> None:
        """Ends the child at once (SIGKILL), as a crash would, and waits until it is gone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.stop()


def main(command: list[str]) -> int:
    """Holds one child. Returns its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who holds the leash
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr)
    print(child.pid, flush=True)
    ended = os.pidfd_open(child.pid)
    select.select([ended, sys.stdin], [], [])
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
