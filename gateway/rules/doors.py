"""Doors: who was let in, who was not, and whether a door was opened without leave. Pure.

A grant (card, request to exit, the site's own controller) allows openings until `unlock_s` after it, and for as long as such an
input is active. An opening without one waits ORDER_S, because the input that allows it may be read after the contact; then the
door was forced. A contact that cannot be believed is not closed: what was open goes on being open, and what is found open
after it was lost from sight counts as opened then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.core.doors import Card, DoorSpec
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.calendar import SchoolCalendar

ORDER_S = 0.5  # two inputs on two blocks of 250 ms each are read in either order
GRACE_S = 2.0  # between the lock's release and the push at the door
DENIED_WITHIN_S = 60.0
SHOWN_CHARACTERS = 8  # of a card's hash: people can tell two cards apart, nobody gets the hash itself
EXIT = "request_to_exit"
CONTROLLER = "controller"
CARD = "card"


@dataclass(frozen=True, slots=True)
class DoorState:
    """What is known of one door. Times are monotonic seconds, 0 for none.

    open: None before the contact was read. seen: the contact can be believed now; reason: why not. leave_s: openings are allowed
    until then. kept_ms: the same in UTC milliseconds, of an earlier run; good for the first look only. asking: inputs that are
    active. judge_s: when an opening without leave is judged. denials: times of refused cards. begun: it was looked at in this run.
    """

    open: bool | None = None
    seen: bool = False
    reason: str = ""
    opened_s: float = 0.0
    leave_s: float = 0.0
    kept_ms: int = 0
    asking: frozenset[str] = frozenset()
    judge_s: float = 0.0
    forced: bool = False
    held: bool = False
    denials: tuple[float, ...] = ()
    begun: bool = False

    def to_keep(self, spec: DoorSpec, now: Now) -> dict[str, Value]:
        """What must outlive the process; the time of a grant as UTC milliseconds."""
        leave_s = max(self.leave_s, now.now_s + spec.unlock_s + GRACE_S if self.asking else 0.0)
        leave_ms = now.at_ms + round((leave_s - now.now_s) * 1000) if leave_s > now.now_s else 0
        return {"open": self.open, "forced": self.forced, "held": self.held, "leave_ms": leave_ms}


def kept(mark: dict[str, Value]) -> DoorState:
    """The state that an earlier run kept."""
    was_open = bool(mark.get("open"))
    return DoorState(
        open=None if mark.get("open") is None else was_open,
        forced=was_open and bool(mark.get("forced")),
        held=was_open and bool(mark.get("held")),
        kept_ms=int(mark.get("leave_ms") or 0),
    )


class Access(StrEnum):
    """Last word of the type of a door's event."""

    GRANTED = "granted"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Said:
    """One access event. means: card, request_to_exit or controller. card: the hash, shortened. reason: why it was denied."""

    access: Access
    means: str
    card: str = ""
    holder: str = ""
    reason: str = ""


@dataclass(slots=True)
class Step:
    """What follows for a door. unlock: let its lock go. readings: of its derived points, in order. wake_s: when to look again."""

    state: DoorState
    said: list[Said] = field(default_factory=list)
    unlock: bool = False
    readings: list[Reading] = field(default_factory=list)
    wake_s: list[float] = field(default_factory=list)


def step(spec: DoorSpec, state: DoorState, reading: Reading | None, now: Now, calendar: SchoolCalendar) -> Step:
    """What one reading of the door's inputs, or time alone (None), means."""
    out = Step(state)
    if not state.begun:
        _set(out, begun=True, opened_s=now.now_s if state.open else 0.0)
        if spec.card:
            _say(out, spec.denied_point, False, now)
    _time(spec, out, now)
    if reading is not None:
        if reading.point == spec.contact:
            _contact(spec, out, reading, now)
        if reading.point == spec.card:
            _card(spec, out, reading, now, calendar)
        if reading.point == spec.request_to_exit:
            _input(spec, out, EXIT, reading, now)
        if reading.point == spec.granted:
            _input(spec, out, CONTROLLER, reading, now)
    _time(spec, out, now)
    state = out.state
    times = [state.judge_s, state.opened_s + spec.held_s if state.open and not state.held else 0.0]
    times += [state.denials[0] + DENIED_WITHIN_S] if state.denials else []
    out.wake_s = [at_s for at_s in times if at_s > now.now_s]
    return out


def _set(out: Step, **changes: object) -> None:
    out.state = replace(out.state, **changes)  # type: ignore[arg-type]


def _say(out: Step, point: str, value: bool, now: Now) -> None:
    out.readings.append(Reading(point, value, now_s=now.now_s))


def _time(spec: DoorSpec, out: Step, now: Now) -> None:
    """What time alone brings: an opening is judged, a door is held, old refusals count no more."""
    state = out.state
    if state.judge_s and now.now_s >= state.judge_s:
        _forced(spec, out, now)
    if state.open and state.seen and not state.held and now.now_s >= state.opened_s + spec.held_s:
        _set(out, held=True)
        _say(out, spec.held_point, True, now)
    fresh = tuple(at_s for at_s in state.denials if now.now_s < at_s + DENIED_WITHIN_S)
    if fresh != state.denials:
        _set(out, denials=fresh)
        if len(state.denials) >= spec.denied_burst > len(fresh):
            _say(out, spec.denied_point, False, now)


def _forced(spec: DoorSpec, out: Step, now: Now) -> None:
    _set(out, judge_s=0.0, forced=True)
    _say(out, spec.forced_point, True, now)


def _contact(spec: DoorSpec, out: Step, reading: Reading, now: Now) -> None:
    if reading.quality is not Quality.GOOD or reading.value is None:
        _lost_sight(spec, out, reading, now)
        return
    if not out.state.seen:
        _set(out, seen=True, reason="")
        _say(out, spec.forced_point, out.state.forced, now)
        _say(out, spec.held_point, out.state.held, now)
    if reading.value:
        _open(spec, out, now)
    else:
        _closed(spec, out, now)
    _set(out, kept_ms=0)


def _open(spec: DoorSpec, out: Step, now: Now) -> None:
    state = out.state
    if state.open:
        return
    _set(out, open=True, opened_s=now.now_s)
    allowed = state.asking or now.now_s <= state.leave_s or now.at_ms < state.kept_ms
    if state.open is not None and not allowed:
        _set(out, judge_s=now.now_s + ORDER_S)


def _closed(spec: DoorSpec, out: Step, now: Now) -> None:
    if out.state.judge_s:
        _forced(spec, out, now)  # opened and shut again before it was judged
    state = out.state
    _set(out, open=False, opened_s=0.0, forced=False, held=False)
    if state.forced:
        _say(out, spec.forced_point, False, now)
    if state.held:
        _say(out, spec.held_point, False, now)


def _lost_sight(spec: DoorSpec, out: Step, reading: Reading, now: Now) -> None:
    if out.state.judge_s:
        _forced(spec, out, now)
    if out.state.seen or out.state.reason != reading.reason:
        _set(out, seen=False, reason=reading.reason)
        for point in (spec.forced_point, spec.held_point):
            out.readings.append(Reading(point, None, Quality.BAD, reading.reason, now.now_s))


def _input(spec: DoorSpec, out: Step, means: str, reading: Reading, now: Now) -> None:
    """Request to exit, or the site's own controller. What is not good asks for nothing."""
    active, was = reading.quality is Quality.GOOD and bool(reading.value), means in out.state.asking
    if active and not was:
        _set(out, asking=out.state.asking | {means})
        out.said.append(Said(Access.GRANTED, means))
        _leave(spec, out, now)
    elif was and not active:
        _set(out, asking=out.state.asking - {means}, leave_s=max(out.state.leave_s, now.now_s + spec.unlock_s + GRACE_S))


def _card(spec: DoorSpec, out: Step, reading: Reading, now: Now, calendar: SchoolCalendar) -> None:
    if reading.quality is not Quality.GOOD or not isinstance(reading.value, str) or not reading.value:
        return
    shown, card = reading.value[:SHOWN_CHARACTERS], spec.cards.get(reading.value)
    refused = "unknown card" if card is None else _outside(card, now, calendar)
    holder = card.name if card is not None and spec.tell_names else ""
    if not refused:
        out.said.append(Said(Access.GRANTED, CARD, shown, holder))
        _leave(spec, out, now)
        return
    out.said.append(Said(Access.DENIED, CARD, shown, holder, refused))
    before = len(out.state.denials)
    _set(out, denials=(*out.state.denials, now.now_s)[-spec.denied_burst :])
    if before < spec.denied_burst <= len(out.state.denials):
        _say(out, spec.denied_point, True, now)


def _outside(card: Card, now: Now, calendar: SchoolCalendar) -> str:
    """Why this is not a time of the card, or ''."""
    if card.hours is None:
        return ""
    if now.clock == "unknown":
        return "the clock was never set, so the card's hours cannot be judged"
    today, minute = calendar.local_day(now.at_ms)
    weekday = calendar.counts_as(today) if card.school_days else today.weekday()
    if weekday is None:
        return "the school is closed today"
    return "" if any(start <= minute < end for start, end in card.hours[weekday]) else "outside the card's hours"


def _leave(spec: DoorSpec, out: Step, now: Now) -> None:
    """The door may be opened: this undoes an opening that is not judged yet."""
    _set(out, leave_s=max(out.state.leave_s, now.now_s + spec.unlock_s + GRACE_S), judge_s=0.0)
    out.unlock = True
