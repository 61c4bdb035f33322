"""The guard-room page between a real daemon, broker and centre: an alarm and its way to the centre, taken by a person, over a restart."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker, free_port
from tests.gateway.console.served import PASSWORD, Visitor
from tests.proof.field_rig import journal_events
from tests.proof.rig import Program, Rig, rig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def field_text(page: int) -> str:
    return f"""
[console]
port = {page}
[[buses]]
id = "a"
transport = "tcp"
host = "127.0.0.1"
port = {free_port()}
[[devices]]
id = "module"
bus = "a"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
"""


@pytest.fixture
def school(tmp_path: Path) -> Iterator[tuple[Rig, Visitor]]:
    """A gateway whose page is a process of its own, and a duty leader before it."""
    port = free_port()
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text(port)) as here:
        add = [sys.executable, "-m", "gateway", "account", "add", "王主任", "--role", "duty_leader", "--password-stdin"]
        subprocess.run([*add, "--config", str(here.site)], input=PASSWORD.encode() + b"\n", check=True, capture_output=True)
        page = Program(tmp_path / "page.log", "gateway", "console", "--config", str(here.site)).start()
        try:
            wait_for(here.status, "the daemon is up")
            visitor = Visitor(port, f"127.0.0.1:{port}")
            wait_for(lambda: _there(visitor), "the page is up")
            assert visitor.sign_in("王主任") == 200
            yield here, visitor
        finally:
            assert page.stop() == 0
            assert "Traceback" not in page.log.read_text()


def _there(visitor: Visitor) -> bool:
    try:
        return visitor.ask("GET", "/sign-in")[0] == 200
    except OSError:
        return False


def until(events: Iterator[tuple[str, dict[str, Any]]], part: str, *words: str) -> str:
    """The next HTML of this part in which all these words are."""
    for _, told in events:
        html = str(told["parts"].get(part, ""))
        if all(word in html for word in words):
            return html
    raise AssertionError(f"the page was closed before it showed {words}")


def test_a_press_its_way_to_the_centre_and_the_person_who_takes_it(school: tuple[Rig, Visitor]) -> None:
    here, leader = school
    with leader.events() as events:
        until(events, "alarms", "无报警")
        here.post("/points/panic", {"press_ms": 300})
        html = until(events, "alarms", "一键报警：校门", "已存盘", "消息服务器已收 (main)", "中心已收 (police)")
        assert "110" in html
        assert leader.ask("POST", "/act", {"command": "acknowledge", "target": "panic/alarm"})[0] == 200
        until(events, "alarms", "已确认" if "未确认 " in html else "待复位", "王主任")
    status, said, _ = leader.ask("POST", "/act", {"command": "shelve", "target": "panic/alarm", "why": "x", "for_s": 60})
    assert (status, "不得搁置" in said) == (409, True)
    taken = [line for line in here.events() if str(line["type"]).endswith("alarm.acknowledged")]
    assert [line["subject"] for line in taken] == ["panic"]
    said_by = [event["data"]["by"] for event in journal_events(here) if str(event["type"]).endswith("alarm.acknowledged")]
    assert said_by == ["王主任"]


def test_a_daemon_that_is_gone_is_said_and_comes_back_by_itself(school: tuple[Rig, Visitor]) -> None:
    here, leader = school
    with leader.events() as events:
        until(events, "alarms", "无报警")
        here.post("/points/panic", {"press_ms": 300})
        until(events, "alarms", "一键报警：校门", "已存盘")
        here.gateway.kill()
        until(events, "banner", "失去联系")
        assert leader.ask("POST", "/act", {"command": "acknowledge", "target": "panic/alarm"})[0] == 409
        here.gateway.start()
        for _, told in events:
            if "banner" in told["parts"] and "失去联系" not in told["parts"]["banner"]:
                break
        assert leader.ask("POST", "/act", {"command": "acknowledge", "target": "panic/alarm"})[0] == 200, "the alarm stood on"


def test_a_page_whose_port_another_program_has_is_a_fault_until_it_comes_up(tmp_path: Path) -> None:
    """Told by `status`, `doctor` and an event; its process stays, and opens the page when it can."""
    port = free_port()

    def faults(here: Rig) -> dict[str, str]:
        return {fault["alarm"]: fault["reason"] for fault in (here.status() or {"faults": []})["faults"]}

    def over(here: Rig) -> list[str]:
        return [fault["alarm"] for fault in (here.status() or {"faults": []})["faults"] if fault["state"] == "returned_unacknowledged"]

    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text(port)) as here:
        with socket.create_server(("127.0.0.1", port)):
            page = Program(tmp_path / "page.log", "gateway", "console", "--config", str(here.site)).start()
            wait_for(lambda: faults(here).get("gw-page/fault") == f"127.0.0.1:{port} cannot be used: Address already in use", "a fault")
            doctor = subprocess.run(
                [sys.executable, "-m", "gateway", "doctor", "--config", str(here.site)], capture_output=True, check=False
            )
            assert f"gw-page/fault: Guard-room page cannot be opened (127.0.0.1:{port} cannot be used" in doctor.stdout.decode()
        try:
            visitor = Visitor(port, f"127.0.0.1:{port}")
            wait_for(lambda: _there(visitor), "the page is up")
            wait_for(lambda: "gw-page/fault" in over(here), "the fault is over")
        finally:
            assert page.stop() == 0
        assert page.log.read_text().count("cannot be used") == 1, "said once"
        told = [event["type"] for event in journal_events(here) if event["data"].get("point") == "gw-page"]
        assert told == ["campus.fault.activated", "campus.fault.cleared"]
