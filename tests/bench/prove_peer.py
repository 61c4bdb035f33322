"""The proof of the store alone, ours and a peer's side by side: the same events, the same moments, the same kind of disk.

A store has accepted an event when it has told its caller so: thingsboard-gateway's SQLite store when `put()` has returned True, which the
gateway takes for "saved"; our journal when the commit has come back. What was accepted and never comes out again is lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bench.parts import MissingPart
from tests.bench.prove_account import OURS, Account
from tests.bench.prove_cuts import CutDisk, a_moment, stand_still
from tests.bench.prove_effort import Effort
from tests.bench.rig import Say

PEER = "thingsboard_sqlite"
PROGRAMS = ("thingsboard-gateway", "tb-gateway")  # as pip and as the Debian package name it
VENV = "THINGSBOARD_VENV"
LONGEST_S = 1.6
LIFE = 1_000_000  # numbers of one life begin at its multiple, so that no life says another's
GIVES_WITHIN_S = 300
CHILD = Path(__file__).with_name("prove_peer_store.py")
HOW = f"thingsboard-gateway is not installed: pip install thingsboard-gateway in an environment of its own, then --peer FOLDER or {VENV}"


@dataclass(slots=True, eq=False)
class Subject:
    """A store under proof. command: how its child is started, up to what it shall do. folder: where its file lies now.

    failed: why it could not go on, empty while it can.
    """

    name: str
    command: Sequence[str]
    folder: Path
    log: Path
    version: str
    accepted: set[int] = field(default_factory=set)
    took_us: list[int] = field(default_factory=list)
    lives: int = 0
    failed: str = ""
    process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start to put, with numbers that were not there before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lives += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "put", str(self.folder), str(self.lives * LIFE)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    def ready(self) -> bool:
        """Wait until it can put; False when it ended instead."""
        assert self.process is not None
        assert self.process.stdout is not None
        if self.process.stdout.readline() == b"ready\n":
            return True
        self.failed = f"it did not start for the {self.lives}. time: {self._last_words()}"
        return False

    def go(self) -> None:
        """Let it put."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()

    def end(self) -> None:
        """Wait until it has ended, and take down what it had said until then."""
        assert self.process is not None
        assert self.process.stdout is not None
        said = self.process.stdout.read().split(b"\n")[:-1]  # a pipe holds far more than one life says
        self.process.wait()
        self.process.stdout.close()
        for line in said:
            number, took_us = line.split()
            self.accepted.add(int(number))
            self.took_us.append(int(took_us))

    def give(self) -> Counter[int]:
        """All numbers that come out of it, and how often."""
        with self.log.open("ab") as log:
            command = [*self.command, "give", str(self.folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, timeout=GIVES_WITHIN_S, check=False)
        lines = done.stdout.split()
        if not lines or lines[-1] != b"end":
            self.failed = self.failed or f"it did not give back all: {self._last_words()}"
        return Counter(int(line) for line in lines if line != b"end")

    def account(self, trouble: str, times: int) -> Account:
        """Accepted and received by number, once it has given all back."""
        out = self.give()
        account = Account(f"peer.{self.name}.{trouble}", store=self.name)
        account.caused = Counter({str(number): 1 for number in self.accepted})
        account.received = Counter({str(number): often for number, often in out.items() if number in self.accepted})
        quick_ms = statistics.median(self.took_us or [0]) / 1000
        account.wrong += [self.failed] if self.failed else []
        account.note = f"{times} times, {self.version}, accepted after {quick_ms:.2f} ms (median)"
        return account

    def _last_words(self) -> str:
        words = self.log.read_text(errors="replace").strip().splitlines()
        return words[-1] if words else "it said nothing"


def peer(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """Kills, orderly stops and power cuts."""
    folder.mkdir(parents=True)
    try:
        python, version = installed(effort.peer)
        others = {PEER: ([str(python), "-I", str(CHILD), "thingsboard"], f"thingsboard-gateway {version}")}
    except MissingPart as none:
        yield Account(f"peer.{PEER}", store=PEER, skipped=str(none))
        others = {}
    stores = {OURS: ([sys.executable, "-m", "tests.bench.prove_peer_store", "ours"], "the journal alone"), **others}
    for trouble, how, times in (("kills", signal.SIGKILL, effort.store_kills), ("stops", signal.SIGTERM, effort.store_stops)):
        subjects = [
            Subject(name, command, folder / trouble / name, folder / f"{name}.log", version) for name, (command, version) in stores.items()
        ]
        yield from _ended(trouble, how, times, subjects, effort, say)
    if os.geteuid():
        yield Account("peer: power cuts", store=OURS, skipped="needs root: loop devices and mount")
        return
    with contextlib.ExitStack() as disks:
        subjects = []
        try:
            for name, (command, version) in stores.items():
                disk = disks.enter_context(CutDisk(folder / "cuts" / name))
                subjects.append((Subject(name, command, disk.volume / "store", folder / f"{name}.log", version), disk))
        except pytest.skip.Exception as none:
            yield Account("peer: power cuts", store=OURS, skipped=str(none))
            return
        yield from _cut(subjects, effort, say)


def _ended(
    trouble: str, how: signal.Signals, times: int, subjects: Sequence[Subject], effort: Effort, say: Say
) -> Generator[Account, None, None]:
    """All stores at once are ended at the same moment, again and again."""
    chance = effort.chance(f"peer {trouble}")
    with _none_left(subjects):
        for number in range(times):
            alive = _begin(subjects)
            a_moment(chance, LONGEST_S)
            for subject in alive:
                assert subject.process is not None
                subject.process.send_signal(how)
            for subject in alive:
                subject.end()
            _progress(say, trouble, number + 1, times)
    for subject in subjects:
        yield subject.account(trouble, times)


def _cut(subjects: Sequence[tuple[Subject, CutDisk]], effort: Effort, say: Say) -> Generator[Account, None, None]:
    """The power of all stores fails at the same moment. What a disk has not written is missing; nothing else is spoilt."""
    chance = effort.chance("peer cuts")
    with _none_left([subject for subject, _ in subjects]):
        for number in range(effort.store_cuts):
            alive = _begin([subject for subject, _ in subjects])
            a_moment(chance, LONGEST_S)
            for subject in alive:
                assert subject.process is not None
                stand_still(subject.process.pid)
            for subject, disk in subjects:
                if subject not in alive:
                    continue
                disk.copy()
                assert subject.process is not None
                subject.process.kill()
                subject.end()
                subject.folder = disk.go_on() / "store"
            _progress(say, "cuts", number + 1, effort.store_cuts)
        for subject, _ in subjects:
            yield subject.account("cuts", effort.store_cuts)


def _begin(subjects: Sequence[Subject]) -> list[Subject]:
    """All that can start put from now on; those are given back."""
    whole = [subject for subject in subjects if not subject.failed]
    for subject in whole:
        subject.begin()
    alive = [subject for subject in whole if subject.ready()]
    for subject in alive:
        subject.go()
    return alive


@contextlib.contextmanager
def _none_left(subjects: Sequence[Subject]) -> Iterator[None]:
    """Ends every child, however the block ends."""
    try:
        yield
    finally:
        for subject in subjects:
            if subject.process is not None and subject.process.poll() is None:
                subject.process.kill()
                subject.process.wait()


def _progress(say: Say, trouble: str, number: int, of: int) -> None:
    if number == of or number % max(1, of // 5) == 0:
        say(f"stores alone, {trouble}: {number} of {of}")


def installed(named: Path | None) -> tuple[Path, str]:
    """The peer's own Python and its version. named: its environment, its program or its Python; else $THINGSBOARD_VENV, else PATH.

    Raises MissingPart.
    """
    place = named or (Path(os.environ[VENV]) if os.environ.get(VENV) else None)
    if place is None:
        found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
        if found is None:
            raise MissingPart(HOW)
        place = Path(found)
    python = _python_of(place)
    asked = "from importlib.metadata import version; print(version('thingsboard-gateway'))"
    try:
        done = subprocess.run([str(python), "-I", "-c", asked], capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingPart(f"{place}: {error.strerror}; {HOW}") from error
    if done.returncode:
        raise MissingPart(f"{place} holds no thingsboard-gateway; {HOW}")
    return python, done.stdout.strip()


def _python_of(place: Path) -> Path:
    """An environment's Python; a program names its own in its first line."""
    if place.is_dir():
        return place / "bin" / "python"
    with contextlib.suppress(OSError), place.open("rb") as file:
        first = file.readline(300)
        if first.startswith(b"#!/"):
            return Path(first[2:].split()[0].decode())
    return place
