"""An example bridge: events of the centre's stream become alarm notices in the codes of a provincial platform (GB/T 28181, MANSCDP).

It makes the message bodies; sending them as SIP MESSAGE is the platform's gateway's work. Codes come from `external` of the event, which
the site file gives to each point; what is not given there follows from the event itself. Facts: GB/T 28181-2016, 9.4 and A.2.5, as
quoted in public interface papers: AlarmPriority 1 (highest) to 4; AlarmMethod 2 device, 5 video, 6 device fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

DEVICE, VIDEO, FAULT = "2", "5", "6"
METHODS = frozenset("1234567")
PRIORITIES = frozenset("1234")
BEGINS = ("campus.alarm.activated", "campus.alarm.repeated", "campus.fault.activated", "campus.fault.repeated")
NOTICED = ("new", "early")  # what was noticed from its early copy is not noticed again
_DEVICE_ID = re.compile(r"[0-9]{20}")
_BY_CAMERA = {
    "person_in_zone": "6",
    "person_after_hours": "6",
    "person_at_perimeter": "6",
    "person_near_water": "6",
    "loitering": "8",
    "crowd_count": "10",
}  # AlarmType under method 5
_TAMPER = "2"  # AlarmType under method 2


@dataclass(frozen=True, slots=True)
class Notice:
    """One alarm notice. device: 20 digits. at: local time without zone, as MANSCDP has it. kind: AlarmType, '' for none."""

    device: str
    priority: str
    method: str
    kind: str
    at: str
    text: str
    event: str

    def xml(self, number: int) -> str:
        """The MESSAGE body. number: SN, counts up."""
        info = f"<Info><AlarmType>{self.kind}</AlarmType></Info>" if self.kind else ""
        return (
            f'<?xml version="1.0" encoding="GB18030"?><Notify><CmdType>Alarm</CmdType><SN>{number}</SN><DeviceID>{self.device}</DeviceID>'
            f"<AlarmPriority>{self.priority}</AlarmPriority><AlarmMethod>{self.method}</AlarmMethod><AlarmTime>{self.at}</AlarmTime>"
            f"<AlarmDescription>{escape(self.text)}</AlarmDescription>{info}</Notify>"
        )


def notice(line: dict[str, Any], zone: ZoneInfo) -> Notice | None:
    """The notice of one line of `campus-centre run --json`; None for what a platform is not told.

    That is whatever is not the beginning of a real alarm or fault, came before, or whose point has no 20-digit device id.
    """
    data = line.get("data")
    if line.get("kind") != "event" or line.get("type") not in BEGINS or line.get("standing") not in NOTICED or not isinstance(data, dict):
        return None
    if data.get("status") not in ("Actual", "System"):
        return None  # drills and tests
    codes = data.get("external", {})
    device = _code(codes, "deviceId")
    if not _DEVICE_ID.fullmatch(device):
        return None
    method, priority = _code(codes, "alarmMethod"), _code(codes, "alarmPriority")
    own_method, kind = _method(data)
    return Notice(
        device=device,
        priority=priority if priority in PRIORITIES else str(data.get("priority", 1)),
        method=method if method in METHODS else own_method,
        kind=kind if method in ("", own_method) else "",
        at=f"{datetime.fromisoformat(line['time']).astimezone(zone):%Y-%m-%dT%H:%M:%S}",
        text=str(data.get("text", {}).get("zh", "")),
        event=str(line["id"]),
    )


def notices(lines: Iterable[str], zone: ZoneInfo) -> Iterator[str]:
    """NDJSON in, NDJSON out: {event, device, body}."""
    number = 0
    for text in lines:
        if not text.startswith("{"):
            continue
        found = notice(json.loads(text), zone)
        if found is not None:
            number += 1
            yield json.dumps({"event": found.event, "device": found.device, "body": found.xml(number)}, ensure_ascii=False)


def _code(codes: object, name: str) -> str:
    """`gb28181.NAME`, or NAME alone."""
    found = codes.get(f"gb28181.{name}", codes.get(name, "")) if isinstance(codes, dict) else ""
    return str(found)


def _method(data: dict[str, Any]) -> tuple[str, str]:
    """AlarmMethod and AlarmType that follow from the event."""
    if data.get("alarm_class") == "fault":
        return FAULT, ""
    if data.get("role") in _BY_CAMERA:
        return VIDEO, _BY_CAMERA[str(data["role"])]
    return DEVICE, _TAMPER if data.get("alarm_class") == "tamper" else ""
