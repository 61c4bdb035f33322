"""What a proof counts: causes that fell on the field, and what of them the centre has, by id."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Figure, percentile
from tests.bench.rig import Say
from tests.proof.rig import Pace, Rig, wait_for
from tests.proof.test_kill import COUNTERS, LATCHED, Causes

BEGINS = ("campus.alarm.activated", "campus.alarm.repeated")
SETTLE_S = 120.0
_STANDS = "SELECT id, epoch, sequence FROM event UNION ALL SELECT id, epoch, sequence FROM stub"  # a full disk costs faults
RECEIPT_GOAL_S = 2.0  # issue 5, (6)


@dataclass(slots=True)
class Account:
    """One trouble and what became of the causes under it.

    caused, received: by point; received counts each event id once. wrong: what else must not be, such as a broken chain.
    skipped: why it could not be done here, empty when it was done. receipts_s: wire to receipt of each press.
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
        """Nothing lost, nothing wrong. A cause told twice is counted and shown; it fails a goal, not the law."""
        return not self.lost and not self.wrong

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
        }


def figures(accounts: Sequence[Account], kills: int, power_cuts: int) -> list[Figure]:
    """The figures of the troubles that were done. kills, power_cuts: how many there should be."""
    done = [account for account in accounts if not account.skipped]
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
    return found


class Told:
    """What the centre has, read on from its output. ids: event id -> point, for beginnings of alarms; places: id -> (epoch, sequence)."""

    def __init__(self, here: Rig, points: Iterable[str] = (*COUNTERS, *LATCHED)) -> None:
        self._here = here
        self._points = frozenset(points)
        self._read_bytes = 0
        self.ids: dict[str, str] = {}
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
        return len(self.ids)

    def _take(self, event: dict[str, Any]) -> None:
        if event["sequence"] is not None:
            self.places[event["id"]] = (int(event["epoch"]), int(event["sequence"]))
        if event["type"] in BEGINS and event["subject"] in self._points:
            self.ids[event["id"]] = event["subject"]


def begun(here: Rig) -> None:
    """Wait until a press counts: the counters' first values are stored."""
    wait_for(here.events, "the journal's first event at the centre")
    wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= len(COUNTERS), "the counters' first values are stored")


def settle(here: Rig, causes: Causes, told: Told, account: Account, say: Say, within_s: float = SETTLE_S) -> Account:
    """Wait until the centre has every cause and nothing is owed, then draw the account up. What is missing at the end is counted lost."""
    expected = causes.caused.total()
    say(f"{account.trouble}: {expected} caused, {told.count()} received so far; waiting for the rest")
    _try(account, lambda: told.count() >= expected, f"all {expected} causes at the centre", within_s)
    _try(account, lambda: here.status().get("outbox", {}).get("depth") == 0, "every receipt", within_s)
    _try(account, lambda: not here.report()["missing"], "numbers without a hole", within_s)
    told.count()
    report = here.report()
    account.wrong += [
        f"{key}: {report[key]}" for key, right in (("chain", "whole"), ("unverified", 0), ("conflicts", 0)) if report[key] != right
    ]
    kept = {event: (int(epoch), int(sequence)) for event, epoch, sequence in here.journal(_STANDS)}
    unknown = [event for event, place in told.places.items() if kept.get(event) != place]
    account.wrong += [f"{len(unknown)} events at the centre are not so in the journal"] if unknown else []
    account.caused, account.received = Counter(causes.caused), Counter(told.ids.values())
    return account


def _try(account: Account, condition: Callable[[], object], what: str, within_s: float) -> None:
    try:
        wait_for(condition, what, within_s)
    except AssertionError as missed:
        account.wrong.append(str(missed))


class Pressing:
    """Presses fall at a steady rate while the block runs."""

    def __init__(self, causes: Causes, per_s: float) -> None:
        self._pace = Pace(per_s, causes.one)

    def __enter__(self) -> None:
        self._pace.start()

    def __exit__(self, *_: object) -> None:
        self._pace.stop()
