"""Reports are issued at their time, once under each number, through restarts, crashes, wrong clocks and refusing disks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.canonical import digest
from gateway.contract.jws import TrustedKey, verify_detached
from gateway.core.errors import JournalUnreadable
from gateway.core.history import Past
from gateway.core.ids import EventIds
from gateway.core.points import EventClass
from gateway.core.reading import Now
from gateway.journal.history import JournalHistory
from gateway.journal.store import Batch, Store
from gateway.report.facts import Facts
from gateway.report.schedule import Schedule
from gateway.runtime import report_files
from gateway.runtime.report_files import ReportUnreadable
from gateway.runtime.reports import KEY, Hands, Reports
from tests.gateway.contract.published import data_problems, message_problems
from tests.gateway.journal.journals import draft, open_at, signer
from tests.gateway.report.past import SITE, ZONE

SCHEDULE = Schedule(ZONE, 17 * 60 + 30, 4, 1)
SOURCE = "/sites/school/gateways/gate"
BOOT_ID = "0d8f3a60-5d0c-4c1e-9d53-0f6f6f0f7a11"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


def local(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(ZONE):%Y-%m-%dT%H:%M}"


@dataclass
class Office:
    """Reports of one school with a real journal. commits: False while the journal refuses: what is submitted waits.

    now_s: monotonic. at_ms: wall time; who assigns it sets the clock, and no time passes.
    """

    folder: Path
    store: Store
    at_ms: int
    clock: str = "synchronised"
    commits: bool = True
    published: list[tuple[str, bytes]] = field(default_factory=list)
    waiting: list[Batch] = field(default_factory=list)
    now_s: float = 100.0
    powered: bool = False  # it has looked since its start
    clock_was: str = ""
    off: list[tuple[int, int]] = field(default_factory=list)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, past: Past | None = None) -> None:
        """A start of the daemon."""
        ids = EventIds()
        row = next((latch.state for latch in self.store.latches() if latch.key == KEY), None)
        self.powered = False
        hands = Hands(
            now=lambda: Now(self.now_s, self.at_ms, self.clock),
            gather=lambda boots, from_ms, to_ms: (Facts(SITE, gateway={"boots": boots, "clock": self.clock}), self.further),
            submit=self.submit,
            publish=lambda kind, body: self.published.append((kind, body)),
            event_id=ids,
        )
        past = JournalHistory(self.folder) if past is None else past
        self.reports = Reports(SCHEDULE, self.folder, SOURCE, BOOT_ID, signer(), past, hands, row)

    def submit(self, batch: Batch) -> None:
        self.waiting.append(batch)
        if self.commits:
            self.commit()

    def commit(self) -> None:
        """The journal takes what waits."""
        for batch in self.waiting:
            (sealed,) = self.store.commit([batch], [])
            self.reports.committed(sealed)
            for after in batch.after:
                after()
        self.waiting = []

    async def look(self, when: str) -> None:
        """Local time is `when`, and the daemon looks.

        So much time passes; none where it was off (first look), or the clock was set (backwards, or its quality is another one now).
        """
        if self.powered and self.clock == self.clock_was:
            self.now_s += max(0, ms(when) - self.at_ms) / 1000
        self.at_ms, self.powered, self.clock_was = ms(when), True, self.clock
        await self.reports.look()

    def events(self) -> list[dict[str, Any]]:
        """`data` of what announced reports, oldest first."""
        rows = self.store.db.execute("SELECT body FROM event WHERE type = 'campus.report.issued' ORDER BY row").fetchall()
        return [json.loads(body)["data"] for (body,) in rows]

    def numbers(self) -> list[tuple[str, int]]:
        return [(data["report"], data["number"]) for data in self.events()]

    def report(self, kind: str, number: int) -> dict[str, Any]:
        return report_files.read(self.folder, kind, number)

    def further(self, past: Past, facts: Facts) -> Facts:
        """In the thread; the four 100% are counted with what is handed in here."""
        self.off = list(facts.off)
        return facts

    def spans(self, kind: str) -> list[tuple[str, str]]:
        """From when to when each report of a kind is, local."""
        told = [self.report(kind, number) for each, number in self.numbers() if each == kind]
        return [(local(report["from"]), local(report["to"])) for report in told]

    def figures(self, number: int, section: str = "gateway") -> dict[str, Any]:
        """Of a daily report."""
        return {each["figure"]: each["value"] for each in self.report("daily", number)["sections"][section]["figures"]}

    def alarm(self) -> None:
        """An alarm is sealed now."""
        about = {"point": "p", "alarm": "alarm", "status": "Actual", "place": "gate", "alarm_class": "panic", "role": "panic_button"}
        made = draft(EventClass.ALARM, **about)
        self.submit(Batch([replace(made, type="campus.alarm.activated", at_ms=self.at_ms)]))

    def ended_drill(self, when: str) -> str:
        """A drill ends; the id of its event."""
        totals = {"listed": 1, "pressed": 1, "slowest_received_s": None, "slowest_acknowledged_s": None}
        text = {"zh": "演练结束", "en": "drill over"}
        made = draft(EventClass.MODE, totals=totals, text=text, started_at="2026-11-22T09:00:00.000Z")
        ended = replace(made, type="campus.mode.drill_ended", at_ms=ms(when))
        self.submit(Batch([ended]))
        return ended.id


@contextmanager
def office(folder: Path, when: str = "2026-11-22T12:00:00") -> Iterator[Office]:
    store, _ = open_at(folder)
    with closing(store):
        yield Office(folder, store, ms(when))


async def test_a_daily_report_goes_at_its_time_although_nothing_happened(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:30:04")
        assert here.numbers() == [], "what happened just before is not on the disk yet"
        await here.look("2026-11-22T17:30:05")
        await here.look("2026-11-22T23:00:00")
        assert here.numbers() == [("daily", 1)]
        report = here.report("daily", 1)
        assert (report["nothing_happened"], report["late"]) == (True, False)
        assert (report["from"], report["to"]) == ("2026-11-22T04:00:00.000Z", "2026-11-22T09:30:00.000Z")
        (event,) = here.events()
        (sent,) = here.published
        assert event["sha256"] == digest(sent[1]) == digest(report_files.body_of(tmp_path, "daily", 1))
        assert "零报告" in event["text"]["zh"]
        public = signer().public()
        verify_detached(report, TrustedKey(public["kid"], public["x"], "gateway"))


async def test_the_next_one_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        for when in ("2026-11-22T12:00:00", "2026-11-22T17:31:00", "2026-11-23T17:31:00", "2026-11-24T17:31:00"):
            await here.look(when)
        assert here.numbers() == [("daily", 1), ("daily", 2), ("daily", 3)]
        spans = [(here.report("daily", n)["from"], here.report("daily", n)["to"]) for n in (1, 2, 3)]
        assert all(one[1] == other[0] for one, other in pairwise(spans))


async def test_weekly_and_monthly_at_theirs(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-26T12:00:00") as here:
        for when in ("2026-11-26T12:00:00", "2026-11-27T17:31:00", "2026-12-01T17:31:00"):
            await here.look(when)
        assert here.numbers() == [("daily", 1), ("weekly", 1), ("daily", 2), ("monthly", 1)]
        assert here.report("monthly", 1)["compared_with"]["to"] == here.report("monthly", 1)["from"]
        assert [kind for kind, _ in here.published] == ["daily", "weekly", "daily", "monthly"]


async def test_a_gateway_that_was_off_issues_late_once_and_says_so(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.begin()
        await here.look("2026-11-25T08:00:00")
        assert here.numbers() == [("daily", 1)]
        report = here.report("daily", 1)
        assert (report["late"], report["to"]) == (True, "2026-11-24T09:30:00.000Z"), "up to the last time it should have gone"
        assert here.events()[0]["text"]["zh"].endswith("逾时签发")
        assert report["sections"]["gateway"]["figures"][0]["value"] == 1, "of its starts one lies in the period"
        await here.look("2026-11-25T17:31:00")
        assert here.numbers()[-1] == ("daily", 2)


async def test_a_clock_that_was_never_set_waits(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        here.clock = "unknown"
        await here.look("1970-01-01T17:31:00")
        assert (here.numbers(), here.store.latches()) == ([], [])
        with pytest.raises(ReportUnreadable, match="clock"):
            await here.reports.preview("daily")
        here.clock = "holdover"
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:31:00")
        assert here.numbers() == [("daily", 1)]
        assert here.report("daily", 1)["clockquality"] == "holdover"


async def test_a_clock_that_was_wrong_does_not_silence_reports_for_years(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        await here.look("2036-11-22T17:31:00")
        count = len(here.events())
        await here.look("2026-11-22T18:00:00")
        await here.look("2026-11-23T17:31:00")
        assert here.numbers()[count:] == [("daily", 2), ("daily", 3)]
        assert here.spans("daily")[1:] == [("2026-11-22T12:00", "2026-11-22T17:30"), ("2026-11-22T17:30", "2026-11-23T17:30")]


async def test_after_a_crash_between_file_and_event_the_same_report_is_finished(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.commits = False
        await here.look("2026-11-22T17:31:00")
        body = report_files.body_of(tmp_path, "daily", 1)
        assert here.published == [], "only what is in the journal is sent"
        here.waiting, here.commits = [], True  # the power ends here
        here.begin()
        await here.look("2026-11-22T19:00:00")
        assert (here.numbers(), here.published) == ([("daily", 1)], [("daily", body)])
        await here.look("2026-11-23T17:31:00")
        assert here.numbers() == [("daily", 1), ("daily", 2)]


async def test_a_half_written_file_is_written_anew(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        path = report_files.path_of(tmp_path, "daily", 1)
        path.write_bytes(b'{"report":"daily","number":1,"to":"2026')
        await here.look("2026-11-22T17:31:00")
        assert here.report("daily", 1)["to"] == "2026-11-22T09:30:00.000Z"


async def test_a_file_that_somebody_else_has_put_there_is_not_sent(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        forged = {"report": "daily", "number": 1, "from": "x", "to": "2026-11-22T09:30:00.000Z", "signature": "a..b"}
        report_files.write(tmp_path, "daily", 1, json.dumps(forged).encode())
        await here.look("2026-11-22T17:31:00")
        assert here.report("daily", 1)["from"] == "2026-11-22T04:00:00.000Z"


async def test_an_older_copy_of_the_journal_uses_no_number_for_another_report(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        (before,) = [latch for latch in here.store.latches() if latch.key == KEY]
        await here.look("2026-11-22T17:31:00")
        await here.look("2026-11-23T17:31:00")
        told = {number: report_files.body_of(tmp_path, "daily", number) for number in (1, 2)}
        here.store.commit([Batch(latches=[before])], [])  # as the copy has it
        here.begin()
        await here.look("2026-11-24T17:31:00")
        assert here.numbers() == [("daily", number) for number in (1, 2, 1, 2, 3)]
        assert {number: report_files.body_of(tmp_path, "daily", number) for number in (1, 2)} == told
        assert here.report("daily", 3)["from"] == here.report("daily", 2)["to"]


async def test_a_journal_that_lost_its_states_goes_on_above_what_lies_on_the_disk(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:31:00")
        here.store.db.execute("DELETE FROM latch")
        here.begin()
        await here.look("2026-11-23T12:00:00")
        await here.look("2026-11-23T17:31:00")
        assert here.numbers() == [("daily", 1), ("daily", 2)]


@pytest.mark.parametrize("row", [None, 5, "x", {"kinds": 3}, {"kinds": {"daily": {"number": "x"}}}, {"boots": ["x"], "kinds": []}])
async def test_a_damaged_row_is_begun_anew(tmp_path: Path, row: Any) -> None:
    with office(tmp_path) as here:
        here.reports = Reports(SCHEDULE, tmp_path, SOURCE, BOOT_ID, signer(), JournalHistory(tmp_path), here.reports._hands, row)
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:31:00")
        assert here.numbers() == [("daily", 1)]


async def test_each_drill_has_its_report_once(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        here.ended_drill("2026-11-20T10:00:00")
        await here.look("2026-11-22T12:00:00")
        assert here.numbers() == [], "drills from before there were reports have none"
        first, second = here.ended_drill("2026-11-22T12:01:00"), here.ended_drill("2026-11-22T12:02:00")
        await here.look("2026-11-22T12:03:00")
        await here.look("2026-11-22T12:04:00")
        here.begin()
        await here.look("2026-11-22T12:05:00")
        assert here.numbers() == [("drill", 1), ("drill", 2)]
        assert [here.report("drill", number)["event"] for number in (1, 2)] == [first, second]
        assert here.report("drill", 1)["drill"]["totals"]["listed"] == 1
        third = here.ended_drill("2026-11-22T12:06:00")
        await here.look("2026-11-22T12:07:00")
        assert here.report("drill", 3)["event"] == third


async def test_drills_have_their_reports_although_the_clock_was_set_back(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        ended = []
        for when in ("2027-11-22T12:00:00", "2026-11-22T12:10:00", "2026-11-22T12:05:00"):
            ended.append(here.ended_drill(when))
            await here.look(when)
        ended.append(here.ended_drill("2026-11-22T12:01:00"))
        here.begin()  # before it was looked at
        await here.look("2026-11-22T12:20:00")
        drills = [number for kind, number in here.numbers() if kind == "drill"]
        assert [here.report("drill", number)["event"] for number in drills] == ended


async def test_a_row_of_an_earlier_version_begins_at_the_newest_event(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.ended_drill("2026-11-22T12:01:00")
        await here.look("2026-11-22T12:02:00")
        (latch,) = [latch for latch in here.store.latches() if latch.key == KEY]
        here.store.commit([Batch(latches=[replace(latch, state={name: latch.state[name] for name in ("kinds", "boots")})])], [])
        here.begin()
        await here.look("2026-11-22T12:03:00")
        assert here.numbers() == [("drill", 1)]
        here.ended_drill("2026-11-22T12:04:00")
        await here.look("2026-11-22T12:05:00")
        assert here.numbers() == [("drill", 1), ("drill", 2)]


async def test_what_was_not_watched_is_told(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-20T17:00:00") as here:
        await here.look("2026-11-20T17:00:00")
        await here.look("2026-11-20T17:31:00")
        here.begin()
        await here.look("2026-11-20T17:32:30")
        here.begin()
        await here.look("2026-11-22T20:34:30")
        report = here.report("daily", 2)
        assert report["nothing_happened"] is False
        assert "本机停运至少 1 天 23 小时，期间无监测（2026-11-20 17:43 至 2026-11-22 17:30，共 1 次）" in report["summary"]["zh"]
        await here.look("2026-11-23T17:31:00")
        report = here.report("daily", 3)
        assert report["nothing_happened"] is False, "three hours of it lie in this one"
        assert "at least 3 h 4 min" in report["summary"]["en"]
        here.begin()
        await here.look("2026-11-24T17:31:00")
        await here.look("2026-11-25T17:31:00")
        assert here.report("daily", 5)["nothing_happened"] is True


async def test_time_off_is_told_when_the_clock_was_behind_at_the_start(tmp_path: Path) -> None:
    """A board without clock chip boots with the time that it saved last; three days later than it seems."""
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00", "2026-11-22T18:00:00"):
            await here.look(when)
        here.clock = "holdover"
        here.begin()
        await here.look("2026-11-22T18:01:00")
        here.clock = "synchronised"
        await here.look("2026-11-25T09:00:00")
        assert (here.spans("daily")[1], here.report("daily", 2)["nothing_happened"]) == (("2026-11-22T17:30", "2026-11-24T17:30"), False)
        assert here.off == [(ms("2026-11-22T18:11:00"), ms("2026-11-25T09:00:00"))], "the four 100% are told the same"
        await here.look("2026-11-25T17:31:00")
        assert [here.figures(number)["off"] for number in (2, 3)] == [(47 * 60 + 19) * 60, 15.5 * 3600]
        assert here.report("daily", 3)["nothing_happened"] is False
        assert here.figures(3)["starts"] == 1, "the start itself is dated right, too"
        await here.look("2026-11-26T17:31:00")
        assert here.report("daily", 4)["nothing_happened"] is True


@pytest.mark.parametrize("clock", ["holdover", "synchronised"])
async def test_no_time_is_told_twice_when_the_clock_was_long_behind(tmp_path: Path, clock: str) -> None:
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00", "2026-11-22T18:00:00"):
            await here.look(when)
        here.clock = "holdover"
        here.begin()
        await here.look("2026-01-02T00:00:00")
        assert here.numbers() == [("daily", 1)]
        here.clock = clock
        here.at_ms = ms("2026-11-25T09:00:00")
        await here.look("2026-11-25T09:00:00")
        assert here.spans("daily")[1:] == [("2026-11-22T17:30", "2026-11-24T17:30")]
        assert (here.report("daily", 2)["nothing_happened"], here.figures(2)["off"]) == (False, (47 * 60 + 19) * 60)


async def test_a_run_with_a_wrong_clock_that_was_never_set_is_no_gap(tmp_path: Path) -> None:
    """It ran for ten hours somewhere between its neighbours: so much less is told, and none of it at a time of its own."""
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00", "2026-11-22T18:00:00"):
            await here.look(when)
        here.clock = "holdover"
        here.begin()
        for when in ("2026-01-02T00:00:00", "2026-01-02T10:00:00"):
            await here.look(when)
        here.clock = "synchronised"
        here.begin()
        await here.look("2026-11-25T09:00:00")
        assert here.off == [(ms("2026-11-23T04:22:00"), ms("2026-11-25T09:00:00"))]
        assert here.spans("daily")[1:] == [("2026-11-22T17:30", "2026-11-24T17:30")]


@pytest.mark.parametrize("restarts", [False, True])
async def test_one_start_with_a_clock_that_is_ahead_spoils_one_report_of_each_kind(tmp_path: Path, restarts: bool) -> None:
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00"):
            await here.look(when)
        here.begin()
        await here.look("2030-01-01T00:00:00")
        assert here.numbers()[1:] == [("daily", 2), ("weekly", 1), ("monthly", 1)]
        await here.look("2030-01-01T01:00:00")
        if restarts:
            here.begin()
        here.at_ms = ms("2026-11-23T09:00:00")
        await here.look("2026-11-23T09:01:00")
        for when in ("2026-11-23T17:31:00", "2026-11-24T17:31:00", "2026-11-27T17:31:00", "2026-12-01T17:31:00"):
            await here.look(when)
        days = ["2026-11-22T17:30", "2026-11-23T17:30", "2026-11-24T17:30", "2026-11-27T17:30", "2026-12-01T17:30"]
        assert here.spans("daily")[2:] == list(pairwise(days))
        assert here.spans("weekly")[1:] == [("2026-11-22T08:00", "2026-11-27T17:30")]
        assert here.spans("monthly")[1:] == [("2026-11-22T08:00", "2026-12-01T17:30")]
        begin = (
            8 * 60 if not restarts else 9 * 60 + 1 - 71
        ) * 60  # of 23 November; what ran before a restart, and its slack, ran somewhere
        assert here.figures(3)["off"] == begin + (24 * 60 - (17 * 60 + 31 + 11)) * 60
        assert here.figures(4)["off"] == 0
        assert [here.report("daily", number)["nothing_happened"] for number in (3, 4)] == [False, True]
        assert [here.report("daily", number).get("replaces") for number in (3, 4)] == [[2], None]
        assert "本报告取代第 2 号" in here.report("daily", 3)["summary"]["zh"]
        assert here.report("weekly", 2)["replaces"] == [1]
        for kind, body in here.published:
            assert message_problems(f"report/{kind}", body) == []


@pytest.mark.parametrize("wrong", ["2030-01-01T00:00:00", "2026-01-02T00:00:00"])
async def test_what_was_sealed_under_a_wrong_clock_is_in_the_report_of_its_day(tmp_path: Path, wrong: str) -> None:
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00"):
            await here.look(when)
        here.clock = "holdover"
        here.begin()
        await here.look(wrong)
        here.alarm()
        here.at_ms, here.clock = ms("2026-11-23T09:00:00"), "synchronised"
        await here.look("2026-11-23T09:00:00")
        here.alarm()
        await here.look("2026-11-23T17:31:00")
        await here.look("2026-11-24T17:31:00")
        assert here.spans("daily")[1:3] == [("2026-11-22T17:30", "2026-11-23T17:30"), ("2026-11-23T17:30", "2026-11-24T17:30")]
        assert [here.figures(number, "alarms")["real"] for number in (1, 2, 3)] == [0, 2, 0]
        here.begin()
        await here.look("2026-11-25T17:31:00")
        assert here.figures(4, "alarms")["real"] == 0, "not where another run reads it, either"


async def test_reports_issued_while_the_clock_was_some_days_behind_are_replaced(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00"):
            await here.look(when)
        here.clock = "holdover"
        here.begin()
        for when in ("2026-11-22T17:40:00", "2026-11-23T17:31:00"):
            await here.look(when)
        assert here.report("daily", 2)["nothing_happened"] is True, "as far as it knew"
        here.clock = "synchronised"
        await here.look("2026-11-30T08:00:00")
        assert here.spans("daily")[2:] == [("2026-11-22T17:30", "2026-11-29T17:30")]
        report = here.report("daily", 3)
        assert (report["replaces"], report["nothing_happened"]) == ([2], False)


async def test_reports_that_begin_under_a_wrong_clock_begin_when_they_began(tmp_path: Path) -> None:
    with office(tmp_path, "2026-01-02T00:00:00") as here:
        here.clock = "holdover"
        for when in ("2026-01-02T00:00:00", "2026-01-02T00:10:00"):
            await here.look(when)
        here.clock = "synchronised"
        for when in ("2026-11-25T09:10:00", "2026-11-25T17:31:00"):
            await here.look(when)
        assert here.spans("daily") == [("2026-11-25T09:00", "2026-11-25T17:30")]
        assert here.report("daily", 1)["nothing_happened"] is True


async def test_a_clock_far_ahead_that_nobody_has_set_yet_waits(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.clock = "holdover"
        here.begin()
        await here.look("2030-01-01T00:00:00")
        await here.look("2030-01-01T00:14:00")
        assert here.numbers() == []
        await here.look("2030-01-01T00:16:00")
        assert here.numbers() == [("daily", 1), ("weekly", 1), ("monthly", 1)], "perhaps it was off for so long"


async def test_a_machine_that_was_held_has_not_watched_meanwhile(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-20T17:00:00") as here:
        await here.look("2026-11-20T17:00:00")
        await here.look("2026-11-20T17:31:00")
        here.at_ms = ms("2026-11-22T17:00:00")
        await here.look("2026-11-22T17:31:00")
        assert here.spans("daily")[1:] == [("2026-11-20T17:30", "2026-11-22T17:30")]
        assert (here.report("daily", 1).get("replaces"), here.report("daily", 2)["nothing_happened"]) == (None, False)
        assert here.figures(2)["off"] == (47 * 60 + 28) * 60


async def test_a_report_that_a_wrong_clock_had_begun_does_not_hold(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-22T08:00:00") as here:
        for when in ("2026-11-22T08:00:00", "2026-11-22T17:31:00"):
            await here.look(when)
        here.begin()
        await here.look("2030-01-01T00:00:00")
        here.commits = False
        await here.look("2030-01-02T18:00:00")  # daily 3 lies on the disk; then the power fails
        here.waiting, here.commits = [], True
        here.begin()
        await here.look("2026-11-23T17:31:00")
        assert here.spans("daily")[2][0] == "2029-12-31T17:30", "announced under its number, which it has"
        assert here.spans("daily")[3:] == [("2026-11-22T17:30", "2026-11-23T17:30")]
        assert here.report("daily", 4)["replaces"] == [2, 3]


async def test_a_clock_that_was_ahead_before_a_start_tells_of_no_time_off(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2036-11-22T12:00:00")
        here.begin()
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:31:00")
        assert here.report("daily", here.numbers()[-1][1])["nothing_happened"] is True


async def test_a_drill_report_that_was_begun_is_finished_as_it_is(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.ended_drill("2026-11-22T12:01:00")
        here.commits = False
        await here.look("2026-11-22T12:03:00")
        body = report_files.body_of(tmp_path, "drill", 1)
        here.waiting, here.commits = [], True
        here.begin()
        await here.look("2026-11-22T15:00:00")
        assert (here.numbers(), here.published) == ([("drill", 1)], [("drill", body)])


class Torn(JournalHistory):
    """A journal that cannot be read."""

    def events(self, wanted: Any) -> Iterator[Any]:
        raise JournalUnreadable("torn")


async def test_a_journal_that_cannot_be_read_costs_no_number(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.begin(Torn(tmp_path))
        with pytest.raises(JournalUnreadable):
            await here.look("2026-11-22T17:31:00")
        assert here.numbers() == []
        here.begin()
        await here.look("2026-11-22T17:40:00")
        assert here.numbers() == [("daily", 1)]


async def test_a_disk_that_refuses_one_kind_keeps_no_other_back(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-26T12:00:00") as here:
        await here.look("2026-11-26T12:00:00")
        report_files.path_of(tmp_path, "daily", 1).with_suffix(".half").mkdir(parents=True)
        with pytest.raises(OSError):
            await here.look("2026-11-27T17:31:00")
        assert here.numbers() == [("weekly", 1)]
        report_files.path_of(tmp_path, "daily", 1).with_suffix(".half").rmdir()
        await here.look("2026-11-27T17:32:00")
        assert here.numbers() == [("weekly", 1), ("daily", 1)]


async def test_what_an_earlier_run_issued_is_published_again_and_what_it_only_wrote_is_not(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        await here.look("2026-11-22T17:31:00")
        (sent,) = here.published
        report_files.write(tmp_path, "daily", 2, b"begun")
        here.published.clear()
        here.begin()
        await here.reports._publish_newest()
        assert here.published == [sent]
        assert here.reports.last_ms == {"daily": ms("2026-11-22T17:31:00")}
        report_files.path_of(tmp_path, "daily", 1).write_bytes(b"damaged")
        here.published.clear()
        await here.reports._publish_newest()
        assert here.published == []


async def test_a_look_at_the_period_that_is_not_over_takes_no_number(tmp_path: Path) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        here.at_ms = ms("2026-11-22T15:00:00")
        found = await here.reports.preview("weekly")
        assert (found["report"], found["to"]) == ("weekly", "2026-11-22T07:00:00.000Z")
        assert "number" not in found
        assert report_files.numbers(tmp_path, "weekly") == []
        with pytest.raises(ReportUnreadable, match="no period"):
            await here.reports.preview("drill")


async def test_too_large_a_report_is_cut_and_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with office(tmp_path) as here:
        await here.look("2026-11-22T12:00:00")
        for number in range(40):
            alarm = {"point": f"p{number}", "alarm": "alarm", "status": "Actual", "place": f"place-{number}", "alarm_class": "panic"}
            made = draft(EventClass.ALARM, role="panic_button", **alarm)
            here.submit(Batch([replace(made, type="campus.alarm.activated", at_ms=ms("2026-11-22T13:00:00"))]))
        monkeypatch.setattr("gateway.runtime.reports.MOST_BYTES", 15_000)
        await here.look("2026-11-22T17:31:00")
        report = here.report("daily", 1)
        (table,) = [each for each in report["sections"]["alarms"]["tables"] if each["table"] == "by_place"]
        assert (len(table["rows"]), table["more"]) == (10, 30)


async def test_what_is_sent_keeps_the_contract(tmp_path: Path) -> None:
    with office(tmp_path, "2026-11-26T12:00:00") as here:
        await here.look("2026-11-26T12:00:00")
        here.ended_drill("2026-11-26T12:01:00")
        await here.look("2026-12-01T17:31:00")
        assert sorted({kind for kind, _ in here.published}) == ["daily", "drill", "monthly", "weekly"]
        for kind, body in here.published:
            assert message_problems(f"report/{kind}", body) == []
        for data in here.events():
            assert data_problems("duty", "campus.report.issued", data) == []
