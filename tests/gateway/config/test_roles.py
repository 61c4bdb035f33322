"""The table of roles holds what the laws ask of it."""

from __future__ import annotations

import pytest

from gateway.config.role import Role
from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.core.points import HIGHLY_MANAGED, Above, Contact, EventClass
from gateway.core.wire import WireClass

EVERY = [*ROLES.values(), *SYSTEM_ROLES.values()]


@pytest.mark.parametrize("role", EVERY, ids=lambda role: role.name)
def test_role_is_sound(role: Role) -> None:
    assert len({alarm.name for alarm in role.alarms}) == len(role.alarms)
    assert role.period_s > 0
    for alarm in role.alarms:
        assert alarm.text.zh
        assert alarm.text.en
        assert alarm.urgency in ("Immediate", "Expected", "Future", "Past", "Unknown"), "CAP 1.2"
        assert alarm.severity in ("Extreme", "Severe", "Moderate", "Minor", "Unknown"), "CAP 1.2"
        assert alarm.certainty in ("Observed", "Likely", "Possible", "Unlikely", "Unknown"), "CAP 1.2"
        assert isinstance(alarm.condition, Above) == ("measurement" in role.kinds), "a limit is for numbers"
        if isinstance(alarm.condition, Contact):
            assert not role.kinds & {"enum", "text", "measurement"}, "a name or a number is neither open nor closed"
        if alarm.alarm_class in HIGHLY_MANAGED:
            assert alarm.latching
            assert alarm.on_delay_s == 0
            assert not alarm.outside_hours
            assert alarm.event_class is EventClass.ALARM


def test_buttons_are_urgent_and_fixed() -> None:
    for name in ("panic_button", "bollard_impact"):
        role = ROLES[name]
        assert role.fixed
        assert role.wire_class is WireClass.PANIC
        assert role.period_s <= 0.05


def test_levels_rise() -> None:
    for role in EVERY:
        limits = [alarm.condition.limit for alarm in role.alarms if isinstance(alarm.condition, Above)]
        assert limits == sorted(limits)
