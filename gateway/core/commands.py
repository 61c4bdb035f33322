"""What a person asks for; page, command line and verified MQTT messages all become this."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.reading import Value


@dataclass(frozen=True, slots=True)
class Command:
    """One request by a named person.

    kind: `acknowledge`, `reset`, `shelve`, `unshelve`, `out_of_service`, `return_to_service`, `learn` or `output`. target: a point id (all
    its alarms) or `point/alarm`; an output's id. by: the person. role: guard, duty_leader, technician, centre, viewer. origin:
    `door`, `page`, `mqtt`. value: `on` or `off` of an output. why, for_s: reason and seconds of what sets an alarm aside;
    second: the other person who signs for `out_of_service`. points: further points that it is about. command_id, expires_ms: of a
    signed command from a centre, its own id and the end of its validity (UTC). refused: why it was refused before anybody judged
    it; it is then only put on record.
    """

    kind: str
    target: str
    by: str
    role: str
    origin: str
    value: str = ""
    why: str = ""
    for_s: float = 0.0
    second: str = ""
    points: tuple[str, ...] = ()
    command_id: str = ""
    expires_ms: int = 0
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A delay or timetable that a point, output or door waits for has run out: look again."""

    point: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The news of an alarm, or of a drill, has got further.

    step: `broker_acked`, `received` or `unusable`; by: the recipient, '' for the broker.
    """

    event_id: str
    step: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Photographed:
    """A picture or clip that was asked for is on the disk, or cannot be had. picture: its id. failure: why not, '' when it is there.

    sha256, size_bytes: of the JPEG or MP4, sha256 in lowercase hex; file_sha256, file_bytes: of the sealed file. captured_s: monotonic
    seconds at which the camera took it; of a clip the first picture, ends_s the last. outgoing_sha256: of the copy that may leave;
    unsent: why there is none, where one was wanted.
    """

    picture: str
    failure: str = ""
    sha256: str = ""
    size_bytes: int = 0
    captured_s: float = 0.0
    ends_s: float = 0.0
    file_sha256: str = ""
    file_bytes: int = 0
    outgoing_sha256: str = ""
    unsent: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceOver:
    """These pictures or clips (kind) are to be deleted once that is on record. why: `age` or `space`."""

    pictures: tuple[str, ...]
    size_bytes: int
    why: str
    kind: str = "still"


@dataclass(frozen=True, slots=True)
class EvidenceRead:
    """A person is about to get this picture or clip in clear. by, why: who, and for what reason; user: login name at the door."""

    picture: str
    camera: str
    kind: str
    by: str
    why: str
    user: str = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """A line has found out something about a device that must outlive the process."""

    device: str
    facts: dict[str, Value]


@dataclass(frozen=True, slots=True)
class LatchReleased:
    """The device has confirmed that its input latch was cleared; the next set one is a new press.

    press: number of the press that was cleared; a newer one is not touched by it.
    """

    point: str
    press: int
