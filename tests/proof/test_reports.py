"""Reports with the daemon, a broker and the centre: the daily one comes although nothing happened, numbers rise, none comes twice.

The wall clock of the daemon is moved to its hour (libfaketime); all else goes its own way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker
from tests.gateway.contract.published import message_problems
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press
from tests.proof.test_clock_jump import faketime_library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = "campus/v1/proof-school/gate/"
REPORTS = '\n[reports]\ndaily_at = "17:30"\nby = "王校长"\n'


def offset_s(days: int, hour: int, minute: int) -> int:
    """From now to this time at the school, some days on."""
    now = datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    then = (now + timedelta(days=days)).replace(hour=hour, minute=minute, second=0)
    return round((then - now).total_seconds())


@contextlib.contextmanager
def kept_by(url: str) -> Iterator[dict[str, bytes]]:
    """Topic -> payload of what this broker keeps of reports, for whoever comes later."""
    host, _, port = url.removeprefix("mqtt://").partition(":")
    found: dict[str, bytes] = {}
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.on_message = lambda _client, _data, message: found.__setitem__(message.topic.removeprefix(ROOT), message.payload)
    client.on_connect = lambda connected, *_: connected.subscribe(f"{ROOT}report/+", 1)
    client.connect(host, int(port))
    client.loop_start()
    try:
        yield found
    finally:
        client.disconnect()
        client.loop_stop()


def reports(here: Rig) -> list[dict[str, Any]]:
    """Every report that the centre has believed."""
    return [line["message"] for line in here.centre_lines() if line["kind"] == "report"]


def announced(here: Rig) -> list[dict[str, Any]]:
    """`data` of each event that announces one; the same event sent again counts once."""
    events = {line["id"]: line["data"] for line in here.events() if line["type"] == "campus.report.issued"}
    return list(events.values())


def clock(moved: Path) -> dict[str, str]:
    """The daemon's wall clock begins at 17:00 and follows this file."""
    moved.write_text(f"{offset_s(0, 17, 0):+d}\n")
    faked = {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": str(moved)}
    return faked | {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def begun(here: Rig) -> None:
    """The daemon is up, and knows from when on it reports."""
    wait_for(here.status, "the daemon is up")
    wait_for(lambda: here.journal("SELECT 1 FROM latch WHERE key = ':reports'"), "reports have begun")


def anew(here: Rig) -> None:
    """The daemon dies, and a new one begins."""
    here.gateway.kill()
    here.gateway.start()


def test_the_daily_report_comes_every_day_and_once(tmp_path: Path) -> None:
    moved = tmp_path / "offset"
    watched = ("--report-every-h", "26")
    with (
        Broker("nats", dir=tmp_path / "one") as broker,
        rig(tmp_path, broker.url, field_text() + REPORTS, environment=clock(moved), centre=watched) as here,
    ):
        begun(here)
        assert reports(here) == []
        moved.write_text(f"{offset_s(0, 17, 31):+d}\n")
        wait_for(lambda: announced(here) and reports(here), "the daily report of a day on which nothing happened")
        first = reports(here)[0]
        assert (first["report"], first["number"], first["nothing_happened"], first["late"]) == ("daily", 1, True, False)
        assert first["site"]["by"] == "王校长"

        anew(here)
        wait_for(lambda: len(reports(here)) > 1, "a new session brings it to the broker again")
        press(here, 2)
        moved.write_text(f"{offset_s(1, 17, 31):+d}\n")
        wait_for(lambda: len(announced(here)) == 2, "the next day's report")
        wait_for(lambda: {report["number"] for report in reports(here)} == {1, 2}, "it comes, too")
        here.gateway.stop()
        moved.write_text(f"{offset_s(3, 9, 0):+d}\n")
        here.gateway.start()
        wait_for(lambda: len(announced(here)) == 3, "one that was missed while the gateway was off")

        told = announced(here)
        assert [(data["number"], data["late"]) for data in told] == [(1, False), (2, False), (3, True)]
        assert [data["nothing_happened"] for data in told[:2]] == [True, False]
        with kept_by(broker.url) as kept:
            wait_for(lambda: json.loads(kept.get("report/daily", b"{}")).get("number") == 3, "the broker keeps the newest")
            assert hashlib.sha256(kept["report/daily"]).hexdigest() == told[2]["sha256"]
            assert message_problems("report/daily", kept["report/daily"]) == []
        assert {line["kind"] for line in here.centre_lines()}.isdisjoint({"no-report", "bad"})
        assert here.metric("gw_reports_issued_total")['{kind="daily"}'] == 1.0


def test_another_broker_gets_the_newest_reports(tmp_path: Path) -> None:
    moved = tmp_path / "offset"
    with Broker("nats", dir=tmp_path / "one") as one, Broker("nats", dir=tmp_path / "two") as two:
        second = f'{{ id = "modem", url = "{two.url}", protocol = "3.1.1" }}'
        with rig(tmp_path, one.url, field_text() + REPORTS, environment=clock(moved), second=second) as here:
            begun(here)
            moved.write_text(f"{offset_s(0, 17, 31):+d}\n")
            wait_for(lambda: reports(here), "the daily report")
            with kept_by(two.url) as kept:
                assert kept == {}, "it goes where the states go"
                one.kill()
                wait_for(lambda: "report/daily" in kept, "the other broker keeps it now", 60)
            assert json.loads(kept["report/daily"]) == reports(here)[0]
