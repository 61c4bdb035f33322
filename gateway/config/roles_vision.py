"""Roles of points that a camera sees: somebody or something in a zone, or across a line.

No camera proves a person: `certainty` is Likely, and each alarm waits until what was seen has been there for its time.
"""

from __future__ import annotations

from gateway.config.role import AlarmDefault, Role, words
from gateway.core.points import Above, Contact, EventClass
from gateway.core.school_days import Window
from gateway.core.wire import WireClass

CROWD_PERSONS = 20.0  # in one zone; this project's own starting point, to be set by what the school's apron holds
LOITERING_S = 120.0  # nobody who meets a child at the gate stays longer on the same spot
BLOCKED_S = 60.0  # nobody rests a bicycle in an exit for a shorter time than it takes to notice; to be set by the school

_VISION = frozenset({"vision"})

VISION_ROLES = (
    Role(
        "person_in_zone",
        words("区域有人", "person in zone"),
        _VISION,
        WireClass.STATE,
        0.2,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("区域内有人", "Person in zone"),
                urgency="Expected",
                severity="Minor",
                certainty="Likely",
                off_delay_s=3.0,
            ),
        ),
    ),
    Role(
        "person_after_hours",
        words("非上课时段有人", "person after hours"),
        _VISION,
        WireClass.STATE,
        0.2,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("非上课时段校门有人", "Person at the gate after hours"),
                urgency="Expected",
                severity="Minor",
                certainty="Likely",
                off_delay_s=3.0,
                outside_hours=True,
            ),
        ),
    ),
    Role(
        "person_at_perimeter",
        words("周界有人", "person at the perimeter"),
        _VISION,
        WireClass.STATE,
        0.2,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("周界围墙有人", "Person at the perimeter"),
                severity="Moderate",
                certainty="Likely",
                off_delay_s=3.0,
                outside_hours=True,
            ),
        ),
    ),
    Role(
        "loitering",
        words("徘徊滞留", "loitering"),
        _VISION,
        WireClass.STATE,
        0.2,
        dwell_s=LOITERING_S,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("校门口有人徘徊滞留", "Person loitering at the gate"),
                urgency="Expected",
                severity="Moderate",
                certainty="Likely",
                off_delay_s=10.0,
            ),
        ),
    ),
    Role(
        "person_near_water",
        words("水域有人", "person near water"),
        _VISION,
        WireClass.STATE,
        0.2,
        alarms=(
            AlarmDefault("alarm", Contact(), "person", words("危险水域有人", "Person near water"), certainty="Likely", off_delay_s=3.0),
        ),
    ),
    Role(
        "guard_at_post",
        words("护学岗有人", "guard at the post"),
        _VISION,
        WireClass.STATE,
        0.2,
        observe=EventClass.OBSERVATION,
    ),
    Role(
        "pupil_lane",
        words("学生通道", "pupils' lane"),
        _VISION,
        WireClass.STATE,
        0.2,
        sees=frozenset({"person", "vehicle"}),
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("学生通道内有人或车辆", "Person or vehicle in the pupils' lane"),
                urgency="Expected",
                severity="Moderate",
                certainty="Likely",
                off_delay_s=3.0,
            ),
        ),
    ),
    Role(
        "vehicle_in_lane",
        words("车辆进入学生通道", "vehicle in the pupils' lane"),
        _VISION,
        WireClass.STATE,
        0.2,
        sees=frozenset({"vehicle"}),
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "vehicle",
                words("车辆驶入学生通道", "Vehicle in the pupils' lane"),
                certainty="Likely",
                off_delay_s=3.0,
            ),
        ),
    ),
    Role(
        "exit_blocked",
        words("安全出口", "exit zone"),
        _VISION,
        WireClass.STATE,
        1.0,
        dwell_s=BLOCKED_S,
        sees=frozenset({"object", "vehicle"}),
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "blocked",
                words("安全出口被堵塞", "Exit blocked by a standing object"),
                urgency="Expected",
                severity="Moderate",
                certainty="Likely",
                off_delay_s=5.0,
            ),
        ),
    ),
    Role(
        "line_crossed",
        words("越线", "line crossed"),
        _VISION,
        WireClass.STATE,
        0.2,
        line=True,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "person",
                words("有人越过警戒线", "Person crossed the line"),
                urgency="Expected",
                severity="Moderate",
                certainty="Likely",
                off_delay_s=3.0,
            ),
        ),
    ),
    Role("people_passed", words("通过人数", "persons passed"), frozenset({"vision", "measurement"}), WireClass.STATE, 1.0, line=True),
    Role(
        "crowd_count",
        words("校门口人数", "persons in the gate zone"),
        frozenset({"vision", "measurement"}),
        WireClass.STATE,
        1.0,
        alarms=(
            AlarmDefault(
                "level1",
                Above(CROWD_PERSONS, 5.0),
                "person",
                words("校门口学生聚集", "Crowd at the gate"),
                urgency="Expected",
                severity="Moderate",
                certainty="Likely",
                on_delay_s=10.0,
                off_delay_s=30.0,
                windows=frozenset({Window.ARRIVAL, Window.DISMISSAL}),
            ),
        ),
    ),
)
