"""Who is heard and who is not: missed heartbeats, last wills, daily reports that do not come. Pure; time is handed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DEADLINE_S = {"sp5": 90.0, "sp6": 20.0}  # supervision profiles of the contract: a dead link is known within so long
SILENT_AFTER_S = DEADLINE_S["sp5"]  # until birth or heartbeat says more
MISSED_HEARTBEATS = 2.5


@dataclass(frozen=True, slots=True)
class News:
    """What is new about a gateway. kind: silent, back or no-report. quiet_s: how long nothing was heard. why: in words."""

    kind: str
    quiet_s: float
    why: str


@dataclass(slots=True)
class Heard:
    """One gateway. at_ns, report_ns: monotonic time of the newest sign of life and of the newest daily report, or when listening began.

    boot_id: of the run that was heard; report: number of that report, 0 for none. paths: monotonic time of the newest sign on each.
    brokers: where it was heard so far.
    """

    at_ns: int
    report_ns: int
    boot_id: str = ""
    deadline_s: float = SILENT_AFTER_S
    heartbeat_s: float = 0.0
    silent: bool = False
    report: int = 0
    report_missing: bool = False
    paths: dict[str, int] = field(default_factory=dict)
    brokers: set[str] = field(default_factory=set)

    @property
    def silent_after_s(self) -> float:
        """Seconds without a sign of life after which it is silent."""
        return min(self.deadline_s, MISSED_HEARTBEATS * self.heartbeat_s) if self.heartbeat_s else self.deadline_s


@dataclass(slots=True)
class Watch:
    """All gateways. silent_after_s: 0 = as each gateway says. report_every_s: a daily report must come so often, 0: none is expected.

    ears: the brokers at which this centre has ever heard. deaf_ns: those at which it hears nothing now, and since when; a gateway that
    is heard at no other is not judged.
    """

    silent_after_s: float = 0.0
    report_every_s: float = 0.0
    heard: dict[str, Heard] = field(default_factory=dict)
    ears: set[str] = field(default_factory=set)
    deaf_ns: dict[str, int] = field(default_factory=dict)

    def deaf(self, broker: str, now_ns: int) -> None:
        """This centre hears nothing more at that broker."""
        self.deaf_ns.setdefault(broker, now_ns)

    def listening(self, broker: str, now_ns: int, sources: set[str]) -> None:
        """This centre hears (again) at that broker, and knows these gateways: what it could not hear is nobody's silence."""
        for source in sources:
            self.heard.setdefault(source, Heard(now_ns, now_ns))
        for found in self.heard.values():
            since_ns = self._unheard_since_ns(found)
            if since_ns is not None and broker in (found.brokers or self.ears):
                found.at_ns = max(found.at_ns, min(now_ns, found.at_ns + now_ns - since_ns))
        self.ears.add(broker)
        self.deaf_ns.pop(broker, None)

    def _unheard_since_ns(self, found: Heard) -> int | None:
        """Since when nothing could be heard of it anywhere; None while something could. Not heard yet: it may come at any broker."""
        where = found.brokers or self.ears
        if not where or not where <= self.deaf_ns.keys():
            return None
        return max(self.deaf_ns[broker] for broker in where)

    def sign(self, source: str, kind: str, message: dict[str, Any], now_ns: int, *, retained: bool = False, broker: str = "") -> list[News]:
        """A genuine birth, heartbeat or status. retained: the broker had kept it, so it says nothing about now but for a last will."""
        if kind == "status" and message.get("online") is not True:
            return self._ended(source, message, now_ns)
        found = self.heard.setdefault(source, Heard(now_ns, now_ns))
        found.brokers.add(broker)
        if kind == "birth":
            found.deadline_s = DEADLINE_S.get(str(message.get("supervision")), SILENT_AFTER_S)
        if retained:
            return []
        quiet_s, was_silent = (now_ns - found.at_ns) / 1e9, found.silent
        found.at_ns, found.silent = now_ns, False
        found.boot_id = str(message.get("bootid", ""))
        if kind != "birth":
            found.paths[str(message.get("path", ""))] = now_ns
        period_s = message.get("heartbeat_s")
        if kind == "heartbeat" and isinstance(period_s, int | float) and period_s > 0:
            found.heartbeat_s = float(period_s)
        return [News("back", round(quiet_s, 3), "heard again")] if was_silent else []

    def report(self, source: str, number: object, now_ns: int) -> list[News]:
        """A genuine daily report (零报告). Numbers that were left out are reports that never came.

        One that is known comes again in each new session of its gateway, and is no new one.
        """
        found = self.heard.setdefault(source, Heard(now_ns, now_ns))
        if isinstance(number, bool) or not isinstance(number, int) or number <= found.report:
            return []
        found.report_ns, found.report_missing = now_ns, False
        last, found.report = found.report, number
        if last and number > last + 1:
            return [News("no-report", 0.0, f"daily reports {last + 1} to {number - 1} never came")]
        return []

    def overdue(self, now_ns: int) -> list[tuple[str, News]]:
        """(source, news) of everybody whose time is over; each once."""
        news = []
        for source, found in self.heard.items():
            if self._unheard_since_ns(found) is not None:
                continue  # it is this centre that hears nothing
            quiet_s = (now_ns - found.at_ns) / 1e9
            if not found.silent and quiet_s > (self.silent_after_s or found.silent_after_s):
                found.silent = True
                news.append((source, News("silent", round(quiet_s, 3), f"nothing heard for {quiet_s:.0f} s")))
            report_s = (now_ns - found.report_ns) / 1e9
            if self.report_every_s and not found.report_missing and report_s > self.report_every_s:
                found.report_missing = True
                news.append((source, News("no-report", round(report_s, 3), f"no daily report for {report_s / 3600:.1f} h")))
        return news

    def _ended(self, source: str, message: dict[str, Any], now_ns: int) -> list[News]:
        """The last will or a goodbye of one path; that of an earlier run says nothing about this one."""
        found = self.heard.setdefault(source, Heard(now_ns, now_ns))
        boot_id = str(message.get("bootid", ""))
        if found.silent or (found.boot_id and found.boot_id != boot_id):
            return []
        found.paths.pop(str(message.get("path", "")), None)
        if any((now_ns - at_ns) / 1e9 <= found.silent_after_s for at_ns in found.paths.values()):
            return []  # it is heard on another path at this broker
        found.silent = True
        quiet_s = round((now_ns - found.at_ns) / 1e9, 3)
        return [News("silent", quiet_s, "its session has ended (last will or goodbye)")]
