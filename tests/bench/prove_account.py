"""What a proof counts: causes that fell on the field, and what of them the centre has, by id."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Figure, percentile
from tests.bench.rig import Say
from tests.proof.rig import Pace, Rig, wait_for
from tests.proof.test_kill import COUNTERS, LATCHED, Causes

BEGINS = ("campus.alarm.activated", "campus.alarm.repeated")
QUIET_S = 120.0
SAID_EACH_S = 15.0
APART_S = 0.025  # a press takes 20 ms: until it is over, another of the same input would be none, however late the pace is
# an alarm stands there as an event; what else a full disk has cost, as a stub
STANDS = "SELECT id, epoch, sequence FROM event UNION ALL SELECT id, epoch, sequence FROM stub WHERE class <> 'alarm'"
OURS = "ours"
RECEIPT_GOAL_S = 2.0  # issue 5, (6)


@dataclass(slots=True)
class Account:
    """One trouble and what became of the causes under it.

    caused, received: by point; received counts each event id once. wrong: what else must not be, such as a broken chain.
    skipped: why it could not be done here, empty when it was done. receipts_s: wire to receipt of each press.
    store: when a store alone was put to the proof, whose: "ours" or a peer's; caused are then the events that it had accepted.
    """

    trouble: str
    caused: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    power_cuts: int = 0
    receipts_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""
    note: str = ""
    store: str = ""

    @property
    def lost(self) -> int:
        """Causes that no event tells."""
        return (self.caused - self.received).total()

    @property
    def duplicated(self) -> int:
        """Events, each with an id of its own, beyond the causes of their point."""
        return (self.received - self.caused).total()

    @property
    def good(self) -> bool:
        """Nothing lost, nothing wrong, or not ours. A cause told twice is counted and shown; it fails a goal, not the law."""
        return self.store not in ("", OURS) or (not self.lost and not self.wrong)

    def line(self) -> str:
        """One line for the reader."""
        if self.skipped:
            return f"{self.trouble}: not done here: {self.skipped}"
        sums = f"caused {self.caused.total()}, received {self.received.total()}, lost {self.lost}, duplicated {self.duplicated}"
        rest = [text for text in (self.note, *self.wrong) if text]
        return "; ".join([f"{self.trouble}: {sums}", *rest])

    def as_json(self) -> dict[str, Any]:
        """As written to prove.json."""
        return {
            "trouble": self.trouble,
            "caused": self.caused.total(),
            "received": self.received.total(),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "kills": self.kills,
            "power_cuts": self.power_cuts,
            "receipts_s": [round(seconds, 4) for seconds in self.receipts_s],
            "wrong": self.wrong,
            "skipped": self.skipped,
            "note": self.note,
            "store": self.store,
        }


def figures(accounts: Sequence[Account], kills: int, power_cuts: int) -> list[Figure]:
    """The figures of the troubles that were done. kills, power_cuts: how many there should be."""
    done = [account for account in accounts if not account.skipped and not account.store]
    named = ", ".join(account.trouble for account in done)
    found = []
    if any(account.kills for account in done):
        found.append(Figure("prove.kills", sum(account.kills for account in done), "kills", f">= {kills}"))
    if any(account.power_cuts for account in done):
        found.append(Figure("prove.power_cuts", sum(account.power_cuts for account in done), "cuts", f">= {power_cuts}"))
    if done:
        found.append(Figure("prove.caused", sum(account.caused.total() for account in done), "causes", ">= 1", named))
        found.append(Figure("prove.lost", sum(account.lost for account in done), "causes", "<= 0"))
        found.append(Figure("prove.duplicated", sum(account.duplicated for account in done), "events", "<= 0"))
    if receipts_s := [seconds for account in done for seconds in account.receipts_s]:
        note = f"{len(receipts_s)} presses, p50 {percentile(receipts_s, 50):.3f} s, longest {max(receipts_s):.3f} s"
        goal = f"<= {RECEIPT_GOAL_S:g}"
        found.append(Figure("prove.press_to_receipt_p99_s", round(percentile(receipts_s, 99), 3), "s", goal, note))
    for name, goal, stores in (
        ("prove.store_lost", "<= 0", [account for account in accounts if account.store == OURS]),
        ("prove.peer_lost", "", [account for account in accounts if account.store not in ("", OURS)]),
    ):
        if tried := [account for account in stores if not account.skipped]:
            note = f"of {sum(account.caused.total() for account in tried)} that the store had accepted"
            found.append(Figure(name, sum(account.lost for account in tried), "events", goal, note))
    return found


def comparison(accounts: Sequence[Account]) -> str:
    """Our store and its peer's side by side; empty when neither was put to the proof."""
    rows = [("store alone", "accepted", "received", "lost", "duplicated")]
    rows += [
        (each.trouble, f"{each.caused.total()}", f"{each.received.total()}", f"{each.lost}", f"{each.duplicated}")
        for each in accounts
        if each.store and not each.skipped
    ]
    if len(rows) == 1:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


class Told:
    """What the centre has, read on from its output.

    ids: event id -> (point, presses), for beginnings of alarms; one event may tell many presses of a counter (docs/contract.md: `presses`).
    places: id -> (epoch, sequence).
    """

    def __init__(self, here: Rig, points: Iterable[str] = (*COUNTERS, *LATCHED)) -> None:
        self._here = here
        self._points = frozenset(points)
        self._read_bytes = 0
        self.ids: dict[str, tuple[str, int]] = {}
        self.places: dict[str, tuple[int, int]] = {}

    def count(self) -> int:
        """Read on; how many causes the centre has."""
        assert self._here.centre is not None
        with self._here.centre.log.open("rb") as log:
            log.seek(self._read_bytes)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._read_bytes += len(line)
                if line.startswith(b'{"kind": "event"'):
                    self._take(json.loads(line))
        return self.received().total()

    def received(self) -> Counter[str]:
        """Presses that the centre was told of, by point; each id once."""
        presses: Counter[str] = Counter()
        for point, number in self.ids.values():
            presses[point] += number
        return presses

    def _take(self, event: dict[str, Any]) -> None:
        if event["sequence"] is not None:
            self.places[event["id"]] = (int(event["epoch"]), int(event["sequence"]))
        if event["type"] in BEGINS and event["subject"] in self._points:
            self.ids[event["id"]] = event["subject"], int((event.get("data") or {}).get("presses", 1))


def begun(here: Rig) -> None:
    """Wait until a press counts: the counters' first values are stored."""
    wait_for(here.events, "the journal's first event at the centre")
    wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= len(COUNTERS), "the counters' first values are stored")


def settle(here: Rig, caused: Counter[str], told: Told, account: Account, say: Say, quiet_s: float = QUIET_S) -> Account:
    """Wait until the centre has every cause and nothing is owed, then draw the account up.

    What is missing when nothing has changed for quiet_s is counted lost.
    """
    expected = caused.total()
    say(f"{account.trouble}: {expected} caused, {told.count()} received so far; waiting for the rest")
    for what, look, right in (
        (f"causes of {expected} at the centre", told.count, lambda found: found >= expected),
        ("events owed by the gateway", lambda: here.status().get("outbox", {}).get("depth"), lambda found: found == 0),
        ("numbers missing at the centre", lambda: here.report()["missing"], lambda found: not found),
    ):
        wait(look, right, f"{account.trouble}: {what}", account, say, quiet_s)
    told.count()
    report = here.report()
    account.wrong += [
        f"{key}: {report[key]}" for key, right in (("chain", "whole"), ("unverified", 0), ("conflicts", 0)) if report[key] != right
    ]
    if unknown := astray(told.places, here.journal(STANDS)):
        account.wrong.append(f"{len(unknown)} events at the centre are not so in the journal")
    account.caused, account.received = Counter(caused), told.received()
    return account


def wait(look: Callable[[], Any], right: Callable[[Any], bool], what: str, account: Account, say: Say, quiet_s: float) -> None:
    """Wait as long as something new is seen, for a slow machine may take its time. A wrong when nothing new comes and it is not right."""
    found = look()
    seen = {repr(found)}
    changed_s = said_s = time.monotonic()
    while not right(found):
        time.sleep(0.02)
        found, now_s = look(), time.monotonic()
        if repr(found) not in seen:  # a daemon that comes and goes shows nothing new
            seen.add(repr(found))
            changed_s = now_s
        if now_s > said_s + SAID_EACH_S:
            said_s = now_s
            say(f"{what}: {found}")
        if now_s > changed_s + quiet_s:
            account.wrong.append(f"{what}: {found}, for {quiet_s:.0f} s")
            return


def astray(places: Mapping[str, tuple[int, int]], stands: Iterable[tuple[Any, ...]]) -> list[str]:
    """Ids that the centre has at a place (epoch, sequence) where the journal does not have them. stands: rows of STANDS."""
    kept = {event: (int(epoch), int(sequence)) for event, epoch, sequence in stands}
    return [event for event, place in places.items() if kept.get(event) != place]


class Pressing:
    """Presses fall at a steady rate while the block runs."""

    def __init__(self, causes: Causes, per_s: float) -> None:
        def press() -> None:
            causes.one()
            time.sleep(APART_S)

        self._pace = Pace(per_s, press)

    def __enter__(self) -> None:
        self._pace.start()

    def __exit__(self, *_: object) -> None:
        self._pace.stop()
