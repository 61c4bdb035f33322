"""The answer to `status` as a person reads it in a terminal."""

from __future__ import annotations

from typing import Any


def lines(status: dict[str, Any]) -> list[str]:
    """Lines of one screen; the most urgent first."""
    out = [f"{status['source']}  version {status['version']}  up {_ago(status['up_s'])}  clock {status['clock']}"]
    out += _modes(status["modes"])
    out += _alarms("ALARMS", status["alarms"]) + _alarms("FAULTS", status["faults"])
    out += _aside(status["set_aside"])
    out += duty_lines(status.get("duties", []))
    if not status["alarms"] and not status["faults"]:
        out.append("no alarms, no faults")
    for path in status["paths"]:
        out.append(f"path {path['id']}: {'connected to' if path['up'] else 'NOT CONNECTED to'} {path['broker']} {path['reason']}".rstrip())
    box, journal = status["outbox"], status["journal"]
    held = f", set aside: {', '.join(box['held_topics'])}" if box["held_topics"] else ""
    out.append(f"delivery: {box['depth']} events await receipts, {box['in_flight']} in flight{held}")
    refusing = f", REFUSES: {journal['refusing']}" if journal["refusing"] else ""
    out.append(f"journal: epoch {journal['epoch']}, sequence {journal['sequence']}{refusing}")
    for name, results in status["lines"].items():
        told = ", ".join(f"{count} {result}" for result, count in results.items() if count)
        out.append(f"line {name}: {told or 'nothing yet'}")
    silent = [device for device, up in status["devices"].items() if not up]
    if silent:
        out.append(f"silent devices: {', '.join(silent)}")
    out += vision_lines(status.get("vision", {}))
    out += [f"not good: {item['point']}: {item['reason']}" for item in status["not_good"]]
    measures = status["measures"]
    stale = f", active for more than a day: {', '.join(measures['stale'])}" if measures["stale"] else ""
    out.append(f"alarms announced in the last ten minutes: {measures['alarms_in_ten_minutes']}{stale}")
    if measures["top"]:
        out.append("most often: " + ", ".join(f"{item['point']} {item['alarms']}" for item in measures["top"]))
    out.append(f"metrics: {status['metrics'] or 'off'}")
    return out


def vision_lines(model: dict[str, Any]) -> list[str]:
    """What runs the neural network, and why another provider does not."""
    if "refused" in model:
        return [f"vision: NO MODEL: {model['refused']}"]
    if not model:
        return []
    untested = "" if model.get("tested") else " (its makers never ran it)"
    return [
        f"vision: {model.get('id')} on {model.get('provider')}{untested}",
        *(f"  not on {line}" for line in model.get("passed_over", [])),
    ]


def _alarms(title: str, items: list[dict[str, Any]]) -> list[str]:
    if not items:
        return []
    rows = [f"  {item['since']}  {item['alarm']}  {item['state']}  {item['zh']}  {item['en']}  {item['reason']}".rstrip() for item in items]
    return [f"{title} ({len(items)})", *rows]


def duty_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Where the duties of people stand: who is on post or on duty, and what is due."""
    if not rows:
        return []
    out = [f"DUTIES ({len(rows)})"]
    for row in rows:
        done = f", today {row['done']} of {row['of']}" if row["of"] else f", today {row['done']}" if row["done"] else ""
        who = f", {row['who']}" if row["who"] and row["rule"] != "shift" else ""
        out.append(f"  {row['duty']}  {row['state']}{who}{done}  {row['zh']}  {row['en']}")
    return out


_MODES = {"drill": ("演练", "DRILL"), "test": ("报警测试", "WALK TEST"), "maintenance": ("检修", "MAINTENANCE")}


def _modes(items: list[dict[str, Any]]) -> list[str]:
    """A banner for each drill, test and maintenance: until it ends, alarms of its points may not be meant."""
    out = []
    for item in items:
        zh, en = _MODES[item["kind"]]
        drill = f" ({item['drill']})" if "drill" in item else ""
        ends = "ends in" if item["state"] == "running" else "announced, begins in"
        passed = ", passed" if item.get("passed") else ""
        why = f", {item['why']}" if item["why"] else ""
        out.append(f"*** {en} {zh}{drill}: {ends} {_ago(item['left_s'])}, by {item['by']}{why}{passed}: {', '.join(item['points'])} ***")
    return out


def _aside(items: list[dict[str, Any]]) -> list[str]:
    """Alarms that are not announced as others are: which, why, who answers for it, until when, and what is beneath."""
    if not items:
        return []
    out = [f"SET ASIDE ({len(items)})"]
    for item in items:
        who = " and ".join(item[name] for name in ("by", "second") if name in item)
        told = f"{item['state']} (beneath: {item['live']}, recorded {item['recorded']}), {item.get('why', '')}"
        told += f", by {who}" if who else ""
        told += f", until {item['until']}" if "until" in item else ""
        out.append(f"  {item['since']}  {item['alarm']}  {told}  {item['zh']}  {item['en']}")
    return out


def _ago(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
