"""The example bridge: a plain mapping from events to GB/T 28181 alarm notices."""

from __future__ import annotations

import io
import json
import sys
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from simulators.centre.__main__ import main
from simulators.centre.bridge import notice, notices

DEVICE = "11010500001340000001"
ZONE = ZoneInfo("Asia/Shanghai")


def line(event_type: str = "campus.alarm.activated", standing: str = "new", **data: Any) -> dict[str, Any]:
    """A line of `campus-centre run --json`."""
    usual = {
        "role": "panic_button",
        "alarm_class": "panic",
        "priority": 1,
        "status": "Actual",
        "text": {"zh": "一键报警：门卫室", "en": "One-key alarm"},
        "external": {"gb28181.deviceId": DEVICE},
    }
    head = {"kind": "event", "id": "e1", "time": "2026-11-21T23:35:40.718Z", "type": event_type, "standing": standing}
    return {**head, "data": {**usual, **data}}


def codes(found: Any) -> tuple[str, str, str]:
    return found.method, found.priority, found.kind


def test_what_follows_from_the_event() -> None:
    assert codes(notice(line(), ZONE)) == ("2", "1", "")
    assert codes(notice(line(alarm_class="tamper", priority=3), ZONE)) == ("2", "3", "2")
    assert codes(notice(line("campus.fault.activated", alarm_class="fault", status="System", priority=3), ZONE)) == ("6", "3", "")
    assert codes(notice(line(role="person_after_hours", alarm_class="person"), ZONE)) == ("5", "1", "6")


def test_what_the_site_file_says_counts() -> None:
    external = {"gb28181.deviceId": DEVICE, "alarmMethod": "7", "gb28181.alarmPriority": "2"}
    assert codes(notice(line(role="loitering", external=external), ZONE)) == ("7", "2", "")
    assert codes(notice(line(external=external | {"alarmMethod": "99", "gb28181.alarmPriority": "0"}), ZONE)) == ("2", "1", "")


@pytest.mark.parametrize(
    "left_out",
    [
        line(standing="resend"),
        line(standing="replaces"),
        line("campus.alarm.cleared"),
        line(status="Exercise"),
        line(status="Test"),
        line(external={}),
        line(external={"gb28181.deviceId": "123"}),
        {"kind": "gap"},
    ],
    ids=["resend", "sealed after early", "cleared", "drill", "test", "no codes", "bad device", "no event"],
)
def test_what_a_platform_is_not_told(left_out: dict[str, Any]) -> None:
    assert notice(left_out, ZONE) is None


def test_the_body() -> None:
    found = notice(line(text={"zh": '<门> & "卫"', "en": ""}), ZONE)
    assert found is not None
    body = ElementTree.fromstring(found.xml(7).partition("?>")[2])
    assert {part.tag: part.text for part in body} == {
        "CmdType": "Alarm",
        "SN": "7",
        "DeviceID": DEVICE,
        "AlarmPriority": "1",
        "AlarmMethod": "2",
        "AlarmTime": "2026-11-22T07:35:40",
        "AlarmDescription": '<门> & "卫"',
    }
    tamper = notice(line(alarm_class="tamper"), ZONE)
    assert tamper is not None
    assert ElementTree.fromstring(tamper.xml(1).partition("?>")[2]).findtext("Info/AlarmType") == "2"


def test_a_stream(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps(each) + "\n" for each in (line(), line(standing="resend"), line(standing="early"))]
    found = [json.loads(each) for each in notices(["metrics http://x\n", *lines], ZONE)]
    assert [("<SN>1<" in each["body"], each["device"]) for each in found] == [(True, DEVICE), (False, DEVICE)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(lines)))
    assert main(["bridge"]) == 0
    assert [json.loads(each) for each in capsys.readouterr().out.splitlines()] == found
    with pytest.raises(SystemExit):
        main(["bridge", "--zone", "Nowhere/Land"])
