"""The daily report: what happened is counted once and in its place; what did not is zero and goes all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.contract.canonical import canonical
from gateway.report import daily
from gateway.report.parts import shorter, value
from tests.gateway.report.past import BEGIN_MS, DAY_MS, END_MS, ZONE, Made, facts, hazard


def built(past: Made, **more: Any) -> dict[str, Any]:
    return daily.build(past, facts(**more), BEGIN_MS, END_MS, ZONE)


def figures(report: dict[str, Any], section: str) -> dict[str, Any]:
    return {each["figure"]: each["value"] for each in report["sections"][section]["figures"]}


def rows(report: dict[str, Any], section: str, table: str) -> list[dict[str, Any]]:
    return next((each["rows"] for each in report["sections"][section]["tables"] if each["table"] == table), [])


def test_a_day_without_anything_is_a_zero_report_with_every_section() -> None:
    report = built(Made())
    assert report["nothing_happened"] is True
    assert "零报告" in report["summary"]["zh"]
    assert "zero report" in report["summary"]["en"]
    assert (report["from"], report["to"]) == ("2026-11-21T09:30:00.000Z", "2026-11-22T09:30:00.000Z")
    assert report["summary"]["zh"].startswith("2026-11-21 17:30 至 2026-11-22 17:30")
    assert sorted(report["order"]) == sorted(report["sections"])
    counts = [each["value"] for part in report["sections"].values() for each in part["figures"] if each["kind"] == "count"]
    assert set(counts) == {0, 1}, "one start of the gateway, nothing else"
    assert figures(report, "alarms")["acknowledged_median"] is None, "of nothing nothing can be said"


def test_a_zero_report_does_not_hide_what_still_stands() -> None:
    standing = {
        "alarm": "gas/fault",
        "fault": True,
        "state": "acknowledged",
        "since": "2026-11-01T00:00:00.000Z",
        "since_ms": BEGIN_MS - 20 * DAY_MS,
        "place": "kitchen",
        "zh": "探测器故障",
        "en": "Detector fault",
        "responsible": "李明",
        "reason": "no answer",
    }
    report = built(Made(), standing=[standing])
    assert report["nothing_happened"] is True
    assert "1 项报警或故障未恢复" in report["summary"]["zh"]
    (row,) = rows(report, "faults", "standing")
    assert (row["responsible"], row["place"]["zh"], row["since"]) == ("李明", "厨房", "2026-11-01T00:00:00.000Z")


def test_alarms_with_how_long_they_took() -> None:
    past = Made()
    for begin, taken, over in ((0, 20, 40), (1000, 1100, 1005), (2000, None, None)):
        past.alarm("activated", begin)
        if taken is not None and over is not None:
            steps = sorted([("acknowledged", taken), ("cleared", over)], key=lambda step: step[1])
            for word, at in steps:
                past.alarm(word, at)
    report = built(past)
    told = figures(report, "alarms")
    assert (told["real"], told["unacknowledged"]) == (3, 1)
    assert (told["acknowledged_median"], told["acknowledged_worst"]) == (60.0, 100.0)
    assert (told["cleared_median"], told["cleared_worst"]) == (22.5, 40.0)
    (by_class,) = rows(report, "alarms", "by_class")
    assert (by_class["class"], by_class["count"], by_class["open"]) == ({"zh": "一键报警", "en": "one-key alarm"}, 3, 1)
    (by_point,) = rows(report, "alarms", "by_point")
    assert (by_point["point"]["zh"], by_point["place"]["en"], by_point["count"]) == ("一键报警按钮", "gate", 3)


def test_an_acknowledgement_belongs_to_the_alarm_before_it_and_the_first_one_counts() -> None:
    past = Made()
    past.alarm("acknowledged", 1)  # of an alarm of the day before
    past.alarm("activated", 10)
    past.alarm("acknowledged", 13)
    past.alarm("repeated", 20)
    past.alarm("acknowledged", 500)
    told = figures(built(past), "alarms")
    assert (told["real"], told["repeated"], told["acknowledged_worst"], told["unacknowledged"]) == (1, 1, 3.0, 0)


def test_drills_and_tests_are_told_apart_from_what_is_real() -> None:
    past = Made()
    past.alarm("activated", 1, status="Exercise")
    past.alarm("activated", 2, status="Test", point="gas")
    past.alarm("activated", 3)
    told = figures(built(past), "alarms")
    assert (told["real"], told["exercise"], told["test"]) == (1, 1, 1)
    assert (told["unacknowledged"], len(rows(built(past), "alarms", "by_point"))) == (1, 1)


def test_what_happened_before_or_after_the_period_is_not_in_it() -> None:
    past = Made()
    past.alarm("activated", -0.001)
    past.alarm("activated", 0)
    past.alarm("activated", 86_399.999)
    past.alarm("activated", 86_400)
    assert figures(built(past), "alarms")["real"] == 2


def test_an_incident_shows_its_four_times_once() -> None:
    past = Made()
    about = {"incident": "i1", "place": "gate", "alarms": ["button/alarm", "gas/level1"]}
    names = ("detected", "reported", "controlled", "resolved")
    times: dict[str, str] = {}
    for number, (word, name) in enumerate(zip(("opened", "reported", "controlled", "resolved"), names, strict=True)):
        times = {**times, name: f"2026-11-21T10:0{number}:00.000Z"}
        past.say(
            "alarm",
            f"incident.{word}",
            1800 + number * 60,
            times=times,
            text={"zh": "事件发现：一键报警", "en": "incident opened: panic"},
            **about,
        )
    past.say(
        "alarm",
        "incident.opened",
        9000,
        incident="i2",
        place="gate",
        alarms=["gas/level1"],
        times={"detected": "2026-11-21T12:00:00.000Z"},
        text={},
    )
    report = built(past)
    assert figures(report, "incidents") == {"opened": 2, "resolved": 1, "open": 1}
    first, second = rows(report, "incidents", "incidents")
    assert (first["what"], first["alarms"]) == ({"zh": "一键报警", "en": "panic"}, 2)
    assert [first[name] for name in names] == [f"2026-11-21T10:0{number}:00.000Z" for number in range(4)]
    assert second["resolved"] is None


def test_duties_kept_and_missed() -> None:
    past = Made()
    text = {"zh": "漏巡：夜巡", "en": "Round missed: night"}
    past.say("duty", "duty.checked_in", 1, point="post", place="gate")
    past.say("duty", "duty.round_done", 2, point="night", place="gate")
    past.say("duty", "duty.round_missed", 3, point="night", place="gate", text=text)
    past.say("duty", "duty.activated", 4, point="night", role="patrol", place="gate", status="Actual")  # the alarm of the same miss
    past.say("duty", "duty.activated", 5, point="post", role="guard_post", place="gate", status="Actual", text=text)
    past.say("duty", "duty.activated", 5, point="post", role="guard_post", place="gate", status="Test", text=text)
    past.say("duty", "duty.answered", 6, point="room", place="gate", in_time=True)
    past.say("duty", "duty.answered", 7, point="room", place="gate", in_time=False)  # its alarm was told when the time was over
    past.say("duty", "duty.shift_opened", 8, point="shift", place="gate", late_s=300)
    past.say("duty", "duty.shift_opened", 9, point="shift", place="gate")
    report = built(past)
    assert figures(report, "duty") == {"kept": 4, "missed": 2}
    told = {row["duty"]["en"]: (row["kept"], row["missed"]) for row in rows(report, "duty", "duties")}
    assert told == {"guard post": (1, 1), "patrol": (1, 1), "duty room": (1, 0), "change of shift": (1, 0)}
    assert {row["what"]["zh"] for row in rows(report, "duty", "missed")} == {"漏巡：夜巡"}
    assert report["nothing_happened"] is False


def test_doors() -> None:
    past = Made()
    past.say("access", "access.granted", 1, door="side", means="card")
    past.say("access", "access.denied", 2, door="side", means="card")
    past.alarm("activated", 3, point="side-forced", role="door_forced")
    past.alarm("activated", 4, point="side-held", role="door_held")
    past.alarm("activated", 5, point="side-held", role="door_held", status="Exercise")
    report = built(past)
    assert figures(report, "access") == {"granted": 1, "denied": 1, "forced": 1, "held": 1}
    (row,) = rows(report, "access", "by_door")
    assert (row["granted"], row["denied"], row["forced"], row["held"]) == (1, 1, 1, 1)


def test_only_a_granted_door_leaves_a_day_a_zero_report() -> None:
    past = Made()
    past.say("access", "access.granted", 1, door="side", means="card")
    past.say("duty", "duty.checked_in", 1, point="post", place="gate")
    assert built(past)["nothing_happened"] is True
    past.say("access", "access.denied", 2, door="side", means="card")
    assert built(past)["nothing_happened"] is False


@pytest.mark.parametrize(
    ("event_class", "name"),
    [("duty", "hazard.reopened"), ("duty", "inspection.overdue"), ("alarm", "alarm.escalated"), ("audit", "output.refused")],
)
def test_anything_but_routine_is_something(event_class: str, name: str) -> None:
    past = Made()
    past.say(event_class, name, 10, point="round", place="gate")
    assert built(past)["nothing_happened"] is False


def test_a_missed_inspection_is_a_missed_duty() -> None:
    past = Made()
    past.say("duty", "inspection.done", 1, point="round", place="gate", result="ok", late=False)
    past.say("duty", "duty.activated", 10, point="round", role="inspection", place="gate", status="Actual")
    past.say("duty", "inspection.done", 20, point="round", place="gate", result="ok", late=True)
    assert figures(built(past), "duty") == {"kept": 1, "missed": 1}


@pytest.mark.parametrize(("off_s", "quiet"), [(3600, True), (3601, False)])
def test_a_day_that_was_not_watched_is_no_zero_report(off_s: int, quiet: bool) -> None:
    report = built(Made(), off=[(BEGIN_MS - 5000, BEGIN_MS + off_s * 1000), (END_MS, END_MS + 1)])
    assert (report["nothing_happened"], figures(report, "gateway")["off"]) == (quiet, off_s)
    assert "本机停运至少 1 小时，期间无监测" in report["summary"]["zh"]
    (row,) = rows(report, "gateway", "off")
    assert (row["since"], row["lasted"]) == (report["from"], off_s)


def test_delivery_by_recipient() -> None:
    past = Made()
    past.alarm("activated", 0, received={"police": BEGIN_MS + 900}, owed=["bureau"])
    past.fault("activated", 10, "gw-path-main", received={"police": BEGIN_MS + 70_000})
    past.say("audit", "journal.dropped", 20, count=7, received={})
    report = built(past)
    told = figures(report, "delivery")
    assert (told["sealed"], told["owed"], told["dropped"], told["path_losses"], told["slowest_alarm"]) == (3, 1, 7, 1, 0.9)
    by_name = {row["recipient"]: row for row in rows(report, "delivery", "recipients")}
    assert (by_name["police"]["received"], by_name["police"]["slowest"]) == (2, 60.0)
    assert (by_name["bureau"]["owed"], by_name["bureau"]["slowest_alarm"]) == (1, None)
    assert figures(report, "gateway")["own_faults"] == 1


def test_drills_and_walk_tests() -> None:
    past = Made()
    totals = {"listed": 3, "pressed": 2, "slowest_received_s": 1.2, "slowest_acknowledged_s": 30.0}
    name, started = {"zh": "消防演练", "en": "fire drill"}, "2026-11-21T10:00:00.000Z"
    past.say("mode", "mode.drill_ended", 3000, name=name, started_at=started, lasted_s=600.0, totals=totals)
    for result in ("passed", "passed", "failed"):
        past.say("mode", "mode.test_ended", 4000, result=result)
    report = built(past, drills=[{"zh": "每学期一次", "en": "each term", "done": 1, "needed": 1}], tests_overdue=4)
    assert figures(report, "drills") == {"held": 1, "passed": 2, "failed": 1, "maintenance": 0, "tests_overdue": 4}
    (row,) = rows(report, "drills", "drills")
    assert (row["what"], row["pressed"], row["slowest_received"]) == (name, 2, 1.2)


def test_hazards_inspections_and_compliance() -> None:
    inside = "2026-11-22T00:00:00.000Z"
    ledger = [
        hazard(1, overdue=True, due="2026-11-20"),
        hazard(2, opened_at=inside),
        hazard(3, state="closed", steps=[{"step": "closed", "at": inside, "by": "x", "why": ""}]),
        hazard(4, state="closed", steps=[{"step": "closed", "at": "2026-10-01T00:00:00.000Z", "by": "x", "why": ""}]),
    ]
    late = {"zh": "厨房", "en": "Kitchen", "place": "", "due": inside, "responsible": "李明", "state": "overdue"}
    rates = [
        {"figure": "video", "zh": "视频", "en": "Video", "rate": 0.5, "ok": 1, "of": 2, "evidence": [
            {"what": "a", "zh": "一号", "en": "One", "ok": True, "why_zh": "", "why_en": ""},
            {"what": "b", "zh": "二号", "en": "Two", "ok": False, "why_zh": "黑屏", "why_en": "black"},
        ]},
        {"figure": "guard_posts", "zh": "护学岗", "en": "Guard posts", "rate": None, "ok": 0, "of": 0, "evidence": []},
    ]  # fmt: skip
    past = Made()
    past.say("duty", "inspection.done", 5, result="problem")
    report = built(past, hazards=ledger, inspections=[late, {**late, "state": "done"}], compliance=rates)
    assert figures(report, "hazards") == {"open": 2, "new": 1, "closed": 1, "overdue": 1}
    (overdue,) = rows(report, "hazards", "overdue")
    assert (overdue["number"], overdue["responsible"], overdue["due"]) == ("hz-1", "李明", "2026-11-20")
    assert figures(report, "inspections") == {"done": 1, "problems": 1, "overdue": 1}
    assert figures(report, "compliance") == {"complete": 0, "known": 1}
    (lacking,) = rows(report, "compliance", "lacking")
    assert (lacking["what"]["en"], lacking["why"]["zh"]) == ("Two", "黑屏")


def test_the_same_past_gives_the_same_bytes_and_they_can_be_signed() -> None:
    past = Made()
    for number in range(120):
        past.alarm("activated", number, point=f"p{number % 60}", place=f"place{number % 7}")
    report = built(past)
    assert canonical(report) == canonical(built(past))
    assert json.loads(canonical(report)) == report
    assert len(rows(report, "alarms", "by_point")) == 20


@pytest.mark.parametrize("most", [0, 3])
def test_a_report_that_is_too_large_says_what_was_left_out(most: int) -> None:
    past = Made()
    for number in range(10):
        past.alarm("activated", number, place=f"place{number}")
    whole = built(past)
    short = shorter(whole, most)
    (table,) = [each for each in short["sections"]["alarms"]["tables"] if each["table"] == "by_place"]
    assert (len(table["rows"]), table["more"]) == (most, 10 - most)
    assert value(short["sections"], "alarms", "real") == 10
    assert len(rows(whole, "alarms", "by_place")) == 10, "the whole one is as it was"


def test_events_of_another_version_break_nothing() -> None:
    past = Made()
    for name in (
        "alarm.activated",
        "incident.opened",
        "duty.answered",
        "mode.drill_ended",
        "access.denied",
        "something.new",
        "journal.dropped",
    ):
        past.say("alarm", name, 1)
    report = built(past)
    assert report["nothing_happened"] is False
    assert canonical(report)


def test_every_word_is_there_in_both_languages() -> None:
    def texts(found: Any) -> list[dict[str, str]]:
        if isinstance(found, dict):
            own = [found] if {"zh", "en"} <= found.keys() else []
            return own + [text for each in found.values() for text in texts(each)]
        return [text for each in found for text in texts(each)] if isinstance(found, list) else []

    past = Made()
    past.alarm("activated", 1)
    past.fault("activated", 2, "gas")
    past.say("duty", "duty.round_missed", 3, point="night", place="gate", text={"zh": "漏巡", "en": "missed"})
    found = texts(built(past, hazards=[hazard(1)])["sections"])
    assert len(found) > 80
    assert all(text["zh"] and text["en"] for text in found)
    assert not [text for text in found if any("一" <= letter <= "鿿" for letter in text["en"])]
