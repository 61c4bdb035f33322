"""What all duties of people share: how somebody shows to be there, what is said of it, and what a list of duties tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from gateway.core.commands import Command
from gateway.core.duties import Signers
from gateway.core.linkage import Said
from gateway.core.points import Text
from gateway.core.reading import Quality, Reading, Value
from gateway.rules.doors import SHOWN_CHARACTERS
from gateway.rules.rule import Step, View

NO_CLOCK = "the clock was never set: nothing is due until it is"
OFF_S = 120.0  # rules look at the clock every minute; what was due for longer was due while the gateway was off


@dataclass(frozen=True, slots=True)
class Sign:
    """Somebody was there. means: card, button or command. by: the name, where it is known. card: what people may see of it."""

    means: str
    by: str = ""
    card: str = ""

    def data(self) -> dict[str, object]:
        """For an event."""
        return {name: value for name, value in (("means", self.means), ("by", self.by), ("card", self.card)) if value}

    @property
    def who(self) -> str:
        """For people: the name, or what is known instead of one."""
        return self.by or self.card


def sign_of(signers: Signers, known: Mapping[str, Value], reading: Reading) -> tuple[dict[str, Value], Sign | None]:
    """(what the points show now, who was there by this reading or None). known: what they showed before.

    A button that is found pressed, or whose last state nobody knows, says nothing: it may have been taped down. So does a counter that
    starts, or drops back as after a restart of its device.
    """
    before = dict(known)
    if reading.point not in signers.points or reading.quality is not Quality.GOOD or reading.value is None:
        return before, None
    value = reading.value
    if isinstance(value, str):
        holder = signers.cards.get(value)
        if holder is None:
            return before, None
        return before, Sign("card", holder if signers.tell_names else "", value[:SHOWN_CHARACTERS])
    was = before.get(reading.point)
    before[reading.point] = value
    if was is None or isinstance(was, str):
        return before, None
    pressed = value and not was if isinstance(value, bool) else value > was
    return before, Sign("button") if pressed else None


def sign_by(command: Command) -> Sign:
    """Who says by command to be there."""
    return Sign("command", command.by.strip())


def said(word: str, duty: str, place: str, text: Text, **data: object) -> Said:
    """An event of class duty. word: the last part of its type."""
    return Said("duty", f"duty.{word}", duty, {"point": duty, "place": place, "text": {"zh": text.zh, "en": text.en}, **data})


def tell(out: Step, point: str, told: str, value: bool | None, view: View, reason: str = "", detail: dict[str, Any] | None = None) -> str:
    """Say what the rule's point shows, if that is new. told: what was said last in this run. Returns what is said now."""
    now = str(value)
    if now != told:
        quality = Quality.BAD if value is None else Quality.GOOD
        out.readings.append(Reading(point, value, quality, reason, view.now.now_s, detail))
    return now


def utc_ms(zone: ZoneInfo, day: date, minute: int) -> int:
    """UTC milliseconds of a minute from midnight of a local day; 1440 and more belong to the days after it."""
    there = day + timedelta(days=minute // 1440)
    local = datetime(there.year, there.month, there.day, minute % 1440 // 60, minute % 60, tzinfo=zone)
    return round(local.timestamp() * 1000)


def local_time(view: View, at_ms: int) -> str:
    """HH:MM on the school's own wall; with the date where it is not today."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(view.calendar.zone)
    return local.strftime("%H:%M" if local.date() == view.calendar.local_date(view.now.at_ms) else "%m-%d %H:%M")


def wake(out: Step, view: View, *times_s: float) -> None:
    """Look again at these monotonic seconds, those that are still to come."""
    out.wake_s += [at_s for at_s in times_s if at_s > view.now.now_s]


def doubt(view: View, points: tuple[str, ...], *, must_be_read: bool) -> str:
    """Which of these points cannot be believed, and why; '' when all can. must_be_read: one that was never read counts too."""
    words = []
    for point in points:
        reading = view.reading(point)
        if reading is None and must_be_read:
            words.append(f"{point}: not read yet")
        elif reading is not None and reading.quality is Quality.BAD:
            words.append(f"{point}: {reading.reason}")
    return f"unknown: {', '.join(words)}" if words else ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a list of duties tells of one. state: one word. who: on duty now or there last. due_ms: UTC, 0 where nothing is due or it
    is not told. done, of: rounds of today, 0 of 0 where that means nothing.
    """

    duty: str
    rule: str
    place: str
    name: Text
    state: str
    text: Text
    who: str = ""
    due_ms: int = 0
    done: int = 0
    of: int = 0


@runtime_checkable
class Duty(Protocol):
    """A rule about something that people must do by a time."""

    def report(self, state: Any, view: View) -> Report:
        """Where it stands now."""
