"""Schema of the site file: one TOML file that describes one school's gateway.

Defaults come from the roles (`roles.py`) and profiles, so that a small school's file stays short.
Units are in the names: `_s` seconds, `_ms` milliseconds, `_ratio` 0..1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from gateway.config.calendar import Calendar
from gateway.config.polygon import misdrawn
from gateway.config.profile import Strict
from gateway.config.site_chains import Whistle
from gateway.config.site_duties import GuardPost, Patrol
from gateway.config.site_gates import AntiRam, Exit, Lane
from gateway.config.site_hazards import Hazards
from gateway.config.site_inspections import Inspection
from gateway.config.site_linkage import Linkage, WindowName
from gateway.config.site_plan import Plan
from gateway.config.site_reports import Reports
from gateway.config.site_rules import Rules
from gateway.core.ids import ID_PATTERN
from gateway.core.points import LEAKS_MOST_MA

Id = Annotated[str, Field(pattern=ID_PATTERN, description="a-z, 0-9 and -, at most 48 characters")]
CommandName = Literal[
    "acknowledge",
    "reset",
    "silence",
    "shelve",
    "unshelve",
    "out_of_service",
    "return_to_service",
    "start_test",
    "end_test",
    "start_drill",
    "end_drill",
    "take_snapshot",
    "replay",
    "open_shift",
    "output",
    "whistle",
    "report_in",
    "end_whistle",
]
MAY_BY_DEFAULT: tuple[CommandName, ...] = ("acknowledge", "silence")
EventClassName = Literal["alarm", "fault", "access", "observation", "duty", "mode", "audit"]
Answer = Literal["anti-ram", "button", "camera", "door", "electrical-fire", "gas", "zones"]
EVENT_CLASSES: tuple[EventClassName, ...] = ("alarm", "fault", "access", "observation", "duty", "mode", "audit")


class SiteInfo(Strict):
    """Who this gateway is."""

    id: Id = Field(description="the school; part of every topic")
    gateway: Id = Field("gate", description="this box; a school may have several")
    name: str = Field(min_length=1, description="the school's name as people write it")
    name_en: str = ""
    timezone: str = Field("Asia/Shanghai", description="IANA name")
    state_dir: str = Field("/var/lib/campus-gateway", description="journal, keys; relative to the site file if not absolute")


class Place(Strict):
    """A place that a guard knows by name."""

    name: str = Field(min_length=1)
    name_en: str = ""
    type: Literal[
        "gate",
        "gatehouse",
        "perimeter",
        "duty-room",
        "monitoring-room",
        "kitchen",
        "boiler-room",
        "power-room",
        "dormitory",
        "laboratory",
        "exit",
        "assembly",
        "classroom",
        "office",
        "other",
    ] = "other"
    without: list[Answer] = Field(
        default_factory=list, description="what is expected of such a place and is not there; `check` does not warn of it"
    )
    why: str = Field("", description="the reason; needed with `without`")

    @model_validator(mode="after")
    def reasoned(self) -> Place:
        if bool(self.without) is not bool(self.why.strip()):
            raise ValueError("`without` and `why` go together: what is not there, and the reason")
        return self


class TcpBus(Strict):
    """A device or converter that listens on TCP: Modbus TCP, RTU frames over TCP, or a device's own frames (raw-tcp)."""

    id: Id
    transport: Literal["tcp", "rtu-tcp", "raw-tcp"]
    host: str = Field(min_length=1)
    port: int = Field(502, ge=1, le=65535)
    connect_timeout_ms: int = Field(2000, ge=100, le=30_000)
    latency_ms: float = Field(2.0, ge=0, le=1000, description="what the network adds to a reply; counted in the promised delays")
    panic_limit_ms: int = Field(250, ge=20, le=10_000, description="a panic point behind this peer that could take longer is refused")


class SerialBus(Strict):
    """An RS-485 or RS-232 line: Modbus RTU or ASCII, OSDP, or a device's own frames (serial).

    Settings that are left out come from the profile of the line's first device.
    """

    id: Id
    transport: Literal["rtu", "ascii", "serial", "osdp"]
    device: str = Field(min_length=1, description="stable path, such as /dev/serial/by-path/...")
    baud: int | None = Field(None, ge=300, le=1_000_000)
    data_bits: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None
    install_mode: bool = Field(False, description="OSDP: readers on the default key are given their own; only while installing")
    latency_ms: float = Field(1.0, ge=0, le=100, description="what the adapter adds to a reply (FTDI: its latency timer, 16 as shipped)")
    panic_limit_ms: int = Field(250, ge=20, le=10_000, description="a panic point of this line that could take longer is refused")


class GpioBus(Strict):
    """The board's own contacts."""

    id: Id
    transport: Literal["gpio"]
    chip: str = Field("/dev/gpiochip0", min_length=1)


Bus = Annotated[TcpBus | SerialBus | GpioBus, Field(discriminator="transport")]


class Device(Strict):
    """One address on a bus."""

    id: Id
    bus: Id
    profile: Id
    unit: int | None = Field(None, ge=0, le=255, description="unit id; the profile's factory value if left out")
    name: str = ""
    place: Id | None = Field(None, description="if left out: where most of its points are, or else most of the devices on its bus")
    timeout_ms: int | None = Field(None, ge=10, le=10_000)
    delay_ms: int | None = Field(None, ge=0, le=10_000, description="longest time until its reply begins; the profile's if left out")
    address_offset: int = Field(0, ge=-65535, le=65535, description="added to every address of the profile (a base set on the device)")
    configure: bool = Field(False, description="write the profile's start settings to it each time it comes up")
    key_file: str = Field("", description="an OSDP reader's secure-channel key: 32 hex digits, mode 0600")
    publish: Literal["points", "all"] = Field("points", description="all: every signal becomes a point of role measurement or contact")
    period_ms: int | None = Field(None, ge=10, le=3_600_000, description="for the points made by publish = all")


class Hours(Strict):
    """Hours of each weekday, when lessons are held. A day left out has none."""

    mon: list[str] = Field(default_factory=list)
    tue: list[str] = Field(default_factory=list)
    wed: list[str] = Field(default_factory=list)
    thu: list[str] = Field(default_factory=list)
    fri: list[str] = Field(default_factory=list)
    sat: list[str] = Field(default_factory=list)
    sun: list[str] = Field(default_factory=list)


class Schedule(Hours):
    """When cards count. A day left out has no hours."""

    holidays: Literal["as usual", "closed"] = Field(
        "as usual",
        description="closed: not on public holidays, in vacations and on days that the school is closed; "
        "on a make-up workday the hours of the weekday that it is like",
    )


def _learned_or_measured(value: Any) -> Any:
    if value == "learned" or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LEAKS_MOST_MA):
        return value
    raise ValueError(f'expected "learned", or the natural leakage in mA as it was measured, 0 to {LEAKS_MOST_MA:g}')


LearnedOrMeasured = Annotated[
    Any,
    AfterValidator(_learned_or_measured),
    WithJsonSchema({"anyOf": [{"const": "learned"}, {"type": "number", "minimum": 0, "maximum": LEAKS_MOST_MA}]}),
]


class PointSettings(Strict):
    """A signal, or a camera's zone, put to use."""

    id: Id
    role: str
    place: Id
    device: Id | None = None
    signal: str | None = None
    camera: Id | None = None
    zone: Id | None = None
    line: Id | None = Field(None, description="of a camera, in the place of a zone: who crosses it")
    direction: Literal["in", "out"] | None = Field(None, description="of a line: only who crosses it so; both ways if left out")
    name: str = ""
    name_en: str = ""
    responsible: str = Field("", description="the person who answers for this point")
    normally: Literal["open", "closed"] = Field("open", description="closed: the contact is broken to give alarm")
    period_ms: int | None = Field(None, ge=10, le=3_600_000)
    level1: float | None = Field(None, description="first limit, in the role's unit")
    level2: float | None = Field(None, description="second limit, in the role's unit")
    deadband: float | None = Field(None, ge=0)
    range: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        None, description="of a 4-20 mA transmitter: the values at 4 and at 20 mA"
    )
    unit: str | None = Field(None, description="unit of the value, where the device cannot know it (4-20 mA)")
    on_delay_s: float | None = Field(None, ge=0, le=3600)
    off_delay_s: float | None = Field(None, ge=0, le=3600)
    latching: bool | None = None
    baseline: LearnedOrMeasured = Field(
        None, description="natural leakage, taken off before limits are judged: learned within a week, or as an electrician measured it"
    )
    rise_per_min: float | None = Field(None, gt=0, description="alarm when it rises by so much a minute, in the role's unit")
    rise_window_s: float = Field(60.0, ge=10, le=3600, description="over which that rise is taken")
    stuck_h: float | None = Field(None, gt=0, le=8760, description="fault when the value has been the same for so many hours")
    stale_s: float | None = Field(
        None,
        ge=1,
        le=86_400,
        description="of a device that reports by itself: unrepeated for so long is a fault; the profile's if left out",
    )
    confirm_with: list[Id] = Field(
        default_factory=list, description="points beside it: two of them in alarm are one more alarm, `confirmed`"
    )
    suppress_while: SuppressWhile | None = None
    windows: list[WindowName] | None = Field(
        None, description="its alarms begin only in these windows of the school day; empty: always; the role's own times if left out"
    )
    dwell_s: float | None = Field(None, ge=0, le=3600, description="of a camera: seconds that a person must stay; the zone's if left out")
    test_every_days: int | None = Field(
        None,
        ge=0,
        le=3650,
        description="a walk test is due so often, 0: never; 92 for a panic button, 365 for gas, fire and impact if left out",
    )
    alarm: bool = Field(True, description="false: the role's alarms are off, changes of a contact are observations only")
    external: dict[str, str] = Field(default_factory=dict, description="codes of a provincial platform (GB/T 28181 ids)")

    @model_validator(mode="after")
    def one_source(self) -> PointSettings:
        wire, eye = (self.device, self.signal), (self.camera, self.zone or self.line)
        if all(wire) == all(eye) or any(wire) == any(eye):
            raise ValueError("a point has either `device` and `signal`, or `camera` and `zone` (or `line`)")
        if self.zone and self.line:
            raise ValueError("a point of a camera is about a `zone` or about a `line`, not both")
        return self


def _shown(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError('expected what the point shows: true, false, a number or a name in "quotes"')


Shown = Annotated[Any, AfterValidator(_shown), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"}]})]


class RemoteWhen(Strict):
    """A point that must show a value before a command is carried out."""

    point: Id
    value: Shown = True


class SuppressWhile(Strict):
    """While this point shows the value, or in this window of the day, the alarms of the point are recorded and not announced."""

    point: Id | None = None
    value: Shown = True
    window: Literal["arrival", "dismissal", "lesson", "night", "boarding", "none"] | None = Field(
        None, description="in the place of a point: of the school's day, by [hours] and [calendar]"
    )

    @model_validator(mode="after")
    def one_cause(self) -> SuppressWhile:
        if (self.point is None) is (self.window is None):
            raise ValueError("names either `point` or `window`")
        return self


class OutputConfirm(Strict):
    """The input that must show what an output did."""

    point: Id
    value: Shown = Field(True, description="what it shows once the output is on")
    off: Shown = Field(None, description="what it shows once the output is off; of a contact the opposite if left out")
    within_ms: int = Field(5000, ge=50, le=600_000)


class Output(Strict):
    """Something that the gateway switches. Every command to it ends as done, refused or unconfirmed."""

    id: Id
    kind: Literal["siren", "strobe", "buzzer", "lamp", "relay", "lock", "gas_valve", "bollard"]
    place: Id
    name: str = ""
    name_en: str = ""
    device: Id
    signal: str
    safe: Literal["on", "off", "keep"] | None = Field(
        None, description="written at start and when its device is back; off if left out, keep for a bollard, needed for a gas_valve"
    )
    pulse_ms: int = Field(
        0, ge=0, le=600_000, description="on lasts so long; the device's own pulse where it has one; 0: until switched off"
    )
    interlock: list[Id] = Field(default_factory=list, description="outputs that are never on together with this one")
    confirm: OutputConfirm | None = None
    remote_when: RemoteWhen | None = None
    loop_clear: Id | None = Field(None, description="point of role loop_clear; on is refused unless it is known to be active")
    enabled: bool | None = Field(None, description="false: every command is refused; false for a bollard if left out")


class Door(Strict):
    """A door: its reader, lock, contact and request to exit taken together."""

    id: Annotated[Id, Field(max_length=40)]
    place: Id
    name: str = ""
    name_en: str = ""
    reader: Id | None = Field(None, description="a device with a card signal, or a point of role card_reader")
    contact: Id | None = Field(None, description="point of role door_contact, active while the door is open")
    lock: Id | None = Field(None, description="output of kind lock; on lets the door be opened")
    request_to_exit: Id | None = None
    granted: Id | None = Field(None, description="point that is active when the site's own controller or face terminal lets somebody in")
    held_s: float = Field(30.0, ge=1, le=86_400, description="open for longer is an alarm")
    unlock_s: float = Field(5.0, ge=0.5, le=600, description="how long the lock is let go; an opening within it (and 2 s) is no alarm")
    cards_file: str = Field("", description="CSV beside the site file, columns card, name, schedule")
    tell_names: bool = Field(False, description="true: the card holder's name goes into events, which leave the gateway")
    denied_burst: int = Field(5, ge=1, le=100, description="so many refused cards within a minute are an alarm")


class Power(Strict):
    """The gateway's own power supply."""

    battery_low: Id = Field(description="point of role battery_low")
    mains: Id | None = Field(None, description="point of role mains_fail; while mains power is there the gateway does not stop")
    shutdown_after_s: float = Field(60.0, ge=1, le=86_400, description="battery low for so long: the gateway stops in good order")
    poweroff: bool = Field(False, description="true: the computer is switched off as well")


Ratio = Annotated[float, Field(ge=0, le=1)]
Corner = Annotated[tuple[Ratio, Ratio], Field(strict=False)]  # a TOML list is no tuple


class Zone(Strict):
    """A polygon in a camera's view; corners as x, y between 0 and 1 from the top left."""

    id: Id
    polygon: list[Corner] = Field(min_length=3)
    dwell_s: float = Field(1.0, ge=0, le=3600, description="seconds that a person must stay before it counts")

    @model_validator(mode="after")
    def has_room(self) -> Zone:
        if fault := misdrawn(self.polygon):
            raise ValueError(fault)
        return self


class Line(Strict):
    """A line in a camera's view. Who crosses it from the left to the right, looking from `start` to `end`, goes in; the other way out."""

    id: Id
    start: Corner
    end: Corner

    @model_validator(mode="after")
    def has_length(self) -> Line:
        if self.start == self.end:
            raise ValueError("start and end are the same place")
        return self


Gb28181Id = Annotated[str, Field(pattern=r"^[0-9]{20}$", description="20 digits")]


class Recorder(Strict):
    """Where the camera's main stream is recorded (GB/T 28181): what police ask for. Told with each piece of evidence."""

    device: Gb28181Id = Field(description="id of the recorder or platform, 20 digits")
    channel: Gb28181Id = Field(description="id of the camera on it, 20 digits")


class Camera(Strict):
    """A camera stream used for detection (the sub-stream, please)."""

    id: Id
    url: str = Field(
        pattern=r"^(rtsp|rtsps|http|https|file)://",
        description="credentials belong in credentials_file; {user} and {password} stand where the camera wants them",
    )
    place: Id
    credentials_file: str = Field("", description="file with one line user:password")
    analysed_fps: float = Field(5.0, ge=1, le=30)
    least_fps: float | None = Field(
        None, gt=0, le=30, description="fewer pictures a second than this judged are a fault; 0.8 of analysed_fps, at most 2.5, if left out"
    )
    zones: list[Zone] = Field(default_factory=list)
    lines: list[Line] = Field(default_factory=list)
    masks: list[Annotated[list[Corner], Field(min_length=3)]] = Field(
        default_factory=list, description="polygons that nobody may see: black in every picture and clip that is kept or shown"
    )
    recorder: Recorder | None = None


class Vision(Strict):
    """The vision process."""

    model: Id = "nanodet-g-person-int8"
    provider: Literal["auto", "cpu", "xnnpack", "cuda", "tensorrt"] = Field(
        "auto",
        description="what runs the model; auto: the fastest that is here and passes the model's self-test; one that fails gives the CPU",
    )
    threads: int = Field(1, ge=1, le=16)
    input_width_px: int = Field(416, ge=128, le=1280, multiple_of=32)
    evidence_hours: float = Field(72.0, gt=0, le=720, description="how long a picture or clip is kept here")
    evidence_mb: float = Field(200.0, ge=1, le=100_000, description="room for all pictures; the oldest go first")
    clips_mb: float = Field(1000.0, ge=1, le=1_000_000, description="room for all clips; the oldest go first")
    clip_before_s: float = Field(30.0, ge=0, le=60, description="a clip begins so long before its alarm, as far as memory reaches back")
    clip_after_s: float = Field(15.0, ge=0, le=60, description="and ends so long after it; both 0: no clips")
    send_stills: bool = Field(False, description="true: the picture of an alarm is sent to the centre; masks are black in it")
    heads_blurred: bool = Field(True, description="of pictures that are sent: false only where everybody agreed to that")


class Console(Strict):
    """The guard-room page. It runs where this table is there."""

    host: str = Field("127.0.0.1", description="address to listen on; anything but loopback needs cert_file and key_file")
    port: int = Field(8443, ge=1, le=65535)
    names: list[str] = Field(default_factory=list, description="further names and addresses under which browsers may ask for the page")
    cert_file: str = Field("", description="TLS certificate, PEM")
    key_file: str = Field("", description="its key, mode 0600")


class Path(Strict):
    """One MQTT session to one broker."""

    id: Id = "main"
    url: str = Field(pattern=r"^mqtts?://[^/@]+$", description="mqtts://host:8883; mqtt:// only on loopback")
    protocol: Literal["5", "3.1.1"] = "5"
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: str = ""
    password_file: str = ""
    source_address: str = Field("", description="local address to send from, so that two paths are really two")


class CentreKey(Strict):
    """A public key of a linkage centre (Ed25519, JWK member x), bound to its recipient."""

    kid: str = Field(min_length=1)
    x: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$", description="base64url of the 32-byte public key")
    may: list[CommandName] = Field(default_factory=lambda: list(MAY_BY_DEFAULT), description="the commands that it is good for")
    person: str = Field("", max_length=80, description="who alone holds it; needed where two persons must sign")


class Recipient(Strict):
    """Someone whose signed receipt ends delivery."""

    id: Id
    name: str = ""
    keys: list[CentreKey] = Field(min_length=1)
    classes: list[EventClassName] = Field(default_factory=lambda: list(EVENT_CLASSES))


class Uplink(Strict):
    """How events leave, and who must confirm them."""

    prefix: str = Field("campus/v1", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    supervision: Literal["sp5", "dp4", "sp6"] = Field(
        "sp5", description="a dead link is known at the centre within 90 s (sp5, dp4 with two paths) or 20 s (sp6)"
    )
    mode: Literal["failover", "dual"] = Field(
        "failover", description="with two paths: everything on the first that works, or alarms on both at once"
    )
    receipt_timeout_s: float = Field(10.0, gt=0, le=600)
    centre_silence_s: float = Field(100.0, gt=0, le=3600, description="EN 54-21 type 1")
    puback_timeout_s: float = Field(10.0, gt=0, le=120)
    window: int = Field(100, ge=1, le=1000, description="messages in flight without PUBACK")
    paths: list[Path] = Field(min_length=1, max_length=2, description="the preferred one first")
    recipients: list[Recipient] = Field(default_factory=list)


class Metrics(Strict):
    """Prometheus, on loopback."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(9108, ge=0, le=65535, description="0: any free port, told by `campus-gateway status`")


class Telemetry(Strict):
    """Measured values in batches, without guarantee."""

    period_s: float = Field(60.0, ge=0.1, le=3600)


class Storage(Strict):
    """How much the journal keeps. A removed event leaves a stub that proves it; alarms never go before they are received."""

    observation_mb: int = Field(512, ge=1, le=1_000_000, description="most that this class may take; the oldest go first")
    access_mb: int = Field(1024, ge=1, le=1_000_000)
    duty_mb: int = Field(512, ge=1, le=1_000_000)
    mode_mb: int = Field(128, ge=1, le=1_000_000)
    fault_mb: int = Field(1024, ge=1, le=1_000_000)
    audit_mb: int = Field(1024, ge=1, le=1_000_000)
    observation_days: float = Field(180.0, ge=0, le=36_500, description="days that received events are kept; 0: as long as there is room")
    access_days: float = Field(365.0, ge=0, le=36_500)
    duty_days: float = Field(0.0, ge=0, le=36_500)
    mode_days: float = Field(0.0, ge=0, le=36_500)
    fault_days: float = Field(0.0, ge=0, le=36_500)
    audit_days: float = Field(0.0, ge=0, le=36_500)
    alarm_days: float = Field(0.0, ge=0, le=36_500, description="0: alarms stay for ever")
    reserve_mb: int = Field(8, ge=0, le=1000, description="given up when the disk is full, so that alarms go on being sealed")


class Site(Strict):
    """The whole site file."""

    schema_version: Literal[1] = Field(alias="schema")
    site: SiteInfo
    uplink: Uplink
    places: dict[Id, Place] = Field(min_length=1)
    buses: list[Bus] = Field(default_factory=list)
    devices: list[Device] = Field(default_factory=list)
    points: list[PointSettings] = Field(default_factory=list)
    cameras: list[Camera] = Field(default_factory=list)
    outputs: list[Output] = Field(default_factory=list)
    doors: list[Door] = Field(default_factory=list)
    schedules: dict[Id, Schedule] = Field(default_factory=dict, description="when cards count, by the name that the cards_file gives")
    power: Power | None = None
    console: Console | None = None
    plan: Plan | None = None
    linkage: list[Linkage] = Field(default_factory=list)
    guard_posts: list[GuardPost] = Field(default_factory=list)
    patrols: list[Patrol] = Field(default_factory=list)
    inspections: list[Inspection] = Field(default_factory=list, max_length=200)
    anti_ram: list[AntiRam] = Field(default_factory=list)
    lanes: list[Lane] = Field(default_factory=list)
    exits: list[Exit] = Field(default_factory=list)
    whistles: list[Whistle] = Field(default_factory=list)
    hazards: Hazards | None = None
    reports: Reports | None = None
    rules: Rules = Field(default_factory=lambda: Rules())
    hours: Hours = Field(default_factory=lambda: Hours())
    calendar: Calendar | None = None
    vision: Vision = Field(default_factory=lambda: Vision())
    metrics: Metrics = Field(default_factory=lambda: Metrics())
    telemetry: Telemetry = Field(default_factory=lambda: Telemetry())
    storage: Storage = Field(default_factory=lambda: Storage())
    profile_dirs: list[str] = Field(default_factory=list, description="further folders with device profiles")
