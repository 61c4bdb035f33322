"""Between the desk for signed commands and the conveyor: carries a command out, and says when it is done for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from gateway.core.commands import Command
from gateway.core.points import Draft
from gateway.runtime.conveyor import Conveyor

MOST_WAITING = 100
OUTPUT_ENDED = "campus.output."

Finished = Callable[[bool, str], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An output that a centre has switched and that has not said yet how it went."""

    command: Command
    finished: Finished

    def ended_by(self, draft: Draft) -> bool:
        """True when this draft tells how it went."""
        data, asked = draft.data, self.command
        return (data.get("output"), data.get("command"), data.get("by"), data.get("origin")) == (
            asked.target,
            asked.value,
            asked.by,
            "mqtt",
        )


class Remote:
    """replay(recipient, epoch, sequence): offers events again."""

    def __init__(self, conveyor: Conveyor, replay: Callable[[str, int, int], None]) -> None:
        self._conveyor = conveyor
        self._replay = replay
        self._waiting: list[Waiting] = []

    def act(self, command: Command, finished: Finished) -> tuple[bool, str]:
        """Carry one command out: (taken, text). finished(done, text) is called once what follows from it is on the disk."""
        decision = self._conveyor.stimulate(command)
        if not decision.ok:
            return False, decision.reply
        if command.kind == "output":
            self._waiting = [*self._waiting[-MOST_WAITING + 1 :], Waiting(command, finished)]
            self.told(decision.drafts)
            return True, decision.reply
        if command.kind == "replay":
            epoch, _, sequence = command.value.partition("/")
            self._replay(command.target, int(epoch), int(sequence))
        self._conveyor.after_commit(partial(finished, True, decision.reply))
        return True, decision.reply

    def told(self, drafts: Iterable[Draft]) -> None:
        """What was just decided; some of it may be how an output ended."""
        for draft in drafts:
            if not self._waiting or not draft.type.startswith(OUTPUT_ENDED):
                continue
            waiting = next((each for each in self._waiting if each.ended_by(draft)), None)
            if waiting is not None:
                self._waiting.remove(waiting)
                done = draft.type == f"{OUTPUT_ENDED}done"
                text = f"{waiting.command.target} {waiting.command.value}: {draft.data['result']} {draft.data['reason']}".strip()
                self._conveyor.after_commit(partial(waiting.finished, done, text))
