"""A school's rules, and where each stands: the part of the house that is neither alarm nor output."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from gateway.core.errors import DAMAGED
from gateway.core.school_days import Window
from gateway.rules.rule import Rule

if TYPE_CHECKING:
    from gateway.rules.linkage import Linkage

KEPT = "rule:"  # what the journal keeps of a rule stands under this and its id

# Description of the site file -> the rule that it stands for. Loaded when a site has one: most have a few.
_RULES = {
    "LinkageSpec": "linkage.Linkage",
    "EscalationSpec": "escalation.Escalation",
    "WhistleSpec": "whistle.Whistle",
    "GateSpec": "gate_state.GateState",
    "ForcedSpec": "anti_ram.Forced",
    "RaiseSpec": "anti_ram.Raise",
    "WatchedZone": "gate_watch.GateWatch",
    "GuardPostSpec": "guard_post.GuardPost",
    "PatrolSpec": "patrol.Patrol",
    "DutyRoomSpec": "dead_man.DutyRoom",
    "ShiftsSpec": "shifts.Shifts",
    "HazardsSpec": "hazards.Hazards",
    "InspectionSpec": "inspections.Inspection",
}


def rule_of(spec: Any) -> Rule:
    """The rule that a description of the site file stands for."""
    module, _, name = _RULES[type(spec).__name__].partition(".")
    rule: Rule = getattr(importlib.import_module(f"gateway.rules.{module}"), name)(spec)
    return rule


@dataclass(slots=True)
class School:
    """All rules by id. by_point, by_alarm: which rules watch a point or an alarm; by_output: which
    linkages switch it. window: of the school day, as last looked at. damaged: ids whose kept row could not be read."""

    rules: dict[str, Rule] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    window: Window = Window.NONE
    damaged: set[str] = field(default_factory=set)
    by_point: dict[str, list[Rule]] = field(init=False, default_factory=dict)
    by_alarm: dict[str, list[Rule]] = field(init=False, default_factory=dict)
    by_output: dict[str, list[Linkage]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for rule in self.rules.values():
            self.states.setdefault(rule.id, rule.begin(None))
            for point in rule.points:
                self.by_point.setdefault(point, []).append(rule)
            for key in rule.alarms:
                self.by_alarm.setdefault(key, []).append(rule)
            for output in getattr(rule, "outputs", ()):
                self.by_output.setdefault(output, []).append(cast("Linkage", rule))

    @classmethod
    def of(cls, specs: Iterable[Any]) -> School:
        """The rules of a site's descriptions."""
        return cls({spec.id: rule_of(spec) for spec in specs})

    def restore(self, rule_id: str, row: dict[str, Any]) -> None:
        """Take over what the journal kept of a rule; a damaged row leaves it as at the first start."""
        if rule_id not in self.rules:
            return
        try:
            self.states[rule_id] = self.rules[rule_id].begin(row)
            self.damaged.discard(rule_id)
        except DAMAGED:
            self.damaged.add(rule_id)
