"""What a look at the whole journal found: how far it holds, and the first link that does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Broken:
    """The first link that does not hold. epoch, sequence: 0 and id: empty where the fault is not at one event.

    last_good: sequence of the event before it that holds, 0 for none; None where the fault showed only when all were read. behind:
    events behind it that are here, each with its own hash and signature; gaps: further links among them that do not hold.
    """

    file: str
    epoch: int
    sequence: int
    id: str
    text: str
    last_good: int | None = None
    behind: int = 0
    gaps: int = 0

    def __str__(self) -> str:
        name = f", id {self.id}" if self.id else ""
        at = f"epoch {self.epoch}, sequence {self.sequence}{name}: " if self.epoch else ""
        return f"{self.file}: {at}{self.text}{'' if self.last_good is None else self._around()}"

    def _around(self) -> str:
        before = f"the last good one before it is sequence {self.last_good}" if self.last_good else "no good one is before it"
        if not self.behind:
            return f"; {before}, none can be read behind it"
        chained = "which are all linked" if not self.gaps else f"with {self.gaps} further broken links"
        return f"; {before}, {self.behind} good ones are behind it, {chained}"


@dataclass(slots=True)
class Span:
    """One epoch as it was found: the first and last sequence, and the hash of the last."""

    first: int
    last: int
    last_hash: str


@dataclass(slots=True)
class Verdict:
    """What was found in all files. carried: events of an earlier file, kept until they are received.

    removed: class -> events that the journal removed, as stubs and the signed checkpoint tell. alarms: of these the alarms whose
    stubs are here, by id.
    """

    events: int = 0
    stubs: int = 0
    carried: int = 0
    checkpointed: int = 0
    epochs: dict[int, Span] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: Counter[str] = field(default_factory=Counter)
    alarms: list[str] = field(default_factory=list)
