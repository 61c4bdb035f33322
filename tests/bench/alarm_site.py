"""The site of the alarm benchmark: the scenarios' school, made big, with every rule on."""

from __future__ import annotations

from pathlib import Path

SCHOOL = Path(__file__).parents[1] / "scenarios" / "sites" / "school.toml"
MODULES = 20  # of eight contacts
DETECTORS = 30  # of gas, residual current and cable temperature each
ROLES = ("panic_button", "door_contact", "tamper", "contact", "gas_alarm", "fault_contact", "door_forced", "bollard_fault")
ESCALATION_OFF = "[rules.escalation]\nenabled = false"

RULES = """
[rules.one_key]
[rules.gas]
[rules.electrical]
sirens = ["siren-gate"]
[rules.closed_campus]
[rules.duty_room]
place = "duty-room"
buttons = ["many-3-4"]
[rules.shifts]
place = "duty-room"
times = ["08:00", "20:00"]

[[anti_ram]]
id = "ram"
place = "gate"
layers = [{ name = "升降柱", points = ["bollard-position"] }, { name = "道闸", points = ["barrier"] }]

[[lanes]]
id = "lanes"
place = "gate"
vehicle = ["barrier"]
pupils = ["many-1-2"]

[[exits]]
id = "exit"
place = "side-door"
points = ["many-2-4"]

[[guard_posts]]
id = "post"
place = "gate"
buttons = ["many-0-4"]

[[patrols]]
id = "patrol"
place = "gatehouse"
checkpoints = [{ id = "boiler", name = "锅炉房", point = "many-1-4" }, { id = "fence", name = "后围墙" }]

[[whistles]]
id = "departments"
name = "联合处置"
alarm_classes = ["fire"]
addressees = [{ name = "李所长" }]

[hazards]
responsible = "王师傅"

[[inspections]]
id = "daily-round"
name = "每日安全排查"
every = "day"
responsible = "张卫国"
items = [{ id = "exits", name = "疏散通道畅通" }]
"""


def site_text() -> str:
    """A TOML site file with some 280 points that are read, and every rule that it can have."""
    school = SCHOOL.read_text(encoding="utf-8").replace('"cards.csv"', f'"{SCHOOL.parent}/cards.csv"')
    parts = [school.replace(ESCALATION_OFF, "[rules.escalation]\nenabled = true"), RULES]
    parts.append('[[buses]]\nid = "many"\ntransport = "rtu"\ndevice = "/dev/ttyS90"\n')
    for i in range(MODULES):
        parts.append(f'[[devices]]\nid = "many-{i}"\nbus = "many"\nprofile = "waveshare-modbus-rtu-relay-d"\nunit = {i + 1}\n')
        parts += [_point(f"many-{i}-{j + 1}", ROLES[j], "gate", f"many-{i}", f"di{j + 1}") for j in range(8)]
        parts.append(f'[[linkage]]\nid = "door-{i}"\nwhen = {{ point = "many-{i}-2", value = true, for_s = 5 }}\n')
        parts.append('until = "over"\nthen = [{ output = "strobe-gate" }]\n')
    for name, profile, role, signal in (
        ("gas", "honeywell-xnx", "gas_concentration", "gas"),
        ("leak", "acrel-aim-r100", "residual_current", "residual1"),
        ("heat", "cet-pmc-53", "cable_temperature", "temperature"),
    ):
        parts.append(f'[[buses]]\nid = "{name}-many"\ntransport = "rtu"\ndevice = "/dev/ttyS9{name}"\n')
        for i in range(DETECTORS):
            device = f"{name}-{i}-dev"
            parts.append(f'[[devices]]\nid = "{device}"\nbus = "{name}-many"\nprofile = "{profile}"\nunit = {i + 10}\n')
            parts.append(_point(f"{name}-{i}-value", role, "kitchen" if name == "gas" else "power-room", device, signal))
            if role == "residual_current":
                parts.append('baseline = "learned"\n')
    return "\n".join(parts)


def _point(point: str, role: str, place: str, device: str, signal: str) -> str:
    return f'[[points]]\nid = "{point}"\nrole = "{role}"\nplace = "{place}"\ndevice = "{device}"\nsignal = "{signal}"\n'
