"""[hazards] of a site file: what the ledger watches, who is responsible, what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gateway.config.settings import ConfigRefused, Settings
from gateway.core.hazards import HazardsSpec
from gateway.core.points import EventClass
from tests.scenarios.site_files import settings_of


def with_ledger(**more: Any) -> Settings:
    return settings_of("school", {}, {"hazards": {"responsible": "王建国", **more}})


def ledger(settings: Settings) -> HazardsSpec:
    (found,) = [rule for rule in settings.rules if isinstance(rule, HazardsSpec)]
    return found


def test_a_site_without_the_table_keeps_no_ledger() -> None:
    assert not any(isinstance(rule, HazardsSpec) for rule in settings_of("school", {}, {}).rules)
    assert not any(isinstance(rule, HazardsSpec) for rule in with_ledger(enabled=False).rules)


def test_every_fault_and_tamper_alarm_is_watched_but_its_own() -> None:
    settings = with_ledger()
    spec = ledger(settings)
    alarms = [alarm for point in settings.points.values() for alarm in point.alarms]
    wanted = {a.key for a in alarms if a.event_class is EventClass.FAULT or a.alarm_class == "tamper"} - {
        "hazards/alarm",
        "gw-calendar/fault",
    }
    assert wanted <= set(spec.watched)
    assert {"gate-module/fault", "gw-journal/fault"} <= set(spec.watched)
    assert "hazards/alarm" not in spec.watched, "an overdue hazard is no further hazard"
    assert not any(key.startswith("panic") and key.endswith("/alarm") for key in spec.watched)
    assert pickle.loads(pickle.dumps(spec)) == spec


def test_who_is_responsible() -> None:
    settings = settings_of("school", {"points.panic-gatehouse.responsible": "周建国"}, {"hazards": {"responsible": "王建国"}})
    watched = ledger(settings).watched
    assert watched["panic-gatehouse/signal"].responsible == "周建国"
    assert watched["gate-module/fault"].responsible == "王建国"


def test_points_belong_to_their_device_and_devices_to_their_line() -> None:
    watched = ledger(with_ledger()).watched
    panic, module = watched["panic-gatehouse/signal"], watched["gate-module/fault"]
    assert (panic.device, panic.above) == ("gate-module", "gate-module/fault")
    assert (module.device, module.above) == ("gate-net", "")
    assert (watched["gw-journal/fault"].device, watched["gw-journal/fault"].above) == ("", "")


def test_times_and_names() -> None:
    spec = ledger(with_ledger(after_h=2, fix_days=3, remind_days=1, place="kitchen"))
    assert (spec.after_s, spec.fix_days, spec.remind_s, spec.place) == (7200.0, 3, 86_400.0, "kitchen")
    assert spec.places["kitchen"].en == "kitchen"
    (alarm,) = with_ledger().points["hazards"].alarms
    assert (alarm.event_class, alarm.text.zh) == (EventClass.FAULT, "隐患整改逾期：新华路小学")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"place": "moon"}, 'hazards.place: "moon" is not a place of this file'),
        ({"id": "panic-gatehouse"}, 'hazards.id: "panic-gatehouse" is used already'),
        ({"id": "gw-hazards"}, "are the gateway's own"),
        ({"responsible": ""}, "hazards.responsible"),
        ({"after_h": 0}, "hazards.after_h"),
        ({"fix_days": 0}, "hazards.fix_days"),
    ],
)
def test_what_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigRefused, match=words):
        with_ledger(**more)


def test_a_person_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"hazards\.responsible"):
        settings_of("school", {}, {"hazards": {"fix_days": 5}})
