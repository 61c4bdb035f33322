"""One school: the template and its rows -> a site file as data, and where in the table each part came from. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gateway.config.toml_lines import KeyPath, key_text
from gateway.fleet import values
from gateway.fleet.columns import KINDS, KITCHENS, KITS, ROOMS, Kit
from gateway.fleet.table import Fault, Row
from gateway.fleet.template import Data, Template, merged

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
POSTS = "gate-posts"
T = TypeVar("T")


@dataclass(slots=True)
class School:
    """A school as it grows. data: its site file. origins: key of it -> (row, column) that it came from.

    kind, region, name, ...: for the report and the inventory.
    """

    id: str
    row: Row
    data: Data = field(default_factory=dict)
    origins: dict[KeyPath, tuple[Row, str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    name: str = ""
    kind: str = ""
    region: str = ""
    address: str = ""
    host: str = ""
    spot: tuple[float, float] | None = None

    def take(self, column: str, parse: Callable[[str], T], row: Row | None = None) -> T | None:
        """The value of one cell, None where it is empty or wrong; a wrong one is noted."""
        where = self.row if row is None else row
        text = where.cells.get(column, "")
        if not text.strip():
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.faults.append(where.fault(column, str(error)))
            return None

    def wrong(self, column: str, text: str, row: Row | None = None) -> None:
        """Note a fault."""
        self.faults.append((row or self.row).fault(column, text))

    def append(self, group: str, table: Data, row: Row, column: str) -> None:
        """Add an entry to a list of the file."""
        entries = self.data[group] = [*self.data.get(group, []), table]
        self.origins[group, len(entries) - 1] = (row, column)

    def words(self, key: KeyPath) -> str:
        """A key of its file as people find it: an entry by its id, not by its number."""
        if len(key) < 2 or not isinstance(key[1], int):
            return key_text(key)
        entries = self.data.get(str(key[0]), [])
        entry = entries[key[1]].get("id") if isinstance(entries, list) and key[1] < len(entries) else None
        return f"{key[0]} {entry}{''.join(f', {part}' for part in key[2:])}" if entry else key_text(key)

    def origin(self, key: KeyPath) -> tuple[Row, str] | None:
        """The cell that a key of the file came from, if it came from the table."""
        while key:
            if key in self.origins:
                return self.origins[key]
            key = key[:-1]
        return None


def begin(school_id: str, row: Row, template: Template) -> School:
    """The school as its own row describes it; the rows of its devices come next, then `finish`."""
    school = School(school_id, row)
    school.kind = school.take("kind", lambda text: values.choice(text, KINDS)) or ""
    school.data = merged(copy.deepcopy(template.base), template.kinds.get(school.kind, {}))
    _who(school)
    _where(school, template)
    _rooms(school)
    for kit in KITS:
        _equip(school, kit, template)
    _posts(school, template)
    _times(school)
    return school


def finish(school: School) -> None:
    """What can be said only when every device is there: who is responsible, and no wire without a device."""
    responsible = school.take("responsible", values.name)
    for group in ("points", "guard_posts", "patrols", "inspections"):
        for entry in school.data.get(group, []):
            if responsible and isinstance(entry, dict) and not entry.get("responsible"):
                entry["responsible"] = responsible
    hazards = school.data.get("hazards")
    if hazards is not None and not hazards.get("responsible"):
        if responsible:
            hazards["responsible"] = responsible
        else:
            del school.data["hazards"]  # a ledger needs somebody; that nobody is named stands in the summary
    used = {device.get("bus") for device in school.data.get("devices", [])}
    buses = school.data.get("buses", [])
    kept = [(index, bus) for index, bus in enumerate(buses) if bus.get("id") in used]
    moved: dict[KeyPath, tuple[Row, str]] = {}
    for new, (old, _) in enumerate(kept):
        if ("buses", old) in school.origins:
            moved["buses", new] = school.origins["buses", old]
    school.origins = {key: cell for key, cell in school.origins.items() if key[0] != "buses"} | moved
    if buses:
        school.data["buses"] = [bus for _, bus in kept]


def _who(school: School) -> None:
    site: Data = {"id": school.id}
    for column, parse in (("name", values.name), ("name_en", values.name)):
        if (text := school.take(column, parse)) is not None:
            site[column] = text
        school.origins["site", column] = (school.row, column)
    inherited = {name: value for name, value in school.data.get("site", {}).items() if name not in ("id", "name", "name_en")}
    school.data = {"schema": school.data.get("schema", 1), "site": site | inherited} | {
        name: value for name, value in school.data.items() if name not in ("schema", "site")
    }
    school.name = site.get("name", "")
    leaders, phones = school.take("leaders", values.names) or [], school.take("leader_phones", values.names) or []
    if phones and len(phones) != len(leaders):
        school.wrong("leader_phones", f"{len(phones)} numbers for {len(leaders)} leaders; expected one for each, in the same order")
    elif leaders:
        told = [
            {"name": name} | ({"phone": phone} if phone else {}) for name, phone in zip(leaders, phones or [""] * len(leaders), strict=True)
        ]
        _table(school.data, "rules", "escalation")["leaders"] = told
        school.origins["rules", "escalation", "leaders"] = (school.row, "leaders")


def _where(school: School, template: Template) -> None:
    school.region = school.take("region", values.region) or ""
    school.address = school.take("address", values.name) or ""
    school.host = school.take("gateway_host", values.host) or ""
    longitude = school.take("longitude", lambda text: values.degrees(text, 180.0))
    latitude = school.take("latitude", lambda text: values.degrees(text, 90.0))
    if longitude is not None and latitude is not None:
        school.spot = (longitude, latitude)
    broker = school.take("broker", values.broker)
    paths = school.data.get("uplink", {}).get("paths", [])
    if broker and paths:
        paths[0]["url"] = broker
        school.origins["uplink", "paths", 0, "url"] = (school.row, "broker")
    line = school.take("line", values.plain)
    for index, bus in enumerate(school.data.get("buses", [])):
        if line and bus.get("id") == template.line:
            school.origins["buses", index] = (school.row, "line")
            try:
                point_at(bus, line)
            except ValueError as error:
                school.wrong("line", str(error))


def point_at(bus: Data, line: str) -> None:
    """Give a bus its address. ValueError when a serial line is given a host, or the other way round."""
    if bus.get("transport") in ("tcp", "rtu-tcp", "raw-tcp"):
        host, port = values.host_port(line)
        bus["host"] = host
        if port is not None:
            bus["port"] = port
    elif line.startswith("/dev/"):
        bus["chip" if bus.get("transport") == "gpio" else "device"] = line
    else:
        raise ValueError(f'"{line[:60]}" is not a serial path; expected one such as /dev/serial/by-path/...')


def _rooms(school: School) -> None:
    places = school.data.setdefault("places", {})
    for room in ROOMS:
        school.origins["places", room.id] = (school.row, room.column)
        if room.column == "kitchen":
            fuel = school.take("kitchen", lambda text: values.choice(text, KITCHENS) if _is_word(text, KITCHENS) else _yes_or_no(text))
            there = None if fuel is None else fuel != "none"
        else:
            fuel, there = "", school.take(room.column, values.yes)
        if there is False:
            places.pop(room.id, None)
        elif there:
            place = places.setdefault(room.id, {"name": room.zh, "name_en": room.en, "type": room.id})
            if fuel == "electric":
                place |= {"without": ["gas"], "why": "食堂用电，无燃气"}


def _is_word(text: str, known: Mapping[str, str]) -> bool:
    word = values.plain(text).lower()
    return word in known or word in known.values()


def _yes_or_no(text: str) -> str:
    """Of a kitchen: a plain yes means one with gas, so that a missing detector is told."""
    try:
        return "gas" if values.yes(text) else "none"
    except ValueError:
        raise ValueError(f'"{values.plain(text)[:60]}" is not known here; expected {", ".join(KITCHENS.values())}') from None


def _equip(school: School, kit: Kit, template: Template) -> None:
    parts = template.kits.get(kit.column, [])
    number = school.take(kit.column, values.count)
    addresses = school.take(kit.addresses, values.several) or []
    if number is None:
        number = len(addresses)
    elif addresses and number != len(addresses):
        school.wrong(kit.addresses, f"{len(addresses)} addresses for {number}; expected one for each, in order, or none at all")
        return
    if number > len(parts):
        sheet = "the sheet of devices"
        words = f"the template knows {len(parts)} of them (fleet.{kit.column}); put the others on {sheet}"
        school.wrong(kit.column if kit.column in school.row.cells else kit.addresses, words)
        return
    for index in range(number):
        part = copy.deepcopy(parts[index])
        if addresses:
            _address(school, kit, part, addresses[index])
        for group, entries in part.items():
            for entry in entries:
                school.append(group, entry, school.row, kit.column)


def _address(school: School, kit: Kit, part: Data, address: str) -> None:
    devices, cameras = part.get("devices", []), part.get("cameras", [])
    try:
        if cameras:
            cameras[0]["url"] = camera_url(cameras[0].get("url", ""), address)
        elif devices:
            devices[0]["unit"] = values.unit(address)
        else:
            raise ValueError(f"in the template this one of {kit.column} has neither a device nor a camera of its own: it takes no address")
    except ValueError as error:
        school.wrong(kit.addresses, str(error))


def camera_url(pattern: str, address: str) -> str:
    """A camera's address: whole, or a host that takes the place of the template's. Raises ValueError."""
    if "://" in address:
        return address
    host, port = values.host_port(address)
    scheme, _, rest = (pattern or "rtsp://host/").partition("://")
    before, slash, path = rest.partition("/")
    if port is None and before.rpartition(":")[2].isdecimal() and not before.endswith("]"):
        port = int(before.rpartition(":")[2])
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}{slash}{path}"


def _posts(school: School, template: Template) -> None:
    """Layers of anti-ram posts: fixed ones as the table counts them, and one of those that show their position."""
    if any(isinstance(entry, dict) and entry.get("id") == POSTS for entry in school.data.get("anti_ram", [])):
        return
    fixed = school.take("fixed_layers", values.count) or 0
    rising = [point["id"] for point in school.data.get("points", []) if _shows_position(point, template.posts_at)]
    layers: list[Data] = [{"name": f"固定防撞设施{number}", "fixed": True} for number in range(1, fixed + 1)]
    if rising:
        layers.append({"name": "升降柱", "points": rising})
    if layers:
        school.append("anti_ram", {"id": POSTS, "place": template.posts_at, "layers": layers}, school.row, "fixed_layers")


def _shows_position(point: Any, place: str) -> bool:
    return isinstance(point, dict) and point.get("role") == "bollard_position" and point.get("place") == place and "id" in point


def _times(school: School) -> None:
    hours = school.take("hours", values.spans)
    if hours:
        school.data["hours"] = {day: list(hours) for day in WEEKDAYS}
    school.origins["hours",] = (school.row, "hours")
    for column in ("arrival", "dismissal"):
        spans = school.take(column, values.spans)
        if spans:
            _table(school.data, "calendar")[column] = {"daily": spans}
        school.origins["calendar", column] = (school.row, column)
    boards = school.take("boarding", values.yes)
    if boards:
        _table(school.data, "calendar").setdefault("boarding", {})
    elif boards is False:
        school.data.get("calendar", {}).pop("boarding", None)
    school.origins["calendar", "boarding"] = (school.row, "boarding")


def _table(data: Data, *path: str) -> Data:
    for name in path:
        data = data.setdefault(name, {})
    return data
