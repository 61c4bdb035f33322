"""The daily report (日报、零报告): it goes even when nothing happened, and says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contract.envelope import rfc3339
from gateway.core.history import Past
from gateway.core.points import Text
from gateway.report.facts import Facts
from gateway.report.off import duration
from gateway.report.parts import value
from gateway.report.sections import Sections, nothing_happened, sections
from gateway.report.tally import Tally, tally

UNWATCHED_MOST_S = 3600  # a period of which more was not watched is no zero report
OFF_TOLD_S = 60


def build(past: Past, facts: Facts, from_ms: int, to_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    """What happened from from_ms on and before to_ms (UTC). The same past and facts give the same report. Raises JournalUnreadable."""
    found = tally(past, from_ms, to_ms)
    return told(found, sections(found, facts, from_ms, to_ms), from_ms, to_ms, zone)


def told(found: Tally, parts: Sections, from_ms: int, to_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    """A report of these sections. order: of the sections, for people; its canonical form has them by name."""
    off_s = value(parts, "gateway", "off") or 0
    quiet = nothing_happened(found) and off_s <= UNWATCHED_MOST_S
    standing = (value(parts, "alarms", "standing") or 0) + (value(parts, "faults", "standing") or 0)
    return {
        "from": rfc3339(from_ms),
        "to": rfc3339(to_ms),
        "zone": zone.key,
        "nothing_happened": quiet,
        "summary": _summary(found, quiet, _local(from_ms, zone), _local(to_ms, zone), standing, _off(parts, off_s, zone)),
        "order": list(parts),
        "sections": parts,
    }


def _summary(found: Tally, quiet: bool, begin: str, end: str, standing: int, off: Text) -> dict[str, str]:
    still = (f"目前有 {standing} 项报警或故障未恢复。", f" {standing} alarms or faults stand now.") if standing else ("", "")
    if quiet:
        return {
            "zh": f"{begin} 至 {end}：零报告，期内无新报警、无新故障、无突发事件。{still[0]}{off.zh}",
            "en": f"{begin} to {end}: zero report; no new alarm, no new fault, no incident.{still[1]}{off.en}",
        }
    real, drilled, faults = found.alarms.real, found.alarms.status["Exercise"] + found.alarms.status["Test"], found.faults.real
    incidents, missed = len(found.incidents), found.duties.missed.total()
    return {
        "zh": f"{begin} 至 {end}：实际报警 {real} 次，演练和测试报警 {drilled} 次，突发事件 {incidents} 起，"
        f"新故障 {faults} 次，值守未履行 {missed} 次。{still[0]}{off.zh}",
        "en": f"{begin} to {end}: {real} real alarms, {drilled} of drills and tests, {incidents} incidents, {faults} new faults, "
        f"{missed} duties missed.{still[1]}{off.en}",
    }


def _off(parts: Sections, off_s: int, zone: ZoneInfo) -> Text:
    """That nothing was watched for so long, and since when."""
    if off_s < OFF_TOLD_S:
        return Text("", "")
    table = parts["gateway"]["tables"][0]
    rows, times = table["rows"], len(table["rows"]) + table["more"]
    begin, end = (_local(_ms(at), zone) for at in (rows[0]["since"], rows[-1]["until"]))
    long = duration(off_s * 1000)
    return Text(
        f"本机停运至少 {long.zh}，期间无监测（{begin} 至 {end}，共 {times} 次）。",
        f" The gateway was off for at least {long.en}, and nothing was watched ({begin} to {end}, times: {times}).",
    )


def _ms(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone):%Y-%m-%d %H:%M}"
