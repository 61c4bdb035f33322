"""Schema of the site file: one TOML file that describes one school's gateway.

Defaults come from the roles (`roles.py`) and profiles, so that a small school's file stays short.
Units are in the names: `_s` seconds, `_ms` milliseconds, `_ratio` 0..1.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.config.profile import Strict
from gateway.core.ids import ID_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN, description="a-z, 0-9 and -, at most 48 characters")]
EventClassName = Literal["alarm", "fault", "access", "observation", "duty", "mode", "audit"]
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


class TcpBus(Strict):
    """A device or converter that listens on TCP: Modbus TCP, or RTU frames over TCP."""

    id: Id
    transport: Literal["tcp", "rtu-tcp"]
    host: str = Field(min_length=1)
    port: int = Field(502, ge=1, le=65535)
    connect_timeout_ms: int = Field(2000, ge=100, le=30_000)


class SerialBus(Strict):
    """An RS-485 or RS-232 line. Settings that are left out come from the profile of the line's first device."""

    id: Id
    transport: Literal["rtu"]
    device: str = Field(min_length=1, description="stable path, such as /dev/serial/by-path/...")
    baud: int | None = Field(None, ge=300, le=1_000_000)
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None


Bus = Annotated[TcpBus | SerialBus, Field(discriminator="transport")]


class Device(Strict):
    """One address on a bus."""

    id: Id
    bus: Id
    profile: Id
    unit: int | None = Field(None, ge=0, le=255, description="unit id; the profile's factory value if left out")
    name: str = ""
    place: Id | None = None
    timeout_ms: int | None = Field(None, ge=10, le=10_000)
    publish: Literal["points", "all"] = Field("points", description="all: every signal becomes a point of role measurement or contact")
    period_ms: int | None = Field(None, ge=10, le=3_600_000, description="for the points made by publish = all")


class Hours(Strict):
    """When the school is open; outside these hours `person_after_hours` counts. A day left out is closed all day."""

    mon: list[str] = Field(default_factory=list)
    tue: list[str] = Field(default_factory=list)
    wed: list[str] = Field(default_factory=list)
    thu: list[str] = Field(default_factory=list)
    fri: list[str] = Field(default_factory=list)
    sat: list[str] = Field(default_factory=list)
    sun: list[str] = Field(default_factory=list)


class PointSettings(Strict):
    """A signal, or a camera's zone, put to use."""

    id: Id
    role: str
    place: Id
    device: Id | None = None
    signal: str | None = None
    camera: Id | None = None
    zone: Id | None = None
    name: str = ""
    name_en: str = ""
    responsible: str = Field("", description="the person who answers for this point")
    normally: Literal["open", "closed"] = Field("open", description="closed: the contact is broken to give alarm")
    period_ms: int | None = Field(None, ge=10, le=3_600_000)
    level1: float | None = Field(None, description="first limit, in the role's unit")
    level2: float | None = Field(None, description="second limit, in the role's unit")
    deadband: float | None = Field(None, ge=0)
    on_delay_s: float | None = Field(None, ge=0, le=3600)
    off_delay_s: float | None = Field(None, ge=0, le=3600)
    latching: bool | None = None
    alarm: bool = Field(True, description="false: the role's alarms are off, changes of a contact are observations only")
    external: dict[str, str] = Field(default_factory=dict, description="codes of a provincial platform (GB/T 28181 ids)")

    @model_validator(mode="after")
    def one_source(self) -> PointSettings:
        wire, eye = (self.device, self.signal), (self.camera, self.zone)
        if all(wire) == all(eye) or any(wire) == any(eye):
            raise ValueError("a point has either `device` and `signal`, or `camera` and `zone`")
        return self


Ratio = Annotated[float, Field(ge=0, le=1)]
Corner = Annotated[tuple[Ratio, Ratio], Field(strict=False)]  # a TOML list is no tuple


class Zone(Strict):
    """A polygon in a camera's view; corners as x, y between 0 and 1 from the top left."""

    id: Id
    polygon: list[Corner] = Field(min_length=3)
    dwell_s: float = Field(1.0, ge=0, le=3600, description="seconds that a person must stay before it counts")


class Camera(Strict):
    """A camera stream used for detection (the sub-stream, please)."""

    id: Id
    url: str = Field(pattern=r"^(rtsp|rtsps|http|https|file)://", description="credentials belong in credentials_file")
    place: Id
    credentials_file: str = Field("", description="file with one line user:password")
    analysed_fps: float = Field(5.0, gt=0, le=30)
    zones: list[Zone] = Field(default_factory=list)


class Vision(Strict):
    """The vision process."""

    model: Id = "nanodet-g-person-int8"
    threads: int = Field(1, ge=1, le=16)
    input_width_px: int = Field(416, ge=128, le=1280, multiple_of=32)


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


class Recipient(Strict):
    """Someone whose signed receipt ends delivery."""

    id: Id
    name: str = ""
    keys: list[CentreKey] = Field(min_length=1)
    classes: list[EventClassName] = Field(default_factory=lambda: list(EVENT_CLASSES))


class Uplink(Strict):
    """How events leave, and who must confirm them."""

    prefix: str = Field("campus/v1", pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")
    supervision: Literal["sp5", "sp6"] = Field("sp5", description="a dead link is known at the centre within 90 s (sp5) or 20 s (sp6)")
    receipt_timeout_s: float = Field(10.0, gt=0, le=600)
    centre_silence_s: float = Field(100.0, gt=0, le=3600, description="EN 54-21 type 1")
    puback_timeout_s: float = Field(10.0, gt=0, le=120)
    window: int = Field(100, ge=1, le=1000, description="messages in flight without PUBACK")
    paths: list[Path] = Field(min_length=1, max_length=1)
    recipients: list[Recipient] = Field(default_factory=list)


class Metrics(Strict):
    """Prometheus, on loopback."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: int = Field(9108, ge=0, le=65535, description="0: any free port, told by `campus-gateway status`")


class Telemetry(Strict):
    """Measured values in batches, without guarantee."""

    period_s: float = Field(60.0, ge=0.1, le=3600)


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
    hours: Hours = Field(default_factory=lambda: Hours())
    vision: Vision = Field(default_factory=lambda: Vision())
    metrics: Metrics = Field(default_factory=lambda: Metrics())
    telemetry: Telemetry = Field(default_factory=lambda: Telemetry())
    profile_dirs: list[str] = Field(default_factory=list, description="further folders with device profiles")
