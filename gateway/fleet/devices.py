"""The rows of the table of devices: each is a point or a camera, and brings its device and its line along."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config.problems import unknown
from gateway.config.roles import ROLES
from gateway.core.ids import ID
from gateway.fleet import values
from gateway.fleet.columns import CAMERA, PLACE_TYPES, ROLE_WORDS
from gateway.fleet.site import School, camera_url, point_at
from gateway.fleet.table import Row
from gateway.fleet.template import Data, Template

if TYPE_CHECKING:
    from gateway.config.profiles import Profile

Profiles = Callable[[str], "Profile"]  # by id; raises ValueError for one that is not known
_NORMALLY = {"open": "常开", "closed": "常闭"}
_NOT_ID = re.compile(r"[^a-z0-9]+")


def add_devices(school: School, rows: list[Row], template: Template, profiles: Profiles) -> None:
    """All rows of one school, in their order."""
    for row in rows:
        role = school.take("role", role_of, row)
        place = _place(school, row)
        if role is None or place is None:
            _missing(school, row)
        elif role == CAMERA:
            _camera(school, row, place, template)
        else:
            _point(school, row, role, place, template, profiles)


def _missing(school: School, row: Row) -> None:
    for column in ("role", "place"):
        if column not in row.cells:
            school.wrong(column, "is empty", row)


def role_of(text: str) -> str:
    """A role by its id, by its name in either language, or as offices say. Raises ValueError."""
    word = values.plain(text)
    if word in ROLE_WORDS:
        return ROLE_WORDS[word]
    for role in ROLES.values():
        if word.lower() in (role.name, role.text.zh.lower(), role.text.en.lower()):
            return role.name
    if word.lower() == CAMERA:
        return CAMERA
    known = [CAMERA, *ROLE_WORDS, *(role.text.zh for role in ROLES.values()), *ROLES]
    raise ValueError(unknown("a use that is known", word[:60], known))


def _place(school: School, row: Row) -> str | None:
    word = school.take("place", values.name, row)
    if word is None:
        return None
    places: Data = school.data["places"]
    for place_id, place in places.items():
        if word in (place_id, place.get("name"), place.get("name_en")):
            return str(place_id)
    kind = school.take("place_type", lambda text: values.choice(text, PLACE_TYPES), row)
    if kind is None:
        if "place_type" not in row.cells:
            names = [str(place.get("name")) for place in places.values()]
            school.wrong(
                "place", f"{unknown('a place of this school', word[:60], names)}; a new place needs its place_type (位置类型)", row
            )
        return None
    place_id = word if ID.fullmatch(word) else f"{kind}-{hashlib.sha256(word.encode()).hexdigest()[:6]}"
    places[place_id] = {"name": word, "type": kind}
    school.origins["places", place_id] = (row, "place")
    return place_id


def _camera(school: School, row: Row, place: str, template: Template) -> None:
    column = "line" if "line" in row.cells else "address"
    model = copy.deepcopy(template.camera)
    url = school.take(column, lambda text: camera_url(model.get("url", ""), values.plain(text)), row)
    if url is None:
        if column not in row.cells:
            school.wrong("line", "is empty; expected the camera's address: an IP address, or rtsp://...", row)
        return
    own = school.take("device", values.identifier, row) or short("camera", url.partition("://")[2].split("?")[0].strip("/"))
    school.append("cameras", {"id": own, "url": url, "place": place} | {k: v for k, v in model.items() if k != "url"}, row, column)


def _point(school: School, row: Row, role: str, place: str, template: Template, profiles: Profiles) -> None:
    device = _device(school, row, template, profiles)
    if device is None:
        return
    signal = _signal(school, row, role, device, profiles)
    if signal is None:
        return
    point: Data = {"id": "", "role": role, "place": place, "device": device["id"], "signal": signal}
    point["id"] = school.take("point", values.identifier, row) or short(str(device["id"]), signal)
    for column, parse in (("name", values.name), ("responsible", values.name)):
        if (text := school.take(column, parse, row)) is not None:
            point[column] = text
    if normally := school.take("normally", lambda text: values.choice(text, _NORMALLY), row):
        point["normally"] = normally
    school.append("points", point, row, "signal" if "signal" in row.cells else "role")


def _device(school: School, row: Row, template: Template, profiles: Profiles) -> Data | None:
    """The device of a row: named, or found by line and address, or new."""
    devices: list[Data] = school.data.get("devices", [])
    name = school.take("device", values.identifier, row)
    for device in devices:
        if name is not None and device.get("id") == name:
            return device
    if "profile" not in row.cells:
        names = [str(device.get("id")) for device in devices]
        school.wrong("profile", "is empty" if name is None else f"is empty, and {unknown('a device of this school', name, names)}", row)
        return None
    profile_id = values.plain(row.cells["profile"]).lower()
    try:
        profile = profiles(profile_id)
    except ValueError as error:
        school.wrong("profile", str(error), row)
        return None
    bus = _bus(school, row, template, profile)
    if bus is None:
        return None
    unit = school.take("address", values.unit, row)
    if unit is None and "address" in row.cells:
        return None
    for device in devices:
        if device.get("bus") == bus and device.get("unit", _factory(device, profiles)) == (profile.serial.unit if unit is None else unit):
            if device.get("profile") == profile_id:
                return device
            school.wrong("address", f'{unit} on line "{bus}" is already a {device.get("profile")} ({device.get("id")})', row)
            return None
    made: Data = {"id": name or short(bus, str(profile.serial.unit if unit is None else unit)), "bus": bus, "profile": profile_id}
    if unit is not None:
        made["unit"] = unit
    school.append("devices", made, row, "profile")
    return made


def _factory(device: Data, profiles: Profiles) -> int | None:
    try:
        return profiles(str(device.get("profile"))).serial.unit
    except ValueError:
        return None


def _bus(school: School, row: Row, template: Template, profile: Profile) -> str | None:
    """Id of the line: one of the template by name, or one by its address, made where it is new."""
    word = school.take("line", values.plain, row) or template.line
    buses: list[Data] = school.data.get("buses", [])
    for bus in buses:
        if word in (bus.get("id"), bus.get("device"), bus.get("host"), f"{bus.get('host')}:{bus.get('port', 502)}"):
            return str(bus["id"])
    wired = word.startswith("/")
    fitting = [each for each in profile.transports if (each not in ("tcp", "rtu-tcp", "raw-tcp")) == wired]
    if not word or not fitting:
        words = f'"{word[:60]}" is no line for a {profile.id}, which speaks {", ".join(profile.transports)}'
        school.wrong("line", f"{words}; expected a line of the template, a serial path, or host:port", row)
        return None
    made: Data = {"id": short("line", word.rpartition("/")[2] or word), "transport": fitting[0]}
    try:
        point_at(made, word)
    except ValueError as error:
        school.wrong("line", str(error), row)
        return None
    school.append("buses", made, row, "line")
    return str(made["id"])


def _signal(school: School, row: Row, role: str, device: Data, profiles: Profiles) -> str | None:
    """The signal that the row names, or the only one that its role can take."""
    from gateway.config.profiles import signals_of

    try:
        offered = dict(signals_of(profiles(str(device.get("profile")))))
    except ValueError as error:
        school.wrong("profile", str(error), row)
        return None
    if "signal" in row.cells:
        word = values.plain(row.cells["signal"]).lower()
        if word not in offered:
            school.wrong("signal", unknown(f"a signal of {device.get('profile')}", word[:60], offered), row)
            return None
        return word
    fitting = [name for name, signal in offered.items() if signal.kind in ROLES[role].kinds]
    if len(fitting) != 1:
        words = (
            f"{len(fitting)} signals of {device.get('profile')} could be a {role}: {', '.join(fitting)[:120]}; name one"
            if fitting
            else (f"no signal of {device.get('profile')} can be a {role}")
        )
        school.wrong("signal", words, row)
        return None
    return fitting[0]


def short(*parts: str) -> str:
    """An id made of these; a long one ends in a digest of the whole, so that it stays one of its own."""
    made = _NOT_ID.sub("-", "-".join(parts).lower()).strip("-")
    return made if len(made) <= 48 else f"{made[:39].rstrip('-')}-{hashlib.sha256(made.encode()).hexdigest()[:8]}"
