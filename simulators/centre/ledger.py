"""The centre's judgement: every message in, verdicts out. Pure; time is handed in.

Only what carries the signature of an enrolled key moves the ledger; everything else is counted and told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from joserfc.errors import JoseError

from simulators.centre.chain import Epoch, Place
from simulators.centre.keys import Trust, public_key
from simulators.centre.receipts import Answer
from simulators.centre.verify import Address, Message, NotEnrolled, Refused, address, check_canonical, check_signature, parse, sha256
from simulators.centre.watch import News, Watch

KEY_ANNOUNCED = "campus.key.announced"
SIGNED_KINDS = frozenset({"birth", "status", "heartbeat", "state", "report", "command/result"})
CLASSES = frozenset({"alarm", "fault", "access", "observation", "duty", "mode", "audit"})
_EPOCH = re.compile(r"[0-9]{10}")
_SEQUENCE = re.compile(r"[0-9]{20}")
_HASH = re.compile(r"[0-9a-f]{64}")
_ID_MAX_CHARACTERS = 64

Gap = tuple[str, int, int, str]  # epoch, first, last; class where these are class sequences


class Standing(StrEnum):
    """What an event is to the ledger."""

    NEW = "new"
    EARLY = "early"  # journalled: false, until the sealed one comes
    REPLACES = "replaces"  # sealed, its early copy was here
    RESEND = "resend"
    CONFLICT = "conflict"  # same id, other bytes, both signed
    UNUSABLE = "unusable"  # signed, but not what the contract says
    BAD = "bad"  # not genuine


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a message came. at: RFC 3339 UTC, for records; monotonic_ns: CLOCK_MONOTONIC, for measuring. broker: by which, HOST:PORT."""

    at: str
    monotonic_ns: int
    broker: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be told about one message.

    kind: event, birth, status, heartbeat, state, report, command/result, gap, bad, silent, back, no-report; key when a gateway announces
    one that is not enrolled (`message` is its `data`); online when this centre has subscribed at a broker, offline when it hears
    nothing there any more.
    first, last: sequences of a gap, of class sequences where event_class is given. silent_s: how long nothing was heard.
    """

    kind: str
    source: str
    arrival: Arrival
    topic: str = ""
    body: bytes = b""
    sha256: str = ""
    message: Message = field(default_factory=dict)
    standing: Standing | None = None
    event_class: str = ""
    place: Place | None = None
    problem: str | None = None
    epoch: str = ""
    first: int = 0
    last: int = 0
    silent_s: float = 0.0

    @property
    def answer(self) -> Answer | None:
        """The receipt that this event has earned; none for what is not genuine."""
        if self.kind != "event" or self.standing is Standing.BAD:
            return None
        refused = self.standing in (Standing.CONFLICT, Standing.UNUSABLE)
        return Answer(
            gateway=self.source,
            id=self.message["id"],
            sha256=self.sha256,
            result="unusable" if refused else "received",
            reason=(self.problem or "") if refused else "",
        )


@dataclass(frozen=True, slots=True)
class Record:
    """A stored event, as the store gives it back at a restart. place is None for what was never sealed."""

    source: str
    id: str
    sha256: str
    standing: Standing
    place: Place | None
    resent: int


@dataclass(slots=True)
class _Gateway:
    """What the ledger knows of one gateway. ids: (sha-256, is an early copy) of each genuine event."""

    ids: dict[str, tuple[str, bool]] = field(default_factory=dict)
    epochs: dict[str, Epoch] = field(default_factory=dict)
    told: list[Gap] = field(default_factory=list)
    announced: dict[str, str] = field(default_factory=dict)  # kid -> x
    floor: tuple[str, int] | None = None
    resent: int = 0
    conflicts: int = 0
    unusable: int = 0
    unverified: int = 0


class Ledger:
    """All gateways below one prefix, as seen by one recipient. silent_after_s, report_every_s: as in Watch.

    classes: the only ones that this recipient is entitled to; then gaps are looked for in each of them. Empty: it gets all.
    """

    def __init__(
        self,
        trust: Trust,
        prefix: str,
        recipient: str,
        silent_after_s: float = 0.0,
        report_every_s: float = 0.0,
        classes: frozenset[str] = frozenset(),
    ) -> None:
        self.trust = trust
        self.watch = Watch(silent_after_s, report_every_s)
        self._prefix = prefix
        self._recipient = recipient
        self._classes = classes
        self._gateways: dict[str, _Gateway] = {}

    def ingest(self, body: bytes, topic: str, at: Arrival, *, retained: bool = False) -> list[Verdict]:
        """Judge one message. retained: the broker had kept it. Never raises for what comes from outside."""
        where = address(topic, self._prefix)
        if where is None:
            return [Verdict("bad", "", at, topic, body, sha256(body), standing=Standing.BAD, problem="not a topic of the contract")]
        if where.kind == "event":
            return self._event(body, topic, where, at)
        if where.kind not in SIGNED_KINDS:
            return []  # telemetry carries no signature and no guarantee
        return self._signed(body, topic, where, at, retained)

    def overdue(self, now_ns: int, at: str) -> list[Verdict]:
        """One verdict for each gateway that was heard once and has missed its heartbeats, or whose daily report does not come."""
        return [_news(source, news, Arrival(at, now_ns)) for source, news in self.watch.overdue(now_ns)]

    def listening(self, broker: str, now_ns: int) -> None:
        """This centre has a session there: silence is judged from now on, also of gateways known from an earlier run."""
        self.watch.listening(broker, now_ns, {source for source, gateway in self._gateways.items() if gateway.ids or gateway.floor})

    def deaf(self, broker: str, now_ns: int) -> None:
        """This centre has no session there any more."""
        self.watch.deaf(broker, now_ns)

    def newest(self, source: str) -> tuple[str, int, str] | None:
        """(epoch, sequence, sha-256) of a gateway's latest genuine event; None before the first."""
        epochs = self._gateways[source].epochs if source in self._gateways else {}
        found = [(name, log.numbers.highest, log.newest_sha256) for name, log in epochs.items() if log.numbers.highest]
        return max(found, default=None)

    def recall(self, record: Record) -> None:
        """Take one stored event back in, after a restart; in the order of arrival."""
        gateway = self._gateway(record.source)
        gateway.resent += record.resent
        match record.standing:
            case Standing.BAD:
                gateway.unverified += 1
            case Standing.CONFLICT:
                gateway.conflicts += 1
            case Standing.UNUSABLE:
                gateway.unusable += 1
            case _:
                _take(gateway, record.id, record.sha256, record.place)

    def recall_heartbeat(self, source: str, body: bytes) -> None:
        """The newest stored heartbeat of a gateway: how far its events must be here."""
        self._gateway(source).floor = floor_of(parse(body), self._recipient)

    def report(self) -> dict[str, Any]:
        """Counts, gaps and chain state of each gateway; sequences are whole numbers, runs are [first, last]."""
        return {"gateways": {source: _report(gateway, self._classes) for source, gateway in sorted(self._gateways.items())}}

    def _gateway(self, source: str) -> _Gateway:
        return self._gateways.setdefault(source, _Gateway())

    def _event(self, body: bytes, topic: str, where: Address, at: Arrival) -> list[Verdict]:
        digest = sha256(body)
        message: Message = {}
        try:
            message = parse(body)
            check_signature(message, where.source, self.trust)
            check_canonical(body, message)
        except Refused as refused:
            if where.source in self.trust.keys:  # a stranger's noise must not grow the ledger
                self._gateway(where.source).unverified += 1
            why = self._why(where.source, refused)
            return [Verdict("bad", where.source, at, topic, body, digest, message, Standing.BAD, where.rest, problem=why)]
        gateway = self._gateway(where.source)
        place: Place | None = None
        problem: str | None = None
        try:
            place = place_of(message, where.rest)
        except Refused as refused:
            gateway.unusable += 1
            standing, problem = Standing.UNUSABLE, str(refused)
            if not _usable_id(message.get("id")):  # nothing that a receipt could name
                return [Verdict("bad", where.source, at, topic, body, digest, message, standing, where.rest, problem=problem)]
        else:
            standing, problem = _stand(gateway, message["id"], digest, place)
        verdicts = [Verdict("event", where.source, at, topic, body, digest, message, standing, where.rest, place, problem)]
        if message.get("type") == KEY_ANNOUNCED and standing is Standing.NEW and self.announce(where.source, message["data"]):
            verdicts.append(Verdict("key", where.source, at, message=message["data"]))
        return verdicts

    def announce(self, source: str, data: Mapping[str, Any]) -> bool:
        """A gateway has announced a key by a genuine event. It counts for nothing until somebody enrols it; False when it counts."""
        kid, x = data.get("kid"), data.get("x")
        if not isinstance(kid, str) or not isinstance(x, str) or self.trust.key(source, kid) is not None:
            return False
        try:
            public_key(x)
        except (ValueError, JoseError):
            return False
        self._gateway(source).announced[kid] = x
        return True

    def pending(self) -> list[tuple[str, str, str]]:
        """(source, kid, x) of each key that was announced and is not enrolled."""
        found = [(source, kid, x) for source, gateway in sorted(self._gateways.items()) for kid, x in gateway.announced.items()]
        return [one for one in found if self.trust.key(*one[:2]) is None]

    def _why(self, source: str, refused: Refused) -> str:
        if isinstance(refused, NotEnrolled) and any(one[:2] == (source, refused.kid) for one in self.pending()):
            return f"{refused}; the gateway has announced it: campus-centre keys accept"
        return str(refused)

    def _signed(self, body: bytes, topic: str, where: Address, at: Arrival, retained: bool) -> list[Verdict]:
        digest = sha256(body)
        message: Message = {}
        try:
            message = parse(body)
            check_signature(message, where.source, self.trust)
        except Refused as refused:
            if where.source in self.trust.keys:
                self._gateway(where.source).unverified += 1
            problem = self._why(where.source, refused)
            return [Verdict("bad", where.source, at, topic, body, digest, message, Standing.BAD, where.kind, problem=problem)]
        verdicts = [Verdict(where.kind, where.source, at, topic, body, digest, message)]
        gateway = self._gateway(where.source)
        if where.kind in ("birth", "heartbeat", "status"):
            said = self.watch.sign(where.source, where.kind, message, at.monotonic_ns, retained=retained, broker=at.broker)
            verdicts += [_news(where.source, news, at) for news in said]
        if where.kind == "report" and where.rest == "daily":
            number = message.get("number")
            verdicts += [_news(where.source, news, at) for news in self.watch.report(where.source, number, at.monotonic_ns)]
        if where.kind == "heartbeat":
            gateway.floor = floor_of(message, self._recipient)
            verdicts += self._new_gaps(where.source, gateway, at)
        return verdicts

    def _new_gaps(self, source: str, gateway: _Gateway, at: Arrival) -> list[Verdict]:
        verdicts = []
        for gap in _gaps(gateway, self._classes):
            if not any((old[0], old[3]) == (gap[0], gap[3]) and old[1] <= gap[1] and gap[2] <= old[2] for old in gateway.told):
                gateway.told.append(gap)
                verdicts.append(Verdict("gap", source, at, epoch=gap[0], first=gap[1], last=gap[2], event_class=gap[3]))
        return verdicts


def _news(source: str, news: News, at: Arrival) -> Verdict:
    return Verdict(news.kind, source, at, silent_s=news.quiet_s, problem=news.why)


def place_of(message: Message, event_class: str) -> Place | None:
    """Where a genuine event stands, None for an early copy; Refused when it is not what the contract says."""
    if event_class not in CLASSES:
        raise Refused(f"unknown class {event_class!r}")
    if message.get("specversion") != "1.0":
        raise Refused("specversion is not 1.0")
    if not _usable_id(message.get("id")):
        raise Refused("no id")
    for name in ("source", "type", "subject", "time"):
        if not isinstance(message.get(name), str):
            raise Refused(f"no {name}")
    if not _is_utc(message["time"]):
        raise Refused("time is not RFC 3339 in UTC")
    if not isinstance(message.get("data"), dict):
        raise Refused("no data")
    if message.get("journalled") is False:
        return None
    for name, pattern in (("epoch", _EPOCH), ("sequence", _SEQUENCE), ("classsequence", _SEQUENCE), ("previoushash", _HASH)):
        if not isinstance(message.get(name), str) or not pattern.fullmatch(message[name]):
            raise Refused(f"no usable {name}")
    sequence, class_sequence = int(message["sequence"]), int(message["classsequence"])
    if not 1 <= class_sequence <= sequence:
        raise Refused("sequence and class sequence count from 1, and no class has more events than all have together")
    return Place(message["epoch"], sequence, event_class, class_sequence, message["previoushash"])


def floor_of(heartbeat: Message, recipient: str) -> tuple[str, int] | None:
    """(epoch, sequence) below which this recipient is owed nothing, from a heartbeat; None when it does not say.

    With nothing owed that is the number after the newest one.
    """
    owed = heartbeat.get("lowest_owed")
    entry = owed.get(recipient) if isinstance(owed, Mapping) else None
    after = 0
    if entry is None and isinstance(owed, Mapping) and recipient in owed:
        entry, after = heartbeat, 1
    if not isinstance(entry, Mapping):
        return None
    epoch, sequence = entry.get("epoch"), entry.get("sequence")
    if not isinstance(epoch, str) or not isinstance(sequence, str) or not _EPOCH.fullmatch(epoch) or not _SEQUENCE.fullmatch(sequence):
        return None
    return epoch, int(sequence) + after


def _usable_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _ID_MAX_CHARACTERS


def _is_utc(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    offset = moment.utcoffset()
    return offset is not None and not offset


def _stand(gateway: _Gateway, event_id: str, digest: str, place: Place | None) -> tuple[Standing, str | None]:
    """Where an event with a known place stands among those that came before; moves the ledger."""
    known = gateway.ids.get(event_id)
    if known is not None and (known[0] == digest or (place is None and not known[1])):
        gateway.resent += 1  # also an early copy that its sealed one has overtaken
        return Standing.RESEND, None
    if known is not None and (place is None or not known[1]):
        gateway.conflicts += 1
        return Standing.CONFLICT, "conflict: this id came before with other bytes"
    problem = _take(gateway, event_id, digest, place)
    if place is None:
        return Standing.EARLY, None
    return (Standing.REPLACES if known else Standing.NEW), problem


def _take(gateway: _Gateway, event_id: str, digest: str, place: Place | None) -> str | None:
    """Enter a genuine event; gives what is wrong with its numbers and links."""
    gateway.ids[event_id] = (digest, place is None)
    if place is None:
        return None
    problems = gateway.epochs.setdefault(place.epoch, Epoch()).add(place, digest)
    if any("was used before" in problem for problem in problems):
        gateway.conflicts += 1
    return "; ".join(problems) or None


def _gaps(gateway: _Gateway, classes: frozenset[str]) -> list[Gap]:
    """Missing runs that are no longer owed."""
    if gateway.floor is None:
        return []
    epoch, below = gateway.floor
    before = [(name, log) for name, log in sorted(gateway.epochs.items()) if name < epoch]
    newest = gateway.epochs.get(epoch, Epoch())
    if classes:
        gaps = [(name, *run, c) for name, log in before for c in sorted(classes) for run in log.class_gaps(c)]
        return gaps + [(epoch, *run, c) for c in sorted(classes) for run in newest.class_gaps(c, below)]
    gaps = [(name, *run, "") for name, log in before for run in log.holes()]
    return gaps + [(epoch, *run, "") for run in newest.numbers.holes(below)]


def _report(gateway: _Gateway, classes: frozenset[str] = frozenset()) -> dict[str, Any]:
    epochs = sorted(gateway.epochs.items())
    newest = epochs[-1][1].numbers if epochs else None
    missing = {(name, *run) for name, log in epochs for run in log.holes()}
    broken = [f"{name}/{log.state().removeprefix('broken at ')}" for name, log in epochs if log.state() != "whole"]
    gaps = _gaps(gateway, classes)
    tails = [g[:3] for g in gaps if not g[3] and (g[0] not in gateway.epochs or g[1] > gateway.epochs[g[0]].numbers.highest)]
    return {
        "epochs": [
            {"epoch": name, "lowest": log.numbers.lowest, "highest": log.numbers.highest, "chain": log.state()} for name, log in epochs
        ],
        "received": len(gateway.ids),
        "early": sum(early for _, early in gateway.ids.values()),
        "lowest": newest.lowest if newest else 0,
        "highest": newest.highest if newest else 0,
        "missing": [{"epoch": e, "first": f, "last": to} for e, f, to in sorted({*missing, *tails})],
        "class_missing": [
            {"epoch": name, "class": c, "first": f, "last": to}
            for name, log in epochs
            for c, runs in log.class_holes().items()
            for f, to in runs
        ],
        "gaps": [{"epoch": e, "first": f, "last": to} | ({"class": c} if c else {}) for e, f, to, c in gaps],
        "chain": f"broken at {broken[0]}" if broken else "whole",
        "resent": gateway.resent,
        "conflicts": gateway.conflicts,
        "unusable": gateway.unusable,
        "unverified": gateway.unverified,
    }
