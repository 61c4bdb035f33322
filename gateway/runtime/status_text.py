"""The answer to `status` as a person reads it in a terminal."""

from __future__ import annotations

from typing import Any


def lines(status: dict[str, Any]) -> list[str]:
    """Lines of one screen; the most urgent first."""
    out = [f"{status['source']}  version {status['version']}  up {_ago(status['up_s'])}  clock {status['clock']}"]
    out += _alarms("ALARMS", status["alarms"]) + _alarms("FAULTS", status["faults"])
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
    out += [f"not good: {item['point']}: {item['reason']}" for item in status["not_good"]]
    out.append(f"metrics: {status['metrics'] or 'off'}")
    return out


def _alarms(title: str, items: list[dict[str, Any]]) -> list[str]:
    if not items:
        return []
    rows = [f"  {item['since']}  {item['alarm']}  {item['state']}  {item['zh']}  {item['en']}  {item['reason']}".rstrip() for item in items]
    return [f"{title} ({len(items)})", *rows]


def _ago(seconds: float) -> str:
    whole = int(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
