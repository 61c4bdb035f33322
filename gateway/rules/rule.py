"""What a school rule is: a pure function from what it sees to what follows.

A rule watches points and alarms. What it finds out it says through points of its own (`guard missing at the east gate`), whose
alarms then go through the same table as every other; what shall happen it asks for (outputs, pictures). Its state is a frozen
dataclass that the journal keeps in the transaction of the events it caused. Time comes in by `view.now`; a rule is stepped with None
when its own wake is due, at least once a minute, and whenever the window of the school day changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.core.commands import Command
from gateway.core.hazards import Found
from gateway.core.linkage import Moved, Said
from gateway.core.outputs import Asked
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.core.school_days import Window
from gateway.rules.calendar import SchoolCalendar

What = Reading | Moved | Command | Found | None


@dataclass(frozen=True, slots=True)
class View:
    """What a rule may look at. reading(point): the newest, or None. state(`point/alarm`): as in alarm.machine.State, `normal` if unknown.

    window: of the school day; NONE while the clock is unknown. mode(point): normal, drill, test or maintenance. incident(`point/alarm`):
    id of the open one that the alarm belongs to, or ''. new_id(): the id of an event that is still to be said.
    held_by(output): ids of the linkages that hold it. is_away(output): its device does not answer.
    standing(): what stands open, for who takes over a shift. since_ms(`point/alarm`): when it was activated last, UTC, 0 if never.
    """

    now: Now
    calendar: SchoolCalendar
    window: Window
    reading: Callable[[str], Reading | None]
    state: Callable[[str], str]
    mode: Callable[[str], str]
    incident: Callable[[str], str] = lambda key: ""
    new_id: Callable[[], str] = lambda: ""
    held_by: Callable[[str], frozenset[str]] = lambda output: frozenset()
    is_away: Callable[[str], bool] = lambda output: False
    standing: Callable[[], dict[str, object]] = dict
    since_ms: Callable[[str], int] = lambda key: 0

    @property
    def knows_the_time(self) -> bool:
        """False while the clock was never set: then no duty is due and no window counts."""
        return self.now.clock != "unknown"

    def held_by_others(self, rule: str, output: str) -> bool:
        """True while a linkage other than this one holds an output."""
        return bool(self.held_by(output) - {rule})

    def shows(self, point: str, value: Value = True) -> bool:
        """True while the point is known to show this value."""
        reading = self.reading(point)
        return reading is not None and reading.quality is Quality.GOOD and reading.value == value

    def seconds_until(self, at_ms: int) -> float:
        """Monotonic seconds at which the clock will show this UTC time, as far as it goes on as now."""
        return self.now.now_s + (at_ms - self.now.at_ms) / 1000


@dataclass(slots=True)
class Step:
    """What follows. readings: of the rule's own points, in order. said: events. asks: outputs. snapshots: cameras. moves: what it
    does to alarms of others, for linkage. wake_s: when to look again. reply, refused: the answer to a command. keep: the state must
    be in the journal before anything else happens. hazards: for the ledger, if the site keeps one.
    """

    state: Any
    readings: list[Reading] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    asks: list[Asked] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    wake_s: list[float] = field(default_factory=list)
    reply: str = ""
    refused: str = ""
    keep: bool = False
    hazards: list[Found] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Why:
    """One line of an explanation: would it act now, and why (not)."""

    acts: bool
    text: Text


class Rule(Protocol):
    """One rule of one site. points, alarms: what it is stepped for when that changes or moves; commands: kinds it answers to.

    own_targets: the target of these commands names something that only the rule knows; else it names the rule.
    name: of the kind of rule, as in docs/rules.md (`one-key`, `guard-post`).
    """

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def points(self) -> frozenset[str]: ...
    @property
    def alarms(self) -> frozenset[str]: ...
    @property
    def commands(self) -> frozenset[str]: ...
    @property
    def own_targets(self) -> bool: ...

    def begin(self, row: dict[str, Any] | None) -> Any:
        """The state at start; row: what the journal kept of it. Raises KeyError, ValueError or TypeError for a damaged row.

        Times in it are `core.deadline.Deadline`s, which the first step resumes.
        """

    def row(self, state: Any, now: Now) -> dict[str, Any]:
        """What the journal shall keep of a state."""

    def step(self, state: Any, what: What, view: View) -> Step:
        """What follows from one thing, or from time alone (None)."""

    def explain(self, state: Any, point: str, view: View) -> Iterator[Why]:
        """What this rule would do now if that point gave alarm, and why."""


class OfSpec:
    """What rules of a description have in common: its id, and nothing that they watch or answer to unless they say so."""

    __slots__ = ()
    spec: Any

    @property
    def id(self) -> str:
        """As in the site file; also of the rule's point, where it has only one."""
        return str(self.spec.id)

    @property
    def points(self) -> frozenset[str]:
        """The points that it watches."""
        return frozenset()

    @property
    def alarms(self) -> frozenset[str]:
        """The alarms that it watches."""
        return frozenset()

    @property
    def commands(self) -> frozenset[str]:
        """The commands that it takes."""
        return frozenset()

    @property
    def own_targets(self) -> bool:
        """True where the target of a command names something that only the rule knows; else it names the rule."""
        return False
