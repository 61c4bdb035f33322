"""A backlog drained: 100,000 sealed events, from the gateway's first message until the broker, or the centre, has the last.

The gateway runs while there is no broker, as in an outage, and is held (SIGSTOP) while broker and listener start, so that the
first event already finds who listens. The end is read from the journal: no event of the backlog is owed there any more,
which is a little later than the broker's last PUBACK. Every id is looked for at the listener.
"""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import KeysView
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from simulators.broker import Broker, Kind, free_port
from simulators.centre.keys import make_key
from tests.bench.figures import Figure
from tests.bench.listener import Listener
from tests.bench.machine import Meter
from tests.bench.rig import NotMeasured, Result, Run, Say
from tests.bench.uplink_rig import ID, PROTOCOL, ROOT, SOURCE, Debt, Effort, fill, process, rss_mb, site_text, wait_for, wait_quiet

GOALS: dict[Kind, int] = {"mosquitto": 3000, "nats": 2000}
GROWTH_MB = 20.0  # the outbox's own bound of 12 MB, SQLite's cache of 2 MB twice, 4 MB for pages and bodies on their way; 100,000 weigh 140
BROKER = "broker"  # a site without recipients: the PUBACK ends delivery
# As Debian sets it. simulators/broker.py has it write its whole store after each message, which asks what this disk does.
AS_INSTALLED = "autosave_on_changes false\nautosave_interval 1800"
LOOK_S = 0.05
WITHIN_S = 600.0
ARRIVE_S = 60.0


@dataclass(frozen=True, slots=True)
class Filled:
    """A folder with a full journal. recipient: who owes; key: the gateway's public key."""

    state: Path
    events: int
    recipient: str
    key: dict[str, str]


def drain(effort: Effort, folder: Path, say: Say) -> Result:
    """Both brokers until their PUBACK; and the linkage centre until its receipts are stored."""
    figures: list[Figure] = []
    runs: list[Run] = []
    growth: dict[str, Run] = {}
    say(f"sealing a backlog of {effort.backlog} events")
    state = folder / "filled"
    key = fill(state, effort.backlog, BROKER)
    for recipient in (BROKER, "police"):
        _owe(state, recipient)
        filled = Filled(state, effort.backlog, recipient, key)
        for kind, goal in GOALS.items():
            run = once(kind, filled, folder / f"{recipient}-{kind}", say)
            runs.append({"measure": "drain", **run})
            growth[f"{recipient} {kind}"] = run
            if recipient == BROKER:
                figures.append(Figure(f"uplink.drain_per_s.{kind}", run["per_s"], "1/s", f">= {goal}", _note(run)))
            else:
                name = f"uplink.drain_received_per_s.{kind}"
                figures.append(Figure(name, run["per_s"], "1/s", ">= 0", f"stated, no goal: {_note(run)}"))
    figures.append(_growth(growth))
    return Result(figures, runs)


def _growth(runs: dict[str, Run]) -> Figure:
    worst = max(runs, key=lambda name: float(runs[name]["rss_peak_mb"] - runs[name]["rss_before_mb"]))
    value = runs[worst]["rss_peak_mb"] - runs[worst]["rss_before_mb"]
    told = "; ".join(
        f"{name} {run['rss_before_mb']:.0f}, {run['rss_peak_mb']:.0f}, {run['rss_after_mb']:.0f}" for name, run in runs.items()
    )
    note = f"peak over before, worst of {len(runs)} ({worst}); before, peak, after: {told} MB"
    return Figure("uplink.drain_rss_growth_mb", round(value, 1), "MB", f"<= {GROWTH_MB:.0f}", note)


def _note(run: Run) -> str:
    return (
        f"{run['events']} events in {run['seconds']:.1f} s, {run['lost']} lost, {run['repeated']} told twice; "
        f"gateway {run['cpu_share']:.0%} of a core, all processes {run['machine_busy_cores']} cores"
    )


def once(kind: Kind, filled: Filled, folder: Path, say: Say) -> Run:
    """One drain with a copy of the journal."""
    folder.mkdir(parents=True)
    shutil.copytree(filled.state, folder / "state")
    port, centre = free_port(), None
    if filled.recipient != BROKER:
        centre = make_key(folder / "centre.jwk", filled.recipient)
        (folder / "trust.json").write_text(json.dumps({"keys": [{"source": SOURCE, **filled.key}]}))
    (folder / "site.toml").write_text(site_text(f"mqtt://127.0.0.1:{port}", PROTOCOL[kind], centre))
    with ExitStack() as stack:
        debt = stack.enter_context(closing(Debt(folder / "state")))
        gateway = stack.enter_context(
            process(["gateway", "run", "--config", str(folder / "site.toml"), "--no-vision"], folder / "gateway.log")
        )
        wait_for(lambda: b"serving" in (folder / "gateway.log").read_bytes(), "the gateway serves")
        wait_quiet(gateway.pid)
        gateway.send_signal(signal.SIGSTOP)
        stack.enter_context(Broker(kind, port, folder / "broker", AS_INSTALLED if kind == "mosquitto" else ""))
        if centre is not None:
            stack.enter_context(process(_centre(port, PROTOCOL[kind], folder), folder / "centre.log"))
            wait_for(lambda: b"online" in (folder / "centre.log").read_bytes(), "the centre listens")
        listener = stack.enter_context(closing(Listener(port, f"{ROOT}/#")))
        before_mb = rss_mb(gateway.pid)
        gateway.send_signal(signal.SIGCONT)
        wait_for(lambda: bool(listener.messages), "the gateway's first message", 60, 0.01)
        meter, began_s = Meter(gateway.pid), listener.messages[0].ns / 1e9
        peak_mb = before_mb
        told_s = began_s
        while debt.owes():
            peak_mb = max(peak_mb, rss_mb(gateway.pid))
            now_s = time.monotonic()
            if gateway.poll() is not None or now_s - began_s > WITHIN_S:
                raise NotMeasured(f"{debt.owed()} of {filled.events} are still owed; see {folder}/gateway.log")
            if now_s - told_s > 5:
                told_s = now_s
                say(f"  {kind}, {filled.recipient}: {len(listener.messages)} at the listener, {rss_mb(gateway.pid):.0f} MB")
            time.sleep(LOOK_S)
        seconds, use = time.monotonic() - began_s, meter.read()
        wait_quiet(gateway.pid)
        after_mb = rss_mb(gateway.pid)
        sealed, ids = _sealed(filled), _Ids(listener)
        listener.wait_for(lambda: sealed <= ids.heard(), ARRIVE_S)  # a broker may acknowledge long before it hands on
        lost = len(sealed - ids.seen.keys())
    run = {
        "broker": kind,
        "until": "broker-acknowledged" if centre is None else "received",
        "events": filled.events,
        "seconds": round(seconds, 2),
        "per_s": round(filled.events / seconds),
        "lost": lost,
        "repeated": sum(ids.seen.values()) - len(ids.seen),
        "rss_before_mb": round(before_mb, 1),
        "rss_peak_mb": round(peak_mb, 1),
        "rss_after_mb": round(after_mb, 1),
        **{name: use[name] for name in ("cpu_s", "cpu_share", "machine_busy_cores")},
    }
    say(f"{kind} until {run['until']}: {run['per_s']}/s, {lost} lost, memory {before_mb:.0f}, {peak_mb:.0f}, {after_mb:.0f} MB")
    shutil.rmtree(folder)
    return run


class _Ids:
    """Ids of the events that a listener has heard, and how often each."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._read = 0
        self.seen: Counter[str] = Counter()

    def heard(self) -> KeysView[str]:
        """Those so far."""
        messages = self._listener.messages
        while self._read < len(messages):
            message = messages[self._read]
            self._read += 1
            if "/event/" in message.topic and (found := ID.search(message.payload)):
                self.seen[found[1].decode()] += 1
        return self.seen.keys()


def _owe(state: Path, recipient: str) -> None:
    """All of it is owed to this recipient."""
    with closing(sqlite3.connect(state / "journal.db", isolation_level=None)) as db:
        db.execute("UPDATE outbox SET recipient = ?", (recipient,))


def _sealed(filled: Filled) -> set[str]:
    with closing(sqlite3.connect(f"file:{filled.state}/journal.db?mode=ro", uri=True)) as db:
        return {name for (name,) in db.execute("SELECT id FROM event")}


def _centre(port: int, protocol: str, folder: Path) -> list[str]:
    files = [f"--{name}={folder / file}" for name, file in (("key", "centre.jwk"), ("trust", "trust.json"), ("db", "centre.db"))]
    return ["simulators.centre", "run", "--url", f"mqtt://127.0.0.1:{port}", "--protocol", protocol, "--json", *files]
