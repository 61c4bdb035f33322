"""Where each metric of a running daemon comes from. What they are called and mean: gateway/metrics/table.py."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.alarm.machine import STANDING, UNACKED, State
from gateway.core.cameras import TROUBLES
from gateway.core.reading import Quality
from gateway.metrics.exporter import Exporter, Read, Sample
from gateway.runtime import logs
from gateway.runtime.hazards import counts, overdue
from gateway.runtime.telling import overdue_tests, points_in_modes, stale

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon
    from gateway.uplink.link import Link

TRIAL_MARK = Path("/run/campus-gateway-upgrade")  # of campus-upgrade.service, while an upgrade or a new site file is on trial
_STATES = tuple(map(str, State))


def fill(exporter: Exporter, daemon: Daemon) -> None:
    """Show every metric of the daemon."""
    for part in (_itself, _alarms, _delivery, _paths, _journal, _lines, _measured, _cameras, _people):
        for name, read in part(daemon).items():
            exporter.add(name, read)


def _one(value: Callable[[], float]) -> Read:
    return lambda: [({}, float(value()))]


def _each(label: str, found: Callable[[], Iterable[tuple[str, float]]]) -> Read:
    return lambda: [({label: name}, float(value)) for name, value in found()]


def _itself(daemon: Daemon) -> dict[str, Read]:
    return {
        "gw_build": lambda: [({"version": __version__, "source": daemon.settings.source}, 1.0)],
        "gw_start_time_seconds": _one(lambda: daemon.started_at_s),
        "gw_task_crashes": _each("task", lambda: ((n, h.crashes) for n, h in list(daemon.supervisor.health.items()))),
        "gw_resident_memory_bytes": _one(_resident_bytes),
        "gw_cpu_seconds": _one(_cpu_s),
        "gw_clock_quality": lambda: [({"quality": daemon.clock.now().clock}, 1.0)],
        "gw_upgrade_trial": _one(TRIAL_MARK.exists),
        "gw_log_lines": _each("level", lambda: logs.COUNTS.lines.items()),
        "gw_log_dropped": _one(lambda: logs.COUNTS.dropped),
    }


def _alarms(daemon: Daemon) -> dict[str, Read]:
    house, conveyor = daemon.house, daemon.conveyor
    points = [point for point in house.points.values() if not point.quiet]

    def states() -> Iterator[Sample]:
        for point in points:
            for spec in point.alarms:
                state = str(house.alarms[spec.key].state)
                yield {"point": point.id, "alarm": spec.name, "class": spec.alarm_class}, float(_STATES.index(state))

    def good() -> Iterator[Sample]:
        for point in points:
            reading = house.readings.get(point.id)
            yield {"point": point.id}, float(reading is not None and reading.quality is Quality.GOOD)

    def aside() -> Iterator[Sample]:
        found = Counter(str(alarm.aside.state) for alarm in house.alarms.values() if alarm.aside is not None)
        yield from (({"state": state}, float(found[state])) for state in _STATES[-3:])

    def oldest_unacked() -> float:
        times = [alarm.since_ms for alarm in house.alarms.values() if alarm.state in UNACKED]
        return max(0.0, time.time() - min(times) / 1000) if times else 0.0

    def chattering() -> int:
        return sum(alarm.condition.active for key, alarm in house.alarms.items() if key.endswith("/chattering"))

    return {
        "gw_point_state": states,
        "gw_point_good": good,
        "gw_readings": _one(lambda: conveyor.counts.readings),
        "gw_alarm_transitions": lambda: [({"class": c, "to": t}, float(n)) for (c, t), n in conveyor.transitions.items()],
        "gw_early_alarms": _one(lambda: conveyor.counts.early),
        "gw_alarm_unacked": _one(lambda: sum(alarm.state in UNACKED for alarm in house.alarms.values())),
        "gw_alarm_oldest_unacked_seconds": _one(oldest_unacked),
        "gw_alarm_set_aside": aside,
        "gw_alarm_standing": _one(lambda: sum(alarm.live in STANDING for alarm in house.alarms.values())),
        "gw_alarm_stale": _one(lambda: sum(1 for _ in stale(daemon))),
        "gw_alarm_chattering": _one(chattering),
        "gw_alarm_recently_announced": _one(lambda: house.measures.rate(time.monotonic())),
        "gw_alarm_top": _each("point", lambda: house.measures.top()),
        "gw_alarm_escalations": lambda: [({"class": c, "to": to}, float(n)) for (c, to), n in daemon.response.escalations.items()],
    }


def _delivery(daemon: Daemon) -> dict[str, Read]:
    outbox = daemon.outbox

    def oldest() -> float:
        return max((time.monotonic() - e.sealed_s for r in daemon.recipients if (e := outbox.oldest_owed(r)) is not None), default=0.0)

    return {
        "gw_outbox_depth": _one(lambda: len(outbox)),
        "gw_outbox_oldest_seconds": _one(oldest),
        "gw_outbox_in_flight": _one(lambda: outbox.in_flight),
        "gw_outbox_held_topics": _one(lambda: len(outbox.holds)),
        "gw_published": _one(lambda: outbox.counts.sent),
        "gw_resent": _one(lambda: outbox.counts.resent),
        "gw_receipts": _each("result", lambda: (("received", outbox.counts.received), ("unusable", outbox.counts.unusable))),
        "gw_bad_receipts": _one(lambda: daemon.uplink.receipts.bad),
        "gw_remote_commands": _each("result", lambda: sorted(daemon.commands.counts.items())),
        "gw_puback": _each("code", lambda: ((f"0x{code:02x}", n) for code, n in sorted(outbox.counts.pubacks.items()))),
    }


def _paths(daemon: Daemon) -> dict[str, Read]:
    uplink = daemon.uplink

    def links(read: Callable[[Link], float]) -> list[Sample]:
        return [({"path": path}, float(read(link))) for path, link in uplink.links.items()]

    def ends() -> Iterator[Sample]:
        for path, link in uplink.links.items():
            for trouble, count in link.counts.ends.items():
                yield {"path": path, "trouble": trouble}, float(count)

    def certificates() -> Iterator[Sample]:
        for path, wallet in daemon.wallets.items():
            if (end_s := wallet.expires_s()) is not None:
                yield {"path": path}, end_s

    of_each: dict[str, Callable[[Link], float]] = {
        "gw_link_up": lambda link: link.counts.up,
        "gw_link_carries": lambda link: uplink.carries(link.path),
        "gw_link_connects": lambda link: link.counts.connects,
        "gw_link_losses": lambda link: link.counts.losses,
        "gw_link_published": lambda link: link.lane.sent,
        "gw_link_in_flight": lambda link: len(link.lane.in_flight),
        "gw_link_held_topics": lambda link: len(link.lane.holds),
        "gw_link_deaf": lambda link: link.lane.deaf,
        "gw_link_rival": lambda link: bool(link.patience.rival),
        "gw_link_last_ack_timestamp_seconds": lambda link: link.counts.last_ack_at_s,
    }
    reads: dict[str, Read] = {name: partial(links, read) for name, read in of_each.items()}
    return {**reads, "gw_link_ends": ends, "gw_certificate_expires_timestamp_seconds": certificates}


def _journal(daemon: Daemon) -> dict[str, Read]:
    written, care, folder = daemon.writer.counts, daemon.care, daemon.settings.state_dir
    return {
        "gw_journal_commits": _one(lambda: written.commits),
        "gw_journal_events": _one(lambda: written.events),
        "gw_journal_refusals": _one(lambda: written.refusals),
        "gw_journal_commit_seconds": _one(lambda: written.commit_s_sum),
        "gw_journal_slowest_commit_seconds": _one(lambda: written.commit_s_max),
        "gw_journal_replacements": _one(lambda: written.replacements),
        "gw_journal_bytes": _each("class", lambda: sorted(care.keeper.bytes.copy().items())),
        "gw_journal_removed": _one(lambda: care.keeper.removed),
        "gw_journal_dropped": _one(lambda: care.keeper.dropped),
        "gw_journal_reserve_held": _one(lambda: care.reserve.held()),
        "gw_journal_longest_care_seconds": _one(lambda: written.care_s_max),
        "gw_journal_queue_depth": _one(lambda: daemon.writer.depth()),
        "gw_storage_written_bytes": _one(_written_bytes),
        "gw_storage_free_bytes": _disk(folder, lambda disk: disk.f_bavail * disk.f_frsize),
        "gw_storage_size_bytes": _disk(folder, lambda disk: disk.f_blocks * disk.f_frsize),
    }


def _lines(daemon: Daemon) -> dict[str, Read]:
    field = daemon.field

    line_of = {device.id: device.bus for device in daemon.settings.site.devices}

    def answers() -> Iterator[Sample]:
        for device, is_up in field.device_up().items():
            yield {"device": device, "line": line_of[device]}, float(is_up)

    def up() -> Iterator[Sample]:
        best: dict[str, bool] = {}
        for device, is_up in field.device_up().items():
            best[line_of[device]] = best.get(line_of[device], False) or is_up
        yield from (({"line": line}, float(is_up)) for line, is_up in best.items())

    def transactions() -> Iterator[Sample]:
        for name, line in field.lines.items():
            for result, count in list(line.counters.transactions.items()):
                yield {"line": name, "result": result.replace(" ", "_")}, float(count)

    def promised() -> Iterator[Sample]:
        for name, line in field.judged.lines.items():
            for each in line.blocks:
                if each.delay_s < float("inf"):
                    yield {"line": name, "device": each.block.device, "block": each.block.name}, each.delay_s

    def worst() -> Iterator[Sample]:
        for name, line in field.lines.items():
            for (device, block), seconds in line.worst_s().items():
                yield {"line": name, "device": device, "block": block}, seconds

    return {
        "gw_line_up": up,
        "gw_line_port_losses": _each("line", lambda: ((n, line.counters.port_losses) for n, line in field.lines.items())),
        "gw_bus_transactions": transactions,
        "gw_bus_cycle_seconds": _each("line", lambda: ((n, line.counters.cycle_s) for n, line in field.lines.items())),
        "gw_bus_busy_seconds": _each("line", lambda: ((n, line.counters.busy_s) for n, line in field.lines.items())),
        "gw_bus_queue_depth": _each("line", lambda: ((n, line.counters.queue_depth) for n, line in field.lines.items())),
        "gw_detection_promised_seconds": promised,
        "gw_detection_worst_seconds": worst,
        "gw_device_up": answers,
    }


def _measured(daemon: Daemon) -> dict[str, Read]:
    house = daemon.house

    def values(role: str, scale: float) -> Iterator[Sample]:
        for point in house.points.values():
            reading = house.readings.get(point.id)
            if point.role == role and reading is not None and reading.quality is Quality.GOOD and isinstance(reading.value, int | float):
                yield {"point": point.id}, reading.value * scale

    return {
        "gw_gas_concentration_lel_ratio": partial(values, "gas_concentration", 0.01),
        "gw_residual_current_amperes": partial(values, "residual_current", 0.001),
        "gw_cable_temperature_celsius": partial(values, "cable_temperature", 1.0),
    }


def _cameras(daemon: Daemon) -> dict[str, Read]:
    def ages() -> Iterator[Sample]:
        word = daemon.door.vision
        since_s = time.monotonic() - word.now_s
        for camera, told in word.cameras.items():
            age_s = told["frame_age_s"]
            yield {"camera": camera}, age_s + since_s if age_s >= 0 else -1.0

    def figure(name: str) -> Read:
        return _each("camera", lambda: ((camera, told[name]) for camera, told in daemon.door.vision.cameras.items()))

    def troubles() -> Iterator[Sample]:
        for point in daemon.house.points.values():
            if point.role == "camera_link":
                reading = daemon.house.readings.get(point.id)
                for trouble in TROUBLES:
                    yield {"camera": point.id, "trouble": trouble}, float(reading is not None and reading.value == trouble)

    def model() -> Iterator[Sample]:
        told = daemon.door.vision.model
        if "provider" in told:
            names = {"model": str(told.get("id")), "provider": str(told["provider"])}
            yield {**names, "tested": "yes" if told.get("tested") else "no"}, 1.0

    return {
        "gw_vision_model": model,
        "gw_vision_last_word_seconds": _one(daemon.vision_silence_s),
        "gw_camera_frame_age_seconds": ages,
        "gw_camera_pictures_judged": figure("judged"),
        "gw_inferences": figure("inferences"),
        "gw_inference_seconds": figure("looking_s"),
        "gw_camera_analysed_fps": figure("analysed_fps"),
        "gw_camera_trouble": troubles,
    }


def _people(daemon: Daemon) -> dict[str, Read]:
    house = daemon.house
    reads: dict[str, Read] = {
        "gw_mode": lambda: points_in_modes(daemon),
        "gw_walk_tests_due": _one(lambda: overdue_tests(daemon)),
        "gw_walk_test_passed_timestamp_seconds": _each(
            "point", lambda: ((point, test.passed_ms / 1000) for point, test in house.modes.tested.items() if test.passed_ms)
        ),
        "gw_hazards": _each("state", lambda: counts(house).items()),
        "gw_hazards_overdue": _one(lambda: overdue(house)),
    }
    if (told := daemon.reports) is not None:
        reads["gw_reports_issued"] = _each("kind", lambda: told.issued.items())
        reads["gw_report_last_timestamp_seconds"] = _each("kind", lambda: ((kind, at_ms / 1000) for kind, at_ms in told.last_ms.items()))
    return reads


def _disk(folder: Path, figure: Callable[[os.statvfs_result], int]) -> Read:
    def read() -> list[Sample]:
        try:
            return [({}, float(figure(os.statvfs(folder))))]
        except OSError:
            return []  # a page without this number is better than none

    return read


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
