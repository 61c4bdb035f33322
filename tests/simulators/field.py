"""What the simulators' tests share: sample profiles, real masters, and the programs as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from simulators.profiles import Profile, load

PROFILES = Path(__file__).parent / "profiles"
DEADLINE_S = 60.0


def profile(profile_id: str) -> Profile:
    """A sample profile of these tests."""
    return load(profile_id, [PROFILES])


async def eventually(holds: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Waits until the condition holds; fails at the deadline."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - it is another thread, or another program, that is waited for
            await asyncio.sleep(0.005)


async def mbpoll(program: str, *arguments: str) -> dict[int, str]:
    """One poll by mbpoll: reference (from 1) -> what it shows. AssertionError with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        program, "-1", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    text = out.decode()
    assert process.returncode == 0, text
    shown = {}
    for line in text.splitlines():
        if line.startswith("["):
            reference, _, value = line[1:].partition("]:")
            shown[int(reference)] = value.split()[0]
    return shown


@contextlib.contextmanager
def campus_sim(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """campus-sim as a real process, with the address of its ready line."""
    command = [sys.executable, "-m", "simulators", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process, _ready_address(process)
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready_address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    said = b""
    end_s = time.monotonic() + DEADLINE_S
    while select.select([process.stdout], [], [], max(0.0, end_s - time.monotonic()))[0]:
        data = os.read(process.stdout.fileno(), 4096)
        said += data
        for line in said.decode().splitlines(keepends=True):
            if line.startswith("ready ") and line.endswith("\n"):
                return line.split()[1]
        if not data:
            break
    raise AssertionError(f"not ready: {said!r}")


def call(address: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """(status, JSON) of one HTTP call."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=DEADLINE_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
