"""What a site's lines promise, from its file: accepted, refused, and what would help."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.runtime.promises import Judgement, judge_site

HEAD = """
schema = 1
[site]
id = "s"
name = "学校"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[places.gate]
name = "校门"
[[buses]]
id = "line"
transport = "rtu"
device = "port"
baud = 9600
"""
BUTTON = """
[[devices]]
id = "io"
bus = "line"
profile = "waveshare-modbus-rtu-io-8ch"
unit = 1
timeout_ms = 30
delay_ms = 5
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "io"
signal = "di1"
period_ms = 60
"""


def meters(count: int, timeout_ms: int = 100, period_ms: int = 5000) -> str:
    """So many devices with ten registers each, all of them points."""
    return "".join(
        f"""
[[devices]]
id = "m{n}"
bus = "line"
profile = "ten"
unit = {n + 2}
timeout_ms = {timeout_ms}
publish = "all"
period_ms = {period_ms}
"""
        for n in range(count)
    )


TEN = """
schema = 1
id = "ten"
vendor = "v"
model = "m"
summary = "s"
summary_zh = "s"
transports = ["rtu"]
source = "test"
confidence = "code"
[limits]
delay_ms = 5
[[signals]]
name = "r{n}"
kind = "measurement"
area = "holding"
address = 0
type = "u16"
repeat = { count = 10 }
"""


def judged(folder: Path, text: str) -> Judgement:
    return judge_site(load_site(written(folder, text)))


def written(folder: Path, text: str) -> Path:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "ten.toml").write_text(TEN)
    site = folder / "site.toml"
    site.write_text('profile_dirs = ["profiles"]\n' + text)
    return site


def test_a_button_among_31_meters_at_9600_is_known_in_time(tmp_path: Path) -> None:
    """60 ms period, 146 ms for a meter that answers in the last moment of its 100 ms, 29 ms for the button's own request."""
    found = judged(tmp_path, HEAD + BUTTON + meters(31))
    promised = {point.point: point.delay_s for point in found.points}
    assert not found.problems
    assert promised["panic"] == pytest.approx(0.060 + 0.1458 + 0.0291, abs=0.006)
    assert promised["m0-r1"] > 5.0
    used = (0.0291 + 0.002) / 0.06 + 31 * (0.0508 + 0.002) / 5  # 1 ms for the adapter and 1 ms for the gateway in each request
    assert found.lines["line"].used_ratio == pytest.approx(used, abs=0.01)


def test_a_button_that_could_be_late_is_refused_with_what_would_help(tmp_path: Path) -> None:
    text = HEAD + BUTTON + meters(3, timeout_ms=300)
    found = judged(tmp_path, text)
    assert len(found.problems) == 1
    problem = found.problems[0]
    assert problem.key == "points[0]"
    assert problem.line == written(tmp_path, text).read_text().splitlines().index("[[points]]") + 1
    assert "could be known as late as 439 ms after the press, 250 ms is the most on this line" in problem.text
    for way in ("timeout_ms = 100 for the devices of this line", "a line of its own", "a device-latched input"):
        assert way in problem.text


def test_a_site_may_set_its_own_limit(tmp_path: Path) -> None:
    text = HEAD + "panic_limit_ms = 500\n" + BUTTON + meters(3, timeout_ms=300)
    assert not judged(tmp_path, text).problems


def test_a_latched_button_that_is_late_is_a_warning(tmp_path: Path) -> None:
    latched = BUTTON.replace("waveshare-modbus-rtu-io-8ch", "icp-das-tm").replace('"di1"', '"di1_latched"')
    found = judged(tmp_path, HEAD + latched + meters(3, timeout_ms=300))
    assert not found.problems
    assert [warning.key for warning in found.warnings] == ["points[0]"]
    assert "the press itself is kept by the device" in found.warnings[0].text


def test_an_overfull_line_is_refused_with_what_would_help(tmp_path: Path) -> None:
    found = judged(tmp_path, HEAD + BUTTON + meters(31, period_ms=1000))
    assert [problem.key for problem in found.problems] == ["buses[0]"]
    assert "would be used at 2.1" in found.problems[0].text
    assert "baud = 38400" in found.problems[0].text
    assert math.isinf(next(point.delay_s for point in found.points if point.point == "m0-r1"))


def test_check_prints_the_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, HEAD + BUTTON + meters(2))
    assert main(["check", str(site)]) == 0
    out = capsys.readouterr().out
    assert "bus line: used 0.5" in out
    assert any(line.split()[:4] == ["panic", "239", "ms", "panic"] for line in out.splitlines()), out
    assert main(["check", str(site), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    panic = next(each for each in told["promises"] if each["point"] == "panic")
    assert panic["class"] == "panic"
    assert panic["period_ms"] == 60
    assert panic["promised_ms"] == pytest.approx(239, abs=2)


def test_check_refuses_what_the_line_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = written(tmp_path, HEAD + BUTTON + meters(3, timeout_ms=300))
    assert main(["check", str(site)]) == 1
    assert "what would help" in capsys.readouterr().out
    assert main(["check", str(site), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["errors"][0]["key"] == "points[0]"
