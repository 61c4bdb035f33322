"""Weekly and monthly reports: comparison, trends, and findings by the written rules only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.contract.canonical import canonical
from gateway.core.history import Minute
from gateway.core.points import Text
from gateway.report import periodic
from gateway.report.facts import Named
from gateway.report.findings import RULES, closest
from gateway.report.text import lines
from tests.gateway.report.past import BEGIN_MS, DAY_MS, SITE, ZONE, Made, facts, hazard
from tests.gateway.report.test_daily import figures, rows

DAY_S = 86_400
WEEK_MS = 7 * DAY_MS


def built(past: Made, **more: Any) -> dict[str, Any]:
    return periodic.build(past, facts(**more), BEGIN_MS, BEGIN_MS + WEEK_MS, ZONE)


def found(report: dict[str, Any]) -> dict[str, list[str]]:
    """rule -> what it says, in English."""
    said: dict[str, list[str]] = {}
    for row in rows(report, "findings", "findings"):
        said.setdefault(row["rule"], []).append(row["what"]["en"])
    return said


def test_a_quiet_week_has_no_findings_and_says_so() -> None:
    report = built(Made())
    assert report["nothing_happened"] is True
    assert "按既定规则无研判条目" in report["summary"]["zh"]
    assert (report["order"][0], report["order"][-1]) == ("findings", "trends")
    assert report["compared_with"] == {"from": "2026-11-14T09:30:00.000Z", "to": "2026-11-21T09:30:00.000Z"}
    assert found(report) == {}


def test_what_rose_and_what_fell() -> None:
    past = Made()
    for second in (-3 * DAY_S, -2 * DAY_S):
        past.alarm("activated", second)
    past.fault("activated", -DAY_S, "gas")
    for day in range(5):
        past.alarm("activated", day * DAY_S, point=f"p{day}")
        past.alarm("acknowledged", day * DAY_S + 10, point=f"p{day}")
    report = built(past)
    told = {row["what"]["en"]: (row["now"], row["before"], row["change"]) for row in rows(report, "compared", "figures")}
    assert told["Alarms: real alarms"] == (5, 2, 3)
    assert told["Faults: new"] == (0, 1, -1)
    assert told["Alarms: until acknowledged, longest"] == (10.0, None, None), "nothing to hold it against"
    assert figures(report, "alarms")["real"] == 5, "the period before is not counted in"
    assert found(report)["alarms-rose"] == ["Real alarms rose from 2 to 5"]
    assert found(report)["class-rose"] == ["Alarms of class one-key alarm rose from 2 to 5"]


@pytest.mark.parametrize(("days", "times"), [((0, 1, 2), 3), ((0, 1, 6.9), 3), ((0, 1), 0), ((0, 6), 0)])
def test_the_same_point_again_and_again(days: tuple[float, ...], times: int) -> None:
    past = Made()
    for day in days:
        past.alarm("activated", day * DAY_S)
    said = found(built(past)).get("repeated-alarm", [])
    assert said == ([f"{times} alarms of one point within 7 days: panic button; find out whether they were false"] if times else [])


def test_closest() -> None:
    assert closest([], 10) == 0
    assert closest([100, 95, 91, 80, 79], 10) == 3
    assert closest([100, 90], 10) == 1, "exactly so long apart is not within it"


def test_faults_of_one_kind_in_three_places() -> None:
    past = Made()
    for place in ("gate", "kitchen"):
        past.fault("activated", 1, f"post-{place}", place=place)
    past.fault("activated", 2, "gw-path-main", place="yard", role="bollard_fault")  # the gateway's own is another matter
    roles = {"bollard_fault": Text("防冲撞设施故障", "bollard fault")}
    assert "same-fault" not in found(built(past, roles=roles))
    past.fault("activated", 3, "post-back", place="back")
    assert found(built(past, roles=roles))["same-fault"] == ["Faults of one kind in 3 places: bollard fault"]


def test_a_fault_that_lasts() -> None:
    fault = {
        "alarm": "gas/fault", "fault": True, "state": "acknowledged", "since": "2026-11-01T00:00:00.000Z", "since_ms": BEGIN_MS - DAY_MS,
        "place": "kitchen", "zh": "探测器故障", "en": "Detector fault", "responsible": "李明", "reason": "",
    }  # fmt: skip
    said = found(built(Made(), standing=[fault, fault | {"since_ms": BEGIN_MS + DAY_MS, "en": "young"}]))
    assert said == {"lasting-fault": ["A fault has stood for 8 days: Detector fault, responsible: 李明"]}


def test_slow_and_missing_acknowledgements() -> None:
    past = Made()
    for at, after in ((0, 301), (5000, 299), (9000, 0)):
        past.alarm("activated", at, point=f"p{at}")
        if after:
            past.alarm("acknowledged", at + after, point=f"p{at}")
    said = found(built(past))
    assert said["slow-acknowledgement"] == ["1 alarms were acknowledged after more than 300 s; the longest took 301 s"]
    assert said["not-acknowledged"] == ["1 alarms were not acknowledged within the period"]


def test_duties_doors_and_lost_events() -> None:
    past = Made()
    for number in range(3):
        past.alarm("activated", number * 10, point="side-held", role="door_held", alarm_class="door")
    for number in range(2):
        past.say("duty", "duty.round_missed", 100 + number, point="night", place="gate", text={"zh": "漏巡", "en": "missed"})
    past.say("audit", "journal.dropped", 200, count=4)
    said = found(built(past))
    assert said["door"] == ["side was held open 3 times"]
    assert said["missed-duty"] == ["Missed 2 times, patrol: night"]
    assert said["dropped"] == ["4 events were dropped before they were received"]


def test_the_ledger_and_the_four_100() -> None:
    rate = {"figure": "video", "zh": "视频监控", "en": "Video", "rate": 0.75, "ok": 3, "of": 4, "evidence": []}
    ledger = [hazard(1, overdue=True, due="2026-11-20", recurrences=2), hazard(2, state="closed", overdue=True, recurrences=1)]
    said = found(built(Made(), hazards=ledger, compliance=[rate, rate | {"rate": None}]))
    assert said == {
        "hazard-overdue": ["Hazard hz-1 is overdue (due 2026-11-20, responsible: 李明): extinguisher expired"],
        "hazard-recurred": ["Hazard hz-1 came back 2 times: extinguisher expired"],
        "below-100": ["Video: 75% (3 of 4)"],
    }


def minutes(point: str, first_s: float, *highs: float) -> list[Minute]:
    return [Minute(BEGIN_MS + round(first_s * 1000) + n * 60_000, point, high - 2, high - 1, high) for n, high in enumerate(highs)]


def test_trends_against_the_first_limit_and_the_period_before() -> None:
    before, now = minutes("gas", -DAY_S, 2, 5), minutes("gas", 60, 3, 26, 25, 10)
    report = built(Made(measured=[*before, *now]))
    (row,) = rows(report, "trends", "points")
    assert (row["peak"], row["peak_before"], row["mean"], row["limit"], row["beyond"]) == (26, 5, 15, 25, 0.5)
    assert figures(report, "trends") == {"points": 1, "above": 1}
    assert found(report) == {"measured": ["kitchen gas was beyond its first limit for 50.0% of the time"]}


def test_a_value_that_nears_its_limit() -> None:
    nears = found(built(Made(measured=[*minutes("gas", -DAY_S, 10), *minutes("gas", 60, 13)])))
    assert nears == {"measured": ["kitchen gas peaked at 13 %LEL after 10, nearing its first limit 25"]}
    assert found(built(Made(measured=[*minutes("gas", -DAY_S, 12.5), *minutes("gas", 60, 13)]))) == {}
    assert found(built(Made(measured=minutes("gas", 60, 13)))) == {}, "nothing to hold it against"


def test_a_limit_that_is_passed_downwards() -> None:
    points = {"oxygen": Named(Text("氧气", "oxygen"), "kitchen", "measurement", "%", 19.5, is_low=True)}
    report = built(Made(measured=minutes("oxygen", 60, 22, 21, 23)), points=points)
    (row,) = rows(report, "trends", "points")
    assert (row["peak"], row["beyond"]) == (19, round(1 / 3, 4))


def test_every_rule_has_said_something_in_these_tests() -> None:
    """A rule that nothing here makes speak could say anything."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [rule for rule in RULES if f'"{rule}"' not in text] == []


def test_the_text_shows_every_section_and_what_was_found() -> None:
    past = Made()
    past.alarm("activated", 5)
    report = {"report": "monthly", "number": 7, "site": SITE, "issued_at": "2026-11-28T09:30:05.000Z", "late": True, **built(past)}
    shown = "\n".join(lines(report, ZONE))
    assert shown.startswith("月研判报告 Monthly risk analysis 第 7 号 no. 7\n实验小学  Experimental School\n")
    assert "签发 issued 2026-11-28 17:30:05，逾时签发 late  责任人 responsible: 王校长" in shown
    assert all(f"== {part['zh']} {part['en']} ==" in shown for part in report["sections"].values())
    assert "实际报警 real alarms: 1" in shown
    assert canonical(report)
