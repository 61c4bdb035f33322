"""Issues each report at its time: built in a thread, kept as a file, announced by a sealed event, published retained.

The road of one report, and what a power cut leaves at each step:

    file under the next number  -> one transaction: event campus.report.issued, and the number as used  -> sent

A file whose number is not used yet was begun and not finished: the next look finishes that very file, so no number ever stands for two
reports. Only what is in the journal is sent. A new report begins where the one before it ended; one that could not be issued at its time
(power off, clock never set) is issued as soon as it can be, says so, and reaches up to its time. One whose period was a wrong clock's does
not hold: the next one begins where it began, and says which it replaces.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.contract.canonical import digest
from gateway.contract.envelope import Sealed, rfc3339
from gateway.contract.jws import Signer, TrustedKey, verify_detached
from gateway.core.errors import DAMAGED, BadMessage, BadSignature, JournalUnreadable
from gateway.core.history import Past, Told, Wanted
from gateway.core.points import Draft, EventClass, Latch, Priority
from gateway.core.reading import Now
from gateway.journal.store import Batch
from gateway.report.parts import shorter
from gateway.report.schedule import DAILY, DRILL, KINDS, TIMED, Schedule
from gateway.report.words import KINDS as KIND_WORDS
from gateway.runtime import report_files
from gateway.runtime.report_clock import AHEAD_MS, Issued, RunTimes, times_off
from gateway.runtime.report_files import MOST_BYTES, ReportUnreadable
from gateway.runtime.report_past import Gently, Redated

if TYPE_CHECKING:
    from gateway.report.facts import Facts

log = logging.getLogger(__name__)

KEY = ":reports"  # the journal's key; no point has such a name
SUBJECT = "gw-reports"
DRILL_ENDED = "campus.mode.drill_ended"
LOOK_S = 5.0
SETTLE_S = 5.0  # after the due time: what happened before it is on the disk by then
LATE_S = 900.0
AGAIN_S = 60.0  # after a disk or a journal that refused
SHORT_ROWS = 10  # of each table, where the whole would be too large
WATCHED_EVERY_MS = 600_000  # so often the file of report_files.watched is touched: each time costs an SD card some 20 kB
_REFUSED = (OSError, JournalUnreadable, ReportUnreadable, BadMessage)

Gathered = tuple["Facts", Callable[[Past, "Facts"], "Facts"]]


@dataclass(frozen=True, slots=True)
class Hands:
    """What reports need of the house. gather(boots, from_ms, to_ms): facts as they are now, and what adds to them in the thread, where
    the past can be read. submit: to the journal. publish(kind, body): what is on the disk goes out.
    """

    now: Callable[[], Now]
    gather: Callable[[list[int], int, int], Gathered]
    submit: Callable[[Batch], object]
    publish: Callable[[str, bytes], object]
    event_id: Callable[[int], str]


class Reports:
    """row: what the journal kept, None at the first start. issued: by kind since the start. last_ms: when the newest was issued, UTC."""

    def __init__(
        self, schedule: Schedule, state_dir: Path, source: str, boot_id: str, signer: Signer, past: Past, hands: Hands, row: Any
    ) -> None:
        self._schedule = schedule
        self._state_dir = state_dir
        self._source = source
        self._boot_id = boot_id
        self._signer = signer
        self._hands = hands
        self._known, self._drill_row = _known(row), _drill_row(row)
        self._times = RunTimes(row, hands.now().now_s)
        self._past = Gently(Redated(past, lambda: self._times.eras))
        self._first: dict[str, int] = {}  # numbers at the beginning of this run
        self._new: set[str] = set()  # kinds of which no report was due before this run
        self._noted = False  # the journal has the present run
        self._watched_ms = 0
        self._newest_row = 0
        self._begun = False
        self._drill_ended = True  # perhaps, just before the last end
        self._trouble = ""
        self.issued: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self.last_ms: dict[str, int] = {}

    # --- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Issue reports until cancelled."""
        await self._publish_newest()
        while True:
            went_well = await self._looked()
            await asyncio.sleep(LOOK_S if went_well else AGAIN_S)

    async def _looked(self) -> bool:
        """False where the disk or the journal refused; told once."""
        try:
            await self.look()
        except _REFUSED as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.error("a report cannot be issued, and is tried again each %.0f s: %s", AGAIN_S, error)
            return False
        self._trouble = ""
        return True

    def committed(self, events: list[Sealed]) -> None:
        """These are on the disk."""
        if events:
            self._times.sealed(min(event.row for event in events))
        self._newest_row = max([self._newest_row, *(event.row for event in events)])
        self._drill_ended = self._drill_ended or any(event.type == DRILL_ENDED for event in events)

    async def look(self) -> None:
        """Issue what is due. Nothing while the clock was never set. Raises JournalUnreadable, ReportUnreadable, OSError."""
        now = self._hands.now()
        if now.clock == "unknown":
            return
        if not self._begun:
            await self._begin(now)
        self._mind_the_clock(now)
        await self._watched(now)
        if not self._drill_ended:
            self._drill_row = max(self._drill_row or 0, self._newest_row)
        refused: list[Exception] = []
        for kind in () if self._times.waits(now) else TIMED:
            try:
                await self._catch_up(kind, now)
            except _REFUSED as error:  # one kind does not keep the others back
                refused.append(error)
        if self._drill_ended:
            self._drill_ended = False
            try:
                await self._issue_drills()
            except _REFUSED as error:
                self._drill_ended = True
                refused.append(error)
        if refused:
            raise refused[0]

    async def _catch_up(self, kind: str, now: Now) -> None:
        due_ms, known = self._schedule.due(kind, now.at_ms), self._known[kind]
        if known.to_ms > now.at_ms + AHEAD_MS and self._times.may_be_behind(now):
            return
        self._known[kind] = known.at(now.at_ms)
        if self._known[kind].to_ms != known.to_ms:
            log.warning("the clock was wrong; the next %s report begins at %s", kind, rfc3339(self._known[kind].to_ms))
        while self._known[kind].to_ms < due_ms <= now.at_ms - SETTLE_S * 1000:
            await self._issue(kind, due_ms)

    async def preview(self, kind: str) -> dict[str, Any]:
        """The report of the period that is not over, for a look: no number, no signature. Raises ReportUnreadable, JournalUnreadable."""
        now = self._hands.now()
        if kind not in TIMED:
            raise ReportUnreadable(f"{kind[:20]!r} has no period: {', '.join(TIMED)}")
        if now.clock == "unknown":
            raise ReportUnreadable("the clock was never set")
        from_ms = min(self._known[kind].to_ms, now.at_ms) if kind in self._known else self._schedule.due(kind, now.at_ms)
        gathered = self._hands.gather(self._times.boots, from_ms, now.at_ms)
        return {"report": kind, **await asyncio.to_thread(self._build, kind, gathered, from_ms, now.at_ms)}

    async def _begin(self, now: Now) -> None:
        """The clock is known. A kind that the journal does not know begins now, above what lies on the disk."""
        for kind in KINDS:
            if kind not in self._known:
                newest = await asyncio.to_thread(report_files.numbers, self._state_dir, kind)
                self._known[kind] = Issued(newest[0] if newest else 0, now.at_ms, ((0, now.at_ms),))
                self._new.add(kind)
        if self._drill_row is None:
            newest_told = await asyncio.to_thread(lambda: next(iter(self._past.events(Wanted())), None))
            self._drill_row = 0 if newest_told is None else newest_told.row
        self._times.begin(now, await asyncio.to_thread(report_files.watched, self._state_dir))
        self._first = {kind: issued.number for kind, issued in self._known.items()}
        self._note()
        self._begun = True

    def _mind_the_clock(self, now: Now) -> None:
        """Where it was set, this run moves, and what it issued for times that were not so does not hold."""
        changed, moved_ms = self._times.look(now, self._newest_row)
        if not changed:
            return
        self._times.mark_ms = self._watched_ms or self._times.mark_ms
        if abs(moved_ms) > AHEAD_MS:
            for kind in TIMED:
                self._known[kind] = self._known[kind].before(self._first[kind], moved_ms if kind in self._new else 0)
        elif not moved_ms:
            self._first, self._new = {kind: issued.number for kind, issued in self._known.items()}, set()
        self._note()

    def _note(self) -> None:
        """To the journal; the file is not touched before, so that its time is that of the run that the journal has."""
        self._noted, self._watched_ms = False, 0
        self._hands.submit(Batch(latches=[self._latch()], after=(self._is_noted,)))

    def _is_noted(self) -> None:
        self._noted = True

    async def _watched(self, now: Now) -> None:
        """The gateway runs; what a power cut leaves of it is at most a minute old. A disk that refuses is told of elsewhere."""
        if self._noted and abs(now.at_ms - self._watched_ms) >= WATCHED_EVERY_MS:
            self._watched_ms = now.at_ms
            with suppress(OSError):
                await asyncio.to_thread(report_files.touch_watched, self._state_dir, now.at_ms)

    async def _publish_newest(self) -> None:
        """What an earlier run has issued; the broker may be another one by now."""
        for kind, issued in self._known.items():
            if issued.number:
                with suppress(ReportUnreadable, *DAMAGED):  # it is gone or damaged: its event stays
                    body = await asyncio.to_thread(report_files.body_of, self._state_dir, kind, issued.number)
                    self.last_ms[kind] = _ms(report_files.parsed(body, kind, issued.number)["issued_at"])
                    self._hands.publish(kind, body)

    # --- one report ----------------------------------------------------------------------------

    async def _issue(self, kind: str, due_ms: int) -> None:
        number, from_ms = self._known[kind].number + 1, self._known[kind].to_ms
        body = await asyncio.to_thread(self._unfinished, kind, number)
        if body is None:
            gathered = self._hands.gather(self._times.boots, from_ms, due_ms)
            found = await asyncio.to_thread(self._build, kind, gathered, from_ms, due_ms)
            found = _replacing(found, self._known[kind].replaces)
            body = await self._keep(kind, number, found, self._hands.now().at_ms - due_ms)
        self._announce(kind, number, body)

    async def _issue_drills(self) -> None:
        """A report for each drill that ended since the last one, the oldest first: by the order of sealing, whatever the clock said."""
        ended = await asyncio.to_thread(self._ended_drills)
        for told in reversed(ended):
            is_told = False
            while not is_told:
                number = self._known[DRILL].number + 1
                body = await asyncio.to_thread(self._unfinished, DRILL, number)
                if body is None:
                    body = await self._keep(DRILL, number, self._drill(told), 0)
                is_told = report_files.parsed(body, DRILL, number)["event"] == told.id
                if is_told:
                    self._drill_row = told.row
                self._announce(DRILL, number, body)

    def _ended_drills(self) -> list[Told]:
        """Newest first. In a thread."""
        last = self._drill_row or 0
        since = takewhile(lambda told: told.row > last, self._past.events(Wanted()))
        return [told for told in since if told.type == DRILL_ENDED]

    def _drill(self, told: Told) -> dict[str, Any]:
        """What the event says, as a report of its own."""
        site = dict(self._hands.gather(self._times.boots, told.at_ms, told.at_ms)[0].site)
        text = told.data.get("text", {})
        begun = told.data.get("started_at", rfc3339(told.at_ms))
        about = {"from": begun, "to": rfc3339(told.at_ms), "zone": self._schedule.zone.key, "site": site, "nothing_happened": False}
        return {**about, "summary": dict(text), "event": told.id, "drill": dict(told.data)}

    def _build(self, kind: str, gathered: Gathered, from_ms: int, to_ms: int) -> dict[str, Any]:
        """In a thread of its own, with a connection of its own that reads only."""
        from gateway.config.roles import ROLES  # not needed for a start
        from gateway.report import daily, periodic

        facts, further = gathered
        off = times_off(tuple(self._times.runs))
        facts = further(self._past, replace(facts, roles={name: role.text for name, role in ROLES.items()}, off=off))
        build = daily.build if kind == DAILY else periodic.build
        return {"site": dict(facts.site), **build(self._past, facts, from_ms, to_ms, self._schedule.zone)}

    async def _keep(self, kind: str, number: int, found: Mapping[str, Any], behind_ms: int) -> bytes:
        """Sign it and put it on the disk under its number."""
        now = self._hands.now()
        head = {"source": self._source, "bootid": self._boot_id, "at": rfc3339(now.at_ms), "report": kind, "number": number}
        late = {"late": behind_ms > LATE_S * 1000, "clockquality": now.clock}
        report = {**found, **head, **late, "issued_at": rfc3339(now.at_ms)}
        body = self._signer.seal(report)
        if len(body) > MOST_BYTES and "sections" in report:
            body = self._signer.seal(shorter(report, SHORT_ROWS))
        if len(body) > MOST_BYTES:
            raise ReportUnreadable(f"the {kind} report has {len(body)} bytes; at most {MOST_BYTES} are kept")
        await asyncio.to_thread(report_files.write, self._state_dir, kind, number, body)
        with suppress(OSError, ReportUnreadable):  # what is too much goes another day
            await asyncio.to_thread(report_files.prune, self._state_dir, kind)
        return body

    def _unfinished(self, kind: str, number: int) -> bytes | None:
        """A report that lies on the disk under a number that is not used yet, signed by this gateway; None where there is none."""
        try:
            body = report_files.body_of(self._state_dir, kind, number)
            report = report_files.parsed(body, kind, number)
            public = self._signer.public()
            verify_detached(report, TrustedKey(public["kid"], public["x"], "gateway"))
        except (ReportUnreadable, BadMessage, BadSignature):
            return None
        return body

    def _announce(self, kind: str, number: int, body: bytes) -> None:
        """The event and the number in one transaction; what is committed goes out."""
        report = report_files.parsed(body, kind, number)
        now = self._hands.now()
        known, for_another = self._known[kind], kind != DRILL and _ms(report["from"]) != self._known[kind].to_ms
        self._known[kind] = known.void(number) if for_another else known.then(number, _ms(report["to"]))
        after = partial(self._is_issued, kind, _ms(report["issued_at"]), body)
        self._hands.submit(Batch([self._draft(report, digest(body), now)], [self._latch()], (after,)))

    def _is_issued(self, kind: str, at_ms: int, body: bytes) -> None:
        self.issued[kind] += 1
        self.last_ms[kind] = at_ms
        self._hands.publish(kind, body)
        log.info("%s report %d is issued", kind, self._known[kind].number)

    def _draft(self, report: Mapping[str, Any], sha256: str, now: Now) -> Draft:
        kind, number = KIND_WORDS[report["report"]], report["number"]
        zero = ("（零报告）", " (zero report)") if report["nothing_happened"] else ("", "")
        late = ("，逾时签发", ", late") if report["late"] else ("", "")
        data: dict[str, object] = {
            **{name: report[name] for name in ("report", "number", "from", "to", "late", "nothing_happened")},
            "sha256": sha256,
            "status": "System",
            "text": {
                "zh": f"{kind.zh}第 {number} 号已签发{zero[0]}{late[0]}",
                "en": f"{kind.en} no. {number} issued{zero[1]}{late[1]}",
            },
        }
        event_id = self._hands.event_id(now.at_ms)
        return Draft(event_id, EventClass.DUTY, "campus.report.issued", SUBJECT, Priority.ROUTINE, now.at_ms, now.now_s, now.clock, data)

    def _latch(self) -> Latch:
        kinds = {
            kind: {"number": each.number, "to_ms": each.to_ms, "ends": [list(end) for end in each.ends], "replaces": list(each.replaces)}
            for kind, each in self._known.items()
        }
        return Latch(KEY, {"kinds": kinds, "drill_row": self._drill_row, **self._times.row()})


def schedule_of(timezone: str, daily_at: str, weekday: int, monthday: int) -> Schedule:
    """From the words of the site file. daily_at: HH:MM; weekday: 0 = Monday."""
    hour, _, minute = daily_at.partition(":")
    return Schedule(ZoneInfo(timezone), int(hour) * 60 + int(minute), weekday, monthday)


def _known(row: Any) -> dict[str, Issued]:
    """From the journal; what is damaged is begun anew, above the numbers that lie on the disk."""
    known: dict[str, Issued] = {}
    for kind in KINDS:
        with suppress(*DAMAGED):
            found = row["kinds"][kind]
            known[kind] = Issued(int(found["number"]), int(found["to_ms"]))
            ends = tuple((int(number), int(end_ms)) for number, end_ms in found.get("ends", ()))
            known[kind] = replace(known[kind], ends=ends, replaces=tuple(int(number) for number in found.get("replaces", ())))
    return known


def _replacing(found: dict[str, Any], numbers: tuple[int, ...]) -> dict[str, Any]:
    """A report with the numbers that it takes the place of, where there are any."""
    if not numbers:
        return found
    named, summary = ", ".join(str(number) for number in numbers), found["summary"]
    zh = f"{summary['zh']}本报告取代第 {named.replace(', ', '、')} 号（当时本机时钟有误，其起止时间不实）。"
    en = f"{summary['en']} Replaces no. {named}: the clock was wrong then, and so was the period told."
    return {**found, "replaces": list(numbers), "summary": {"zh": zh, "en": en}}


def _drill_row(row: Any) -> int | None:
    """From the journal: drills that ended up to this row have their report; None where it was not kept."""
    with suppress(*DAMAGED):
        return int(row["drill_row"])
    return None


def _ms(at: str) -> int:
    """UTC milliseconds of RFC 3339."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)
