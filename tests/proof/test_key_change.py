"""A new event key: announced by the old one, enrolled, changed over to; everything before and after can be proved for good."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, ready, whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def gateway(*words: str) -> tuple[int, str]:
    """(exit status, what it said) of `campus-gateway WORDS`."""
    done = subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def enroll(here: Rig, *words: str) -> tuple[int, str]:
    return gateway("enroll", "--config", str(here.site), "--json", *words)


def sealed(here: Rig, name: str) -> list[tuple[str, dict[str, Any]]]:
    """(kid of the key that signed it, data) of each event of this type, in the order of sealing."""
    events = [json.loads(body) for (body,) in here.journal(f"SELECT body FROM event WHERE type = 'campus.{name}' ORDER BY row")]
    return [(json.loads(urlsafe_b64decode(event["signature"].split(".")[0] + "=="))["kid"], event["data"]) for event in events]


def depth(here: Rig) -> int:
    return int(here.status()["outbox"]["depth"])


def enrol_at_centre(here: Rig, key: dict[str, str]) -> None:
    trust = here.folder / "trust.json"
    trust.write_text(json.dumps({"keys": [*json.loads(trust.read_text())["keys"], key]}))
    assert here.centre is not None
    assert here.centre.process is not None
    os.kill(here.centre.process.pid, signal.SIGHUP)


def test_a_new_event_key(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        old = json.loads((tmp_path / "trust.json").read_text())["keys"][0]
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press before")
        status, said = enroll(here, "--use-new-event-key")
        assert (status, "there is no new key" in said) == (1, True)
        new = announced(here, old)
        assert enroll(here, "--new-event-key")[0] == 0, "asking again"
        wait_for(lambda: depth(here) == 0, "the announcement is received")
        status, said = enroll(here, "--use-new-event-key")
        assert (status, json.loads(said)["event_key"]) == (0, new)
        press(here)
        wait_for(lambda: len(pressed(here)) == 2, "until it is started anew the old key signs")
        enrol_at_centre(here, new)
        here.gateway.kill()
        here.gateway.start()
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 3, "a press with the new key")
        wait_for(lambda: depth(here) == 0, "receipts for all")
        assert [key for key, _ in sealed(here, "alarm.activated")] == [old["kid"], old["kid"], new["kid"]]
        assert len(sealed(here, "key.announced")) == 1, "once, over two starts"
        whole(here)
        assert here.gateway.stop() == 0
        proved(here, old, new)


def announced(here: Rig, old: dict[str, str]) -> dict[str, str]:
    """Make the new key while the centre is away: announced, signed with the old one, but not used before the centre has it."""
    assert here.centre is not None
    here.centre.kill()
    status, said = enroll(here, "--new-event-key")
    assert status == 0, said
    new: dict[str, str] = json.loads(said)["event_key"]
    assert new["kid"] != old["kid"]
    wait_for(lambda: "was not received yet by police" in enroll(here, "--use-new-event-key")[1], "not before the centre has it")
    here.centre.start()
    wait_for(lambda: [event for event in here.events() if event["type"] == "campus.key.announced"], "the announcement at the centre")
    ((signed, data),) = sealed(here, "key.announced")
    assert signed == old["kid"]
    assert (data["kid"], data["x"]) == (new["kid"], new["x"])
    return new


def proved(here: Rig, old: dict[str, str], new: dict[str, str]) -> None:
    """On this box with its own keys; anywhere else with the first key, and not with the second alone."""
    assert gateway("journal", "verify", "--config", str(here.site))[0] == 0
    elsewhere, files = here.folder / "elsewhere", {}
    shutil.copytree(here.folder / "state", elsewhere, ignore=shutil.ignore_patterns("event-key*", "*.sock"))
    for name, key in (("old", old), ("new", new)):
        files[name] = here.folder / f"{name}.json"
        files[name].write_text(json.dumps(key))
    status, said = gateway("journal", "verify", "--state-dir", str(elsewhere), "--key", str(files["old"]))
    assert status == 0, said
    assert gateway("journal", "verify", "--state-dir", str(elsewhere), "--key", str(files["new"]))[0] == 1
    out = here.folder / "all.ndjson"
    assert gateway("journal", "export", "--config", str(here.site), "--out", str(out))[0] == 0
    assert gateway("journal", "verify", "--export", str(out), "--key", str(files["old"]))[0] == 0
    assert gateway("journal", "verify", "--export", str(out), "--key", str(files["new"]))[0] == 1
