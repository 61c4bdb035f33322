"""What the daemon tells about itself: the answer to `status`, and figures of it that the metrics page (watching.py) shows too."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.alarm.machine import ACTIVE, STANDING
from gateway.alarm.measures import STALE_S
from gateway.contract.envelope import rfc3339
from gateway.core.points import TESTS_POINT
from gateway.core.reading import Quality
from gateway.journal.store import EPOCH_ROWS
from gateway.metrics.exporter import Sample
from gateway.rules.modes import MODES
from gateway.runtime import mode_book
from gateway.runtime.decide_alarm import aside_data
from gateway.runtime.decide_tests import walk_tests
from gateway.runtime.duties import duties

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon


def cards(daemon: Daemon) -> list[dict[str, str]]:
    """The cards shown last, oldest first: when, where, and the hash that stands for the card."""
    now = daemon.clock.now()
    return [
        {"at": rfc3339(now.at_ms - round((now.now_s - shown_s) * 1000)), "point": point, "card": card}
        for shown_s, point, card in daemon.field.cards()
    ]


def points_in_modes(daemon: Daemon) -> list[Sample]:
    """How many points are in each mode but normal; those of a drill that is only announced are not."""
    counts = Counter(dict.fromkeys(MODES, 0))
    for run in list(daemon.house.modes.runs):
        if run.begun:
            counts[run.mode] += len(run.points)
    return [({"mode": mode}, float(count)) for mode, count in counts.items()]


def overdue_tests(daemon: Daemon) -> float:
    """How many points have a walk test that is overdue, as last looked at."""
    reading = daemon.house.readings.get(TESTS_POINT)
    return 0.0 if reading is None or reading.value is None else float(reading.value)


def modes(daemon: Daemon) -> list[dict[str, Any]]:
    """Drills, tests and maintenance with who opened them and why; this does not leave the gateway."""
    runs, now = daemon.house.modes.runs, daemon.clock.now()
    return [row | {"by": run.by, "why": run.why} for row, run in zip(mode_book.told(runs, now), runs, strict=True)]


def drills(daemon: Daemon) -> list[dict[str, Any]]:
    """The reports of the last drills, newest last."""
    return list(daemon.house.modes.reports)


def tests(daemon: Daemon) -> list[dict[str, Any]]:
    """The walk tests of all points: when each is due, and how the last one ended."""
    return walk_tests(daemon.house, daemon.clock.now())


def stale(daemon: Daemon) -> Iterator[str]:
    """Alarms whose cause has been there for more than a day."""
    before_ms = time.time() * 1000 - STALE_S * 1000
    for key, alarm in list(daemon.house.alarms.items()):
        if alarm.live in ACTIVE and alarm.since_ms < before_ms:
            yield key


def _place(row: int | None) -> dict[str, int] | None:
    """Epoch and sequence of an event; None where there is none."""
    return None if row is None else {"epoch": row // EPOCH_ROWS + 1, "sequence": row % EPOCH_ROWS}


def status(daemon: Daemon) -> dict[str, Any]:
    """Answer to `campus-gateway status`."""
    house = daemon.house
    now = daemon.clock.now()

    def aside() -> Iterator[dict[str, Any]]:
        for point in house.points.values():
            for spec in point.alarms:
                alarm = house.alarms[spec.key]
                if alarm.aside is not None:
                    about = {"alarm": spec.key, "since": rfc3339(alarm.aside.since_ms), "place": point.place}
                    yield about | {"zh": spec.text.zh, "en": spec.text.en} | aside_data(alarm.aside, alarm.live)

    def alarms(fault: bool) -> Iterable[dict[str, Any]]:
        for point in house.points.values():
            for spec in point.alarms:
                alarm = house.alarms[spec.key]
                if alarm.state in STANDING and (str(spec.event_class) == "fault") is fault:
                    reading = house.readings.get(point.id)
                    yield {
                        "alarm": spec.key,
                        "state": str(alarm.state),
                        "since": rfc3339(alarm.since_ms),
                        "place": point.place,
                        "zh": spec.text.zh,
                        "en": spec.text.en,
                        "reason": "" if reading is None else reading.reason,
                    }

    bad = [
        {"point": point.id, "reason": "not read yet" if reading is None else f"{reading.quality}: {reading.reason}"}
        for point in house.points.values()
        if not point.system
        and ((reading := house.readings.get(point.id)) is None or reading.quality is not Quality.GOOD)
        and not point.quiet
    ]
    return {
        "version": __version__,
        "source": daemon.settings.source,
        "bootid": daemon.boot_id,
        "pid": daemon.pid,
        "up_s": round(now.now_s - daemon.origin.boot_now_s, 1),
        "clock": now.clock,
        "metrics": daemon.metrics_url,
        "paths": [
            {
                "id": path.id,
                "up": link.counts.up,
                "carries": daemon.uplink.carries(path.id),
                "losses": link.counts.losses,
                "reason": link.counts.reason,
                "broker": path.url,
            }
            for path in daemon.settings.site.uplink.paths
            for link in [daemon.uplink.links[path.id]]
        ],
        "outbox": {
            "depth": len(daemon.outbox),
            "in_flight": daemon.outbox.in_flight,
            "held_topics": sorted("/".join(held) for held in daemon.outbox.holds),
        },
        "journal": {
            "epoch": daemon.board.newest[0],
            "sequence": daemon.board.newest[1],
            "commits": daemon.writer.counts.commits,
            "refusing": daemon.writer.refusing,
        },
        "lines": {name: dict(line.counters.transactions) for name, line in daemon.field.lines.items()},
        "lines_tried": {name: line.counters.last_attempt_s > 0 for name, line in daemon.field.lines.items()},
        "devices": daemon.field.device_up(),
        "receipts": {name: _place(daemon.signed.get(name)) for name in daemon.auditors},
        "vision": dict(daemon.door.vision.model),
        "alarms": list(alarms(False)),
        "faults": list(alarms(True)),
        "set_aside": list(aside()),
        "modes": modes(daemon),
        "duties": duties(house, now),
        "measures": {
            "alarms_in_ten_minutes": house.measures.rate(now.now_s),
            "stale": list(stale(daemon)),
            "top": [{"point": point, "alarms": count} for point, count in house.measures.top()],
        },
        "not_good": bad,
    }
