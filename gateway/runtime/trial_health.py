"""Is the gateway well after a change? Asked through its control socket, by the program that was there before the change.

What is read of the answer to `status` here (version, bootid, up_s, journal, lines_tried, devices, paths, receipts) and the command that
is given are therefore spoken between two versions: they stay as they are, or what they mean to an older version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.errors import DoorRefused
from gateway.runtime.door import ask

STEADY_S = 20.0  # a daemon that ends again so soon is not well
ANSWER_S = 5.0

Status = Mapping[str, Any]


@dataclass(slots=True)
class Health:
    """Looks at one daemon. word: what the event is called that the centre is to sign for; before: boot id of the daemon before the change.

    version: that it must have, '' for any. devices: those that must answer. receipt: a centre must sign. steady_s: how long it must last.
    """

    door: Path
    word: str
    why: str
    by: str
    before: str = ""
    version: str = ""
    devices: frozenset[str] = frozenset()
    receipt: bool = True
    steady_s: float = STEADY_S
    _sealed: dict[str, tuple[int, int]] = field(default_factory=dict)  # boot id of the daemon -> (epoch, sequence) before our event

    def missing(self) -> str:
        """What is not yet as it must be; '' when all is well."""
        try:
            status = self._status()
            return self._of_the_daemon(status) or self._of_the_field(status) or self._of_the_centre(status) or self._not_long(status)
        except DoorRefused as refused:
            return str(refused).partition(";")[0]

    def running(self) -> Status | None:
        """The answer to `status`; None when no daemon answers."""
        try:
            return self._status()
        except DoorRefused:
            return None

    def _status(self) -> Status:
        answer = asyncio.run(ask(self.door, {"op": "status"}, ANSWER_S))
        if not answer.get("ok"):
            raise DoorRefused(str(answer.get("error")))
        status: Status = answer["status"]
        return status

    def _of_the_daemon(self, status: Status) -> str:
        if status["bootid"] == self.before:
            return "the daemon has not started anew"
        if self.version and status["version"] != self.version:
            return f"version {status['version']} runs, not {self.version}"
        return "the journal refuses to be written" if status["journal"]["refusing"] else ""

    def _of_the_field(self, status: Status) -> str:
        if untried := sorted(name for name, tried in status["lines_tried"].items() if not tried):
            return f"nothing was tried yet on line {', '.join(untried)}"
        silent = sorted(device for device in self.devices if not status["devices"].get(device))
        return f"no answer from {', '.join(silent)}, which answered before" if silent else ""

    def _of_the_centre(self, status: Status) -> str:
        if not self.receipt or not status["paths"]:
            return ""
        if not status["receipts"]:  # nobody signs for events of class audit
            return "" if any(path["up"] for path in status["paths"]) else f"no path is connected: {_reasons(status)}"
        if status["bootid"] not in self._sealed:
            self._sealed[status["bootid"]] = _place(status["journal"])
            answer = asyncio.run(
                ask(self.door, {"op": "command", "command": self.word, "target": "", "why": self.why, "by": self.by}, ANSWER_S)
            )
            if not answer.get("ok"):
                raise DoorRefused(str(answer.get("error")))
        sealed = self._sealed[status["bootid"]]
        unsigned = sorted(name for name, newest in status["receipts"].items() if newest is None or _place(newest) <= sealed)
        if unsigned:
            reasons = _reasons(status)
            return f"no receipt yet from {', '.join(unsigned)}{f' ({reasons})' if reasons else ''}"
        return ""

    def _not_long(self, status: Status) -> str:
        return f"all is well; it must last {self.steady_s:.0f} s" if status["up_s"] < self.steady_s else ""


def _place(told: Mapping[str, Any]) -> tuple[int, int]:
    return int(told["epoch"]), int(told["sequence"])


def _reasons(status: Status) -> str:
    return "; ".join(f"path {path['id']}: {path['reason']}" for path in status["paths"] if not path["up"] and path["reason"])
