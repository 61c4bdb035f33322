"""Topics under one gateway's root `{prefix}/{site}/{gateway}`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topics:
    """All topic names of one gateway. root: without a slash at the end."""

    root: str

    @property
    def birth(self) -> str:
        return f"{self.root}/birth"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def heartbeat(self) -> str:
        return f"{self.root}/heartbeat"

    @property
    def telemetry(self) -> str:
        return f"{self.root}/telemetry"

    @property
    def receipt(self) -> str:
        return f"{self.root}/receipt"

    @property
    def command(self) -> str:
        return f"{self.root}/command"

    @property
    def command_result(self) -> str:
        return f"{self.root}/command/result"

    def event(self, event_class: str) -> str:
        return f"{self.root}/event/{event_class}"

    def state(self, point: str) -> str:
        return f"{self.root}/state/{point}"

    def evidence(self, event_id: str, number: int) -> str:
        return f"{self.root}/evidence/{event_id}/{number}"

    def report(self, kind: str) -> str:
        return f"{self.root}/report/{kind}"
