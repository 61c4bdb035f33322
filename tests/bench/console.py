"""The page's benchmark: from the journal to the page in a real browser with 20 pages open, and what 50 pages cost an alarm.

`make bench-console`, or `python -m tests.bench.console --out build/bench/console.json`. Needs chromium. About six minutes; --quick one.
The whole school runs on this machine: daemon, page, broker, centre, simulated field and the browser. The browser's own clock is that of
the daemon. What 50 pages cost is taken in turns with none, so that other work on the machine meets both.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, percentile
from tests.bench.listener import Listener
from tests.bench.machine import Meter
from tests.bench.parts import program
from tests.bench.program import run
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.browser.desk import chromium, seat, settled, sign_in
from tests.browser.school import LEADER, School, school
from tests.gateway.console.served import Visitor

PAGES = 20
MANY = 50
GOAL_MS = 200
GOAL_RATIO = 1.2
BUTTONS = ("panic-gate", "panic-store")
GAP_S = (0.30, 0.45)  # by chance, so that a press falls anywhere between two pictures and two polls
HELD_S = 0.6  # an alarm stands so long before it is taken, longer than the pause between two pictures
ARRIVE_S = 10.0
EVENTS = "campus/v1/proof-school/gate/event/alarm"

# When each alarm was first painted, and when it says that it was journalled; by key and since.
WATCH = """() => {
  window.seen = {};
  const look = () => {
    for (const row of document.querySelectorAll("#alarms article")) {
      const key = row.dataset.key + " " + row.querySelector("time").dateTime;
      const one = window.seen[key] ||= { painted: 0, journalled: 0 };
      if (!one.painted) { one.painted = -1; requestAnimationFrame(() => { one.painted = Date.now(); }); }
      const step = row.querySelector(".way .journalled time");
      if (step && !one.journalled) one.journalled = Date.parse(step.dateTime);
    }
  };
  new MutationObserver(look).observe(document.getElementById("alarms"), { childList: true, subtree: true });
  look();
}"""


@dataclass(frozen=True, slots=True)
class Effort:
    """presses: on the page that is measured; rounds: with 50 pages and with none, and the presses in each."""

    presses: int
    rounds: int
    round_presses: int


def journal_to_page(effort: Effort, folder: Path, say: Say) -> Result:
    """Milliseconds from an alarm's commit until it is painted, in one browser beside 19 event-stream clients."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        campus = stack.enter_context(school(folder))
        leader = signed_in(campus)
        page = stack.enter_context(seat(stack.enter_context(chromium()), campus.base))
        sign_in(page, LEADER)
        settled(page)
        page.evaluate(WATCH)
        stack.enter_context(clients(campus, leader, PAGES - 1))
        assert campus.here.gateway.process is not None
        meter, chance = Meter(campus.here.gateway.process.pid), random.Random(1)
        for number in range(effort.presses):
            _press_and_reset(campus, leader, number, chance)
            if number % 20 == 19:
                say(f"{number + 1} of {effort.presses} presses")
        seen = page.evaluate("window.seen")
        use = meter.read()
    delays_ms = [each["painted"] - each["journalled"] for each in seen.values() if each["painted"] > 0 and each["journalled"]]
    if len(delays_ms) < effort.presses:
        raise NotMeasured(f"the page has shown {len(delays_ms)} of {effort.presses} alarms")
    found: Run = {"measure": "journal_to_page", "pages": PAGES, "delay_ms": delays_ms, **use}
    note = (
        f"{len(delays_ms)} presses, {PAGES} pages open, to the painted frame in chromium; p50 {percentile(delays_ms, 50):.0f}, "
        f"worst {max(delays_ms):.0f} ms; {noise([found])}"
    )
    return Result([Figure("console.journal_to_page_p99_ms", percentile(delays_ms, 99), "ms", f"<= {GOAL_MS}", note)], [found])


def alarm_delay(effort: Effort, folder: Path, say: Say) -> Result:
    """From a press to its event at a subscriber, with 50 pages open of which one never reads, over the same with none."""
    folder.mkdir(parents=True)
    delays_ms: dict[int, list[float]] = {0: [], MANY: []}
    runs: list[Run] = []
    chance = random.Random(2)
    with school(folder) as campus:
        leader = signed_in(campus)
        listener = Listener(campus.broker_port, EVENTS)
        assert campus.here.gateway.process is not None
        try:
            for number in range(effort.rounds):
                for pages in (0, MANY) if number % 2 == 0 else (MANY, 0):
                    meter = Meter(campus.here.gateway.process.pid)
                    with clients(campus, leader, pages, deaf=min(pages, 1)):
                        took_ms = [press_to_wire(campus, leader, listener, n, chance) for n in range(effort.round_presses)]
                    delays_ms[pages] += took_ms
                    runs.append({"measure": "alarm_delay", "round": number, "pages": pages, "delay_ms": took_ms, **meter.read()})
                    say(f"round {number + 1}, {pages} pages: p50 {percentile(took_ms, 50):.0f}, p99 {percentile(took_ms, 99):.0f} ms")
        finally:
            listener.close()
    p99_ms = {pages: percentile(took, 99) for pages, took in delays_ms.items()}
    note = (
        f"p99 {p99_ms[MANY]:.0f} over {p99_ms[0]:.0f} ms, p50 {percentile(delays_ms[MANY], 50):.0f} and "
        f"{percentile(delays_ms[0], 50):.0f}; {len(delays_ms[0])} presses each, polled each 50 ms, at a subscriber; {noise(runs)}"
    )
    ratio = round(p99_ms[MANY] / p99_ms[0], 3)
    return Result([Figure("console.alarm_delay_ratio_50_pages", ratio, "ratio", f"<= {GOAL_RATIO}", note)], runs)


# --- presses -----------------------------------------------------------------------------------


def signed_in(campus: School) -> Visitor:
    """Somebody who may acknowledge and reset. Raises NotMeasured."""
    leader = campus.visitor()
    if leader.sign_in(LEADER) != 200:
        raise NotMeasured("nobody could sign in")
    return leader


def _press_and_reset(campus: School, leader: Visitor, number: int, chance: random.Random) -> int:
    """One press, from rest back to rest; when it began, monotonic nanoseconds."""
    time.sleep(chance.uniform(*GAP_S))
    button = BUTTONS[number % len(BUTTONS)]
    began_ns = time.monotonic_ns()
    campus.here.post(f"/points/{button}", {"press_ms": 150})
    time.sleep(HELD_S)
    for command in ("acknowledge", "reset"):
        _until(lambda command=command: leader.ask("POST", "/act", {"command": command, "target": f"{button}/alarm"})[0] == 200, command)  # type: ignore[misc]
    return began_ns


def press_to_wire(campus: School, leader: Visitor, listener: Listener, number: int, chance: random.Random) -> float:
    """Milliseconds."""
    before = len(listener.messages)
    began_ns = _press_and_reset(campus, leader, number, chance)
    told: list[int] = []

    def activated() -> bool:
        new = ((message.ns, json.loads(message.payload)["type"]) for message in listener.messages[before:])
        told.extend(ns for ns, kind in new if kind == "campus.alarm.activated")
        return bool(told)

    if not listener.wait_for(activated, ARRIVE_S):
        raise NotMeasured("a press was not told")
    return (told[0] - began_ns) / 1e6


def _until(holds: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + ARRIVE_S
    while not holds():
        if time.monotonic() > end_s:
            raise NotMeasured(f"nobody could {what} within {ARRIVE_S:g} s")
        time.sleep(0.05)


# --- pages -------------------------------------------------------------------------------------


@contextmanager
def clients(campus: School, leader: Visitor, count: int, *, deaf: int = 0) -> Iterator[None]:
    """So many open pages without a browser; `deaf` of them never read."""
    asked = (
        f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{campus.port}\r\n"
        f"Cookie: {'; '.join(f'{name}={value}' for name, value in leader.cookies.items())}\r\n\r\n"
    ).encode()
    sockets: list[socket.socket] = []
    readers: list[threading.Thread] = []
    try:
        for number in range(count):
            one = socket.socket()
            if number < deaf:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", campus.port))
            one.sendall(asked)
            sockets.append(one)
            if number >= deaf:
                head = one.recv(1 << 16)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise NotMeasured(f"a page could not be opened: {head[:60]!r}")
                readers.append(threading.Thread(target=_read, args=(one,), daemon=True))
                readers[-1].start()
        yield
    finally:
        for one in sockets:
            one.shutdown(socket.SHUT_RDWR)
        for reader in readers:
            reader.join()
        for one in sockets:
            one.close()


def _read(one: socket.socket) -> None:
    while one.recv(1 << 18):
        pass


def need() -> Any:
    """Raises MissingPart without a browser."""
    return program("chromium", package="chromium")


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"page": journal_to_page, "alarm": alarm_delay}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    return run("console", "Measure the guard-room page.", MEASURES, (Effort(150, 6, 50), Effort(20, 2, 15)), need, argv)


if __name__ == "__main__":
    sys.exit(main())
