"""What day is it for this school, and what do its pupils do at this moment?

The local clock decides. Where summer time skips an hour, a window that begins within it begins when the clock jumps, and one
that lies wholly within it does not happen that day. Where an hour comes twice, whatever stands in it counts both times.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from gateway.core.points import Text
from gateway.core.school_days import DayKind, DaySpans, Exceptional, SchoolDays, Term, Window
from gateway.rules.timetable import Timetable

NOTICE_DAYS = 60  # each year's list is published in November, two months before it counts
HORIZON_DAYS = 400  # a timetable in which nothing changes for a year never changes
OPEN = frozenset({Window.ARRIVAL, Window.DISMISSAL, Window.LESSON})
_DAY_MS = 24 * 3600 * 1000

_SCHOOL_DAY = Text("教学日", "school day")
_WEEKEND = Text("周末", "weekend")
_DAY_OFF = Text("休息日", "day off")
_VACATION = Text("假期", "vacation")


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a school. Spans are minutes of the local day; name: the holiday or exception, or the kind in words."""

    kind: DayKind
    name: Text
    lessons: DaySpans = ()
    arrival: DaySpans = ()
    dismissal: DaySpans = ()
    night: DaySpans = ()
    boarding: bool = False

    def window(self, minute: int) -> Window:
        """What pupils do in this minute of the local day."""
        for spans, window in (
            (self.arrival, Window.ARRIVAL),
            (self.dismissal, Window.DISMISSAL),
            (self.lessons, Window.LESSON),
            (self.night, Window.NIGHT),
        ):
            if any(start <= minute < end for start, end in spans):
                return window
        return Window.BOARDING if self.boarding else Window.NONE

    def edges(self) -> set[int]:
        """Minutes of the local day at which the window may change; its own begin is one."""
        return {0} | {edge for spans in (self.arrival, self.dismissal, self.lessons, self.night) for span in spans for edge in span}


@dataclass(frozen=True, slots=True)
class SchoolCalendar(Timetable):
    """A school's weekly hours together with all that it knows of its days. With hours alone it is a plain timetable."""

    days: SchoolDays = field(default_factory=SchoolDays)

    def is_open(self, at_ms: int) -> bool:
        """True while lessons are held or pupils come or go. at_ms: UTC milliseconds."""
        return self.window(at_ms) in OPEN

    def window(self, at_ms: int) -> Window:
        """What pupils do at this UTC time in milliseconds. NONE: nobody is expected in the school."""
        local = self._local(at_ms)
        return self.day(local.date()).window(local.hour * 60 + local.minute)

    def next_change(self, at_ms: int, days: int = HORIZON_DAYS) -> tuple[int, Window] | None:
        """The first UTC millisecond after `at_ms` at which the window is another, and which; None if not within so many days."""
        now = self.window(at_ms)
        for number in range(days):
            for edge in self._edges(at_ms + number * _DAY_MS):
                window = self.window(edge)
                if window is not now:
                    return edge, window
        return None

    def local_day(self, at_ms: int) -> tuple[date, int]:
        """Date and minute of the day on the school's own wall at this UTC time in milliseconds."""
        local = self._local(at_ms)
        return local.date(), local.hour * 60 + local.minute

    def local_date(self, at_ms: int) -> date:
        """The date on the school's own wall at this UTC time in milliseconds."""
        return self._local(at_ms).date()

    def term(self, day: date) -> Term | None:
        """The term that this day belongs to."""
        return next((term for term in self.days.terms if term.first <= day <= term.last), None)

    def runs_out(self, day: date) -> bool:
        """True from 60 days before the last day of which everything is known."""
        return self.days.ends is not None and day >= self.days.ends - timedelta(days=NOTICE_DAYS)

    def counts_as(self, day: date) -> int | None:
        """The weekday (0 = Monday) whose hours count for whoever keeps to the school's days; None where the school is closed all day.

        For hours of their own, such as those of cards: an early dismissal does not end them.
        """
        usual, why = self._usual(day), self.days.exceptions.get(day)
        if why is not None and why.kind in ("extra", "exam") and not usual.lessons:
            return why.like
        if usual.kind in (DayKind.HOLIDAY, DayKind.VACATION) or (why is not None and why.kind == "closed"):
            return None
        return self.days.make_up[day][1] if usual.kind is DayKind.MAKE_UP_DAY else day.weekday()

    def day(self, day: date) -> Day:
        """What this day is, and why."""
        usual = self._usual(day)
        exceptional = self.days.exceptions.get(day)
        return usual if exceptional is None else self._exceptional(usual, exceptional)

    def _usual(self, day: date) -> Day:
        known, weekday = self.days, day.weekday()
        in_term = not known.terms or self.term(day) is not None
        if day in known.holidays:
            stays = in_term and known.boarding is not None and known.boarding.holidays
            return self._boarded(Day(DayKind.HOLIDAY, known.holidays[day]), stays and self._boards(weekday))
        if not in_term:
            return Day(DayKind.VACATION, _VACATION)
        if day in known.make_up:
            name, like = known.make_up[day]
            return self._boarded(self._like(DayKind.MAKE_UP_DAY, name, like), self._boards(weekday))
        if self.spans[weekday]:
            return self._boarded(self._like(DayKind.SCHOOL_DAY, _SCHOOL_DAY, weekday), self._boards(weekday))
        return self._boarded(Day(DayKind.WEEKEND, _WEEKEND if weekday > 4 else _DAY_OFF), self._boards(weekday))

    def _exceptional(self, usual: Day, why: Exceptional) -> Day:
        found = replace(usual, kind=DayKind.EXCEPTION, name=why.name)
        if why.kind == "closed":
            found = replace(found, lessons=(), arrival=(), dismissal=())
        elif why.kind in ("extra", "exam") and not usual.lessons:
            found = self._boarded(self._like(DayKind.EXCEPTION, why.name, why.like), usual.boarding)
        for name in ("lessons", "arrival", "dismissal"):
            spans = getattr(why, name)
            if spans is not None:
                found = replace(found, **{name: spans})
        if why.kind == "early" and why.dismissal:
            found = _early(usual, found, why.dismissal)
        return found if why.boarding is None else self._boarded(found, why.boarding)

    def _like(self, kind: DayKind, name: Text, weekday: int) -> Day:
        """A day with the hours and windows of this weekday; windows belong to lessons."""
        lessons = self.spans[weekday]
        if not lessons:
            return Day(kind, name)
        return Day(kind, name, lessons, self.days.arrival[weekday], self.days.dismissal[weekday])

    def _boards(self, weekday: int) -> bool:
        return self.days.boarding is not None and weekday in self.days.boarding.weekdays

    def _boarded(self, day: Day, boarding: bool) -> Day:
        night = self.days.boarding.night if boarding and self.days.boarding else ()
        return replace(day, boarding=boarding, night=night)

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)

    def _edges(self, begin_ms: int) -> list[int]:
        """Every UTC millisecond of (begin, begin + 24 h] at which the window may change, in order."""
        end_ms = begin_ms + _DAY_MS
        first, last = self._local(begin_ms), self._local(end_ms)
        offsets = {_offset_ms(first), _offset_ms(last)}
        found = {self._jump(begin_ms, end_ms)} if len(offsets) > 1 else set()
        for number in range((last.date() - first.date()).days + 1):
            day = first.date() + timedelta(days=number)
            midnight_ms = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
            found |= {midnight_ms + minute * 60_000 - offset for minute in self.day(day).edges() for offset in offsets}
        return sorted(edge for edge in found if begin_ms < edge <= end_ms)

    def _jump(self, begin_ms: int, end_ms: int) -> int:
        """The first millisecond that has the offset of the end; the offset changes once between the two."""
        after = _offset_ms(self._local(end_ms))
        while end_ms - begin_ms > 1:
            middle = (begin_ms + end_ms) // 2
            if _offset_ms(self._local(middle)) == after:
                end_ms = middle
            else:
                begin_ms = middle
        return end_ms


def _offset_ms(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1000)


def _early(usual: Day, changed: Day, dismissal: DaySpans) -> Day:
    """Pupils go home at `dismissal`; what came before it stays (lunch at home), what came after it does not happen."""
    begin, end = min(start for start, _ in dismissal), max(end for _, end in dismissal)
    return replace(
        changed,
        lessons=tuple((start, min(last, end)) for start, last in changed.lessons if start < end),
        arrival=tuple(span for span in changed.arrival if span[1] <= begin),
        dismissal=tuple(span for span in usual.dismissal if span[1] <= begin) + dismissal,
    )
