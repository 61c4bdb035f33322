"""The troubles of `make prove`, each with real parts: a daemon, a simulated school, a broker and the centre."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Generator, ItemsView, Iterator
from pathlib import Path

import pytest

from simulators.broker import Broker
from tests.bench.parts import MissingPart, program
from tests.bench.prove_account import Account, Pressing, Told, begun, settle
from tests.bench.prove_cuts import WAL, CutDisk, Watched, a_moment, read_ranges, spoil, stand_still
from tests.bench.prove_effort import Effort
from tests.bench.prove_net import LOST_RATIO, lose, own_network
from tests.bench.prove_peer import peer
from tests.bench.prove_receipt import receipt
from tests.bench.rig import Say
from tests.proof.disk import new_disk
from tests.proof.proxy import Proxy
from tests.proof.rig import Rig, rig, start_centre, wait_for
from tests.proof.test_clock_jump import faketime_library
from tests.proof.test_full_disk import let_files_grow_to
from tests.proof.test_kill import COUNTERS, Causes, field_text

PER_S = 20.0
LIVES = 10  # after so many kills one life lasts until it has told something: on a slow machine all others may end before they begin
JUMP = 100  # presses between two looks that are told one by one; more become one event with their number
YEAR_S = 31_536_000


@contextlib.contextmanager
def _school(folder: Path, chance: random.Random) -> Iterator[tuple[Rig, Broker, Causes, Told]]:
    """Gateway, field, broker and centre at work in this folder. chance: which point is pressed."""
    folder.mkdir(parents=True, exist_ok=True)
    with Broker("nats", dir=folder / "broker") as broker, rig(folder, broker.url, field_text()) as here:
        begun(here)
        yield here, broker, Causes(here, chance), Told(here)


def kills(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """SIGKILL at random moments while presses fall."""
    account, chance = Account("SIGKILL"), effort.chance("kills")
    with _school(folder, effort.chance("kills presses")) as (here, _, causes, told):
        with Pressing(causes, PER_S):
            for number in range(effort.kills):
                time.sleep(chance.uniform(0.1, 1.6))
                here.gateway.kill()
                here.gateway.start()
                account.kills = number + 1
                if number % LIVES == LIVES - 1:
                    had = told.count()
                    wait_for(lambda had=had: told.count() > had, "the gateway tells of presses between kills", 60)  # type: ignore[misc]
                _progress(say, account, number + 1, effort.kills)
        yield settle(here, causes.caused, told, account, say)


def power_cuts(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """The disk as the kernel had written it at that moment, again and again; every second time with a spoilt end of the WAL."""
    account = Account("power cut")
    if os.geteuid():
        account.skipped = "needs root: loop devices and mount"
        yield account
        return
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as disks:
        try:
            disk = disks.enter_context(CutDisk(folder))
        except pytest.skip.Exception as none:
            account.skipped = str(none)
            yield account
            return
        (folder / "state").symlink_to(disk.volume)
        with _school(folder, effort.chance("cuts presses")) as (here, _, causes, told):
            spoilt, tried = 0, 0
            for number in range(1, effort.power_cuts + 1):
                chance = effort.chance(f"cut {number}")
                _life_again(here, told)
                with Pressing(causes, 10.0):
                    live = _frozen(here, disk, chance, watched=number % 2 == 0)
                here.gateway.kill()
                volume = disk.go_on()
                tried += number % 2 == 0
                spoilt += bool(spoil(volume / WAL, live, chance))
                (folder / "state").unlink()
                (folder / "state").symlink_to(volume)
                here.gateway.start()
                account.power_cuts = number
                _progress(say, account, number, effort.power_cuts)
            account.note = f"{tried} cuts between write and sync sought, {spoilt} found and their WAL spoilt"
            yield settle(here, causes.caused, told, account, say)


def _life_again(here: Rig, told: Told) -> None:
    """The daemon runs and has delivered something since the last cut."""
    wait_for(lambda: here.status().get("outbox", {}).get("depth") == 0, "the gateway is up and owes nothing", 60)
    told.count()


def _frozen(here: Rig, disk: CutDisk, chance: random.Random, *, watched: bool) -> dict[tuple[int, int], bytes]:
    """Stop the daemon at some moment and copy its disk; what it had written to the WAL and not synced."""
    assert here.gateway.process is not None
    pid = here.gateway.process.pid
    if not watched:
        a_moment(chance, 1.5)
        stand_still(pid)
        disk.copy()
        return {}
    strace = Watched(pid, here.folder / "strace.log")
    try:
        ranges = strace.freeze_unsynced(chance)
        disk.copy()
        return read_ranges(here.folder / "state" / WAL, ranges)
    finally:
        here.gateway.process.send_signal(signal.SIGKILL)  # first: strace must not let it go on
        strace.end()


def broker(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """The broker killed again and again; then a long outage with a queue; then a slow, a stalling and a lossy network."""
    chance = effort.chance("broker")
    with _school(folder, effort.chance("broker presses")) as (here, server, causes, told):
        account = Account("broker kill -9", note=f"{effort.broker_kills} times")
        with Pressing(causes, PER_S):
            for number in range(effort.broker_kills):
                time.sleep(chance.uniform(0.5, 2.0))
                server.kill()
                time.sleep(chance.uniform(0.2, 3.0))
                server.start()
                _progress(say, account, number + 1, effort.broker_kills)
        yield settle(here, causes.caused, told, account, say)
    yield _outage(effort, folder.with_name("outage"), say)
    yield from _slow_and_stalling(effort, folder.with_name("proxy"), say)
    yield _lossy(effort, folder.with_name("lossy"), say)


def _outage(effort: Effort, folder: Path, say: Say) -> Account:
    with _school(folder, effort.chance("outage presses")) as (here, server, causes, told):
        server.kill()
        queued = _queue(here, causes, effort.queued, say)
        server.start()
        account = Account("broker outage", note=f"{queued} events were queued")
        return settle(here, causes.caused, told, account, say)


def _queue(here: Rig, causes: Causes, events: int, say: Say) -> int:
    """Counters that jump until so many events wait; each count is a press that is told by itself."""
    present = {name: int(here.get("/points")[name]["value"]) for name in COUNTERS}
    while True:
        for name in COUNTERS:
            present[name] += JUMP
            here.post(f"/points/{name}", {"value": present[name]})
            causes.caused[name] += JUMP
        expected = causes.caused.total()
        wait_for(lambda: _stored_counters(here) >= present.items(), f"{expected} presses in the journal", 60)
        depth = here.journal("SELECT count(*) FROM outbox WHERE state = 0")[0][0]
        if expected % (5 * JUMP * len(COUNTERS)) == 0:
            say(f"broker outage: {depth} events queued")
        if depth >= events:
            return int(depth)


def _stored_counters(here: Rig) -> ItemsView[str, int]:
    """The counts up to which presses are in the journal."""
    marks = {key.rpartition("/")[2]: json.loads(state) for key, state in here.journal("SELECT key, state FROM latch")}
    return {name: mark["counter"] for name, mark in marks.items() if isinstance(mark, dict) and "counter" in mark}.items()


def _slow_and_stalling(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    folder.mkdir()
    quick = 'supervision = "sp6"\npuback_timeout_s = 3.0'
    with (
        Broker("nats", dir=folder / "broker") as server,
        Proxy(server.port) as proxy,
        rig(folder, proxy.url, field_text(), uplink=quick, centre=None) as here,
    ):
        here.centre = start_centre(here, server.url, "3.1.1")
        begun(here)
        causes, told, chance = Causes(here, effort.chance("network presses")), Told(here), effort.chance("network")
        proxy.throttle(40_000)
        with Pressing(causes, PER_S):
            say("slow broker: 40 kB/s")
            time.sleep(effort.bad_network_s / 2)
        proxy.throttle(0)
        slow = settle(here, causes.caused, told, Account("slow broker", note="40 kB/s each way"), say)
        yield slow
        say(f"stalling network: for {effort.bad_network_s:.0f} s")
        ended_s, cuts, stalls = time.monotonic() + effort.bad_network_s, 0, 0
        with Pressing(causes, PER_S):
            while time.monotonic() < ended_s:
                time.sleep(chance.uniform(0.2, 2.0))
                if chance.random() < 0.5:
                    proxy.cut()
                    cuts += 1
                else:
                    proxy.stall()
                    time.sleep(chance.uniform(0.5, 5.0))
                    proxy.resume()
                    stalls += 1
        both = settle(here, causes.caused, told, Account("stalling network", note=f"{stalls} stalls, {cuts} resets"), say)
        both.caused -= slow.caused
        both.received -= slow.received
        yield both


def _lossy(effort: Effort, folder: Path, say: Say) -> Account:
    """Packets are lost for real, in a network namespace: TCP has to repeat them."""
    account = Account("lossy network", note=f"{LOST_RATIO:.0%} of all packets to and from the broker lost")
    if os.geteuid():
        account.skipped = "needs root: a network namespace and iptables"
        return account
    try:
        with own_network(), _school(folder, effort.chance("lossy presses")) as (here, server, causes, told):
            lose(server.port)
            with Pressing(causes, PER_S / 2):
                say(account.note)
                time.sleep(effort.bad_network_s)
            return settle(here, causes.caused, told, account, say)
    except (OSError, MissingPart) as none:
        account.skipped = str(none)
        return account


def disk(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """A limit on file sizes, a disk that is full, and syncs that fail."""
    with _school(folder, effort.chance("disk presses")) as (here, _, causes, told):
        with _refusing(account := Account("write refused (EFBIG)"), here, causes, effort, say):
            let_files_grow_to(here, 1)
            time.sleep(effort.bad_disk_s)
            let_files_grow_to(here, resource.RLIM_INFINITY)
        yield settle(here, causes.caused, told, account, say)
    yield _full(effort, folder.with_name("full"), say)
    yield _failing_syncs(effort, folder.with_name("sync"), say)


@contextlib.contextmanager
def _refusing(account: Account, here: Rig, causes: Causes, effort: Effort, say: Say) -> Iterator[None]:
    """Presses before, during and after; wrong when the journal was not refused at all."""
    say(f"{account.trouble}: for {effort.bad_disk_s:.0f} s")
    wait_for(here.status, "the daemon answers")
    before = here.metric("gw_journal_refusals_total")[""]
    with Pressing(causes, PER_S):
        time.sleep(1)
        yield
        time.sleep(1)
    refused = here.metric("gw_journal_refusals_total")[""] - before
    account.note = f"the journal was refused {refused:.0f} times"
    if not refused:
        account.wrong.append("the trouble did not reach the journal")


def _full(effort: Effort, folder: Path, say: Say) -> Account:
    account = Account("full disk (ENOSPC)")
    if os.geteuid():
        account.skipped = "needs root: a loop device"
        return account
    folder.mkdir()
    try:
        with new_disk(folder) as (_, volume):
            (folder / "state").symlink_to(volume)
            with _school(folder, effort.chance("full presses")) as (here, _, causes, told):
                with _refusing(account, here, causes, effort, say):
                    fill = volume / "filler"
                    ended_s = time.monotonic() + effort.bad_disk_s
                    while time.monotonic() < ended_s:
                        _fill(fill)
                        time.sleep(0.2)
                    fill.unlink()
                return settle(here, causes.caused, told, account, say)
    except pytest.skip.Exception as none:
        account.skipped = str(none)
        return account


def _fill(path: Path) -> None:
    """Append until the disk is full."""
    block = bytes(4096)
    with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
        while file.write(block):
            pass


def _failing_syncs(effort: Effort, folder: Path, say: Say) -> Account:
    """strace lets every third fdatasync fail, then all of them."""
    account = Account("fdatasync fails (EIO)")
    with _school(folder, effort.chance("sync presses")) as (here, _, causes, told):
        with _refusing(account, here, causes, effort, say):
            for when in ("1+3", "1+"):
                refused = _inject(here, f"fdatasync,fsync:error=EIO:when={when}", effort.bad_disk_s / 2)
                if refused:
                    account.skipped = refused
                    break
        return settle(here, causes.caused, told, account, say)


def _inject(here: Rig, fault: str, seconds: float) -> str:
    """Attach strace with this fault for some time; why it could not, empty when it could."""
    assert here.gateway.process is not None
    try:
        strace = program("strace", package="strace")
    except MissingPart as none:
        return str(none)
    words = here.folder / "strace.said"
    with words.open("wb") as said:
        process = subprocess.Popen(
            [strace, "-f", "-p", str(here.gateway.process.pid), "-o", str(here.folder / "strace.log"), "-e", "trace=fdatasync,fsync",
             "-e", f"inject={fault}"],
            stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: "attached" in words.read_text() or process.poll() is not None, "strace is attached")
        if process.poll() is not None:
            return f"strace may not attach: {words.read_text().strip()}"
        time.sleep(seconds)
    finally:
        process.terminate()
        process.wait()
    return ""


def clock(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """The wall clock jumps a year to and fro while presses fall."""
    account = Account("clock jumps", note=f"{effort.clock_jumps} jumps of a year")
    folder.mkdir(parents=True)
    try:
        library = faketime_library()
    except (pytest.skip.Exception, pytest.fail.Exception) as none:
        account.skipped = str(none)
        yield account
        return
    offset = folder / "offset"
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with Broker("nats", dir=folder / "broker") as server, rig(folder, server.url, field_text(), environment=environment) as here:
        begun(here)
        causes, told, chance = Causes(here, effort.chance("clock presses")), Told(here), effort.chance("clock")
        with Pressing(causes, PER_S):
            for number in range(effort.clock_jumps):
                jump = (YEAR_S, 0, -YEAR_S, 0)[number % 4]
                (folder / "offset.new").write_text(f"{jump:+d}\n")
                (folder / "offset.new").replace(offset)
                time.sleep(chance.uniform(0.5, 2.0))
                _progress(say, account, number + 1, effort.clock_jumps)
        yield settle(here, causes.caused, told, account, say)


def _progress(say: Say, account: Account, number: int, of: int) -> None:
    if number == of or number % max(1, of // 20) == 0:
        say(f"{account.trouble}: {number} of {of}")


Trouble = Callable[[Effort, Path, Say], Generator[Account, None, None]]
TROUBLES: dict[str, Trouble] = {
    "kills": kills, "cuts": power_cuts, "broker": broker, "disk": disk, "clock": clock, "receipt": receipt,
    "peer": peer,
}  # fmt: skip
