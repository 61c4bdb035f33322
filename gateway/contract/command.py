"""Commands of a centre: signed, fresh, meant for this gateway, and within what the key is good for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from gateway.contract.canonical import told
from gateway.contract.jws import COMMAND_TYPE, SignedTwice, TrustedKey, verify_signed
from gateway.core.commands import Command
from gateway.core.errors import BadMessage, Permanent

WITHOUT_A_CLOCK = frozenset({"acknowledge", "silence"})  # what is taken while this gateway does not know the time
TWO_PERSONS = frozenset({"out_of_service"})
LONGEST_LIFE_MS = 300_000  # from issued_at to expires_at
SKEW_MS = 10_000  # so far may the clocks of centre and gateway differ
MOST_POINTS = 100
LONGEST_ID = 120  # of an id that is no good and is still named in the answer

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KIND = re.compile(r"[a-z_]{1,40}")
_TARGET = re.compile(r"[a-z0-9/_-]{0,120}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_LAST_NUMBER = 2**63 - 1  # what the journal can count to


@dataclass(frozen=True, slots=True)
class RemoteCommand:
    """A command whose signature holds. recipient: whose key signed it; kids: the keys, in the order of the signatures.

    person, second: the people behind the first and second signature, empty where nobody is named. place: (epoch, sequence) from which
    `replay` begins. issued_ms, expires_ms: UTC.
    Of a refused message that is no good command it holds what could be read: parts may be empty, and `id` may be none that is taken.
    """

    id: str
    kind: str
    target: str
    recipient: str
    kids: tuple[str, ...]
    person: str
    second: str
    value: str
    why: str
    for_s: float
    points: tuple[str, ...]
    place: tuple[int, int]
    issued_ms: int
    expires_ms: int

    def command(self, refused: str = "") -> Command:
        """The same in the words that page and command line use too. refused: why it is only put on record."""
        replay = self.kind == "replay"
        return Command(
            kind=self.kind,
            target=self.recipient if replay else self.target,
            by=self._named(self.person),
            role="centre",
            origin="mqtt",
            value="{:010d}/{:020d}".format(*self.place) if replay else self.value,
            why=self.why,
            for_s=self.for_s,
            second=self._named(self.second) if self.second else "",
            points=self.points,
            command_id=self.id if _fits(_ID, self.id) else "",
            expires_ms=self.expires_ms,
            refused=refused,
        )

    def _named(self, person: str) -> str:
        return f"{self.recipient}: {person}" if person else self.recipient


class CommandRefused(Permanent):
    """What somebody known has signed and that is still not taken. reason: one word of the contract."""

    def __init__(self, reason: str, text: str, command: RemoteCommand) -> None:
        super().__init__(text)
        self.reason = reason
        self.command = command


def read_command(token: bytes, keys: dict[str, TrustedKey], source: str, now_ms: int, clock: str, locks: frozenset[str]) -> RemoteCommand:
    """Verify and read one command for the gateway named `source`.

    now_ms: UTC; clock: how far that may be believed (synchronised, holdover, unknown). locks: outputs that let a door be opened while
    they are on. Whether it comes for the first time is judged elsewhere. Raises CommandRefused where somebody known has signed it,
    BadMessage or BadSignature where not; whatever is wrong, nothing changes.
    """
    try:
        message, signers = verify_signed(token, keys, COMMAND_TYPE)
    except SignedTwice as twice:
        raise CommandRefused("signature", str(twice), _as_told(twice.message, (twice.key,))) from twice
    try:
        command = _read(message, signers)
    except BadMessage as error:
        raise CommandRefused("message", str(error), _as_told(message, signers)) from error
    for reason, text in (_addressed(message, source, signers), _persons(message, command, signers, locks), _allowed(command, signers)):
        if reason:
            raise CommandRefused(reason, text, command)
    reason, text = _fresh(command, now_ms, clock)
    if reason:
        raise CommandRefused(reason, text, command)
    return command


def _as_told(message: dict[str, Any], signers: tuple[TrustedKey, ...]) -> RemoteCommand:
    """What can be said of a message that is no good command: enough to put it on record and to answer it."""
    said, kind, target = message.get("id"), told(message, "command", 41), told(message, "target", 121)
    return RemoteCommand(
        id=told(message, "id", LONGEST_ID) if isinstance(said, str) and len(said) <= LONGEST_ID else "",
        kind=kind if _fits(_KIND, kind) else "",
        target=target if _fits(_TARGET, target) else "",
        recipient=signers[0].owner,
        kids=tuple(key.kid for key in signers),
        person=signers[0].person,
        second="",
        value="",
        why="",
        for_s=0.0,
        points=(),
        place=(0, 0),
        issued_ms=0,
        expires_ms=0,
    )


def _read(message: dict[str, Any], signers: tuple[TrustedKey, ...]) -> RemoteCommand:
    for_s = message.get("for_s", 0)
    if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not isfinite(for_s) or not 0 <= for_s <= 1e9:
        raise BadMessage("for_s is a number of seconds")
    points = message.get("points", [])
    if not isinstance(points, list) or len(points) > MOST_POINTS or not all(_fits(_TARGET, point) for point in points):
        raise BadMessage(f"points is a list of at most {MOST_POINTS} point ids")
    if message.get("command") == "replay" and not {"from_epoch", "from_sequence"} <= set(message):
        raise BadMessage("replay names the first event that is wanted: from_epoch and from_sequence")
    two = len(signers) > 1
    return RemoteCommand(
        id=_word(message, "id", _ID),
        kind=_word(message, "command", _KIND),
        target=_word({"target": "", **message}, "target", _TARGET),
        recipient=signers[0].owner,
        kids=tuple(key.kid for key in signers),
        person=signers[0].person or _words(message, "person", 80),
        second=signers[1].person if two else "",
        value=_words(message, "value", 80),
        why=_words(message, "why", 200),
        for_s=float(for_s),
        points=tuple(points),
        place=(_number(message, "from_epoch"), _number(message, "from_sequence")),
        issued_ms=_time_ms(message, "issued_at"),
        expires_ms=_time_ms(message, "expires_at"),
    )


def _addressed(message: dict[str, Any], source: str, signers: tuple[TrustedKey, ...]) -> tuple[str, str]:
    if message.get("gateway") != source:
        return "gateway", f"is for gateway {told(message, 'gateway')!r}; this is {source!r}"
    for key in signers:
        if message.get("by") != key.owner:
            return "by", f"says it is by {told(message, 'by', 48)!r}, but key {key.kid!r} belongs to {key.owner!r}"
    return "", ""


def _needs_two(command: RemoteCommand, locks: frozenset[str]) -> str:
    """What in this command takes two persons, or ''."""
    if command.kind in TWO_PERSONS:
        return command.kind
    if command.kind == "output" and command.target in locks and command.value != "off":
        return f"to let the door of {command.target} be opened"
    return ""


def _persons(message: dict[str, Any], command: RemoteCommand, signers: tuple[TrustedKey, ...], locks: frozenset[str]) -> tuple[str, str]:
    """Names of people come from the site file where it binds a key to somebody; two signatures need that."""
    said = _words(message, "person", 80)
    if said and signers[0].person and said != signers[0].person:
        return "person", f"says it is by {said!r}, but key {signers[0].kid!r} is held by {signers[0].person!r}"
    if len(signers) < 2:
        what = _needs_two(command, locks)
        return ("second", f"{what} needs the signatures of two persons") if what else ("", "")
    if not all(key.person for key in signers):
        return "second", "two signatures count where the site file says which person holds each key"
    if len({"".join(key.person.split()).casefold() for key in signers}) < 2:
        return "second", f"both signatures are by {command.person!r}"
    return "", ""


def _allowed(command: RemoteCommand, signers: tuple[TrustedKey, ...]) -> tuple[str, str]:
    for key in signers:
        if command.kind not in key.may:
            return "permission", f"key {key.kid!r} is not good for {command.kind!r}; it is for {', '.join(sorted(key.may)) or 'nothing'}"
    return "", ""


def _fresh(command: RemoteCommand, now_ms: int, clock: str) -> tuple[str, str]:
    if not 0 < command.expires_ms - command.issued_ms <= LONGEST_LIFE_MS:
        return "lifetime", f"expires_at lies up to {LONGEST_LIFE_MS // 60_000} min behind issued_at"
    if clock == "unknown":
        if command.kind not in WITHOUT_A_CLOCK:
            return "clock", "this gateway does not know the time yet, so it cannot tell whether the command is fresh"
        return "", ""
    if now_ms > command.expires_ms + SKEW_MS:
        return "stale", f"expired {(now_ms - command.expires_ms) / 1000:.0f} s ago"
    if command.issued_ms > now_ms + SKEW_MS:
        return "future", f"was issued {(command.issued_ms - now_ms) / 1000:.0f} s from now: one of the clocks is wrong"
    return "", ""


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _word(message: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = message.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadMessage(f"{name} is {told(message, name, 48)!r}; expected text that fits {pattern.pattern}")
    return value


def _words(message: dict[str, Any], name: str, length: int) -> str:
    """What people will read: nothing in it moves a cursor."""
    return "".join(letter for letter in told(message, name, length) if letter.isprintable()).strip()


def _number(message: dict[str, Any], name: str) -> int:
    """Digits as events carry them; 0 where it is left out."""
    value = message.get(name, "0")
    if not isinstance(value, str) or not _NUMBER.fullmatch(value) or int(value) > _LAST_NUMBER:
        raise BadMessage(f"{name} is the number of an event, as text of digits")
    return int(value)


def _time_ms(message: dict[str, Any], name: str) -> int:
    try:
        return (datetime.fromisoformat(told(message, name, 40)) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without its zone
        raise BadMessage(f"{name} is {told(message, name, 40)!r}; expected a time such as 2026-11-21T08:00:00.000Z") from None
