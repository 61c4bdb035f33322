"""The demo's site file: the shipped example with this run's ports, paths and centre key filled in."""

from __future__ import annotations

import json
import re
import socket
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.errors import SimError

EXAMPLE = "demo-school.toml"
PLAN = "demo-plan.svg"
_HERE = Path(__file__).resolve().parent
EXAMPLE_FOLDERS = (_HERE, _HERE.parent / "deploy" / "examples")  # in a wheel, in a checkout


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback TCP ports of one run."""

    mqtt: int
    modbus: int
    rtsp: int
    http: int


def free_ports() -> Ports:
    """Four ports that nobody uses now; all are held until the last is found, so that they differ."""
    with ExitStack() as held:
        ports = []
        for _ in range(4):
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    return Ports(*ports)


def example() -> str:
    """Text of the shipped example; SimError when it is not where it belongs."""
    return _shipped(EXAMPLE)


def drawing() -> str:
    """The drawing that the example names, SVG; it belongs beside the site file."""
    return _shipped(PLAN)


def _shipped(name: str) -> str:
    for folder in EXAMPLE_FOLDERS:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise SimError(f"{name} is in none of {', '.join(map(str, EXAMPLE_FOLDERS))}")


def site_text(text: str, ports: Ports, pty: Path, kid: str, x: str) -> str:
    """The example with ports, serial path and the centre's public key of this run. Still a normal site file."""
    changes = (
        (r'url = "mqtt://127\.0\.0\.1:\d+"', f'url = "mqtt://127.0.0.1:{ports.mqtt}"'),
        (r'kid = "demo-centre", x = "[^"]*"', f'kid = "{kid}", x = "{x}"'),
        (r"\bport = 15020\b", f"port = {ports.modbus}"),
        (r'device = "field-line\.pty"', f"device = {json.dumps(str(pty), ensure_ascii=False)}"),
        (r"rtsp://127\.0\.0\.1:\d+/", f"rtsp://127.0.0.1:{ports.rtsp}/"),
    )
    for pattern, replacement in changes:
        found = re.findall(pattern, text)
        if len(found) != 1:
            raise SimError(f"{EXAMPLE}: expected {pattern!r} once, found it {len(found)} times")
        text = text.replace(found[0], replacement)
    if "[metrics]" not in text:
        text += "\n[metrics]\nport = 0\n"
    tomllib.loads(text)
    return text


@dataclass(frozen=True, slots=True)
class Names:
    """What people call the places of a site file."""

    places: dict[str, str]

    @classmethod
    def of(cls, text: str) -> Names:
        """Chinese name, then English name where there is one."""
        places: dict[str, dict[str, Any]] = tomllib.loads(text).get("places", {})
        return cls({key: f"{place['name']} {place.get('name_en', '')}".rstrip() for key, place in places.items()})
