"""A new site file: what is pressed before, meanwhile and after arrives once, what stands stays, and a bad file goes back by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker, free_port
from tests.proof.rig import Pace, Rig, rig, wait_for
from tests.proof.test_kill import COUNTERS, Causes, field_text

HELD = f"""
[[buses]]
id = "c"
transport = "tcp"
host = "127.0.0.1"
port = {free_port()}
[[devices]]
id = "contacts"
bus = "c"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "contacts"
signal = "di1"
responsible = "王师傅"
[[points]]
id = "held-later"
role = "panic_button"
place = "gate"
device = "contacts"
signal = "di2"
responsible = "王师傅"
"""
MORE = """
[[points]]
id = "gate-door"
role = "door_contact"
place = "gate"
device = "contacts"
signal = "di3"
"""


def started(here: Rig, new: Path, *further: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gateway", "apply", str(new), "--site", str(here.site), *further]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def ended(apply: subprocess.Popen[str], status: int) -> str:
    said, _ = apply.communicate(timeout=150)
    assert apply.returncode == status, said
    return said


def standing(here: Rig, point: str) -> list[dict[str, Any]]:
    return [alarm for alarm in here.status()["alarms"] if alarm["alarm"].startswith(f"{point}/")]


def told(here: Rig) -> Counter[str]:
    """Beginnings of alarms by point, each event id once."""
    types = ("campus.alarm.activated", "campus.alarm.repeated")
    return Counter({event["id"]: event["subject"] for event in here.events() if event["type"] in types}.values())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_site_file_is_changed_while_buttons_are_pressed(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text() + HELD) as here:
        wait_for(lambda: here.events(), "the journal's first event at the centre")
        wait_for(lambda: here.journal("SELECT count(*) FROM latch")[0][0] >= len(COUNTERS), "the counters' first values are stored")
        here.post("/points/panic", {"value": True})
        wait_for(lambda: standing(here, "panic"), "the held button's alarm stands")
        taken = [sys.executable, "-m", "gateway", "acknowledge", "panic", "--config", str(here.site), "--by", "王师傅"]
        subprocess.run(taken, check=True, capture_output=True)
        (before,) = standing(here, "panic")
        boot = here.status()["bootid"]
        process = here.gateway.process
        assert process is not None

        causes = Causes(here, random.Random(4))
        pace = Pace(10, causes.one)
        pace.start()
        text = here.site.read_text()
        new = tmp_path / "new.toml"
        new.write_text(text.replace('name_en = "gate"', 'name_en = "north gate"') + MORE)
        apply = started(here, new, "--within", "100")
        wait_for(lambda: b"starting anew" in here.gateway.log.read_bytes(), "the daemon starts anew", 100)
        here.post("/points/held-later", {"value": True})  # while nobody reads, and held until it is read
        said = ended(apply, 0)
        assert "places: ~ gate" in said
        assert "points: + gate-door" in said
        assert here.site.read_text() == new.read_text()
        status = here.status()
        assert status["bootid"] != boot
        assert status["pid"] == process.pid, "the same process"
        wait_for(lambda: standing(here, "held-later"), "what is held since the gap is told")
        pace.stop()

        bad = tmp_path / "bad.toml"
        bad.write_text(new.read_text().replace(broker.url, f"mqtt://127.0.0.1:{free_port()}"))
        said = ended(started(here, bad, "--within", "8"), 3)
        assert "not well within 8 s: no receipt yet from police (path main" in said
        assert here.site.read_text() == new.read_text(), "the file before is back"
        (after,) = standing(here, "panic")
        assert [after[word] for word in ("alarm", "state", "since")] == [before[word] for word in ("alarm", "state", "since")]

        without = tmp_path / "without.toml"
        start, _, rest = new.read_text().partition('[[points]]\nid = "panic"')
        without.write_text(start + rest[rest.index("[[points]]") :])
        said = ended(started(here, without), 1)
        assert f"alarm {before['alarm']} stands (acknowledged) and would be gone" in said
        assert here.site.read_text() == new.read_text()

        caused = causes.caused
        wait_for(lambda: sum(told(here)[point] for point in caused) >= sum(caused.values()), "all causes at the centre", 90)
        arrived = told(here)
        assert {point: arrived[point] for point in caused} == caused
        assert (arrived["panic"], arrived["held-later"]) == (1, 1), "none twice"
        wait_for(lambda: not here.report()["missing"], "no hole in the numbers", 30)
        report = here.report()
        assert (report["chain"], report["unverified"], report["conflicts"]) == ("whole", 0, 0)
        assert here.gateway.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_apply_that_was_killed_goes_on(tmp_path: Path) -> None:
    """A lost session, of a daemon started by hand: what is on trial is on the disk, and goes back when it does not prove well."""
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        wait_for(lambda: here.events(), "the journal's first event at the centre")
        text = here.site.read_text()
        bad = tmp_path / "bad.toml"
        bad.write_text(text.replace(broker.url, f"mqtt://127.0.0.1:{free_port()}"))
        apply = started(here, bad, "--within", "20")
        wait_for(lambda: here.site.read_text() != text, "the new file is in its place", 100)
        os.kill(apply.pid, signal.SIGKILL)
        apply.communicate()
        again = [sys.executable, "-m", "gateway", "apply", str(bad), "--site", str(here.site)]
        refused = subprocess.run(again, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert "a trial is under way (apply, trying): campus-gateway apply --resume, or --revert" in refused.stderr
        undone = subprocess.run([*again[:-3], "--revert", *again[-2:]], capture_output=True, text=True, check=False)
        assert undone.returncode == 3, undone.stdout + undone.stderr
        assert "called off" in undone.stderr
        assert here.site.read_text() == text
        wait_for(lambda: here.status().get("paths", [{}])[0].get("up"), "the daemon is back with the file before")
