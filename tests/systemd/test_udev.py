"""The rules for serial converters, tried by the real udev on the tree of a board with two controllers that this machine does not have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.root import Root, fresh_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.environ.get("CHECK_UNITS") != "1", reason="makes a Debian root: make check-units"),
]
RULES = Path(__file__).parents[2] / "systemd/udev/60-campus-gateway.rules"
BUS = "/sys/devices/platform/{controller}/usb{bus}/{bus}-1/{bus}-1.3/{bus}-1.3:1.0"

# A tree in the place of /sys, as a kernel makes it for one converter, then udev's own account of what it would do.
SCRIPT = """set -e
mount -t tmpfs none /sys
device() {{  # path subsystem driver
    mkdir -p "$1"
    echo > "$1/uevent"
    mkdir -p "/sys/$4/$2" "/sys/$4/$2/drivers/$3"
    ln -sfn "/sys/$4/$2" "$1/subsystem"
    if [ -n "$3" ]; then ln -sfn "/sys/$4/$2/drivers/$3" "$1/driver"; fi
}}
mkdir -p /sys/devices /sys/class /sys/bus
device /sys/devices/platform/{controller} platform xhci-hcd bus
device /sys/devices/platform/{controller}/usb{bus} usb usb bus
device /sys/devices/platform/{controller}/usb{bus}/{bus}-1 usb usb bus
device /sys/devices/platform/{controller}/usb{bus}/{bus}-1/{bus}-1.3 usb usb bus
echo DEVTYPE=usb_device > /sys/devices/platform/{controller}/usb{bus}/{bus}-1/{bus}-1.3/uevent
device {interface} usb {driver} bus
echo DEVTYPE=usb_interface > {interface}/uevent
device {interface}/ttyUSB0 usb-serial {driver}-port bus
echo {port} > {interface}/ttyUSB0/port_number
device {interface}/ttyUSB0/tty/ttyUSB0 tty '' class
printf 'MAJOR=188\\nMINOR=0\\nDEVNAME=ttyUSB0\\n' > {interface}/ttyUSB0/tty/ttyUSB0/uevent
ln -sfn {interface}/ttyUSB0/tty/ttyUSB0 /sys/class/tty/ttyUSB0
SYSTEMD_DEVICE_VERIFY_SYSFS=0 SYSTEMD_LOG_LEVEL=debug udevadm test /sys/class/tty/ttyUSB0 2>&1
"""


@pytest.fixture(scope="module")
def root() -> Iterator[Root]:
    """A Debian with our rules and our user."""
    with fresh_root() as root:
        root.put(RULES, "/usr/lib/udev/rules.d/60-campus-gateway.rules")
        root.put(RULES.parents[1] / "sysusers.d/campus-gateway.conf", "/usr/lib/sysusers.d/campus-gateway.conf")
        root.run("systemd-sysusers")
        yield root


def tried(root: Root, controller: str, bus: int, *, driver: str = "ftdi_sio", port: int = 0) -> str:
    """What udev says of a converter at socket 1.3."""
    interface = BUS.format(controller=controller, bus=bus)
    return root.run("sh", "-c", SCRIPT.format(controller=controller, bus=bus, interface=interface, driver=driver, port=port)).stdout


def links(said: str) -> set[str]:
    found = re.search(r"^DEVLINKS=(.*)$", said, re.MULTILINE)
    return {link for link in found[1].split() if "/campus/" in link} if found else set()


def test_a_converter_is_the_gateways_and_named_by_its_socket(root: Root) -> None:
    said = tried(root, "xhci-hcd.0", 1)
    assert links(said) == {"/dev/campus/platform-xhci-hcd.0-usb-0:1.3:1.0"}
    user = root.run("id", "-u", "campus-gateway").stdout.strip()
    assert re.search(rf"OWNER {user}\b", said), said[-3000:]
    assert "MODE 0600" in said
    assert "60-campus-gateway.rules:" not in "\n".join(line for line in said.splitlines() if "nvalid" in line or "nknown" in line)


def test_the_same_socket_of_another_controller_has_another_name(root: Root) -> None:
    assert links(tried(root, "xhci-hcd.1", 3)) == {"/dev/campus/platform-xhci-hcd.1-usb-0:1.3:1.0"}


def test_the_name_does_not_depend_on_the_order_of_the_start(root: Root) -> None:
    assert links(tried(root, "xhci-hcd.0", 5)) == {"/dev/campus/platform-xhci-hcd.0-usb-0:1.3:1.0"}


def test_ports_of_one_converter_are_told_apart(root: Root) -> None:
    assert links(tried(root, "xhci-hcd.0", 1, port=1)) == {"/dev/campus/platform-xhci-hcd.0-usb-0:1.3:1.0-port1"}


def test_a_modem_is_left_alone(root: Root) -> None:
    said = tried(root, "xhci-hcd.0", 1, driver="option")
    assert links(said) == set()
    assert "MODE 0600" not in said
