"""Pictures as the daemon sends them, for tests of the page."""

from __future__ import annotations

from typing import Any

PANIC: dict[str, Any] = {
    "alarm": "panic-gatehouse/alarm",
    "class": "panic",
    "fault": False,
    "state": "unacknowledged",
    "since": "2026-11-22T00:30:00.000Z",
    "place": "gatehouse",
    "zh": "一键报警：门卫室",
    "en": "One-key alarm: gatehouse",
    "severity": "Extreme",
    "urgency": "Immediate",
    "managed": True,
    "responsible": "张卫国",
    "value": None,
    "unit": "",
    "reason": "",
    "event": "e1",
    "incident": "",
    "mode": "",
    "by": "",
    "way": [{"step": "received", "by": "police", "path": "", "at": "2026-11-22T00:30:00.400Z"}],
}


def alarm(key: str, **changes: Any) -> dict[str, Any]:
    """An alarm of lower rank."""
    common = {"alarm": f"{key}/alarm", "class": "person", "severity": "Minor", "managed": False, "way": []}
    return PANIC | common | {"zh": f"区域内有人：{key}", "en": f"Person: {key}"} | changes


def picture(*alarms: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A quiet school with these alarms."""
    return {
        "site": {"zh": "实验小学", "en": "Experimental school", "source": "/sites/s/gateways/gate"},
        "version": "0",
        "clock": "synchronised",
        "places": {"gatehouse": {"zh": "门卫室", "en": "gatehouse"}},
        "alarms": list(alarms),
        "set_aside": [],
        "modes": [],
        "duties": [],
        "paths": [{"id": "main", "up": True, "reason": ""}],
        "owed": 0,
        "refusing": "",
        "not_good": [],
        "points": [],
        "recipients": [],
    } | changes
