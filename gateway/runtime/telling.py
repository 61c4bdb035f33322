"""What the daemon tells about itself: the families of the metrics page, and the answer to `status`."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.alarm.machine import ACTIVE, STANDING, UNACKED, State
from gateway.alarm.measures import STALE_S
from gateway.contract.envelope import rfc3339
from gateway.core.cameras import TROUBLES
from gateway.core.points import TESTS_POINT
from gateway.core.reading import Quality
from gateway.metrics.exporter import Exporter, Sample
from gateway.rules.modes import MODES
from gateway.runtime import mode_book
from gateway.runtime.decide_alarm import aside_data
from gateway.runtime.decide_tests import walk_tests
from gateway.runtime.duties import duties
from gateway.runtime.hazards import counts, overdue

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon
    from gateway.uplink.link import Link

_STATES = tuple(map(str, State))


def fill(exporter: Exporter, daemon: Daemon) -> None:
    """Add every family."""
    add = exporter.add
    house, outbox, uplink, writer = daemon.house, daemon.outbox, daemon.uplink, daemon.writer
    points = {point.id: point for point in house.points.values() if not point.quiet}

    def one(value: float) -> list[Sample]:
        return [({}, value)]

    def links(read: Callable[[Link], float]) -> list[Sample]:
        return [({"path": path}, float(read(link))) for path, link in uplink.links.items()]

    def point_states() -> Iterator[Sample]:
        for point in points.values():
            for spec in point.alarms:
                state = str(house.alarms[spec.key].state)
                yield {"point": point.id, "alarm": spec.name, "class": spec.alarm_class}, float(_STATES.index(state))

    def point_quality() -> Iterator[Sample]:
        for point_id in points:
            reading = house.readings.get(point_id)
            good = reading is not None and reading.quality is Quality.GOOD
            yield {"point": point_id}, float(good)

    def measured(role: str, scale: float) -> Iterator[Sample]:
        for point in points.values():
            reading = house.readings.get(point.id)
            if point.role == role and reading is not None and reading.quality is Quality.GOOD and isinstance(reading.value, int | float):
                yield {"point": point.id}, reading.value * scale

    def oldest() -> float:
        return max((time.monotonic() - e.sealed_s for r in daemon.recipients if (e := outbox.oldest_owed(r)) is not None), default=0.0)

    def frame_ages() -> Iterator[Sample]:
        word = daemon.door.vision
        since_s = time.monotonic() - word.now_s
        for camera, told in list(word.cameras.items()):
            age_s = told["frame_age_s"]
            yield {"camera": camera}, age_s + since_s if age_s >= 0 else -1.0

    def figures(name: str) -> list[Sample]:
        return [({"camera": camera}, told[name]) for camera, told in list(daemon.door.vision.cameras.items())]

    def troubles() -> Iterator[Sample]:
        for point in points.values():
            if point.role == "camera_link":
                reading = house.readings.get(point.id)
                for trouble in TROUBLES:
                    yield {"camera": point.id, "trouble": trouble}, float(reading is not None and reading.value == trouble)

    def transactions() -> Iterator[Sample]:
        for name, line in daemon.field.lines.items():
            for result, count in list(line.counters.transactions.items()):
                yield {"line": name, "result": result.replace(" ", "_")}, count

    def promised() -> Iterator[Sample]:
        for name, line in daemon.field.judged.lines.items():
            for each in line.blocks:
                if each.delay_s < float("inf"):
                    yield {"line": name, "device": each.block.device, "block": each.block.name}, each.delay_s

    def worst() -> Iterator[Sample]:
        for name, line in daemon.field.lines.items():
            for (device, block), seconds in line.worst_s().items():
                yield {"line": name, "device": device, "block": block}, seconds

    def unacked() -> float:
        return float(sum(alarm.state in UNACKED for alarm in list(house.alarms.values())))

    def aside() -> Iterator[Sample]:
        counts = Counter(str(alarm.aside.state) for alarm in list(house.alarms.values()) if alarm.aside is not None)
        yield from (({"state": state}, float(counts[state])) for state in _STATES[-3:])

    def oldest_unacked() -> float:
        times = [alarm.since_ms for alarm in list(house.alarms.values()) if alarm.state in UNACKED]
        return max(0.0, time.time() - min(times) / 1000) if times else 0.0

    add("gw_build", "info", "Version of the software.", (), lambda: [({"version": __version__, "source": daemon.settings.source}, 1.0)])
    add("gw_start_time_seconds", "gauge", "When the daemon started, Unix time.", (), lambda: one(daemon.started_at_s))
    add("gw_point_state", "gauge", "ISA-18.2 state: " + ", ".join(f"{i} {s}" for i, s in enumerate(_STATES)) + ".",
        ("point", "alarm", "class"), point_states)  # fmt: skip
    add("gw_point_good", "gauge", "1 while the point's reading is good.", ("point",), point_quality)
    add("gw_alarm_transitions", "counter", "Sealed events by class and kind.", ("class", "to"),
        lambda: [({"class": c, "to": t}, n) for (c, t), n in list(daemon.conveyor.transitions.items())])  # fmt: skip
    add("gw_alarm_unacked", "gauge", "Alarms that nobody has acknowledged.", (), lambda: one(unacked()))
    add("gw_alarm_oldest_unacked_seconds", "gauge", "Age of the oldest of them.", (), lambda: one(oldest_unacked()))
    add("gw_alarm_set_aside", "gauge", "Alarms that are shelved, suppressed by design or out of service.", ("state",), aside)
    add("gw_alarm_standing", "gauge", "Alarms and faults that a person has still to do something about.", (),
        lambda: one(sum(alarm.live in STANDING for alarm in list(house.alarms.values()))))  # fmt: skip
    add("gw_alarm_stale", "gauge", "Alarms and faults whose cause has been there for more than a day.", (),
        lambda: one(sum(1 for _ in stale(daemon))))  # fmt: skip
    add("gw_alarm_chattering", "gauge", "Points whose alarms come and go too often.", (),
        lambda: one(sum(alarm.condition.active for key, alarm in list(house.alarms.items()) if key.endswith("/chattering"))))  # fmt: skip
    add("gw_alarm_recently_announced", "gauge", "Alarms and faults announced in the last ten minutes.", (),
        lambda: one(house.measures.rate(time.monotonic())))  # fmt: skip
    add("gw_alarm_top", "gauge", "The ten points announced most often since the start.", ("point",),
        lambda: [({"point": point}, float(count)) for point, count in house.measures.top()])  # fmt: skip
    add("gw_alarm_escalations", "counter", "Alarms that nobody had taken in time, by class and by who was told then.", ("class", "to"),
        lambda: [({"class": c, "to": to}, n) for (c, to), n in list(daemon.response.escalations.items())])  # fmt: skip
    add("gw_readings", "counter", "Readings taken from lines and cameras.", (), lambda: one(daemon.conveyor.counts.readings))
    add("gw_early_alarms", "counter", "Alarms sent from memory because the journal refused.", (), lambda: one(daemon.conveyor.counts.early))
    add("gw_outbox_depth", "gauge", "Events in memory that await receipts.", (), lambda: one(len(outbox)))
    add("gw_outbox_oldest_seconds", "gauge", "How long the oldest of them waits.", (), lambda: one(oldest()))
    add("gw_outbox_in_flight", "gauge", "Messages sent and not acknowledged by the broker.", (), lambda: one(outbox.in_flight))
    add("gw_outbox_held_topics", "gauge", "Topics set aside because the broker refuses them.", (), lambda: one(len(outbox.holds)))
    add("gw_published", "counter", "Events handed to the broker, resends included.", (), lambda: one(outbox.counts.sent))
    add("gw_resent", "counter", "Events sent again under the same id.", (), lambda: one(outbox.counts.resent))
    add("gw_receipts", "counter", "Receipts that settled an event.", ("result",),
        lambda: [({"result": "received"}, outbox.counts.received), ({"result": "unusable"}, outbox.counts.unusable)])  # fmt: skip
    add("gw_bad_receipts", "counter", "Receipts that were not believed.", (), lambda: one(uplink.receipts.bad))
    add("gw_remote_commands", "counter", "Signed commands over MQTT by result, refused ones by reason.", ("result",),
        lambda: [({"result": result}, n) for result, n in sorted(daemon.commands.counts.items())])  # fmt: skip
    add("gw_puback", "counter", "The broker's answers by reason code.", ("code",),
        lambda: [({"code": f"0x{code:02x}"}, n) for code, n in sorted(outbox.counts.pubacks.items())])  # fmt: skip
    for family, kind, text, read in (
        ("gw_link_up", "gauge", "1 while the path has a session.", lambda link: link.counts.up),
        ("gw_link_carries", "gauge", "1 for the path on which everything goes that does not go on both.",
         lambda link: uplink.carries(link.path)),
        ("gw_link_connects", "counter", "Sessions opened.", lambda link: link.counts.connects),
        ("gw_link_losses", "counter", "Sessions lost.", lambda link: link.counts.losses),
        ("gw_link_published", "counter", "Events handed to the path's broker, resends included.", lambda link: link.lane.sent),
        ("gw_link_in_flight", "gauge", "Events sent on the path and not acknowledged by its broker.",
         lambda link: len(link.lane.in_flight)),
        ("gw_link_held_topics", "gauge", "Topics that the path's broker refuses.", lambda link: len(link.lane.holds)),
        ("gw_link_deaf", "gauge", "1 while a message sent on the path alone had no receipt, and none since.", lambda link: link.lane.deaf),
        ("gw_link_rival", "gauge", "1 while another device seems to use the path's client id.", lambda link: bool(link.patience.rival)),
        ("gw_link_last_ack_timestamp_seconds", "gauge", "Unix time of the broker's last acknowledgement of an event.",
         lambda link: link.counts.last_ack_at_s),
    ):  # fmt: skip
        add(family, kind, text, ("path",), partial(links, read))
    add("gw_link_ends", "counter", "Sessions and attempts that ended, by trouble.", ("path", "trouble"),
        lambda: [({"path": p, "trouble": t}, n) for p, link in uplink.links.items() for t, n in link.counts.ends.items()])  # fmt: skip
    add("gw_certificate_expires_timestamp_seconds", "gauge", "Unix time at which the first certificate of a path expires.", ("path",),
        lambda: [({"path": name}, end_s) for name, w in daemon.wallets.items() if (end_s := w.expires_s()) is not None])  # fmt: skip
    add("gw_journal_commits", "counter", "Transactions written.", (), lambda: one(writer.counts.commits))
    add("gw_journal_events", "counter", "Events sealed.", (), lambda: one(writer.counts.events))
    add("gw_journal_refusals", "counter", "Commits that the disk refused.", (), lambda: one(writer.counts.refusals))
    add("gw_journal_commit_seconds", "counter", "Time spent in commits.", (), lambda: one(writer.counts.commit_s_sum))
    add("gw_journal_slowest_commit_seconds", "gauge", "Longest commit since the start.", (), lambda: one(writer.counts.commit_s_max))
    add("gw_journal_replacements", "counter", "Damaged files set aside while the daemon ran.", (), lambda: one(writer.counts.replacements))
    add("gw_journal_bytes", "gauge", "Bytes that each event class takes in the journal.", ("class",),
        lambda: [({"class": name}, float(size)) for name, size in sorted(daemon.care.keeper.bytes.copy().items())])  # fmt: skip
    add("gw_journal_removed", "counter", "Events removed by the storage budget.", (), lambda: one(daemon.care.keeper.removed))
    add("gw_journal_dropped", "counter", "Of these, events that nobody had received.", (), lambda: one(daemon.care.keeper.dropped))
    add("gw_journal_reserve_held", "gauge", "1 while the reserve for a full disk is there.", (),
        lambda: one(float(daemon.care.reserve.held())))  # fmt: skip
    add("gw_journal_longest_care_seconds", "gauge", "Longest step of care, for which an alarm may have waited.", (),
        lambda: one(writer.counts.care_s_max))  # fmt: skip
    add("gw_journal_queue_depth", "gauge", "Batches that wait for the disk.", (), lambda: one(writer.depth()))
    add("gw_storage_written_bytes", "counter", "Bytes that this process caused to be written.", (), lambda: one(_written_bytes()))
    add("gw_bus_transactions", "counter", "Requests on a line by result.", ("line", "result"), transactions)
    add("gw_bus_cycle_seconds", "gauge", "Time between the last two turns of the line's most urgent block.", ("line",),
        lambda: [({"line": n}, line.counters.cycle_s) for n, line in daemon.field.lines.items()])  # fmt: skip
    add("gw_bus_busy_seconds", "counter", "Time a line spent in transactions.", ("line",),
        lambda: [({"line": n}, line.counters.busy_s) for n, line in daemon.field.lines.items()])  # fmt: skip
    add("gw_bus_queue_depth", "gauge", "One-time requests that wait.", ("line",),
        lambda: [({"line": n}, line.counters.queue_depth) for n, line in daemon.field.lines.items()])  # fmt: skip
    add("gw_detection_promised_seconds", "gauge", "Longest time from a change at the device to its reading, as worked out by check.",
        ("line", "device", "block"), promised)  # fmt: skip
    add("gw_detection_worst_seconds", "gauge", "The longest such time that could have happened since the start, as measured.",
        ("line", "device", "block"), worst)  # fmt: skip
    add("gw_device_up", "gauge", "1 while the device answers.", ("device",),
        lambda: [({"device": d}, float(up)) for d, up in daemon.field.device_up().items()])  # fmt: skip
    add("gw_gas_concentration_lel_ratio", "gauge", "Combustible gas, 1 = lower explosive limit.", ("point",),
        lambda: measured("gas_concentration", 0.01))  # fmt: skip
    add("gw_residual_current_amperes", "gauge", "Residual current.", ("point",), lambda: measured("residual_current", 0.001))
    add("gw_cable_temperature_celsius", "gauge", "Cable temperature.", ("point",), lambda: measured("cable_temperature", 1.0))
    add("gw_vision_last_word_seconds", "gauge", "How long the vision process has been silent; -1 without cameras.", (),
        lambda: one(daemon.vision_silence_s()))  # fmt: skip
    add("gw_camera_frame_age_seconds", "gauge", "Age of the camera's newest picture; -1 before the first.", ("camera",), frame_ages)
    add("gw_camera_pictures_judged", "counter", "Pictures that went through motion gate, model and zones.", ("camera",),
        lambda: figures("judged"))  # fmt: skip
    add("gw_inferences", "counter", "Pictures that the model looked at.", ("camera",), lambda: figures("inferences"))
    add("gw_inference_seconds", "counter", "Time spent judging pictures.", ("camera",), lambda: figures("looking_s"))
    add("gw_camera_analysed_fps", "gauge", "Pictures judged a second, over the last seconds.", ("camera",), lambda: figures("analysed_fps"))
    add(
        "gw_camera_trouble",
        "gauge",
        "1 for what keeps the camera from being relied on; all 0 while it sees.",
        ("camera", "trouble"),
        troubles,
    )
    add("gw_mode", "gauge", "Points that are in a drill, a walk test or maintenance.", ("mode",), lambda: points_in_modes(daemon))
    add("gw_walk_tests_due", "gauge", "Points whose walk test is overdue.", (), lambda: one(overdue_tests(daemon)))
    add("gw_hazards", "gauge", "Hazards by state; closed ones of the last 400 days.", ("state",),
        lambda: [({"state": state}, float(count)) for state, count in counts(house).items()])  # fmt: skip
    add("gw_hazards_overdue", "gauge", "Hazards that are not set right although their day is over.", (), lambda: one(overdue(house)))
    if daemon.reports is not None:
        told = daemon.reports
        add("campus_reports_issued", "counter", "Reports issued since the start.", ("kind",),
            lambda: [({"kind": kind}, float(count)) for kind, count in told.issued.items()])  # fmt: skip
        add("campus_report_last_timestamp_seconds", "gauge", "Unix time at which the newest report was issued.", ("kind",),
            lambda: [({"kind": kind}, at_ms / 1000) for kind, at_ms in told.last_ms.items()])  # fmt: skip
    add("gw_task_crashes", "counter", "Crashes of supervised tasks.", ("task",),
        lambda: [({"task": n}, h.crashes) for n, h in list(daemon.supervisor.health.items())])  # fmt: skip
    add("gw_resident_memory_bytes", "gauge", "Resident memory of the daemon.", (), lambda: one(_resident_bytes()))
    add("gw_cpu_seconds", "counter", "User and system time of the daemon.", (), lambda: one(_cpu_s()))
    add(
        "gw_clock_quality",
        "gauge",
        "1 for the clock's present quality.",
        ("quality",),
        lambda: [({"quality": daemon.clock.now().clock}, 1.0)],
    )


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
        "devices": daemon.field.device_up(),
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


def _written_bytes() -> float:
    with open("/proc/self/io") as file:
        for line in file:
            if line.startswith("write_bytes:"):
                return float(line.split()[1])
    return 0.0


def _resident_bytes() -> float:
    with open("/proc/self/statm") as file:
        return float(file.read().split()[1]) * resource.getpagesize()


def _cpu_s() -> float:
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime
