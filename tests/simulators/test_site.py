from __future__ import annotations

from pathlib import Path

import pytest

from simulators.errors import SimError
from simulators.site import PointPlan, read_site
from tests.simulators.field import PROFILES

SITE = """
schema = 1
[site]
id = "school"
name = "实验小学"
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = 1502
[[buses]]
id = "line"
transport = "rtu"
device = "line.pty"
[[devices]]
id = "module"
bus = "io"
profile = "bench-io"
[[devices]]
id = "gas"
bus = "line"
profile = "bench-gas"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
normally = "closed"
[[points]]
id = "person"
role = "person_in_zone"
place = "gate"
camera = "cam"
zone = "apron"
[[cameras]]
id = "cam"
url = "rtsp://127.0.0.1:18554/gate"
place = "gate"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_site_file_says(tmp_path: Path) -> None:
    plan = read_site(write(tmp_path, SITE), PROFILES)
    io, line = plan.buses
    assert (io.transport, io.host, io.port) == ("tcp", "127.0.0.1", 1502)
    assert (line.link, line.baud, line.parity) == (tmp_path / "line.pty", 19200, "E")  # from the line's first device
    assert [(device.id, device.unit) for device in plan.devices] == [("module", 7), ("gas", 2)]
    assert plan.points == (PointPlan("panic", "panic_button", "module", "di1", normally_closed=True),)
    assert plan.cameras[0].url == "rtsp://127.0.0.1:18554/gate"


def test_profile_folders_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "empty").mkdir()
    for file in PROFILES.glob("*.toml"):
        (tmp_path / "own" / file.name).write_bytes(file.read_bytes())
    path = write(tmp_path, 'profile_dirs = ["own"]\n' + SITE)
    assert len(read_site(path, tmp_path / "empty").devices) == 2


MIXED = """
[site]
id = "school"
[[buses]]
id = "meters"
transport = "ascii"
device = "meters.pty"
[[buses]]
id = "cards"
transport = "serial"
device = "cards.pty"
[[buses]]
id = "wiegand"
transport = "raw-tcp"
host = "127.0.0.1"
port = 4000
[[buses]]
id = "board"
transport = "gpio"
[[devices]]
id = "io"
bus = "meters"
profile = "bench-io"
address_offset = 100
[[devices]]
id = "rdm"
bus = "cards"
profile = "rdm6300"
[[devices]]
id = "s4a"
bus = "wiegand"
profile = "s4a-wiegand"
[[devices]]
id = "pins"
bus = "board"
profile = "gpio-raspberry-pi"
[[points]]
id = "card"
role = "card_reader"
device = "rdm"
signal = "card"
[[points]]
id = "tamper"
role = "cabinet_tamper"
device = "pins"
signal = "gpio5"
"""


def test_buses_of_every_transport(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more").mkdir()
    for file in PROFILES.glob("*.toml"):
        (tmp_path / "more" / file.name).write_bytes(file.read_bytes())
    plan = read_site(write(tmp_path, 'profile_dirs = ["more"]\n' + MIXED))
    assert [(bus.id, bus.transport) for bus in plan.buses] == [("meters", "ascii"), ("cards", "serial"), ("wiegand", "raw-tcp")]
    assert (plan.buses[1].link, plan.buses[1].baud) == (tmp_path / "cards.pty", 9600)
    assert plan.devices[0].profile.signals["di1"].address == 100  # type: ignore[union-attr]
    assert [point.id for point in plan.points] == ["card"]
    assert "bus board is not simulated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "school"', "id = ", "line 4"),
        ('profile = "bench-io"', 'profile = "nix"', "no device profile 'nix'"),
        ('bus = "line"', 'bus = "lin"', "device gas is on the bus 'lin'"),
        ('signal = "di1"', 'signal = "di9"', "no signal 'di9'"),
        ('transport = "tcp"', 'transport = "udp"', "'udp' is unknown"),
        ('host = "127.0.0.1"', "", "'host' is missing"),
        ('id = "gas"\nbus = "line"', 'id = "module"\nbus = "line"', "device module is there twice"),
    ],
)
def test_a_bad_site_file_is_told_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SITE
    with pytest.raises(SimError, match=said) as error:
        read_site(write(tmp_path, SITE.replace(old, new, 1)), PROFILES)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SimError, match="No such file"):
        read_site(tmp_path / "none.toml")
