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


@dataclass
class Office:
    """Reports of one school with a real journal. commits: False while the journal refuses: what is submitted waits."""

    folder: Path
    store: Store
    at_ms: int
    clock: str = "synchronised"
    commits: bool = True
    published: list[tuple[str, bytes]] = field(default_factory=list)
    waiting: list[Batch] = field(default_factory=list)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self, past: Past | None = None) -> None:
        """A start of the daemon."""
        ids = EventIds()
        row = next((latch.state for latch in self.store.latches() if latch.key == KEY), None)
        hands = Hands(
            now=lambda: Now(0.0, self.at_ms, self.clock),
            gather=lambda boots, from_ms, to_ms: (Facts(SITE, gateway={"boots": boots, "clock": self.clock}), lambda past, facts: facts),
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
        """Local time is `when`, and the daemon looks."""
        self.at_ms = ms(when)
        await self.reports.look()

    def events(self) -> list[dict[str, Any]]:
        """`data` of what announced reports, oldest first."""
        rows = self.store.db.execute("SELECT body FROM event WHERE type = 'campus.report.issued' ORDER BY row").fetchall()
        return [json.loads(body)["data"] for (body,) in rows]

    def numbers(self) -> list[tuple[str, int]]:
        return [(data["report"], data["number"]) for data in self.events()]

    def report(self, kind: str, number: int) -> dict[str, Any]:
        return report_files.read(self.folder, kind, number)

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
        assert here.numbers()[count:] == [("daily", 2)]


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
