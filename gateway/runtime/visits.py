"""How long a technician's question may hold a line with panic buttons on it. Pure.

A question goes behind everything else, but once it has begun nothing can overtake it. A patient one to a unit that is not there would
hold the line for its whole timeout. So it is given no more patience than the panic buttons of that line can spare: what the longest
request of a lower class may take already, and what is left up to their limit.
"""

from __future__ import annotations

from gateway.bus.promise import LinePromise, Wire, frames_s
from gateway.core.wire import Exchange, WireClass

PATIENCE_MOST_S = 1.0  # on any line: gas and doors are asked each second
PATIENCE_LEAST_S = 0.02  # less is no question


def room_s(line: LinePromise, panic_limit_s: float) -> float:
    """Seconds for which a question may hold the line; infinity where no panic button hangs on it."""
    panic = [each for each in line.blocks if each.block.wire_class is WireClass.PANIC]
    return min((each.blocking_s + max(0.0, panic_limit_s - each.delay_s) for each in panic), default=float("inf"))


def patience_s(question: Exchange, wire: Wire, room_s: float) -> float:
    """The question's timeout as far as the line can spare it, in seconds; 0 where it cannot be asked at all."""
    spare_s = min(question.timeout_s, PATIENCE_MOST_S, room_s - frames_s(question, wire))
    return spare_s if spare_s >= min(question.timeout_s, PATIENCE_LEAST_S) else 0.0
