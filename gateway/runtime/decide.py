"""The one pure composition: what a stimulus means for this site, alarm room first, then rules.

`decide(house, stimulus, now, ids)` changes nothing: it returns a `Decision`, which `House.apply` takes
over once. The same function runs in the daemon, in scenarios in virtual time and in benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.alarm.measures import flood
from gateway.core.commands import Command, Delivered, EvidenceOver, EvidenceRead, LatchReleased, Learned, Photographed, Tick
from gateway.core.outputs import OutputDone
from gateway.core.reading import Now, Reading
from gateway.runtime import decide_evidence, decide_fittings, decide_incidents, decide_runs, decide_school
from gateway.runtime.decide_alarm import FLOOD_POINT, time_passed
from gateway.runtime.decide_commands import command
from gateway.runtime.decide_house import INCIDENTS, AlarmState, Decision, House, Ids, Turn
from gateway.runtime.decide_points import believed, look
from gateway.runtime.decide_tests import look_at_tests
from gateway.runtime.mode_book import MODES_TICK

_FLOOD_LOOK_S = 10.0

Stimuli = Reading | Command | Tick | LatchReleased | Learned | OutputDone | Delivered | Photographed | EvidenceOver | EvidenceRead


def decide(house: House, stimulus: Stimuli, now: Now, ids: Ids) -> Decision:
    """What follows from one stimulus. Pure: reads `house`, changes nothing."""
    turn = Turn(house, now, ids, Decision())
    if isinstance(stimulus, Reading):
        if stimulus.point not in house.points:
            return turn.decision  # nobody asked for it
        stimulus = believed(house.points[stimulus.point], stimulus)
    _decide(turn, stimulus)
    if isinstance(stimulus, OutputDone | Tick) or (isinstance(stimulus, Reading) and stimulus.point in house.fittings.concerned):
        decide_fittings.follow(house, stimulus, now, ids, turn.decision, _teller(turn))
    decide_school.follow(turn, stimulus, _teller(turn))
    decide_evidence.witness(turn)
    decide_evidence.follow(turn, stimulus)
    if turn.decision.moves or isinstance(stimulus, Delivered) or (isinstance(stimulus, Tick) and stimulus.point == INCIDENTS):
        decide_incidents.follow(turn, stimulus)
    if turn.decision.moves or turn.decision.modes.runs is not None or turn.decision.modes.tested:
        decide_runs.follow(turn)
    if turn.decision.announced or (isinstance(stimulus, Tick) and stimulus.point == FLOOD_POINT):
        _flood(turn)
    return turn.decision


def _flood(turn: Turn) -> None:
    """Too many alarms for people to look at are told once, as a fault of their own."""
    spec = turn.house.points[FLOOD_POINT].alarms[0] if FLOOD_POINT in turn.house.points else None
    if spec is None:
        return
    flooding = turn.alarm(spec).condition.active
    active = flood(turn.house.measures.rate(turn.now.now_s) + len(turn.decision.announced), flooding)
    if active is not flooding:
        _teller(turn)(Reading(FLOOD_POINT, active, now_s=turn.now.now_s))
    if active:
        falls_s = turn.house.measures.falls_s(turn.now.now_s)
        turn.decision.wake.append((max(falls_s, turn.now.now_s + _FLOOD_LOOK_S), FLOOD_POINT))


def _teller(turn: Turn) -> Callable[[Reading], None]:
    """What takes a reading that doors or outputs made into the same decision."""

    def tell(reading: Reading) -> None:
        turn.decision.derived.append(reading)
        look(turn, turn.house.points[reading.point], reading, fresh=True)

    return tell


def _decide(turn: Turn, stimulus: Stimuli) -> None:
    house, decision = turn.house, turn.decision
    if isinstance(stimulus, Reading):
        point = house.points[stimulus.point]
        decision.reading = decide_fittings.to_keep(point, stimulus)
        look(turn, point, stimulus, fresh=True)
    elif isinstance(stimulus, Delivered):
        decide_runs.delivered(turn, stimulus)
        if decision.modes.tested:
            look_at_tests(turn)
    elif isinstance(stimulus, Tick):
        if stimulus.point == MODES_TICK:
            decide_runs.time_passed(turn)
            look_at_tests(turn)
        if stimulus.point in house.points:
            time_passed(turn, house.points[stimulus.point])
        reading = house.readings.get(stimulus.point)
        if reading is not None:
            look(turn, house.points[stimulus.point], reading, fresh=False)
    elif isinstance(stimulus, Learned):
        decision.marks[stimulus.device] = dict(stimulus.facts)
        decision.lasting = True
    elif isinstance(stimulus, LatchReleased):
        mark = house.marks.get(stimulus.point, {})
        if mark.get("input") == "set" and mark.get("press", 0) == stimulus.press:  # else found clear already, or set anew
            decision.marks[stimulus.point] = {**mark, "input": "released"}
            decision.lasting = not mark.get("held")
    elif isinstance(stimulus, Command):
        command(turn, stimulus, _teller(turn))


__all__ = ["AlarmState", "Decision", "House", "Ids", "Stimuli", "decide"]
