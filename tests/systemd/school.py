"""A Debian box with our units, their users, folders and rules where the package puts them, and a small school's site file.

The program is this checkout under Debian's Python, or with CAMPUS_GATEWAY_DEB=FILE the installed package.
"""

from __future__ import annotations

import contextlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from deploy.package.deb import system_files
from tests.install.root import Box, Root, fresh_root

PROJECT = Path(__file__).parents[2]
SITE_FILE = "/etc/campus-gateway/site.toml"
STATE = "/var/lib/campus-gateway"
FAILURES = f"{STATE}/failures"
BACKUPS = "/var/backups/campus-gateway"
UNITS = ("campus-gateway.service", "campus-backup.timer", "campus-report.timer", "campus-retention.timer")
PROGRAM = """#!/bin/sh
export PYTHONPATH=/opt/repo:/opt/packages PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 -s -m gateway "$@"
"""
# The module refuses connections and there is no broker: neither is a reason not to be ready.
SITE = """schema = 1
[site]
id = "school-1"
name = "实验小学"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[reports]
[places]
gate = { name = "门", name_en = "gate", type = "gate" }
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = 1502
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
"""


def furnish(root: Root) -> tuple[str, ...]:
    """Install into a fresh root; systemd-nspawn's options that its boot then needs."""
    package = os.environ.get("CAMPUS_GATEWAY_DEB", "")
    options: tuple[str, ...] = ()
    if package:
        root.put(Path(package), "/srv/campus-gateway.deb")
        root.run("dpkg", "-i", "/srv/campus-gateway.deb")
    else:
        for source, place in system_files():
            root.put(source, place)
        root.write("/opt/campus-gateway/versions/checkout/bin/campus-gateway", PROGRAM, mode=0o755)
        root.at("/opt/campus-gateway/current").symlink_to("versions/checkout")
        root.at("/usr/bin/campus-gateway").symlink_to("/opt/campus-gateway/current/bin/campus-gateway")
        for name in ("repo", "packages"):
            root.at(f"/opt/{name}").mkdir()
        options = (f"--bind-ro={PROJECT}:/opt/repo", f"--bind-ro={sysconfig.get_paths()['purelib']}:/opt/packages")
        root.run("systemd-sysusers")
        root.run("systemd-tmpfiles", "--create", "campus-gateway.conf")
        root.run("systemctl", "enable", *UNITS)
    root.write(SITE_FILE, SITE)
    return options


@contextlib.contextmanager
def school() -> Iterator[Box]:
    """It has booted, and the gateway is ready."""
    with fresh_root() as root:
        options = furnish(root)
        clock = "--system-call-filter=adjtimex clock_adjtime"  # which units may ask the kernel's clock is for the units to say
        with root.boot(options=(*options, clock)) as box:
            box.wait("the gateway is ready", "systemctl", "is-active", "campus-gateway")
            yield box


def python() -> list[str]:
    """The interpreter that sees the program's packages, as words of a unit's ExecStart=."""
    if os.environ.get("CAMPUS_GATEWAY_DEB", ""):
        return ["/opt/campus-gateway/current/bin/python"]
    return ["/usr/bin/env", "PYTHONPATH=/opt/repo:/opt/packages", "/usr/bin/python3"]
