"""Between the desk for signed commands and the conveyor: carries a command out, and says when it is done for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from gateway.core.commands import Command
from gateway.core.points import Draft
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.decide_house import House

MOST_WAITING = 100
OUTPUT_ENDED = "campus.output."
PICTURE_ENDED = ("campus.evidence.ready", "campus.evidence.failed")
FIRE_RELEASE = "fire-release"  # the linkage that lets exit doors go; its outputs may be relays

Finished = Callable[[bool, str], None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that is carried out and has not ended yet. pictures: ids of those that it asked for, empty for an output."""

    command: Command
    finished: Finished
    pictures: frozenset[str] = frozenset()

    def ended_by(self, draft: Draft) -> bool:
        """True when this draft tells how it went."""
        data = draft.data
        if self.pictures:
            return draft.type in PICTURE_ENDED and data.get("picture") in self.pictures
        told = (data.get("output"), data.get("command_id"))
        return draft.type.startswith(OUTPUT_ENDED) and told == (self.command.target, self.command.command_id)

    def outcome(self, draft: Draft) -> tuple[bool, str]:
        """(done, how it went) by the draft that tells it."""
        data = draft.data
        if self.pictures:
            done = draft.type == PICTURE_ENDED[0]
            return done, f"{self.command.target}: {'snapshot kept' if done else data['reason']}"
        text = f"{self.command.target} {self.command.value}: {data['result']} {data['reason']}".strip()
        return draft.type == f"{OUTPUT_ENDED}done", text


def locks(house: House) -> frozenset[str]:
    """Outputs that let a door be opened while they are on."""
    let_go = {output for output, linkages in house.school.by_output.items() if any(each.id == FIRE_RELEASE for each in linkages)}
    return frozenset(let_go | {name for name, spec in house.fittings.outputs.items() if spec.kind == "lock"})


class Remote:
    """replay(recipient, epoch, sequence): offers events again. newest(): (epoch, sequence) of the last event in the journal."""

    def __init__(self, conveyor: Conveyor, replay: Callable[[str, int, int], None], newest: Callable[[], tuple[int, int]]) -> None:
        self._conveyor = conveyor
        self._replay = replay
        self._newest = newest
        self._waiting: list[Waiting] = []

    def act(self, command: Command, finished: Finished) -> tuple[bool, str]:
        """Carry one command out: (taken, text). finished(done, text) is called once what follows from it is on the disk."""
        if command.kind == "replay" and not command.refused:
            command = replace(command, refused=self._no_such_event(*_place(command)))
        decision = self._conveyor.stimulate(command)
        if not decision.ok:
            return False, decision.reply
        pictures = frozenset(picture.id for picture in decision.snapshots) if command.kind == "take_snapshot" else frozenset()
        if command.kind == "output" or pictures:
            self._wait(Waiting(command, finished, pictures))
            self.told(decision.drafts)
            return True, decision.reply
        if command.kind == "replay":
            self._replay(command.target, *_place(command))
        self._conveyor.after_commit(partial(finished, True, decision.reply))
        return True, decision.reply

    def _no_such_event(self, epoch: int, sequence: int) -> str:
        """Why nothing can be sent from there on, or ''."""
        newest = self._newest()
        if epoch < 1 or sequence < 1:
            return "epochs and sequences begin with 1"
        if (epoch, sequence) > newest:
            return "there is no event {}/{} yet; the newest is {}/{}".format(epoch, sequence, *newest)
        return ""

    def _wait(self, waiting: Waiting) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.pop(0).finished(False, "too many commands wait; an event tells how it ended")
        self._waiting.append(waiting)

    def told(self, drafts: Iterable[Draft]) -> None:
        """What was just decided; some of it may be how a command ended."""
        for draft in drafts:
            waiting = next((each for each in self._waiting if each.ended_by(draft)), None)
            if waiting is not None:
                self._waiting.remove(waiting)
                self._conveyor.after_commit(partial(waiting.finished, *waiting.outcome(draft)))


def _place(command: Command) -> tuple[int, int]:
    """(epoch, sequence) from which a replay is wanted."""
    epoch, _, sequence = command.value.partition("/")
    return int(epoch), int(sequence)
