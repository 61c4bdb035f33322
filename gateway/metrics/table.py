"""Every metric that this software shows, each declared once: the page, docs/metrics.md and the tests all read this table.

Names follow OpenMetrics: one prefix, base units at the end of the name, ratios instead of percent. Labels are bounded by the site
file or by a list in the code; no names of people, no free text, no numbers of cards.
"""

from __future__ import annotations

from dataclasses import dataclass

ACKNOWLEDGE_BUCKETS_S = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)  # 120 and 300 s: the chain's own times
DELIVERY_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 90.0)  # 2 s: DB15/T 3968-2025

COUNTER, GAUGE, INFO, HISTOGRAM = KINDS = ("counter", "gauge", "info", "histogram")
_ENDS = {COUNTER: "_total", INFO: "_info"}
_UNITS = ("seconds", "bytes", "ratio", "amperes", "celsius", "fps")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. name: without the `_total` of a counter and the `_info` of an info. text: its help on the page.

    worry: when a technician should look, '' where the number alone says nothing. needs: without what in the site file or without which
    event it has no samples, '' when it always has. buckets: upper bounds of a histogram, in its unit.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    worry: str = ""
    needs: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def exposed(self) -> str:
        """The name to ask Prometheus for; of a histogram the part before `_bucket`, `_sum` and `_count`."""
        return self.name + _ENDS.get(self.kind, "")

    @property
    def unit(self) -> str:
        """By the end of the name: seconds, bytes, ...; '' for a number of things and for a state."""
        if "_timestamp_" in self.name or self.name.endswith("_start_time_seconds"):
            return "Unix seconds"
        return next((unit for unit in _UNITS if self.name.endswith(f"_{unit}")), "")


def _counter(name: str, labels: tuple[str, ...], text: str, worry: str = "", needs: str = "") -> Metric:
    return Metric(name, COUNTER, labels, text, worry, needs)


def _gauge(name: str, labels: tuple[str, ...], text: str, worry: str = "", needs: str = "") -> Metric:
    return Metric(name, GAUGE, labels, text, worry, needs)


_CAMERA, _LINE, _PATH, _BLOCK = ("camera",), ("line",), ("path",), ("line", "device", "block")
_CAMERAS, _SEEN = "cameras", "cameras, and the vision process running"

GROUPS: dict[str, tuple[Metric, ...]] = {
    "The gateway": (
        Metric("gw_build", INFO, ("version", "source"), "Version of the software.", "differs between schools longer than a roll-out lasts"),
        _gauge("gw_start_time_seconds", (), "When the daemon started, Unix time.", "changes though nobody restarted it"),
        _counter("gw_task_crashes", ("task",), "Crashes of supervised tasks.", "any"),
        _gauge("gw_resident_memory_bytes", (), "Resident memory of the daemon.", "grows from week to week"),
        _counter("gw_cpu_seconds", (), "User and system time of the daemon.", "its rate stays above 0.5"),
        _gauge("gw_clock_quality", ("quality",), "1 for the clock's present quality: synchronised, holdover or unknown.",
               "not `synchronised`"),
        _gauge("gw_upgrade_trial", (), "1 while an upgrade or a new site file is on trial.", "longer than its trial may last (15 min)"),
        _counter("gw_log_lines", ("level",), "Lines written to the log, by level.", "`error` or `critical` rises"),
        _counter("gw_log_dropped", (), "Lines that were not written because too many came at once.", "any"),
    ),
    "Points and alarms": (
        _gauge("gw_point_state", ("point", "alarm", "class"), "ISA-18.2 state of each alarm: 0 normal, 1 unacknowledged, 2 acknowledged, "
               "3 returned_unacknowledged, 4 latched_unacknowledged, 5 latched_acknowledged, 6 shelved, 7 suppressed_by_design, "
               "8 out_of_service.",
               "1, 3 or 4: somebody must take it"),
        _gauge("gw_point_good", ("point",), "1 while the point's reading is good.", "0"),
        _counter("gw_readings", (), "Readings taken from lines and cameras.", "stands still"),
        _counter("gw_alarm_transitions", ("class", "to"), "Sealed events by class and kind.", "", "an event"),
        _counter("gw_early_alarms", (), "Alarms sent from memory because the journal refused.", "any"),
        _gauge("gw_alarm_unacked", (), "Alarms that nobody has acknowledged.", "not 0 for long"),
        _gauge("gw_alarm_oldest_unacked_seconds", (), "Age of the oldest of them.", "above 300"),
        _gauge("gw_alarm_set_aside", ("state",), "Alarms that are shelved, suppressed by design or out of service.", "not 0 overnight"),
        _gauge("gw_alarm_standing", (), "Alarms and faults that a person has still to do something about.", "not 0 for days"),
        _gauge("gw_alarm_stale", (), "Alarms and faults whose cause has been there for more than a day.", "not 0"),
        _gauge("gw_alarm_chattering", (), "Points whose alarms come and go too often.", "not 0"),
        _gauge("gw_alarm_recently_announced", (), "Alarms and faults announced in the last ten minutes.", "above 10: a flood"),
        _gauge("gw_alarm_top", ("point",), "The ten points announced most often since the start.", "one stands out", "an alarm or fault"),
        _counter("gw_alarm_escalations", ("class", "to"), "Alarms that nobody had taken in time, by class and by who was told then.", "any",
                 "an alarm nobody takes, `[rules.escalation]`"),
        Metric("gw_alarm_acknowledge_seconds", HISTOGRAM, ("class",),
               "From an alarm's beginning to the person who took it; drills and tests are left out.", "0.9 quantile above 120",
               "an acknowledged alarm", ACKNOWLEDGE_BUCKETS_S),
    ),
    "Delivery": (
        Metric("gw_alarm_delivery_seconds", HISTOGRAM, ("recipient",), "From an alarm's reading to the recipient's signed receipt.",
               "above 2 (DB15/T 3968)", "a receipt for an alarm", DELIVERY_BUCKETS_S),
        _gauge("gw_outbox_depth", (), "Events in memory that await receipts.", "grows"),
        _gauge("gw_outbox_oldest_seconds", (), "How long the oldest of them waits.", "above 100"),
        _gauge("gw_outbox_in_flight", (), "Messages sent and not acknowledged by the broker."),
        _gauge("gw_outbox_held_topics", (), "Topics set aside because the broker refuses them.", "not 0"),
        _counter("gw_published", (), "Events handed to the broker, resends included."),
        _counter("gw_resent", (), "Events sent again under the same id.", "rises day after day"),
        _counter("gw_receipts", ("result",), "Receipts that settled an event.", "`unusable` rises"),
        _counter("gw_bad_receipts", (), "Receipts that were not believed.", "any: a wrong key, or somebody tries"),
        _counter("gw_remote_commands", ("result",), "Signed commands over MQTT by result, refused ones by reason.",
                 "a reason of refusal rises", "a key of a recipient"),
        _counter("gw_puback", ("code",), "The broker's answers by reason code.", "0x80 and above", "an answer of the broker"),
        _gauge("gw_link_up", _PATH, "1 while the path has a session.", "0"),
        _gauge("gw_link_carries", _PATH, "1 for the path on which everything goes that does not go on both."),
        _counter("gw_link_connects", _PATH, "Sessions opened."),
        _counter("gw_link_losses", _PATH, "Sessions lost.", "more than a few a day"),
        _counter("gw_link_published", _PATH, "Events handed to the path's broker, resends included."),
        _gauge("gw_link_in_flight", _PATH, "Events sent on the path and not acknowledged by its broker.", "not 0 for long"),
        _gauge("gw_link_held_topics", _PATH, "Topics that the path's broker refuses.", "not 0"),
        _gauge("gw_link_deaf", _PATH, "1 while a message sent on the path alone had no receipt, and none since.", "1"),
        _gauge("gw_link_rival", _PATH, "1 while another device seems to use the path's client id.", "1"),
        _gauge("gw_link_last_ack_timestamp_seconds", _PATH, "Unix time of the broker's last acknowledgement of an event; 0 for none yet."),
        _counter("gw_link_ends", ("path", "trouble"), "Sessions and attempts that ended, by trouble.", "`refused`, `taken_over`"),
        _gauge("gw_certificate_expires_timestamp_seconds", _PATH, "Unix time at which the first certificate of a path expires.",
               "within 30 days", "a path with TLS"),
    ),
    "Journal and disk": (
        _counter("gw_journal_commits", (), "Transactions written.", "stands still"),
        _counter("gw_journal_events", (), "Events sealed."),
        _counter("gw_journal_refusals", (), "Commits that the disk refused.", "any"),
        _counter("gw_journal_commit_seconds", (), "Time spent in commits.", "its rate by that of commits is above 0.1: a worn card"),
        _gauge("gw_journal_slowest_commit_seconds", (), "Longest commit since the start.", "above 0.5"),
        _counter("gw_journal_replacements", (), "Damaged files set aside while the daemon ran.", "any"),
        _gauge("gw_journal_bytes", ("class",), "Bytes that each event class takes in the journal.", "", "a look of the journal's care"),
        _counter("gw_journal_removed", (), "Events removed by the storage budget."),
        _counter("gw_journal_dropped", (), "Of these, events that nobody had received.", "any"),
        _gauge("gw_journal_reserve_held", (), "1 while the reserve for a full disk is there.", "0: the disk is full"),
        _gauge("gw_journal_longest_care_seconds", (), "Longest step of care, for which an alarm may have waited.", "above 0.25"),
        _gauge("gw_journal_queue_depth", (), "Batches that wait for the disk.", "above 10"),
        _counter("gw_storage_written_bytes", (), "Bytes that this process caused to be written.", "its rate above 100 kB/s wears a card"),
        _gauge("gw_storage_free_bytes", (), "Free bytes on the disk of the state folder, for its user.", "below a tenth of the size"),
        _gauge("gw_storage_size_bytes", (), "Size of that disk."),
    ),
    "Lines and devices": (
        _gauge("gw_line_up", _LINE, "1 while at least one device of the line answers.", "0", "an answer or a missing one since the start"),
        _counter("gw_line_port_losses", _LINE, "Times the port or the peer was lost.", "more than a few a day"),
        _counter("gw_bus_transactions", ("line", "result"), "Requests on a line by result.", "the share of `ok` falls"),
        _gauge("gw_bus_cycle_seconds", _LINE, "Time between the last two turns of the line's most urgent block.", "above its period"),
        _counter("gw_bus_busy_seconds", _LINE, "Time a line spent in transactions.", "its rate above 0.9"),
        _gauge("gw_bus_queue_depth", _LINE, "One-time requests that wait.", "stays above 0"),
        _gauge("gw_detection_promised_seconds", _BLOCK, "Longest time from a change at the device to its reading, as worked out by check.",
               "", "polled lines"),
        _gauge("gw_detection_worst_seconds", _BLOCK, "The longest such time that could have happened since the start, as measured.",
               "above the promised one", "polled lines"),
        _gauge("gw_device_up", ("device", "line"), "1 while the device answers.", "0", "an answer or a missing one since the start"),
        _gauge("gw_gas_concentration_lel_ratio", ("point",), "Combustible gas, 1 = lower explosive limit.", "above 0.1", "such a point"),
        _gauge("gw_residual_current_amperes", ("point",), "Residual current.", "above 0.3", "such a point"),
        _gauge("gw_cable_temperature_celsius", ("point",), "Cable temperature.", "above 70", "such a point"),
    ),
    "Cameras": (
        _gauge("gw_vision_last_word_seconds", (), "How long the vision process has been silent; -1 without cameras.", "above 5"),
        Metric("gw_vision_model", INFO, ("model", "provider", "tested"), "The neural network and what runs it; tested: by its makers.",
               "no samples; another `provider` than the site file asks for", _SEEN),
        _gauge("gw_camera_frame_age_seconds", _CAMERA, "Age of the camera's newest picture; -1 before the first.", "above 5", _SEEN),
        _counter("gw_camera_pictures_judged", _CAMERA, "Pictures that went through motion gate, model and zones.", "stands still", _SEEN),
        _counter("gw_inferences", _CAMERA, "Pictures that the model looked at.", "", _SEEN),
        _counter("gw_inference_seconds", _CAMERA, "Time spent judging pictures.", "its rate nears 1", _SEEN),
        _gauge("gw_camera_analysed_fps", _CAMERA, "Pictures judged a second, over the last seconds.", "below `least_fps`", _SEEN),
        _gauge("gw_camera_trouble", ("camera", "trouble"), "1 for what keeps the camera from being relied on; all 0 while it sees.", "1",
               _CAMERAS),
    ),
    "People and duties": (
        _gauge("gw_mode", ("mode",), "Points that are in a drill, a walk test or maintenance.", "not 0 overnight"),
        _gauge("gw_walk_tests_due", (), "Points whose walk test is overdue.", "not 0"),
        _gauge("gw_walk_test_passed_timestamp_seconds", ("point",), "Unix time of the point's last walk test that was passed.",
               "older than its period", "a passed walk test"),
        _gauge("gw_hazards", ("state",), "Hazards by state; closed ones of the last 400 days.", "", "`[hazards]`"),
        _gauge("gw_hazards_overdue", (), "Hazards that are not set right although their day is over.", "not 0"),
        _counter("gw_reports_issued", ("kind",), "Reports issued since the start.", "", "`[reports]`"),
        _gauge("gw_report_last_timestamp_seconds", ("kind",), "Unix time at which the newest report was issued.",
               "`daily` older than 26 h", "`[reports]`, and a report so far"),
    ),
}  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for group in GROUPS.values() for metric in group}
