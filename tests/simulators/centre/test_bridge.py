"""The example bridge: a plain mapping from events to GB/T 28181 alarm notices."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from simulators.centre.__main__ import main
from simulators.centre.bridge import notice, notices, read_codes

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


CODES = Path(__file__).parents[3] / "docs" / "examples" / "codes.json"


def test_codes_from_a_file_of_the_platform() -> None:
    further = read_codes(CODES)
    source = "/sites/demo-school/gateways/gate"

    def found(subject: str, **data: Any) -> Any:
        return notice({**line(**{"external": {}, **data}), "source": source, "subject": subject}, ZONE, further)

    assert (found("panic-gatehouse").device[-4:], found("panic-gatehouse").priority) == ("0001", "1")
    assert (found("gas-kitchen", priority=2).device[-4:], found("gas-kitchen", priority=2).priority) == ("0002", "2")
    assert found("another").device[-4:] == "0099"
    assert found("gas-kitchen", external={"deviceId": DEVICE}).device == DEVICE, "what the event says counts"
    assert notice({**line(external={}), "source": "/sites/other/gateways/gate", "subject": "another"}, ZONE, further) is None


def test_the_example_is_the_one_of_the_documentation() -> None:
    shown = (CODES.parents[1] / "contract" / "README.md").read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert json.loads(shown) == json.loads(CODES.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected"),
        ("{", "expected"),
        ('{"/s": 1}', "expected"),
        ('{"/s": {"p": {"deviceId": "1"}}}', "deviceId"),
        ('{"/s": {"p": {"colour": "red"}}}', "colour is none of"),
        ('{"/s": {"p": {"alarmMethod": 2}}}', "alarmMethod"),
    ],
)
def test_codes_that_cannot_be_used(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "codes.json").write_text(text)
    assert main(["bridge", "--codes", str(tmp_path / "codes.json")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_what_is_left_out_is_said_once_and_a_bad_line_ends_nothing() -> None:
    lines = [json.dumps(one) + "\n" for one in (line(external={}), line(external={}), line("campus.alarm.cleared", external={}))]
    told: list[str] = []
    assert len(list(notices(["{\n", '{"kind": "event"}\n', *lines, json.dumps(line())], ZONE, {}, told.append))) == 1
    assert [("no device id" in one, "was expected" in one) for one in told] == [(False, True), (True, False)]
