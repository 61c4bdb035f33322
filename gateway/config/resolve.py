"""Cross-checks of a site file and its roles and profiles; makes the points that the rest of the house uses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.config.hours import parse_spans
from gateway.config.lacks import find_lacks
from gateway.config.problems import unknown
from gateway.config.profile import Offered
from gateway.config.profiles import Profile, signals_of
from gateway.config.resolve_alarms import baseline, resolve_alarms, role_alarms, wire_alarms
from gateway.config.resolve_console import is_loopback, resolve_console
from gateway.config.resolve_doors import reader_points, resolve_doors
from gateway.config.resolve_outputs import resolve_outputs
from gateway.config.resolve_plan import resolve_plan
from gateway.config.resolve_rules import resolve_rule_points, resolve_rules
from gateway.config.role import Role
from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.site import Camera, Device, GpioBus, PointSettings, SerialBus, Site
from gateway.config.toml_lines import KeyPath
from gateway.core.doors import DoorSpec, PowerSpec
from gateway.core.ids import CERTIFICATE_POINT, CERTIFICATE_URGENT_POINT, ID, SYSTEM_PREFIX
from gateway.core.outputs import OutputSpec
from gateway.core.points import AlarmSpec, EventClass, Point, Text
from gateway.core.wire import WireClass, WirePoint

PANIC_PERIOD_MOST_S = 0.2  # a panic signal of 400 ms must be processed (EN 50131-1); its detection limit here is 250 ms
BROKER = "broker"  # where the file names no recipient, delivery ends with the broker's word and is booked under this name
# A login that a camera takes anywhere in its address, as in ?user=admin&pwd=1234 or /user=admin_password=1234_channel=1
SURE_FPS = 3.0  # pictures a second judged, from which who passes quickly is found more than once
_SECRET_IN_URL = re.compile(
    r"([a-z]*(?:pwd|passwd|password|psw|token|secret)|(?<![a-z])(?:pass|auth|key|api_?key|sig|signature))=(?!\{password\})[^&;/#]",
    re.IGNORECASE,
)
_KIND_WORDS = {
    "contact": "a contact",
    "counter": "a counter",
    "latched": "a latched input",
    "measurement": "a measurement",
    "enum": "a state with names",
    "text": "a text",
    "output": "an output",
    "card": "a card",
    "vision": "a zone of a camera",
}
_COUNTER_BITS = {"u16": 16, "u16le": 16, "u8hi": 8, "u8lo": 8, "u8": 8}


@dataclass(slots=True)
class Resolved:
    """What resolve() found: points with all defaults, or errors and warnings by key path."""

    points: dict[str, Point] = field(default_factory=dict)
    wire: dict[str, list[WirePoint]] = field(default_factory=dict)
    zones: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    outputs: dict[str, OutputSpec] = field(default_factory=dict)
    doors: dict[str, DoorSpec] = field(default_factory=dict)
    power: PowerSpec | None = None
    rules: list[Any] = field(default_factory=list)  # descriptions of core.linkage and its neighbours
    shows: dict[str, frozenset[str]] = field(default_factory=dict)  # point -> the names that its signal may show
    errors: list[tuple[KeyPath, str]] = field(default_factory=list)
    warnings: list[tuple[KeyPath, str]] = field(default_factory=list)


def resolve(site: Site, profiles: dict[str, Profile], known_profiles: frozenset[str] = frozenset()) -> Resolved:
    """Check all references of a site file and apply role defaults.

    profiles: the loaded ones, by id. known_profiles: ids that could be loaded, for the near miss.
    """
    out = Resolved()
    _check_ids(site, out)
    _check_general(site, out)
    _check_wires(site, profiles, known_profiles, out)
    devices = {device.id: device for device in site.devices}
    cameras = {camera.id: camera for camera in site.cameras}
    for i, settings in enumerate([*site.points, *reader_points(site, profiles)]):
        role = ROLES.get(settings.role)
        if role is None:
            out.errors.append((("points", i, "role"), unknown("a role", settings.role, ROLES)))
            continue
        if settings.device is not None:
            _wire_point(i, settings, role, devices, profiles, site, out)
        else:
            _camera_point(i, settings, role, cameras, site, out)
    for device in site.devices:
        if device.publish == "all" and device.profile in profiles:
            _publish_all(device, profiles[device.profile], site, out)
    for point in _system_points(site):
        out.points[point.id] = point
    resolve_outputs(site, profiles, out)
    resolve_doors(site, out)
    resolve_rule_points(site, out)
    resolve_alarms(site, out)
    find_lacks(site, out)
    resolve_rules(site, out)
    resolve_plan(site, out)
    if not site.uplink.recipients:
        out.warnings.append((("uplink",), "no recipients: delivery ends with the broker's word, nobody signs for an alarm"))
    return out


def _check_ids(site: Site, out: Resolved) -> None:
    seen: dict[str, str] = {}
    groups = {
        "devices": [device.id for device in site.devices],
        "points": [point.id for point in site.points],
        "cameras": [camera.id for camera in site.cameras],
    }
    for group, names in groups.items():
        for i, name in enumerate(names):
            key: KeyPath = (group, i, "id")
            if name.startswith(SYSTEM_PREFIX):
                out.errors.append((key, f'ids that begin with "{SYSTEM_PREFIX}" are the gateway\'s own'))
            if name in seen:
                out.errors.append((key, f'"{name}" is used already by {seen[name]}; points, devices and cameras share one set of ids'))
            seen.setdefault(name, f"{group}[{i}]")
    listed = (
        ("buses", [b.id for b in site.buses]),
        ("uplink.paths", [p.id for p in site.uplink.paths]),
        ("uplink.recipients", [r.id for r in site.uplink.recipients]),
    )
    for group, ids in listed:
        for i, name in enumerate(ids):
            if name in ids[:i]:
                out.errors.append(((*group.split("."), i, "id"), f'"{name}" is used already by {group}[{ids.index(name)}]'))
    if site.site.id == "centre":
        out.errors.append((("site", "id"), '"centre" is reserved for linkage centres'))


def _check_paths(site: Site, out: Resolved) -> None:
    paths = site.uplink.paths
    for key in ("mode", "supervision"):
        if len(paths) < 2 and getattr(site.uplink, key) in ("dual", "dp4"):
            out.errors.append((("uplink", key), f'"{getattr(site.uplink, key)}" needs two paths'))
    for i, path in enumerate(paths):
        if path.source_address:
            try:
                ipaddress.ip_address(path.source_address)
            except ValueError:
                words = f'"{path.source_address}" is not an IP address of this device; expected one such as 192.168.1.20'
                out.errors.append((("uplink", "paths", i, "source_address"), words))
    if len(paths) > 1 and paths[0].source_address == paths[1].source_address and paths[0].url == paths[1].url:
        words = "leads to the same broker from the same address as the first path: what takes one down takes both"
        out.warnings.append((("uplink", "paths", 1), words))


def _check_general(site: Site, out: Resolved) -> None:
    try:
        ZoneInfo(site.site.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        out.errors.append((("site", "timezone"), f'"{site.site.timezone}" is not a time zone; expected a name such as Asia/Shanghai'))
    for day, spans in site.hours:
        for i, words in enumerate(spans):
            try:
                parse_spans([words])
            except ValueError as error:
                out.errors.append((("hours", day, i), str(error)))
    _check_paths(site, out)
    for i, path in enumerate(site.uplink.paths):
        scheme, host, port = _parts(path.url)
        if not host:
            out.errors.append((("uplink", "paths", i, "url"), "names no host; expected mqtts://HOST:PORT"))
        elif scheme == "mqtt" and not is_loopback(host):
            out.errors.append((("uplink", "paths", i, "url"), "plaintext MQTT is allowed on loopback only; use mqtts:// with ca_file"))
        if scheme == "mqtts" and not path.ca_file:
            out.errors.append((("uplink", "paths", i), "mqtts:// needs ca_file, the authority that signed the broker's certificate"))
        if bool(path.cert_file) != bool(path.key_file):
            out.errors.append((("uplink", "paths", i), "cert_file and key_file go together"))
        if port is not None and not (port.isdecimal() and port.isascii() and len(port) < 6 and 0 < int(port) < 65536):
            out.errors.append((("uplink", "paths", i, "url"), f'"{port[:20]}" is not a port; expected 1 to 65535'))
    for i, recipient in enumerate(site.uplink.recipients):
        if recipient.id == BROKER:
            out.errors.append((("uplink", "recipients", i, "id"), f'"{BROKER}" is reserved: it stands for the broker\'s own word'))
    kids: dict[str, int] = {}
    for i, recipient in enumerate(site.uplink.recipients):
        for j, key in enumerate(recipient.keys):
            if key.kid in kids:
                out.errors.append(
                    (("uplink", "recipients", i, "keys", j, "kid"), f'"{key.kid}" belongs to uplink.recipients[{kids[key.kid]}] already')
                )
            kids.setdefault(key.kid, i)
    resolve_console(site, out)
    for i, camera in enumerate(site.cameras):
        if "@" in camera.url.split("://", 1)[1].split("/")[0]:
            out.errors.append((("cameras", i, "url"), "holds a password; put user:password into credentials_file"))
        elif secret := _SECRET_IN_URL.search(camera.url):
            words = f'holds a secret behind "{secret[1]}="; put user:password into credentials_file, and write {{password}} in its place'
            out.errors.append((("cameras", i, "url"), words))
        elif "{password}" in camera.url and not camera.credentials_file:
            out.errors.append((("cameras", i, "credentials_file"), "is missing: url has a place for its {password}"))
        _check_place(("cameras", i, "place"), camera.place, site, out)
        parts = [("zones", j, zone.id) for j, zone in enumerate(camera.zones)] + [
            ("lines", j, line.id) for j, line in enumerate(camera.lines)
        ]
        for number, (kind, j, name) in enumerate(parts):
            if name in [other for _, _, other in parts[:number]]:
                out.errors.append((("cameras", i, kind, j, "id"), f'"{name}" is used already in this camera'))
        if camera.least_fps is not None and camera.least_fps > camera.analysed_fps:
            words = f"{camera.least_fps:g} a second is more than analysed_fps ({camera.analysed_fps:g}): it would never be reached"
            out.errors.append((("cameras", i, "least_fps"), words))
        if camera.analysed_fps < SURE_FPS:
            words = f"{camera.analysed_fps:g} a second: somebody who passes quickly may not be seen; {SURE_FPS:g} or more are better"
            out.warnings.append((("cameras", i, "analysed_fps"), words))


def _parts(url: str) -> tuple[str, str, str | None]:
    """(scheme, host, port) of a broker's URL; port is None where it is left out. [::1] loses its brackets."""
    scheme, _, place = url.partition("://")
    if ":" in place and not place.endswith("]"):
        host, _, port = place.rpartition(":")
        return scheme, host.strip("[]"), port
    return scheme, place.strip("[]"), None


def _check_wires(site: Site, profiles: dict[str, Profile], known_profiles: frozenset[str], out: Resolved) -> None:
    buses = {bus.id: bus for bus in site.buses}
    units: dict[tuple[str, int], str] = {}
    wires: dict[str, str] = {}
    for i, bus in enumerate(site.buses):
        wire = bus.device if isinstance(bus, SerialBus) else bus.chip if isinstance(bus, GpioBus) else f"{bus.host}:{bus.port}"
        if wire in wires:
            out.errors.append((("buses", i), f'"{wire}" is owned by bus "{wires[wire]}" already; a wire has one owner'))
        wires.setdefault(wire, bus.id)
        if isinstance(bus, SerialBus) and bus.install_mode:
            words = "readers on the default key are let in and given their own: switch it off when the installation is done"
            if bus.transport == "osdp":
                out.warnings.append((("buses", i, "install_mode"), words))
            else:
                out.errors.append((("buses", i, "install_mode"), f"is for card readers (osdp); this bus is {bus.transport}"))
    for i, device in enumerate(site.devices):
        if device.place is not None:
            _check_place(("devices", i, "place"), device.place, site, out)
        if device.bus not in buses:
            out.errors.append((("devices", i, "bus"), unknown("a bus of this file", device.bus, buses)))
        if device.profile not in profiles:
            if device.profile not in known_profiles:
                out.errors.append((("devices", i, "profile"), unknown("a device profile", device.profile, known_profiles)))
            continue
        profile = profiles[device.profile]
        if device.bus in buses and buses[device.bus].transport not in profile.transports:
            offered = " or ".join(profile.transports)
            out.errors.append(
                (("devices", i, "bus"), f'bus "{device.bus}" is {buses[device.bus].transport}; {profile.model} speaks {offered}')
            )
        unit = profile.serial.unit if device.unit is None else device.unit
        if (
            device.bus in buses
            and buses[device.bus].transport in ("serial", "raw-tcp")
            and any(d.bus == device.bus for d in site.devices[:i])
        ):
            out.errors.append(
                (("devices", i, "bus"), f'bus "{device.bus}" has a device already; a device with frames of its own needs a port of its own')
            )
            continue
        if device.key_file and profile.protocol != "osdp":
            out.errors.append((("devices", i, "key_file"), f"is for card readers (OSDP); {profile.model} speaks {profile.protocol}"))
        if not device.key_file and profile.protocol == "osdp":
            words = "has no key_file: whoever reaches its cable can read and imitate cards; make a key with `openssl rand -hex 16`"
            out.warnings.append((("devices", i), words))
        if (device.bus, unit) in units:
            out.errors.append((("devices", i, "unit"), f'unit {unit} on bus "{device.bus}" is device "{units[device.bus, unit]}" already'))
        units.setdefault((device.bus, unit), device.id)


def _check_place(key: KeyPath, place: str, site: Site, out: Resolved) -> bool:
    if place in site.places:
        return True
    out.errors.append((key, unknown("a place of this file", place, site.places)))
    return False


def _wire_point(
    i: int, settings: PointSettings, role: Role, devices: dict[str, Device], profiles: dict[str, Profile], site: Site, out: Resolved
) -> None:
    if not _check_place(("points", i, "place"), settings.place, site, out):
        return
    assert settings.device is not None
    assert settings.signal is not None
    device = devices.get(settings.device)
    if device is None:
        out.errors.append((("points", i, "device"), unknown("a device of this file", settings.device, devices)))
        return
    profile = profiles.get(device.profile)
    if profile is None:
        return  # said already, at the device
    signals = dict(signals_of(profile))
    signal = signals.get(settings.signal)
    if signal is None:
        fitting = [name for name, offered in signals.items() if offered.kind in role.kinds]
        out.errors.append((("points", i, "signal"), unknown(f"a signal of {device.profile}", settings.signal, fitting or signals)))
        return
    if role.kinds == {"vision"}:
        out.errors.append(
            (("points", i, "role"), f"role {role.name} is seen by a camera; give `camera` and `{'line' if role.line else 'zone'}`")
        )
        return
    if signal.kind not in role.kinds:
        needed = " or ".join(_KIND_WORDS[kind] for kind in sorted(role.kinds))
        out.errors.append((("points", i, "signal"), f'"{settings.signal}" is {_KIND_WORDS[signal.kind]}; role {role.name} needs {needed}'))
        return
    if settings.dwell_s is not None:
        out.errors.append((("points", i, "dwell_s"), "is for the zone of a camera"))
    if settings.direction is not None:
        out.errors.append((("points", i, "direction"), "is for the line of a camera"))
    if settings.normally == "closed" and signal.kind != "contact":
        out.errors.append((("points", i, "normally"), f'is for contacts; "{settings.signal}" is {_KIND_WORDS[signal.kind]}'))
    loop = bool(getattr(signal, "current_loop", False))
    if settings.stale_s is not None and not hasattr(signal, "stale_s"):
        words = f"is for devices that report by themselves; {profile.model} is asked, and told of at once when it does not answer"
        out.errors.append((("points", i, "stale_s"), words))
    if settings.range is not None and not loop:
        out.errors.append((("points", i, "range"), f'is for 4-20 mA transmitters; "{settings.signal}" gives its value itself'))
    if settings.unit is not None and not loop:
        out.errors.append((("points", i, "unit"), f'is for 4-20 mA transmitters; "{settings.signal}" is in {signal.unit or "no unit"}'))
    if loop and settings.range is None and role.unit:
        out.errors.append((("points", i), f"role {role.name} is in {role.unit}, the loop gives mA: `range` and `unit` are needed"))
    unit = (settings.unit or "") if settings.range is not None else "mA" if loop else signal.unit
    if role.unit and unit and role.unit != unit:
        out.warnings.append((("points", i, "signal"), f"is in {unit}, the limits of role {role.name} are in {role.unit}"))
    latched = [other for other in site.points if other.device == device.id and getattr(signals.get(other.signal or ""), "clear", None)]
    if role.alarms:
        _not_kill_safe(i, signal, len(latched) > 1, out)
    alarms = wire_alarms(i, settings, role, signal, site, out)
    modulus = 1 << _COUNTER_BITS.get(getattr(signal, "type", ""), 32)
    if signal.kind == "enum":
        out.shows[settings.id] = frozenset({*getattr(signal, "enum", {}).values(), *getattr(signal, "table", {}).values()})
    out.points[settings.id] = replace(_point(settings, role, signal.kind, unit, alarms, site), modulus=modulus, baseline=baseline(settings))
    period = settings.period_ms / 1000 if settings.period_ms else role.period_s
    if role.wire_class is WireClass.PANIC and period > PANIC_PERIOD_MOST_S and signal.kind == "contact":
        most_ms = round(PANIC_PERIOD_MOST_S * 1000)
        out.errors.append((("points", i, "period_ms"), f"a {role.name} is read at least every {most_ms} ms, or a short press is missed"))
    out.wire.setdefault(device.id, []).append(
        WirePoint(
            settings.id,
            settings.signal,
            role.wire_class,
            period,
            inverted=settings.normally == "closed",
            span=settings.range,
            stale_s=settings.stale_s,
        )
    )


def _not_kill_safe(i: int, signal: Offered, several: bool, out: Resolved) -> None:
    """What the device itself may lose is said beforehand. several: other points of it are latched too."""
    if getattr(signal, "read_clears", False):
        words = "reading it clears it in the device: what was read and not yet stored is lost in a power cut"
        out.warnings.append((("points", i, "signal"), words))
    clear = getattr(signal, "clear", None)
    if clear is not None and clear.whole_device and several:
        words = "its device clears all latches at once: a press on another input in that moment may be lost; put one button on one module"
        out.warnings.append((("points", i, "signal"), words))


def _camera_point(i: int, settings: PointSettings, role: Role, cameras: dict[str, Camera], site: Site, out: Resolved) -> None:
    if not _check_place(("points", i, "place"), settings.place, site, out):
        return
    assert settings.camera is not None
    part = settings.zone or settings.line
    assert part is not None
    kind = "zone" if settings.zone else "line"
    if "vision" not in role.kinds:
        out.errors.append((("points", i, "role"), f"role {role.name} is read from a device, not from a camera"))
    elif settings.camera not in cameras:
        out.errors.append((("points", i, "camera"), unknown("a camera of this file", settings.camera, cameras)))
    elif role.line is not (kind == "line"):
        out.errors.append((("points", i, kind), f"role {role.name} is about a {'line' if role.line else 'zone'} of its camera"))
    elif part not in (names := _names(cameras[settings.camera], kind)):
        out.errors.append((("points", i, kind), unknown(f"a {kind} of camera {settings.camera}", part, names)))
    else:
        for name in ("direction",) if kind == "zone" else ("dwell_s",):
            if getattr(settings, name) is not None:
                out.errors.append((("points", i, name), f"is not for a {kind}"))
        for name in ("baseline", "rise_per_min", "stale_s", "stuck_h"):
            if getattr(settings, name) is not None:
                out.errors.append((("points", i, name), "is for the signals of devices, not for what a camera sees"))
        alarms = role_alarms(i, settings, role, "vision", site, out)
        signal, unit = ("measurement", "person") if "measurement" in role.kinds else ("vision", "")
        out.points[settings.id] = _point(settings, role, signal, unit, alarms, site)
        out.zones.setdefault((settings.camera, part), []).append(settings.id)


def _names(camera: Camera, kind: str) -> set[str]:
    """Ids of its zones or lines."""
    return {part.id for part in (camera.zones if kind == "zone" else camera.lines)}


def _point(settings: PointSettings, role: Role, kind: str, unit: str, alarms: tuple[AlarmSpec, ...], site: Site) -> Point:
    place = site.places[settings.place]
    observe = role.observe if settings.alarm else (role.observe or EventClass.OBSERVATION)
    return Point(
        id=settings.id,
        role=role.name,
        place=settings.place,
        name=Text(settings.name or f"{place.name}{role.text.zh}", settings.name_en or f"{place.name_en or place.name} {role.text.en}"),
        responsible=settings.responsible,
        unit=unit,
        kind=kind,
        alarms=alarms,
        observe=observe is not None,
        observe_class=observe or EventClass.OBSERVATION,
        external=dict(settings.external),
    )


def _publish_all(device: Device, profile: Profile, site: Site, out: Resolved) -> None:
    """Every signal that no point of the file uses becomes a plain point, named device-signal."""
    used = {wire.signal for wire in out.wire.get(device.id, [])}
    place = place_of(device, site)
    for name, signal in signals_of(profile):
        if name in used or signal.kind in ("output", "card"):
            continue
        point_id = f"{device.id}-{name.replace('_', '-')}"
        role = ROLES["contact"] if signal.kind in ("contact", "latched") else ROLES["measurement"]
        if not ID.match(point_id) or point_id in out.points:
            continue
        out.points[point_id] = Point(
            id=point_id, role=role.name, place=place, name=Text(f"{device.name or device.id} {name}", f"{device.name or device.id} {name}"),
            unit=signal.unit, kind=signal.kind,
        )  # fmt: skip
        period = device.period_ms / 1000 if device.period_ms else role.period_s
        out.wire.setdefault(device.id, []).append(WirePoint(point_id, name, WireClass.MEASUREMENT, period))


def place_of(device: Device, site: Site) -> str:
    """Where a device stands: as it says, or where most of what it reads and switches is, or its neighbours on the bus; '' for unknown."""
    if device.place is not None:
        return device.place
    return _most_at({device.id}, site) or _most_at({other.id for other in site.devices if other.bus == device.bus}, site)


def _most_at(devices: set[str], site: Site) -> str:
    """The place of most points, outputs, readers and places of these devices; of as many, the first."""
    found = [point.place for point in site.points if point.device in devices]
    found += [output.place for output in site.outputs if output.device in devices]
    found += [door.place for door in site.doors if door.reader in devices]
    found += [device.place for device in site.devices if device.id in devices and device.place is not None]
    return max(dict.fromkeys(found), key=found.count, default="")


def _system_points(site: Site) -> Iterator[Point]:
    """The gateway's own points: each device's and camera's link, each path, each recipient, and its inner parts."""
    first_place = next(iter(site.places))
    for device in site.devices:
        yield system_point(device.id, "device_link", place_of(device, site), device.name or device.id)
    for camera in site.cameras:
        yield system_point(camera.id, "camera_link", camera.place, camera.id)
    for path in site.uplink.paths:
        yield system_point(f"{SYSTEM_PREFIX}path-{path.id}", "path_link", first_place, path.id)
        yield system_point(f"{SYSTEM_PREFIX}client-{path.id}", "client_id", first_place, path.id)
    for recipient in site.uplink.recipients:
        yield system_point(f"{SYSTEM_PREFIX}centre-{recipient.id}", "centre_silent", first_place, recipient.name or recipient.id)
    for name, role in (
        ("publish", "publish_refused"),
        ("receipt", "bad_receipt"),
        ("backlog", "backlog"),
        ("journal", "journal"),
        ("buses", "field_bus"),
        ("clock", "clock"),
        ("task", "task"),
        ("unit", "unit"),
        ("flood", "alarm_flood"),
    ):
        yield system_point(f"{SYSTEM_PREFIX}{name}", role, first_place, "")
    if any(path.url.startswith("mqtts:") for path in site.uplink.paths):
        yield system_point(CERTIFICATE_POINT, "certificate", first_place, "")
        yield system_point(CERTIFICATE_URGENT_POINT, "certificate_urgent", first_place, "")
    if site.console is not None:
        yield system_point(f"{SYSTEM_PREFIX}page", "page", first_place, "")


def system_point(point_id: str, role_name: str, place: str, name: str) -> Point:
    """One of the gateway's own points. name: what it is about, shown behind the words of its role, or empty."""
    role = SYSTEM_ROLES[role_name]
    zh, en = (f"：{name}", f": {name}") if name else ("", "")
    alarms = tuple(
        AlarmSpec(
            point=point_id,
            name=default.name,
            condition=default.condition,
            alarm_class=default.alarm_class,
            event_class=default.event_class,
            latching=default.latching,
            text=Text(default.text.zh + zh, default.text.en + en),
            on_delay_s=default.on_delay_s,
            urgency=default.urgency,
            severity=default.severity,
            certainty=default.certainty,
        )
        for default in role.alarms
    )
    kind = "contact" if "contact" in role.kinds else "enum"
    return Point(id=point_id, role=role.name, place=place, name=Text(role.text.zh, role.text.en), kind=kind, alarms=alarms, system=True)
