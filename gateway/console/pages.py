"""What every page of the console has: its place in the navigation, who looks at it, and where it gets what it shows.

A page is a template that extends `desk.html`. What is true now comes in live parts (console.view), the rest is read once from the archive
when the page is asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.core.history import Minute, Told, Wanted


@dataclass(frozen=True, slots=True)
class Limit:
    """An alarm of a measured point, in its unit. natural: it counts above the point's natural leakage, which is not in `value`."""

    value: float
    zh: str
    en: str
    natural: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A point whose values are kept. unit: UCUM."""

    point: str
    zh: str
    en: str
    place: str
    unit: str
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """What is drawn in a camera's view. kind: zone, line, mask. name: '' of a mask. corners: x, y between 0 and 1 from the top left."""

    kind: str
    name: str
    corners: tuple[tuple[float, float], ...]


class Archive(Protocol):
    """What the page knows beside the daemon's picture. Each method raises NotThere with words for the person who asked, or Busy."""

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        """The newest `most` of those asked for, newest first."""
        ...

    async def minutes(self, points: frozenset[str], from_ms: int, to_ms: int) -> list[Minute]:
        """Oldest first."""
        ...

    def measured(self) -> tuple[Measured, ...]:
        """The points that have minutes."""
        ...

    def cameras(self) -> tuple[str, ...]:
        """Ids of all cameras."""
        ...

    def drawn(self, camera: str) -> tuple[Shape, ...]:
        """Zones, lines and masks of a camera in the site file."""
        ...

    async def reports(self, kind: str) -> list[dict[str, Any]]:
        """All of one kind (daily, weekly, monthly, drill) that are kept, newest first: `number`, `from`, `to`, `issued_at`."""
        ...

    async def report(self, kind: str, number: int) -> dict[str, Any]:
        """One report as it was issued."""
        ...

    async def ledger(self, form: str) -> bytes:
        """The whole hazard ledger as a file. form: xlsx or csv."""
        ...

    async def tile(self, camera: str) -> bytes:
        """JPEG of what this camera sees now, masked, with boxes and zones."""
        ...

    async def file(self, name: str) -> Path:
        """A file that the site file names for the page: `plan`."""
        ...


class NotThere(Exception):
    """What was asked for is not there; the text says why."""


class Busy(NotThere):
    """Too many questions wait for their answers already; the same one may be asked again in a moment."""

    def __init__(self) -> None:
        super().__init__("too many questions at once: try again in a moment")


class BadQuery(Exception):
    """What the address asks for makes no sense; the text says what was expected."""


class NoArchive:
    """Satisfies Archive where there is none."""

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        return []

    async def minutes(self, points: frozenset[str], from_ms: int, to_ms: int) -> list[Minute]:
        return []

    def measured(self) -> tuple[Measured, ...]:
        return ()

    def cameras(self) -> tuple[str, ...]:
        return ()

    def drawn(self, camera: str) -> tuple[Shape, ...]:
        return ()

    async def reports(self, kind: str) -> list[dict[str, Any]]:
        return []

    async def report(self, kind: str, number: int) -> dict[str, Any]:
        raise NotThere("no reports are kept here")

    async def ledger(self, form: str) -> bytes:
        raise NotThere("no ledger is kept here")

    async def tile(self, camera: str) -> bytes:
        raise NotThere("there are no cameras here")

    async def file(self, name: str) -> Path:
        raise NotThere(f"there is no {name} here")


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at one page. query: of the address, the last value of each name. within: what the address names ({camera}, {number}).

    picture: the daemon's newest, None before the first. away: the daemon is silent. now_ms: UTC. zone: IANA name of the school's time.
    here: the address, with its query.
    """

    picture: Mapping[str, Any] | None
    away: bool
    language: str
    name: str
    role: str
    zone: str
    now_ms: int
    query: Mapping[str, str]
    within: Mapping[str, str]
    archive: Archive
    here: str = "/"


async def _nothing(visit: Visit) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Page:
    """path: as in starlette's routes. word: key in console.words of its name in the navigation, '' where it has no place there.

    live: the parts (console.view.PARTS) that the template shows. known(visit): what else its template gets. Raises NotThere, BadQuery.
    noted: looking at it is on record, under this word, once an hour of a session.
    """

    path: str
    word: str
    template: str
    live: tuple[str, ...] = ()
    known: Callable[[Visit], Awaitable[dict[str, Any]]] = _nothing
    noted: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A file for the browser. name: under which it is saved, '' to show it. store: it may be kept by the browser for so many seconds."""

    content: bytes
    media_type: str
    name: str = ""
    store_s: int = 0


@dataclass(frozen=True, slots=True)
class Download:
    """give(visit): the file at this path. Raises NotThere, BadQuery. noted: as of Page."""

    path: str
    give: Callable[[Visit], Awaitable[Answer]]
    noted: str = ""
