"""What a drill has shown: who pressed what and when, how fast the news got on, what nobody pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.contract.envelope import rfc3339
from gateway.core.reading import Now
from gateway.core.school_days import Window
from gateway.rules.modes import DRILL_KINDS, Run, Tried

if TYPE_CHECKING:
    from gateway.runtime.decide_house import House


def report(house: House, run: Run, by: str, why: str, now: Now) -> dict[str, Any]:
    """The report of a drill that ends now. Times that end in `_s` count from the press, `after_s` from the drill's begin."""
    tried = {key: each for key, each in run.tried.items() if each.exercise}
    pressed = {key.partition("/")[0] for key in run.tried}
    kind = DRILL_KINDS.get(run.kind, DRILL_KINDS["other"])
    persons = {run.by, by} | {name for each in tried.values() for name in (each.acknowledged_by, each.reset_by)}
    return {
        "id": run.id,
        "drill": run.kind,
        "name": {"zh": kind.zh, "en": kind.en},
        "opened_by": run.by,
        "ended": f"by {by}" if by else why,
        "announced_at": rfc3339(run.asked_ms),
        "started_at": rfc3339(run.begun_ms),
        "ended_at": rfc3339(now.at_ms),
        "lasted_s": run.elapsed_s(now.now_s),
        "window": run.window,
        "night": run.window == Window.NIGHT,
        "alarms": [_alarm(house, key, each) for key, each in sorted(tried.items(), key=lambda item: item[1].pressed_s)],
        "not_pressed": [point for point in run.points if point not in pressed],
        "persons": sorted(persons - {""}),
        "totals": _totals(run, tried),
    }


def _alarm(house: House, key: str, tried: Tried) -> dict[str, Any]:
    point = house.points.get(key.partition("/")[0])
    told: dict[str, Any] = {"alarm": key, "name": {"zh": point.name.zh, "en": point.name.en} if point else {}}
    told |= {
        "pressed_at": rfc3339(tried.at_ms),
        "after_s": tried.pressed_s,
        "broker_s": tried.broker_s,
        "received_s": dict(tried.received_s),
    }
    told |= {"acknowledged_s": tried.acknowledged_s, "acknowledged_by": tried.acknowledged_by}
    return told | {"reset_s": tried.reset_s, "reset_by": tried.reset_by}


def _totals(run: Run, tried: dict[str, Tried]) -> dict[str, Any]:
    received = [seconds for each in tried.values() for seconds in each.received_s.values()]
    acknowledged = [each.acknowledged_s for each in tried.values() if each.acknowledged_s is not None]
    return {
        "listed": len(run.points),
        "pressed": len({key.partition("/")[0] for key in tried}),
        "received": sum(bool(each.received_s) for each in tried.values()),
        "acknowledged": len(acknowledged),
        "real": run.real,
        "slowest_received_s": max(received, default=None),
        "slowest_acknowledged_s": max(acknowledged, default=None),
    }
