"""Writes the parts of the documentation that are made from the code, so that they cannot drift from it.

    python docs/make_reference.py            write them anew
    python docs/make_reference.py --check    exit status 1 when a page is out of date

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import make_findings
import make_metrics

from gateway.alarm.machine import ASIDE, LIVE, TABLE, Kind, State, Step, Stimulus
from gateway.config.lacks import LACKS
from gateway.config.load import load_profile, profile_files
from gateway.config.profile import BaseProfile, Offered, Strict
from gateway.config.profile_frames import FramesProfile
from gateway.config.profile_gpio import GpioProfile
from gateway.config.profile_modbus import ModbusProfile
from gateway.config.profile_osdp import OsdpProfile
from gateway.config.role import AlarmDefault, Role
from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.site import Site
from gateway.core.points import HIGHLY_MANAGED, Above, Below, Condition, Contact, OneOf, Press
from gateway.rules.authority import MANAGED_OUT_MOST_S, MAY, OUT_OF_SERVICE_MOST_S, SHELVE_MOST_S, TECHNICIANS_ACTS, TECHNICIANS_CLASSES
from gateway.rules.authority import ROLES as AUTHORITY_ROLES

DOCS = Path(__file__).parent
SERIAL = frozenset({"rtu", "ascii", "serial", "osdp"})  # transports on a serial line of their own
UNITS = frozenset({"rtu", "ascii", "tcp", "rtu-tcp", "osdp"})  # and those on which a device has a unit id
PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Table of the file -> (definition in the schema, what it is). The order is the order of the page.
TABLES = {
    "(top of the file)": "",
    "[site]": "SiteInfo",
    "[places.ID]": "Place",
    "[[buses]] with transport tcp, rtu-tcp or raw-tcp": "TcpBus",
    "[[buses]] with transport rtu, ascii, serial or osdp": "SerialBus",
    "[[buses]] with transport gpio": "GpioBus",
    "[[devices]]": "Device",
    "[[points]]": "PointSettings",
    "[points.suppress_while]": "SuppressWhile",
    "[[outputs]]": "Output",
    "[outputs.confirm]": "OutputConfirm",
    "[outputs.remote_when]": "RemoteWhen",
    "[[doors]]": "Door",
    "[schedules.ID]": "Schedule",
    "[power]": "Power",
    "[[anti_ram]]": "AntiRam",
    "layers of anti_ram": "Layer",
    "[[lanes]]": "Lane",
    "[[exits]]": "Exit",
    "[rules.closed_campus]": "ClosedCampus",
    "[[guard_posts]]": "GuardPost",
    "[[patrols]]": "Patrol",
    "checkpoints of a patrol": "Checkpoint",
    "[[inspections]]": "Inspection",
    "items of an inspection": "InspectionItem",
    "[rules.duty_room]": "DutyRoom",
    "[rules.shifts]": "Shifts",
    "[[linkage]]": "Linkage",
    "when of a linkage": "When",
    "then of a linkage": "Then",
    "[rules]": "Rules",
    "[rules.one_key]": "OneKey",
    "lamp of one_key": "Steps",
    "[rules.gas]": "Gas",
    "[rules.fire]": "Fire",
    "[rules.electrical]": "Electrical",
    "[rules.incidents]": "Incidents",
    "[rules.escalation]": "Escalation",
    "leaders of escalation": "Leader",
    "times of escalation": "Times",
    "[[whistles]]": "Whistle",
    "addressees of a whistle": "WhistleAddressee",
    "[hazards]": "Hazards",
    "[reports]": "Reports",
    "[plan]": "Plan",
    "[console]": "Console",
    "[[cameras]]": "Camera",
    "[[cameras.zones]]": "Zone",
    "[[cameras.lines]]": "Line",
    "cameras.recorder": "Recorder",
    "[hours]": "Hours",
    "[calendar]": "Calendar",
    "[calendar.arrival] and dismissal": "Windows",
    "[calendar.boarding]": "BoardingDays",
    "[[calendar.terms]]": "TermDays",
    "[[calendar.years]]": "HolidayYear",
    "holidays of a year": "HolidayDays",
    "make_up_days of a year": "MakeUpDay",
    "[[calendar.exceptions]]": "ExceptionDays",
    "[vision]": "Vision",
    "[uplink]": "Uplink",
    "[[uplink.paths]]": "Path",
    "[[uplink.recipients]]": "Recipient",
    "[[uplink.recipients.keys]]": "CentreKey",
    "[metrics]": "Metrics",
    "[telemetry]": "Telemetry",
    "[storage]": "Storage",
}

# The same for profiles: table of the file -> (schema, definition in it, a schema whose keys are told elsewhere).
PROFILE_TABLES: dict[str, tuple[type[Strict], str, type[Strict] | None]] = {
    "(top of every profile)": (BaseProfile, "", None),
    "[serial]": (BaseProfile, "SerialDefaults", None),
    "[[signals]] of every protocol": (Offered, "", None),
    "repeat of a signal": (Offered, "Repeat", None),
    "Modbus: top of the file": (ModbusProfile, "", BaseProfile),
    "Modbus: [limits]": (ModbusProfile, "Limits", None),
    "Modbus: [identity]": (ModbusProfile, "Identity", None),
    "Modbus: [word_order]": (ModbusProfile, "WordOrder", None),
    "Modbus: [heartbeat]": (ModbusProfile, "Heartbeat", None),
    "Modbus: [feed]": (ModbusProfile, "Feed", None),
    "Modbus: [[exact_blocks]]": (ModbusProfile, "Span", None),
    "Modbus: [[signals]]": (ModbusProfile, "Signal", Offered),
    "Modbus: valid_when of a signal, remote_when of its write": (ModbusProfile, "When", None),
    "Modbus: write of an output": (ModbusProfile, "Output", None),
    "Modbus: pulse of an output": (ModbusProfile, "Pulse", None),
    "Modbus: one fixed write (clear, safe, before, after, start, the write of feed)": (ModbusProfile, "Write", None),
    "Frames: top of the file": (FramesProfile, "", BaseProfile),
    "Frames: [[frames]]": (FramesProfile, "Framed", None),
    "Frames: checksum of a frame": (FramesProfile, "Checksum", None),
    "Frames: length_field of a frame": (FramesProfile, "LengthField", None),
    "Frames: [[polls]]": (FramesProfile, "Poll", None),
    "Frames: [[answers]]": (FramesProfile, "Answer", None),
    "Frames: [records.NAME]": (FramesProfile, "Records", None),
    "Frames: [[signals]]": (FramesProfile, "FrameSignal", Offered),
    "OSDP: top of the file": (OsdpProfile, "", BaseProfile),
    "OSDP: [[signals]]": (OsdpProfile, "OsdpSignal", Offered),
    "GPIO: top of the file": (GpioProfile, "", BaseProfile),
    "GPIO: [[signals]]": (GpioProfile, "GpioSignal", Offered),
}


def keys() -> str:
    """All keys of the site file, from its JSON Schema."""
    schema = Site.model_json_schema()
    missing = set(schema["$defs"]) - set(TABLES.values())
    if missing:
        raise SystemExit(f"docs/make_reference.py: TABLES has no row for {', '.join(sorted(missing))}")
    out = []
    for table, name in TABLES.items():
        model = schema["$defs"][name] if name else schema
        title = f"### `{table}`" if table.startswith("[") and " " not in table else f"### {_title(table)}"
        out += [title, "", *_key_rows(schema, model, frozenset())]
    return "\n".join(out)


def profile_keys() -> str:
    """All keys of device profiles, from their JSON Schemas."""
    out = []
    for table, (owner, name, told) in PROFILE_TABLES.items():
        schema = owner.model_json_schema(by_alias=True)
        model = schema["$defs"][name] if name else schema
        out += [f"### {table}", "", *_key_rows(schema, model, frozenset(told.model_json_schema()["properties"] if told else ()))]
    defined = {name for each in (ModbusProfile, FramesProfile, OsdpProfile, GpioProfile) for name in each.model_json_schema()["$defs"]}
    if missing := defined - {name for _, name, _ in PROFILE_TABLES.values()}:
        raise SystemExit(f"docs/make_reference.py: PROFILE_TABLES has no row for {', '.join(sorted(missing))}")
    return "\n".join(out)


def _key_rows(schema: dict[str, Any], model: dict[str, Any], told: frozenset[str]) -> Iterator[str]:
    """What a table is, then one row for each key that is not told elsewhere."""
    yield from (_first_line(model.get("description", "")), "", "| key | value | default | meaning |", "|---|---|---|---|")
    for key, field in model["properties"].items():
        if key in told:
            continue
        required = key in model.get("required", ())
        kind = _kind(field, schema)
        meaning = _cell(field.get("description", "")) or ("see below" if kind.startswith("table") and kind != "table of texts" else "")
        yield f"| `{key}` | {kind} | {_default(field, required)} | {meaning} |"
    yield ""


def _title(table: str) -> str:
    bracket, _, rest = table.partition(" ")
    return f"`{bracket}` {rest}" if bracket.startswith("[") else table


def _first_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _first_line(text).replace("|", "\\|")


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "**needed**"
    value = field.get("default")
    if value is None or value == "":
        return "–"
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """The values that a key takes, in words."""
    if "$ref" in field or "discriminator" in field:
        return "table"
    if "anyOf" in field:
        return " or ".join(_kind(part, schema) for part in field["anyOf"] if part.get("type") != "null")
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{item}`" for item in field["enum"])
    if field.get("format") == "date":
        return "day such as `2026-09-01`"
    kind = field.get("type")
    if kind == "array":
        return _array(field, schema)
    if kind == "object":
        return "tables by id" if "patternProperties" in field or "$ref" in str(field.get("additionalProperties")) else "table of texts"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}[str(kind)]
    if field.get("pattern") == "^[a-z0-9-]{1,48}$":
        return "id"
    if "pattern" in field:
        return f"{words} like `{_cell(field['pattern'])}`"
    return f"{words}{_range(field)}"


def _array(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "prefixItems" in field:
        return f"list of {field['minItems']} {_kind(field['prefixItems'][0], schema)}s"
    items = field.get("items", {})
    size = f", {field['minItems']} or more" if "minItems" in field and field.get("maxItems") != field["minItems"] else ""
    size = f", exactly {field['minItems']}" if "minItems" in field and field.get("maxItems") == field["minItems"] else size
    if "$ref" in items or "discriminator" in items or "oneOf" in items:
        return f"tables{size}"
    if "prefixItems" in items:
        return f"list of `[x, y]`{size}"
    return f"list of {_kind(items, schema)}{size}"


def _range(field: dict[str, Any]) -> str:
    low = next((sign + _number(field[name]) for name, sign in (("minimum", "≥ "), ("exclusiveMinimum", "> ")) if name in field), "")
    high = next((sign + _number(field[name]) for name, sign in (("maximum", "≤ "), ("exclusiveMaximum", "< ")) if name in field), "")
    step = f"multiple of {_number(field['multipleOf'])}" if "multipleOf" in field else ""
    words = ", ".join(part for part in (low, high, step) if part)
    return f" {words}" if words else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def roles() -> str:
    """The roles that a point may have."""
    return "\n".join(_role_rows(ROLES.values()))


def system_roles() -> str:
    """The gateway's own points."""
    rows = ["| role | 中文 | English | fault |", "|---|---|---|---|"]
    for role in SYSTEM_ROLES.values():
        rows += [f"| `{role.name}` | {role.text.zh} | {role.text.en} | {a.text.zh} / {a.text.en} |" for a in role.alarms]
    return "\n".join(rows)


def _role_rows(all_roles: Any) -> Iterator[str]:
    yield "| role | 中文 / English | signals | looked at every | alarm | begins | latches | CAP urgency, severity, certainty |"
    yield "|---|---|---|---|---|---|---|---|"
    for role in all_roles:
        yield from _rows_of(role)


def _rows_of(role: Role) -> Iterator[str]:
    name = f"`{role.name}`" + (" (fixed)" if role.fixed else "")
    head = f"| {name} | {role.text.zh} / {role.text.en} | {', '.join(sorted(role.kinds))} | {role.period_s:g} s |"
    if not role.alarms:
        says = f"none; each change is an event of class {role.observe}" if role.observe else "none; telemetry only"
        yield f"{head} {says} | – | – | – |"
    for alarm in role.alarms:
        cap = f"{alarm.urgency}, {alarm.severity}, {alarm.certainty}"
        latches = "yes" if alarm.latching else "no"
        yield f"{head} `{alarm.name}`: {alarm.text.zh} ({alarm.event_class}) | {_begins(alarm, role.unit)} | {latches} | {cap} |"
        head = "| | | | |"


def _begins(alarm: AlarmDefault, unit: str) -> str:
    words = _when(alarm.condition, unit)
    if alarm.on_delay_s:
        words += f", for {alarm.on_delay_s:g} s"
    if alarm.off_delay_s:
        words += f"; over after {alarm.off_delay_s:g} s"
    words += "; outside opening hours" if alarm.outside_hours else ""
    return words + (f"; in {', '.join(sorted(alarm.windows))}" if alarm.windows else "")


def _when(condition: Condition, unit: str) -> str:
    match condition:
        case Above(limit, deadband):
            return f"≥ {limit:g} {unit}, over below {limit - deadband:g}"
        case Below(limit, deadband):
            return f"≤ {limit:g} {unit}, over above {limit + deadband:g}"
        case OneOf(values):
            return "one of " + ", ".join(sorted(values))
        case Contact():
            return "active"
        case Press():
            return "each press"
        case _:
            return "reading is bad"


def profiles() -> str:
    """The device profiles that are shipped."""
    rows = ["| profile | device | 中文 | transport | factory serial settings | facts from |", "|---|---|---|---|---|---|"]
    for _, file in sorted(profile_files([]).items()):
        p = load_profile(file)
        source = f"{_cell(p.source)} ({p.confidence}{', map only' if p.map_only else ''})"
        cells = (f"`{p.id}`", f"{p.vendor} {p.model}: {p.summary}", p.summary_zh, ", ".join(p.transports), _serial(p, p.transports), source)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _serial(profile: BaseProfile, transports: Collection[str]) -> str:
    serial = profile.serial
    wire = f"{serial.baud} {serial.data_bits}{serial.parity}{serial.stop_bits}" if SERIAL.intersection(transports) else ""
    unit = f"unit {serial.unit}" if UNITS.intersection(transports) else ""
    return ", ".join(part for part in (wire, unit) if part) or "–"


LETTERS = dict(zip(State, "ABCDEFGHI", strict=True))
FIRST_FOUR = tuple(Stimulus)[:4]


def _reachable(kind: Kind) -> list[State]:
    """The states of A to F that such an alarm can be in."""
    found = [State.NORMAL]
    for state in found:
        for stimulus in FIRST_FOUR:
            after = TABLE[state, state, stimulus, kind].state
            if after not in found:
                found.append(after)
    return [state for state in State if state in found]


def _diagram(kind: Kind) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    direction LR"
    for state in _reachable(kind):
        yield f'    state "{LETTERS[state]} {state.replace("_", " ")}" as {LETTERS[state]}'
    yield f"    [*] --> {LETTERS[State.NORMAL]}"
    for state in _reachable(kind):
        for stimulus in FIRST_FOUR:
            step = TABLE[state, state, stimulus, kind]
            if step.event:
                said = "" if step.event.startswith(str(stimulus)) else f" ({step.event})"
                yield f"    {LETTERS[state]} --> {LETTERS[step.state]}: {stimulus}{said}"
    yield "```"


def states() -> str:
    """Diagrams and tables of the alarm state machine."""
    out = ["**Alarms that latch** (one-key alarm, impact, gas second level, fire, forced door, tamper, fault):", ""]
    out += [*_diagram(Kind.LATCHING), "", "**Alarms that do not latch:**", "", *_diagram(Kind.PLAIN), ""]
    out += ["Every transition; in brackets the last word of the event's type:", ""]
    out += ["| state | latches | " + " | ".join(FIRST_FOUR) + " |", "|---|---|" + "---|" * len(FIRST_FOUR)]
    for state in LIVE:
        for kind, latches in ((Kind.LATCHING, "yes"), (Kind.PLAIN, "no")):
            if state in _reachable(kind):
                cells = [_step(state, TABLE[state, state, stimulus, kind]) for stimulus in FIRST_FOUR]
                out.append(f"| {LETTERS[state]} `{state}` | {latches} | {' | '.join(cells)} |")
    return "\n".join([*out, "", *_aside_tables()])


def _aside_tables() -> Iterator[str]:
    """What sets alarms aside and brings them back; each cell holds for every state of A to F that it is said of."""
    others = tuple(Stimulus)[4:]
    yield "Setting aside and bringing back; *beneath* is the state of A to F that lies under G, H or I:"
    yield ""
    yield "| state | highly managed | " + " | ".join(f"`{stimulus}`" for stimulus in others) + " |"
    yield "|---|---|" + "---|" * len(others)
    for kind, managed in ((Kind.LATCHING, "no"), (Kind.MANAGED, "yes")):
        for name, state in (("A to F", State.NORMAL), *((f"{LETTERS[state]} `{state}`", state) for state in State if state in ASIDE)):
            if managed == "no" or state in (State.NORMAL, State.OUT_OF_SERVICE):
                cells = [_aside_step(state, TABLE[state, State.NORMAL, stimulus, kind]) for stimulus in others]
                yield f"| {name} | {managed} | {' | '.join(cells)} |"
    yield ""
    yield "Where the way back leads, and what happens beneath meanwhile:"
    yield ""
    yield "| beneath | latches, not highly managed | does not latch | highly managed (only I) |"
    yield "|---|---|---|---|"
    for live in LIVE:
        row = []
        for kind in (Kind.LATCHING, Kind.PLAIN, Kind.MANAGED):
            step = TABLE[State.OUT_OF_SERVICE, live, Stimulus.RETURN_TO_SERVICE, kind]
            told = f" ({step.then})" if step.then else ""
            row.append(f"→ {LETTERS[step.state]}{told}" if live in _reachable(kind) else "–")
        yield f"| {LETTERS[live]} `{live}` | {' | '.join(row)} |"


def _step(before: State, step: Step) -> str:
    if step.refused:
        return f"refused: {step.refused}"
    if step.event:
        return f"→ {LETTERS[step.state]} ({step.event})"
    return "–" if step.state is before else f"→ {LETTERS[step.state]}"


def _aside_step(before: State, step: Step) -> str:
    if step.event and step.state not in ASIDE:
        return f"→ back ({step.event})"
    return _step(before, step)


def authority() -> str:
    """Who may give which command."""
    rows = ["| command | " + " | ".join(f"`{role}`" for role in AUTHORITY_ROLES) + " |", "|---|" + "---|" * len(AUTHORITY_ROLES)]
    for kind, roles_ in MAY.items():
        rows.append(f"| `{kind}` | " + " | ".join("yes" if role in roles_ else "–" for role in AUTHORITY_ROLES) + " |")
    classes, acts = (" and ".join(f"`{name}`" for name in sorted(names)) for names in (TECHNICIANS_CLASSES, TECHNICIANS_ACTS))
    managed = ", ".join(f"`{name}`" for name in sorted(HIGHLY_MANAGED))
    rows += ["", f"Of alarms of class {classes}, {acts} are left to role `technician`.",
             f"Alarms of class {managed} are never shelved; they are out of service for at most {MANAGED_OUT_MOST_S / 3600:g} h,",
             f"others for at most {OUT_OF_SERVICE_MOST_S / 3600:g} h. A shelf lasts at most {SHELVE_MOST_S / 3600:g} h."]  # fmt: skip
    return "\n".join(rows)


def lacks() -> str:
    """What places are expected to have."""
    rows = ["| place of type | has | 政策用语 | points of role | answered by |", "|---|---|---|---|---|"]
    for lack in LACKS:
        types = (" and " if lack.each else " or ").join(f"`{each}`" for each in lack.types) + (
            ", boarding schools" if lack.boarding else ""
        )
        roles = ", ".join(f"`{role}`" for role in lack.roles if role in ROLES) or "–"
        rows.append(f'| {types} | {lack.words} | {lack.term} | {roles} | `without = ["{lack.name}"]` |')
    return "\n".join(rows)


PARTS: dict[str, Callable[[], str]] = {
    "keys": keys,
    "profile_keys": profile_keys,
    "roles": roles,
    "system_roles": system_roles,
    "profiles": profiles,
    "states": states,
    "lacks": lacks,
    "authority": authority,
    "doctor": make_findings.table,
    "metrics": make_metrics.table,
    "alerts": make_metrics.alert_table,
}


def made(text: str) -> str:
    """The page with its made parts as the code is now."""
    return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]().rstrip()}\n{found[3]}", text)


def main(argv: list[str] | None = None) -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description="Writes the parts of docs/ that are made from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when a page is out of date")
    check = parser.parse_args(argv).check
    stale = []
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = made(text)
        if new != text:
            stale.append(page)
            if not check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        sys.stdout.write(f"{page.name}: {'out of date; run python docs/make_reference.py' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
