"""The part of decide() that is about signed commands of a centre: each counts once, and what was refused before is put on record."""

from __future__ import annotations

from gateway.contract.command import SKEW_MS
from gateway.core.commands import Command
from gateway.core.reading import Now, Value
from gateway.runtime.decide_house import COMMANDS_MARK, Turn

KEEP_MS = 24 * 3_600_000  # an id is kept so long behind the end of its command's validity
MOST_IDS = 1000  # the ids that have been over for longest go first; nobody signs so many within the 5 min that a command lives


def stopped(turn: Turn, asked: Command) -> str:
    """Why this command is not judged any further, or ''. Its id is kept in the transaction of the events that it causes."""
    if not asked.command_id:
        return asked.refused
    kept = turn.house.marks.get(COMMANDS_MARK, {})
    if asked.command_id in kept:
        return asked.refused or f"repeated: command {asked.command_id} was here before"
    if not asked.refused or _may_come_again(asked, turn.now):
        turn.decision.marks[COMMANDS_MARK] = _with(kept, asked, turn.now)
        turn.decision.lasting = True
    return asked.refused


def _may_come_again(asked: Command, now: Now) -> bool:
    """The centre was told `refused`: nobody else shall send the same bytes again while they would be taken."""
    return now.clock == "unknown" or asked.expires_ms + SKEW_MS >= now.at_ms


def _with(kept: dict[str, Value], asked: Command, now: Now) -> dict[str, Value]:
    """The ids that are still to be known; all of them while nobody knows the time."""
    ends = [(int(expires_ms or 0), name) for name, expires_ms in kept.items()]
    if now.clock != "unknown":
        ends = [(expires_ms, name) for expires_ms, name in ends if expires_ms + KEEP_MS > now.at_ms]
    newest = sorted(ends)[-(MOST_IDS - 1) :]
    return {**{name: expires_ms for expires_ms, name in newest}, asked.command_id: asked.expires_ms}
