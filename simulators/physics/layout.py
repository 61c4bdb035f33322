"""Which points of a school belong to one thing: the contacts of a post, the parts of a door, the detectors of a place.

Read from the site file as plain data, as `simulators.site` does, by roles, places and devices: nothing is configured for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

UP_WORDS = ("up", "raised", "closed")
DOWN_WORDS = ("down", "lowered", "open")
BETWEEN_WORDS = ("between", "in_between", "moving", "partly_open", "stopped")
RISING_WORDS = ("rising", "raising", "closing", *BETWEEN_WORDS)
SINKING_WORDS = ("sinking", "lowering", "opening", *BETWEEN_WORDS)
RAISE_NAMES, LOWER_NAMES = ("raise", "up", "close", "shut"), ("lower", "down", "open", "efo", "sink")
HELD_S = 30.0

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PointAt:
    """A point of a device, and where it is. span: of a 4-20 mA transmitter, the values at 4 and at 20 mA."""

    id: str
    role: str
    place: str
    device: str
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class OutputAt:
    """An output. confirm: the point that shows what it did, with what it shows on and off (None: the opposite)."""

    id: str
    kind: str
    place: str
    device: str
    signal: str
    shuts_on: bool = True  # of a gas valve: on closes it
    confirm: str = ""
    shows_on: bool | int | float | str = True
    shows_off: bool | int | float | str | None = None
    within_s: float = 5.0


@dataclass(frozen=True, slots=True)
class PostAt:
    """A post or barrier. up: what its position shows when it is up; None: the word for it. raised_by, lowered_by, stopped_by: outputs."""

    id: str
    place: str
    position: str = ""
    up: bool | int | float | str | None = None
    impacts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    raised_by: tuple[str, ...] = ()
    lowered_by: tuple[str, ...] = ()
    stopped_by: tuple[str, ...] = ()

    @property
    def points(self) -> tuple[str, ...]:
        """Every point that is about it."""
        return tuple(each for each in (self.id, self.position, *self.impacts, *self.faults) if each)


@dataclass(frozen=True, slots=True)
class DoorAt:
    """A door and its parts: points, but the lock, an output, and the reader, a device or a point."""

    id: str
    place: str
    contacts: tuple[str, ...] = ()
    lock: str = ""
    exit_button: str = ""
    reader: str = ""
    forced: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    held_s: float = HELD_S


@dataclass(frozen=True, slots=True)
class RoundAt:
    """A patrol: name of each stop -> its point, empty where there is none."""

    id: str
    stops: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CameraAt:
    """A camera, its place, and where the guard's post is in its picture: x and y of the feet, 0..1."""

    id: str
    place: str
    post: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """A school as things. lines: the posts of each gate, one behind the other from the street. fans: outputs that change the air."""

    places: Mapping[str, str] = field(default_factory=dict)
    points: Mapping[str, PointAt] = field(default_factory=dict)
    outputs: Mapping[str, OutputAt] = field(default_factory=dict)
    posts: tuple[PostAt, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    doors: tuple[DoorAt, ...] = ()
    rounds: tuple[RoundAt, ...] = ()
    cameras: tuple[CameraAt, ...] = ()
    main_valves: frozenset[str] = frozenset()
    fans: frozenset[str] = frozenset()


def layout(data: Mapping[str, Any], simulated: Iterable[str]) -> Layout:
    """The things of a site file. simulated: the points that a device plays; no other is looked at."""
    known = set(simulated)
    points = {p["id"]: _point(p) for p in data.get("points", ()) if p["id"] in known}
    outputs = {o["id"]: _output(o) for o in data.get("outputs", ())}
    gas = data.get("rules", {}).get("gas", {})
    doors = data.get("doors", ())
    ups = {
        point: up
        for gate in data.get("anti_ram", ())
        for layer in gate.get("layers", ())
        for point, up in zip(layer.get("points", ()), layer.get("up", ()), strict=False)
    }
    posts = _posts(points, outputs, ups)
    return Layout(
        places={name: place.get("name_en") or place.get("name", name) for name, place in data.get("places", {}).items()},
        points=points,
        outputs=outputs,
        posts=posts,
        lines=tuple(
            tuple(point for layer in gate.get("layers", ()) for point in layer.get("points", ()) if point in points)
            for gate in data.get("anti_ram", ())
        ),
        doors=_doors(doors, points),
        rounds=tuple(
            RoundAt(each["id"], {stop["id"]: stop.get("point", "") for stop in each.get("checkpoints", ())})
            for each in data.get("patrols", ())
        ),
        cameras=tuple(_camera(each, data.get("points", ())) for each in data.get("cameras", ())),
        main_valves=frozenset(gas.get("main_valves", ())),
        fans=frozenset(gas.get("fans", ())) | {each for each in outputs if "fan" in each.split("-")},
    )


def _point(entry: Entry) -> PointAt:
    span = entry.get("range")
    return PointAt(entry["id"], entry.get("role", ""), entry.get("place", ""), entry["device"], tuple(span) if span else None)


def _output(entry: Entry) -> OutputAt:
    confirm = entry.get("confirm", {})
    return OutputAt(
        id=entry["id"],
        kind=entry.get("kind", "relay"),
        place=entry.get("place", ""),
        device=entry["device"],
        signal=entry["signal"],
        shuts_on=entry.get("safe", "on") != "off",
        confirm=confirm.get("point", ""),
        shows_on=confirm.get("value", True),
        shows_off=confirm.get("off"),
        within_s=confirm.get("within_ms", 5000) / 1000,
    )


def _posts(points: Mapping[str, PointAt], outputs: Mapping[str, OutputAt], ups: Mapping[str, Any]) -> tuple[PostAt, ...]:
    """A position makes a post. An impact that belongs to no position is one that does not move."""
    positions = [point for point in points.values() if point.role in ("bollard_position", "barrier_position")]
    belongs: dict[str, list[PointAt]] = {position.id: [] for position in positions}
    lone = []
    for point in points.values():
        if point.role not in ("bollard_impact", "bollard_fault", "loop_clear"):
            continue
        owner = _owner(point, positions)
        if owner is not None:
            belongs[owner.id].append(point)
        elif point.role == "bollard_impact":
            lone.append(PostAt(point.id, point.place, impacts=(point.id,)))
    found = []
    for position in positions:
        parts = {
            role: tuple(p.id for p in belongs[position.id] if p.role == role) for role in ("bollard_impact", "bollard_fault", "loop_clear")
        }
        works = [output for output in outputs.values() if _works(output, position, positions)]
        sense = {output.id: _sense(output) for output in works}
        found.append(
            PostAt(
                id=position.id,
                place=position.place,
                position=position.id,
                up=ups.get(position.id),
                impacts=parts["bollard_impact"],
                faults=parts["bollard_fault"],
                loops=parts["loop_clear"],
                raised_by=tuple(name for name, way in sense.items() if way == "raise"),
                lowered_by=tuple(name for name, way in sense.items() if way == "lower"),
                stopped_by=tuple(o.id for o in outputs.values() if o.device == position.device and o.signal == "stop"),
            )
        )
    return (*found, *lone)


def _owner(part: PointAt, owners: list[PointAt]) -> PointAt | None:
    """The thing that a part belongs to: on its device if there is one, else at its place; of several the one with the likest name."""
    near = [o for o in owners if o.device == part.device and o.place == part.place] or [o for o in owners if o.device == part.device]
    near = near or [o for o in owners if o.place == part.place]
    return max(near, key=lambda o: _alike(o.id, part.id), default=None)


def _alike(one: str, other: str) -> int:
    """How many letters two names begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _works(output: OutputAt, position: PointAt, positions: list[PointAt]) -> bool:
    if output.kind != "bollard":
        return False
    if output.confirm in {each.id for each in positions}:
        return output.confirm == position.id
    return _owner(PointAt(output.id, "", output.place, output.device), positions) is position


def _sense(output: OutputAt) -> str:
    """What a bollard's output does: `raise`, `lower`, or nothing that is known."""
    word = _plain(output.shows_on)
    if output.confirm and word in (*UP_WORDS, *DOWN_WORDS):
        return "raise" if word in UP_WORDS else "lower"
    said = {*output.signal.replace("_", "-").split("-"), *output.id.split("-")}
    return "raise" if said & set(RAISE_NAMES) else "lower" if said & set(LOWER_NAMES) else ""


def _doors(entries: Iterable[Entry], points: Mapping[str, PointAt]) -> tuple[DoorAt, ...]:
    """Doors of the file, then those whose own controller tells of them by contacts."""
    found, taken = [], set[str]()
    of_role = {role: [p for p in points.values() if p.role == role] for role in ("door_contact", "door_forced", "door_held")}
    for entry in entries:
        contact, place = entry.get("contact", ""), entry.get("place", "")
        mine = {role: tuple(p.id for p in those if p.place == place) for role, those in of_role.items()}
        taken |= {contact, *mine["door_forced"], *mine["door_held"]}
        found.append(
            DoorAt(
                id=entry["id"],
                place=place,
                contacts=(contact,) if contact in points else (),
                lock=entry.get("lock", ""),
                exit_button=entry.get("request_to_exit", ""),
                reader=entry.get("reader", ""),
                forced=mine["door_forced"],
                held=mine["door_held"],
                held_s=entry.get("held_s", HELD_S),
            )
        )
    contacts = [point for point in of_role["door_contact"] if point.id not in taken]
    others = [point for role in ("door_forced", "door_held") for point in of_role[role] if point.id not in taken]
    parts: dict[str, list[PointAt]] = {point.id: [] for point in contacts}
    for point in others:
        owner = _owner(point, contacts) if contacts else None
        parts.setdefault(owner.id if owner and owner.place == point.place else point.id, []).append(point)
    for name, those in parts.items():
        sorts = {role: tuple(p.id for p in those if p.role == role) for role in of_role}
        contact_ids = (name,) if points[name].role == "door_contact" else ()
        found.append(DoorAt(name, points[name].place, contacts=contact_ids, forced=sorts["door_forced"], held=sorts["door_held"]))
    return tuple(found)


def _camera(entry: Entry, points: Iterable[Entry]) -> CameraAt:
    zones = {zone["id"]: zone.get("polygon", ()) for zone in entry.get("zones", ())}
    post = next((p.get("zone") for p in points if p.get("camera") == entry["id"] and p.get("role") == "guard_at_post"), None)
    corners = zones.get(post, ())
    middle = (sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)) if corners else None
    return CameraAt(entry["id"], entry.get("place", ""), middle)


def word_for(words: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of the wanted words that a signal has, as it writes it."""
    has = {_plain(word): word for word in words}
    return next((has[each] for each in wanted if each in has), None)


def _plain(word: object) -> str:
    return str(word).lower().replace(" ", "_").replace("-", "_")
