"""An example bridge: events of the centre's stream become alarm notices in the codes of a provincial platform (GB/T 28181, MANSCDP).

It makes the message bodies; sending them as SIP MESSAGE is the platform's gateway's work. Codes come from `external` of the event, which
the site file gives to each point; what is not given there follows from the event itself. Facts: GB/T 28181-2016, 9.4 and A.2.5, as
quoted in public interface papers: AlarmPriority 1 (highest) to 4; AlarmMethod 2 device, 5 video, 6 device fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from simulators.centre.keys import BadKeyFile

DEVICE, VIDEO, FAULT = "2", "5", "6"
METHODS = frozenset("1234567")
PRIORITIES = frozenset("1234")
BEGINS = ("campus.alarm.activated", "campus.alarm.repeated", "campus.fault.activated", "campus.fault.repeated")
NOTICED = ("new", "early")  # what was noticed from its early copy is not noticed again
_DEVICE_ID = re.compile(r"[0-9]{20}")
_CODES = {"deviceId": "[0-9]{20}", "alarmMethod": "[1-7]", "alarmPriority": "[1-4]"}
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


Codes = Mapping[str, Mapping[str, Mapping[str, str]]]  # source -> point -> code -> value


def read_codes(path: Path) -> Codes:
    """The platform's codes by gateway and point; BadKeyFile says what is wrong with the file.

    `{"/sites/S/gateways/G": {"POINT": {"deviceId": "20 digits", "alarmMethod": "1".."7", "alarmPriority": "1".."4"}}}`; the point `*`
    stands for all that are not named.
    """
    try:
        codes: Codes = json.loads(path.read_text(encoding="utf-8"))
        for source, points in codes.items():
            for point, named in points.items():
                _check_codes(f"{path}: {source} {point}", named)
    except OSError as problem:
        raise BadKeyFile(f"{path}: {problem.strerror}") from None
    except (ValueError, AttributeError):
        raise BadKeyFile(f'{path}: expected {{"/sites/SITE/gateways/GATEWAY": {{"POINT": {{"deviceId": "..."}}}}}}') from None
    return codes


def _check_codes(where: str, named: Mapping[str, str]) -> None:
    for name, value in named.items():
        if name not in _CODES:
            raise BadKeyFile(f"{where}: {name} is none of {', '.join(_CODES)}")
        if not isinstance(value, str) or not re.fullmatch(_CODES[name], value):
            raise BadKeyFile(f"{where}: {name} is {value!r}, expected {_CODES[name]}")


def notice(line: dict[str, Any], zone: ZoneInfo, further: Codes | None = None) -> Notice | None:
    """The notice of one line of `campus-centre run --json`; None for what a platform is not told.

    That is whatever is not the beginning of a real alarm or fault, came before, or whose point has no 20-digit device id, neither in the
    event nor in `further`.
    """
    data = line.get("data")
    if not _begins(line) or not isinstance(data, dict):  # drills and tests neither
        return None
    points = (further or {}).get(str(line.get("source")), {})
    codes = {**points.get(str(line.get("subject")), points.get("*", {})), **_plain(data.get("external"))}
    device = codes.get("deviceId", "")
    if not _DEVICE_ID.fullmatch(device):
        return None
    method, priority = codes.get("alarmMethod", ""), codes.get("alarmPriority", "")
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


def notices(
    lines: Iterable[str], zone: ZoneInfo, further: Codes | None = None, complain: Callable[[str], None] = lambda line: None
) -> Iterator[str]:
    """NDJSON in, NDJSON out: {event, device, body}. complain: of a line that is no such object, and of each point without a device id."""
    number = 0
    nameless: set[tuple[str, str]] = set()
    for text in lines:
        if not text.startswith("{"):
            continue
        try:
            line = json.loads(text)
            found = notice(line, zone, further)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            complain(f"campus-centre bridge: a line of `run --json` was expected, not {text[:60].rstrip()!r} ({problem!r})")
            continue
        if found is not None:
            number += 1
            yield json.dumps({"event": found.event, "device": found.device, "body": found.xml(number)}, ensure_ascii=False)
        elif _begins(line) and (name := (str(line.get("source")), str(line.get("subject")))) not in nameless:
            nameless.add(name)
            complain(f"campus-centre bridge: {name[0]} {name[1]} has no device id of 20 digits; the platform is not told of it")


def _begins(line: dict[str, Any]) -> bool:
    data = line.get("data")
    begins = line.get("kind") == "event" and line.get("type") in BEGINS and line.get("standing") in NOTICED
    return begins and isinstance(data, dict) and data.get("status") in ("Actual", "System")


def _plain(codes: object) -> dict[str, str]:
    """`gb28181.NAME`, or NAME alone."""
    return {str(name).removeprefix("gb28181."): str(value) for name, value in codes.items()} if isinstance(codes, dict) else {}


def _method(data: dict[str, Any]) -> tuple[str, str]:
    """AlarmMethod and AlarmType that follow from the event."""
    if data.get("alarm_class") == "fault":
        return FAULT, ""
    if data.get("role") in _BY_CAMERA:
        return VIDEO, _BY_CAMERA[str(data["role"])]
    return DEVICE, _TAMPER if data.get("alarm_class") == "tamper" else ""
