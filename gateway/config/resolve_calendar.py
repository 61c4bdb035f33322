"""A school's calendar, checked and put together: library, [calendar], calendar file -> `SchoolDays` without any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path as FilePath

from gateway.config.calendar import Calendar, CalendarTables, ExceptionDays, HolidayYear, Windows
from gateway.config.hours import WEEKDAYS, parse_night, parse_spans, week_spans
from gateway.config.resolve import system_point
from gateway.config.settings import Problem, beside, problem_at
from gateway.config.site import Site
from gateway.config.toml_lines import KeyPath
from gateway.core.doors import Spans
from gateway.core.points import Point, Text
from gateway.core.school_days import CALENDAR_POINT, NOTHING, Boarding, DaySpans, Exceptional, SchoolDays, Term

_HOLIDAY_DAYS_MOST = 31
_EXCEPTION_DAYS_MOST = 366
_CHINA = ("Asia/Shanghai", "Asia/Urumqi")

Wrong = Callable[[KeyPath, str], None]  # notes what is wrong with a key of a table


@dataclass(slots=True)
class Found:
    """What was made of a site's calendar. point: tells that the calendar runs out; None where it never does."""

    days: SchoolDays = field(default_factory=SchoolDays)
    point: Point | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[tuple[KeyPath, str]] = field(default_factory=list)


def resolve_calendar(file: FilePath, site: Site, further: CalendarTables | None) -> Found:
    """Check and put together. file: the site file. further: its calendar file, if it names one that can be read."""
    out = Found()
    hours = week_spans(site.hours)
    calendar = site.calendar
    if calendar is None:
        if any(hours) and site.site.timezone in _CHINA:
            words = "count on public holidays too, and not on make-up workdays: add [calendar], an empty one is enough"
            out.warnings.append((("hours",), words))
        return out

    def wrong(key: KeyPath, words: str) -> None:
        out.problems.append(problem_at(file, ("calendar", *key), words))

    def wrong_further(key: KeyPath, words: str) -> None:
        out.problems.append(problem_at(beside(file, calendar.file), key, words))

    sources: list[tuple[CalendarTables, Wrong]] = [(calendar, wrong)]
    if further is not None:
        sources.append((further, wrong_further))
    arrival, dismissal = (_windows(name, getattr(calendar, name), hours, wrong) for name in ("arrival", "dismissal"))
    _apart(arrival, dismissal, wrong)
    if not any(hours) and (calendar.arrival != Windows() or calendar.dismissal != Windows()):
        out.warnings.append((("calendar",), "no day of [hours] is open, so arrival and dismissal never count"))
    if not hours[WEEKDAYS.index(calendar.make_up_like)] and any(hours):
        words = f"[hours] has none for {calendar.make_up_like}, so nothing is held on a make-up workday"
        out.warnings.append((("calendar", "make_up_like"), words))
    terms = _terms(sources)
    listed = _Listed.of_library() if calendar.holidays == "china" else _Listed()
    for number, year, note in _years(sources):
        listed.take(year, number, note)
    exceptions = _exceptions(sources, calendar)
    ends, beyond = _ends(terms, listed)
    out.days = SchoolDays(
        arrival, dismissal, terms, listed.holidays, listed.make_up(calendar), exceptions, _boarding(calendar, wrong), ends, beyond
    )
    if ends is not None:
        out.point = _point(ends, beyond, next(iter(site.places)))
    return out


def _windows(name: str, windows: Windows, hours: Spans, wrong: Wrong) -> Spans:
    """Per weekday; errors of `daily` are told once."""
    daily = _spans((name, "daily"), windows.daily, wrong)
    own = {day: _spans((name, day), getattr(windows, day), wrong) for day in WEEKDAYS}
    return tuple((daily if own[day] is None else own[day] or ()) or () if hours[i] else () for i, day in enumerate(WEEKDAYS))


def _spans(key: KeyPath, words: list[str] | None, wrong: Wrong) -> DaySpans | None:
    """Spans of a list that may be left out; what is wrong with one of them is told at its place."""
    if words is None:
        return None
    out: list[tuple[int, int]] = []
    for i, each in enumerate(words):
        try:
            out += parse_spans([each])
        except ValueError as error:
            wrong((*key, i), str(error))
    return tuple(out)


def _apart(arrival: Spans, dismissal: Spans, wrong: Wrong) -> None:
    for i, day in enumerate(WEEKDAYS):
        if _overlap(arrival[i], dismissal[i]):
            wrong(("dismissal",), f"overlaps with arrival on {day}: a minute is for coming or for going")
            return


def _overlap(one: DaySpans, other: DaySpans) -> bool:
    return any(a < d and c < b for a, b in one for c, d in other)


def _terms(sources: list[tuple[CalendarTables, Wrong]]) -> tuple[Term, ...]:
    found: list[Term] = []
    for tables, wrong in sources:
        for i, term in enumerate(tables.terms):
            clash = next((other for other in found if term.first <= other.last and other.first <= term.last), None)
            if term.last < term.first:
                wrong(("terms", i, "last"), f"{term.last} is before its first day, {term.first}")
            elif clash is not None:
                wrong(("terms", i), f'overlaps with "{clash.name.zh}", {clash.first} to {clash.last}')
            else:
                found.append(Term(term.first, term.last, _text(term.name, term.name_en)))
    return tuple(sorted(found, key=lambda term: term.first))


def _years(sources: list[tuple[CalendarTables, Wrong]]) -> Iterator[tuple[int, HolidayYear, Wrong]]:
    """(place in its list, year, its source), a calendar file's list in the place of the site file's for the same year."""
    newest: dict[int, tuple[int, HolidayYear, Wrong]] = {}
    for tables, wrong in sources:
        seen: dict[int, int] = {}
        for i, year in enumerate(tables.years):
            if year.year in seen:
                wrong(("years", i, "year"), f"{year.year} is given already by years[{seen[year.year]}]")
                continue
            seen[year.year] = i
            newest[year.year] = (i, year, wrong)
    yield from newest.values()


@dataclass(slots=True)
class _Listed:
    """Public holidays and make-up workdays. made_up: (name, weekday or None for the site's usual one)."""

    holidays: dict[date, Text] = field(default_factory=dict)
    made_up: dict[date, tuple[Text, int | None]] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)

    @classmethod
    def of_library(cls) -> _Listed:
        """All years that the library knows. It refuses those it does not know, rather than guess."""
        import chinese_calendar  # type: ignore[import-untyped]  # here only: the daemon gets the days, not the library

        names = {item.value: Text(item.chinese, item.value) for item in chinese_calendar.Holiday}
        holidays = {day: names[name] for day, name in chinese_calendar.holidays.items()}
        made_up: dict[date, tuple[Text, int | None]] = {day: (names[name], None) for day, name in chinese_calendar.workdays.items()}
        return cls(holidays, made_up, {day.year for day in holidays})

    def make_up(self, calendar: Calendar) -> dict[date, tuple[Text, int]]:
        """With the weekday whose lessons are held."""
        usual = WEEKDAYS.index(calendar.make_up_like)
        return {day: (name, usual if like is None else like) for day, (name, like) in self.made_up.items()}

    def take(self, year: HolidayYear, number: int, wrong: Wrong) -> None:
        """Put a year's list in the place of what is known of that year."""
        self.known.add(year.year)
        for known in (self.holidays, self.made_up):
            for day in [day for day in known if day.year == year.year]:
                del known[day]
        seen: dict[date, KeyPath] = {}
        for j, holiday in enumerate(year.holidays):
            key: KeyPath = ("years", number, "holidays", j)
            for day in _days(key, holiday.first, holiday.last, _HOLIDAY_DAYS_MOST, wrong):
                if self._fits(key, day, year.year, seen, wrong):
                    self.holidays[day] = _text(holiday.name, holiday.name_en)
                    self.made_up.pop(day, None)
        for j, made_up in enumerate(year.make_up_days):
            if self._fits(("years", number, "make_up_days", j), made_up.day, year.year, seen, wrong):
                like = None if made_up.like is None else WEEKDAYS.index(made_up.like)
                self.made_up[made_up.day] = (_text(made_up.name, made_up.name_en), like)
                self.holidays.pop(made_up.day, None)

    @staticmethod
    def _fits(key: KeyPath, day: date, year: int, seen: dict[date, KeyPath], wrong: Wrong) -> bool:
        if day.year != year and (day.year, day.month) != (year - 1, 12):
            wrong(key, f"{day} does not belong to the list of {year}")
        elif day in seen:
            wrong(key, f"{day} stands in this list already: {seen[day][-2]}[{seen[day][-1]}]")
        else:
            seen[day] = key
            return True
        return False


def _days(key: KeyPath, first: date, last: date | None, most: int, wrong: Wrong) -> list[date]:
    """All days from first to last, or nothing after saying what is wrong with them."""
    count = ((last or first) - first).days + 1
    if count < 1:
        wrong((*key, "last"), f"{last} is before its first day, {first}")
    elif count > most:
        wrong((*key, "last"), f"{first} to {last} are {count} days; at most {most} are expected")
    else:
        return [first + timedelta(days=number) for number in range(count)]
    return []


def _exceptions(sources: list[tuple[CalendarTables, Wrong]], calendar: Calendar) -> dict[date, Exceptional]:
    found: dict[date, Exceptional] = {}
    for tables, wrong in sources:
        for i, given in enumerate(tables.exceptions):
            key: KeyPath = ("exceptions", i)
            made = _exceptional(key, given, calendar, wrong)
            for day in _days(key, given.first, given.last, _EXCEPTION_DAYS_MOST, wrong):
                if day in found:
                    wrong(key, f'{day} is "{found[day].name.zh}" already; a day has one exception')
                    break
                found[day] = made
    return found


def _exceptional(key: KeyPath, given: ExceptionDays, calendar: Calendar, wrong: Wrong) -> Exceptional:
    spans = {name: _spans((*key, name), getattr(given, name), wrong) for name in ("hours", "arrival", "dismissal")}
    if given.kind == "closed":
        for name in spans:
            if spans[name]:
                wrong((*key, name), "a closed day has none")
    if given.kind == "early" and not given.dismissal:
        wrong(key, "an early dismissal needs `dismissal`, the time at which pupils go")
    if given.like is not None and given.kind not in ("extra", "exam"):
        wrong((*key, "like"), f"is for extra and exam days; this one is {given.kind}")
    if given.boarding is not None and calendar.boarding is None:
        wrong((*key, "boarding"), "needs [calendar.boarding]")
    if _overlap(spans["arrival"] or (), spans["dismissal"] or ()):
        wrong((*key, "dismissal"), "overlaps with arrival: a minute is for coming or for going")
    like = WEEKDAYS.index(given.like or calendar.make_up_like)
    return Exceptional(
        given.kind, _text(given.name, given.name_en), like, spans["hours"], spans["arrival"], spans["dismissal"], given.boarding
    )


def _boarding(calendar: Calendar, wrong: Wrong) -> Boarding | None:
    given = calendar.boarding
    if given is None:
        return None
    try:
        night = parse_night(given.night)
    except ValueError as error:
        wrong(("boarding", "night"), str(error))
        return None
    return Boarding(frozenset(WEEKDAYS.index(day) for day in given.days), night, given.holidays)


def _ends(terms: tuple[Term, ...], listed: _Listed) -> tuple[date | None, Text]:
    """The last day of which everything is known, and what is missing after it."""
    found: list[tuple[date, Text]] = []
    if listed.known:
        year = min(listed.known)
        while year + 1 in listed.known:
            year += 1
        found.append((date(year, 12, 31), Text("没有法定节假日安排", "no public holidays are known")))
    if terms:
        found.append((terms[-1].last, Text("没有学期", "no term is known")))
    if not found:
        return None, NOTHING
    return min(found, key=lambda each: each[0])


def _point(ends: date, beyond: Text, place: str) -> Point:
    """The point that says so in good time, with the day in its words."""
    point = system_point(CALENDAR_POINT, "calendar", place, "")
    words = Text(f"校历只到 {ends}，之后{beyond.zh}", f"The calendar ends on {ends}, {beyond.en} beyond it")
    return replace(point, alarms=tuple(replace(alarm, text=words) for alarm in point.alarms))


def _text(zh: str, en: str) -> Text:
    return Text(zh, en or zh)
