"""Doors: an opening without leave is never missed, whatever the order of the readings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.doors import Card, DoorSpec
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.core.school_days import NO_WEEK, SchoolDays
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.doors import DENIED_WITHIN_S, GRACE_S, ORDER_S, DoorState, Said, kept, step

SHANGHAI = ZoneInfo("Asia/Shanghai")
FRIDAY_16H_MS = round(datetime.fromisoformat("2026-11-20T16:00:00+08:00").timestamp() * 1000)
NO_DAYS = SchoolCalendar(SHANGHAI, NO_WEEK)
TEACHER, CLEANER, STRANGER = "11aa22bb33cc44dd", "ee11ff2200334455", "0123456789abcdef"
MORNING = tuple(((360, 480),) if day < 5 else () for day in range(7))
DOOR = DoorSpec(
    "east", "gate", Text("东门", "East door"), contact="contact", card="card", request_to_exit="exit", granted="granted",
    held_s=20.0, unlock_s=5.0, cards={TEACHER: Card("王芳"), CLEANER: Card("李梅", MORNING)}, denied_burst=3,
)  # fmt: skip
LEAVE_S = DOOR.unlock_s + GRACE_S


@dataclass
class Porch:
    """One door with a clock that is moved by hand; `shown` is what its derived points say, `told` all that they said."""

    door: DoorSpec = DOOR
    state: DoorState = field(default_factory=DoorState)
    now_s: float = 1000.0
    clock: str = "synchronised"
    calendar: SchoolCalendar = NO_DAYS
    shown: dict[str, Value] = field(default_factory=dict)
    told: list[tuple[float, str, Value]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    unlocked: int = 0
    wakes: list[float] = field(default_factory=list)

    def now(self) -> Now:
        return Now(self.now_s, FRIDAY_16H_MS + round((self.now_s - 1000) * 1000), self.clock)

    def take(self, reading: Reading | None) -> None:
        out = step(self.door, self.state, reading, self.now(), self.calendar)
        self.state = out.state
        self.said += out.said
        self.unlocked += out.unlock
        assert all(at_s > self.now_s for at_s in out.wake_s)
        self.wakes += out.wake_s
        for derived in out.readings:
            name = derived.point.removeprefix("east-")
            self.shown[name] = derived.value if derived.quality is Quality.GOOD else f"{derived.quality}: {derived.reason}"
            self.told.append((self.now_s, name, self.shown[name]))

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD) -> None:
        self.take(Reading(point, value, quality, "" if quality is Quality.GOOD else "cut cable", self.now_s))

    def pass_time(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while due := [at_s for at_s in self.wakes if at_s <= end_s]:
            self.now_s = min(due)
            self.wakes = [at_s for at_s in self.wakes if at_s > self.now_s]
            self.take(None)
        self.now_s = end_s

    def restart(self) -> None:
        mark = self.state.to_keep(self.door, self.now())
        self.state, self.wakes, self.shown = kept(mark), [], {}


def closed(**more: Any) -> Porch:
    porch = Porch(**more)
    porch.read("contact", False)
    return porch


events = st.one_of(
    st.tuples(st.just("contact"), st.sampled_from([True, False, None])),
    st.tuples(st.sampled_from(["exit", "granted"]), st.sampled_from([True, False, None])),
    st.tuples(st.just("card"), st.sampled_from([TEACHER, STRANGER, None])),
    st.tuples(st.just("pass"), st.sampled_from([0.1, ORDER_S - 0.1, ORDER_S, 3.0, LEAVE_S, 30.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=40))
def test_forced_is_never_missed_and_never_invented(story: list[tuple[str, Any]]) -> None:
    """An independent book-keeping of the same story: when was leave given, when was the door found open."""
    porch = closed()
    is_open, active, leave_until_s, openings, forced = False, set(), -1.0, [], []

    def given_leave() -> None:
        nonlocal leave_until_s
        leave_until_s = max(leave_until_s, porch.now_s + LEAVE_S)
        openings[:] = [at_s for at_s in openings if porch.now_s >= at_s + ORDER_S - 1e-9]

    def judge() -> None:
        for at_s in list(openings):
            if porch.now_s >= at_s + ORDER_S - 1e-9:
                openings.remove(at_s)
                forced.append(at_s)

    for what, value in story:
        judge()
        if what == "pass":
            porch.pass_time(value)
            continue
        porch.read(what, value, Quality.BAD if value is None else Quality.GOOD)
        if what == "card":
            if value == TEACHER:
                given_leave()
        elif what != "contact":
            if value and what not in active:
                given_leave()
                active.add(what)
            elif not value and what in active:
                active.remove(what)
                leave_until_s = max(leave_until_s, porch.now_s + LEAVE_S)
        elif value and not is_open:
            is_open = True
            if not active and porch.now_s > leave_until_s:
                openings.append(porch.now_s)
        elif not value:
            forced += openings
            openings.clear()
            is_open = is_open and value is None
    porch.pass_time(1.0)
    judge()
    rises = [told for before, told in zip([None, *_forced(porch)], _forced(porch), strict=False) if told is True and before is not True]
    assert len(rises) == len(forced)


def _forced(porch: Porch) -> list[Value]:
    """What the forced point said; a contact out of sight and back again says the same once more."""
    out: list[Value] = []
    for _, name, value in porch.told:
        if name == "forced" and isinstance(value, bool):
            out.append(value)
    return out


def test_a_card_on_the_list_opens() -> None:
    porch = closed()
    porch.read("card", TEACHER)
    porch.pass_time(LEAVE_S - 0.1)
    porch.read("contact", True)
    porch.pass_time(1.0)
    assert porch.said == [Said("granted", "card", "11aa22bb")]
    assert porch.unlocked == 1
    assert porch.shown == {"denied": False, "forced": False, "held": False}


def test_leave_comes_to_an_end() -> None:
    porch = closed()
    porch.read("card", TEACHER)
    porch.pass_time(LEAVE_S + 0.1)
    porch.read("contact", True)
    porch.pass_time(ORDER_S)
    assert porch.shown["forced"] is True


@pytest.mark.parametrize(
    ("card", "clock", "reason"),
    [
        (STRANGER, "synchronised", "unknown card"),
        (CLEANER, "synchronised", "outside the card's hours"),
        (CLEANER, "unknown", "the clock was never set, so the card's hours cannot be judged"),
    ],
)
def test_denied(card: str, clock: str, reason: str) -> None:
    porch = closed(clock=clock)
    porch.read("card", card)
    assert porch.said == [Said("denied", "card", card[:8], "", reason)]
    assert porch.unlocked == 0
    porch.read("contact", True)
    porch.pass_time(ORDER_S)
    assert porch.shown["forced"] is True


def test_a_card_in_its_hours() -> None:
    porch = closed()
    porch.pass_time(14.5 * 3600 + 2 * 24 * 3600)  # Monday, 06:30
    porch.read("card", CLEANER)
    assert [said.access for said in porch.said] == ["granted"]


FOUNDERS_DAY = SchoolDays(holidays={date(2026, 11, 23): Text("校庆", "Founders' day")}, make_up={date(2026, 11, 22): (Text("校庆", ""), 0)})


@pytest.mark.parametrize(
    ("days", "school_days", "granted"), [(2.0, True, False), (2.0, False, True), (1.0, True, True), (1.0, False, False)]
)
def test_a_card_that_keeps_to_the_schools_days(days: float, school_days: bool, granted: bool) -> None:
    """Monday is a holiday, and its lessons are held on the Sunday before."""
    door = replace(DOOR, cards={CLEANER: Card("李梅", MORNING, school_days)})
    porch = closed(door=door, calendar=SchoolCalendar(SHANGHAI, NO_WEEK, FOUNDERS_DAY))
    porch.pass_time((14.5 + days * 24) * 3600)  # 06:30
    porch.read("card", CLEANER)
    assert [said.access for said in porch.said] == ["granted" if granted else "denied"]
    if not granted:
        assert porch.said[0].reason == ("the school is closed today" if school_days else "outside the card's hours")


def test_a_name_is_told_only_where_the_site_wants_it() -> None:
    porch = closed(door=DoorSpec("east", "gate", Text("东门", "East door"), card="card", cards=DOOR.cards, tell_names=True))
    porch.read("card", TEACHER)
    assert porch.said[0].holder == "王芳"


def test_a_card_that_cannot_be_believed_opens_nothing() -> None:
    porch = closed()
    porch.read("card", TEACHER, Quality.UNCERTAIN)
    porch.read("card", None, Quality.BAD)
    porch.read("card", "")
    assert (porch.said, porch.unlocked) == ([], 0)


@pytest.mark.parametrize(("point", "means"), [("exit", "request_to_exit"), ("granted", "controller")])
def test_inputs_give_leave_for_as_long_as_they_are_active(point: str, means: str) -> None:
    porch = closed()
    porch.read(point, True)
    porch.pass_time(60.0)
    porch.read("contact", True)
    porch.pass_time(1.0)
    porch.read("contact", False)
    porch.read(point, None, Quality.BAD)
    porch.pass_time(LEAVE_S - 0.1)
    porch.read("contact", True)
    porch.pass_time(1.0)
    porch.read("contact", False)
    assert porch.shown["forced"] is False
    porch.read("contact", True)
    porch.pass_time(1.0)
    assert porch.shown["forced"] is True, "what is not good asks for nothing"
    assert [said.means for said in porch.said] == [means]


def test_leave_that_is_read_just_after_the_opening() -> None:
    porch = closed()
    porch.read("contact", True)
    porch.pass_time(ORDER_S - 0.1)
    porch.read("exit", True)
    porch.pass_time(5.0)
    assert porch.shown["forced"] is False


def test_opened_and_shut_again_at_once_is_still_told() -> None:
    porch = closed()
    porch.read("contact", True)
    porch.pass_time(0.1)
    porch.read("contact", False)
    assert [value for _, name, value in porch.told if name == "forced"] == [False, True, False]


def test_a_cut_cable_is_not_a_closed_door() -> None:
    porch = closed()
    porch.read("contact", True)
    porch.read("contact", None, Quality.BAD)
    assert [value for _, name, value in porch.told if name == "forced"] == [False, True, "bad: cut cable"], "told before it is out of sight"
    porch.read("contact", True)
    assert porch.shown["forced"] is True, "it went on being open"
    porch.read("contact", False)
    assert porch.shown["forced"] is False


def test_found_open_after_it_was_out_of_sight() -> None:
    porch = closed()
    porch.read("contact", None, Quality.BAD)
    assert porch.shown["forced"] == porch.shown["held"] == "bad: cut cable"
    porch.pass_time(100.0)
    porch.read("contact", True)
    porch.pass_time(ORDER_S)
    assert porch.shown["forced"] is True


def test_held() -> None:
    porch = closed()
    porch.read("card", TEACHER)
    porch.read("contact", True)
    porch.pass_time(DOOR.held_s - 0.1)
    assert porch.shown["held"] is False
    porch.read("contact", None, Quality.BAD)
    porch.pass_time(1.0)
    porch.read("contact", True)
    assert porch.shown["held"] is True, "it counts from the opening, and a bad contact does not close it"
    porch.read("contact", False)
    assert porch.shown["held"] is False


def test_refused_again_and_again() -> None:
    porch = closed()
    for _ in range(2):
        porch.read("card", STRANGER)
    porch.pass_time(DENIED_WITHIN_S)
    porch.read("card", STRANGER)
    assert porch.shown["denied"] is False, "the first two are too long ago"
    for _ in range(2):
        porch.pass_time(1.0)
        porch.read("card", STRANGER)
    assert porch.shown["denied"] is True
    porch.pass_time(DENIED_WITHIN_S)
    assert porch.shown["denied"] is False


def test_a_door_that_is_open_when_it_is_first_seen_was_not_forced() -> None:
    porch = Porch()
    porch.read("contact", True)
    porch.pass_time(DOOR.held_s)
    assert porch.shown == {"denied": False, "forced": False, "held": True}


def test_opened_while_the_gateway_was_away() -> None:
    porch = closed()
    porch.restart()
    porch.read("contact", True)
    porch.pass_time(ORDER_S)
    assert porch.shown["forced"] is True


def test_leave_and_alarms_outlive_a_restart() -> None:
    porch = closed()
    porch.read("card", TEACHER)
    porch.restart()
    porch.pass_time(1.0)
    porch.read("contact", True)
    porch.pass_time(ORDER_S)
    assert porch.shown["forced"] is False
    porch.read("contact", False)
    porch.read("contact", True)
    porch.pass_time(DOOR.held_s)
    assert (porch.shown["forced"], porch.shown["held"]) == (True, True), "leave of an earlier run is good for the first look only"
    porch.restart()
    porch.read("contact", True)
    assert (porch.shown["forced"], porch.shown["held"]) == (True, True)
