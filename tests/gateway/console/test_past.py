"""History, incidents, trends and cameras over real HTTP, on a real journal."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.contract.envelope import rfc3339
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass
from gateway.journal.store import Batch, Store
from gateway.runtime.console_archive import DiskArchive
from tests.gateway.console.pictures import picture
from tests.gateway.console.served import Hand, Served, Visitor
from tests.gateway.journal.journals import draft, open_at

SITE = """
schema = 1
[site]
id = "demo-school"
name = "实验小学"
state_dir = "."
[uplink]
paths = [{ url = "mqtt://127.0.0.1:21883" }]
[places.gate]
name = "校门"
[places.kitchen]
name = "厨房"
[[cameras]]
id = "gate-camera"
url = "rtsp://127.0.0.1/none"
place = "gate"
"""
NOW_MS = round(time.time() * 1000)
MINUTE_MS = 60_000
_ids = EventIds()
INCIDENT = _ids(NOW_MS - 3_600_000)
EVIL = "<script>alert(1)</script>"


def said(ms_ago: int, kind: str, event_class: EventClass = EventClass.ALARM, **data: Any) -> Draft:
    at_ms = NOW_MS - ms_ago
    return replace(draft(event_class, **data), id=_ids(at_ms), type=f"campus.{kind}", at_ms=at_ms)


def incident(ms_ago: int, word: str, **times: int) -> Draft:
    shown = {name: rfc3339(NOW_MS - ago) for name, ago in times.items()}
    text = {"zh": "事件发现：一键报警", "en": "incident opened: one-key alarm"}
    return said(ms_ago, f"incident.{word}", incident=INCIDENT, place="gate", times=shown, text=text, status="Actual")


def fill(store: Store) -> None:
    """An hour ago a button was pressed, and what followed; before it sixty changes in the kitchen."""
    kitchen = {
        "place": "kitchen",
        "role": "gas_concentration",
        "value": 12.5,
        "unit": "%LEL",
        "text": {"zh": "燃气变化", "en": "gas changed"},
    }
    store.commit([Batch([said(7_200_000 - n, "observation.changed", EventClass.OBSERVATION, **kitchen) for n in range(60)])], [])
    press = {"place": "gate", "role": "panic_button", "incident": INCIDENT, "state": "unacknowledged", "responsible": "=张卫国"}
    ((pressed, *_),) = store.commit(
        [
            Batch(
                [
                    said(3_600_000, "alarm.activated", text={"zh": f"一键报警 {EVIL}", "en": f"One-key alarm {EVIL}"}, **press),
                    incident(3_600_000, "opened", detected=3_600_000),
                    incident(3_599_000, "reported", detected=3_600_000, reported=3_599_000),
                    said(3_570_000, "alarm.acknowledged", text={"zh": "一键报警已确认", "en": "taken"}, by="李强", **press),
                    incident(3_500_000, "controlled", detected=3_600_000, reported=3_599_000, controlled=3_500_000),
                ]
            )
        ],
        [],
    )
    store.commit([], [Settlement(pressed.row, "police", RECEIVED, NOW_MS - 3_599_000)])
    minutes = [(10.0 + n % 3, 11.0 + n % 3, 12.0 + n % 3) for n in range(10)]
    first_ms = NOW_MS - NOW_MS % MINUTE_MS - 30 * MINUTE_MS
    store.commit([Batch(minutes=[(first_ms, "gw-heat", b"".join(struct.pack("<3f", *each) for each in minutes))])], [])


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("school")
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    store, _ = open_at(folder)
    fill(store)
    store.close()
    found = load_site(folder / "site.toml")
    heat = next(iter(found.points.values()))
    return replace(found, points={**found.points, "gw-heat": replace(heat, id="gw-heat", kind="measurement", system=False, unit="Cel")})


@pytest.fixture(scope="module")
def page(school: Settings) -> Iterator[Served]:
    async def wish(cameras: list[str]) -> None:
        pass

    places = {name: {"zh": place.name, "en": name} for name, place in school.site.places.items()}
    shown = picture(places=places, recipients=[{"id": "police", "zh": "公安分局", "en": "police station"}])
    archive = DiskArchive(school, wish)
    with Served(school.state_dir, Hand(shown), archive).running() as served:
        yield served
    archive.close()


@pytest.fixture(scope="module")
def signed_in(page: Served) -> Visitor:
    visitor = page.visitor()
    assert visitor.sign_in() == 200
    return visitor


@pytest.fixture
def guard(signed_in: Visitor) -> Visitor:
    signed_in.cookies.pop("campus_language", None)
    return signed_in


def got(visitor: Visitor, path: str) -> str:
    status, html, _ = visitor.ask("GET", path)
    assert status == 200, html
    return html


def test_the_newest_first_and_older_ones_a_page_at_a_time(guard: Visitor) -> None:
    html = got(guard, "/history")
    assert html.count("<tr class=") == 50
    assert html.index("一键报警已确认") < html.index("燃气变化")
    older = re.search(r'href="(/history\?before=\d+)"', html)
    assert older
    rest = got(guard, older[1])
    assert rest.count("<tr class=") == 60 + 5 + 1 - 50
    assert "一键报警已确认" not in rest
    assert "/history?before" not in rest


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("place=gate", 5),
        ("role=gas_concentration", 50),
        ("class=audit", 1),
        ("text=%E6%9D%8E%E5%BC%BA", 1),
        ("place=gate&text=nobody", 0),
        ("to=2020-01-01", 0),
        ("from=2020-01-01&place=gate", 5),
        ("place=&role=&class=&text=&from=&to=", 50),
    ],
)
def test_found_by_place_role_class_time_and_words(guard: Visitor, query: str, count: int) -> None:
    assert got(guard, f"/history?{query}").count("<tr class=") == count


def test_who_has_it_and_who_does_not_in_the_readers_language(guard: Visitor) -> None:
    html = got(guard, "/history?text=responsible&class=alarm")  # no such word
    assert "没有符合条件的记录" in html
    html = got(guard, "/history?place=gate")
    assert re.search(r'proof got">公安分局 \d\d:\d\d:\d\d', html)
    assert 'proof owed">bureau 待送达' in html
    assert guard.ask("GET", "/language?to=en&back=/history%3Fplace%3Dgate")[2]["location"] == "/history?place=gate"
    english = got(guard, "/history?place=gate")
    assert re.search(r'proof got">police station \d\d:\d\d:\d\d', english)
    assert "taken" in english


def test_what_points_say_is_text_and_no_markup(guard: Visitor) -> None:
    for path in ("/history?place=gate", f"/incidents/{INCIDENT}", "/incidents"):
        assert EVIL not in got(guard, path), path
    assert "&lt;script&gt;" in got(guard, f"/incidents/{INCIDENT}")


def test_the_table_as_a_file_runs_nothing(guard: Visitor) -> None:
    status, text, headers = guard.ask("GET", "/history.csv?place=gate")
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert "history.csv" in headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 5
    assert {row["人员 who"] for row in rows} == {"", "李强", "'=张卫国"}
    assert rows[-1]["送达 received"].startswith("公安分局 ")


@pytest.mark.parametrize(
    "path",
    [
        "/history?from=yesterday",
        "/history?to=2026-13-01",
        "/history?to=9999-12-31",
        "/history?class=secret",
        "/history?before=-1",
        "/history?before=99999999999999999999",
        "/history?place=%27%20OR%201",
        "/history?text=" + "x" * 101,
        "/history.csv?from=1",
        "/trends?span=2y",
        "/trends?p.nothing=on",
        "/trends.csv?span=",
        "/incidents?before=x",
    ],
)
def test_what_makes_no_sense_is_told_so(guard: Visitor, path: str) -> None:
    status, text, _ = guard.ask("GET", path)
    assert status == 400, text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "path",
    ["/incidents/none", f"/incidents/{_ids(NOW_MS)}", "/cameras/none/tile.jpg", "/cameras/gate-camera/tile.jpg"],
    ids=["no-id", "no-such-id", "no-camera", "no-picture"],
)
def test_what_is_not_there_is_told_so(guard: Visitor, path: str) -> None:
    assert guard.ask("GET", path)[0] == 404


@pytest.mark.parametrize(
    "path",
    ["/history", "/incidents", f"/incidents/{INCIDENT}", "/trends", "/cameras"],
    ids=["history", "incidents", "incident", "trends", "cameras"],
)
def test_nobody_looks_without_signing_in(page: Served, path: str) -> None:
    assert page.visitor().ask("GET", path)[0] == 303


@pytest.mark.parametrize("path", ["/history.csv", "/trends.csv", "/cameras/gate-camera/tile.jpg"])
def test_nobody_is_given_a_file_without_signing_in(page: Served, path: str) -> None:
    assert page.visitor().ask("GET", path)[0] == 401


def test_four_times_of_an_incident(guard: Visitor) -> None:
    html = got(guard, "/incidents")
    assert html.count("<tr class=") == 1
    assert f"/incidents/{INCIDENT}" in html
    assert re.search(r"<b>一键报警</b>.*<b>1\.0 秒</b>.*<b>1 分 40 秒</b>.*尚未", html, re.S)


def test_the_story_of_an_incident_from_its_first_event_on(guard: Visitor) -> None:
    html = got(guard, f"/incidents/{INCIDENT}")
    order = [html.index(words) for words in ("&lt;script&gt;", "一键报警已确认")]
    assert order == sorted(order)
    story = html.partition('class="story"')[2]
    assert story.count("<li class=") == 5
    assert "燃气" not in story
    assert "+30.0 秒" in story
    assert " style=" not in html


def test_a_chart_of_what_was_read_and_its_numbers(guard: Visitor) -> None:
    html = got(guard, "/trends?span=1h&p.gw-heat=on")
    assert html.count('class="band"') == 1
    assert "10 °C" in html
    assert "10 / 60" in html
    assert " style=" not in html
    _, text, _ = guard.ask("GET", "/trends.csv?span=1h&p.gw-heat=on")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 11
    assert rows[1][3:] == ["10.0", "11.0", "12.0", "Cel"]


def test_a_camera_is_shown_while_its_picture_is_new(page: Served, school: Settings, guard: Visitor) -> None:
    assert 'data-camera="gate-camera"' in got(guard, "/cameras")
    folder = school.tiles_dir
    folder.mkdir(mode=0o700)
    try:
        (folder / "gate-camera.jpg").write_bytes(b"\xff\xd8picture")
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
        cookies = "; ".join(f"{name}={value}" for name, value in guard.cookies.items())
        connection.request("GET", "/cameras/gate-camera/tile.jpg", headers={"Host": guard.host, "Cookie": cookies})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"\xff\xd8picture")
        assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/jpeg", "no-store")
        connection.close()
    finally:
        (folder / "gate-camera.jpg").unlink()
        folder.rmdir()


def test_looking_at_cameras_is_on_record_once_an_hour(page: Served, guard: Visitor) -> None:
    page.hand.commands.clear()
    page.now_s += 3600
    for _ in range(3):
        got(guard, "/cameras")
    page.now_s += 3600
    got(guard, "/cameras")
    assert [(each["command"], each["target"], each["by"]) for each in page.hand.commands] == [("looked", "cameras", "张三")] * 2


@pytest.mark.parametrize("back", ["//elsewhere.test/", "https://elsewhere.test/", "/static/page.js", "/\\elsewhere.test", "history"])
def test_nobody_is_sent_elsewhere(guard: Visitor, back: str) -> None:
    assert guard.ask("GET", f"/language?to=zh&back={back}")[2]["location"] == "/"


words = st.dictionaries(
    st.sampled_from(["text", "place", "role", "class", "from", "to", "before", "span", "p.gw-heat", "p.x"]),
    st.text(max_size=30),
    max_size=4,
)


@given(st.sampled_from(["/history", "/history.csv", "/incidents", "/trends", "/trends.csv"]), words)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_question_breaks_the_page(guard: Visitor, path: str, query: dict[str, str]) -> None:
    from urllib.parse import urlencode

    coded = urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in query.items()})
    assert guard.ask("GET", f"{path}?{coded}")[0] in (200, 400)


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 500)

    async def wish(cameras: list[str]) -> None:
        pass

    archive = DiskArchive(load_site(tmp_path / "site.toml"), wish)
    with Served(tmp_path, Hand(None), archive).running() as served:
        visitor = served.visitor()
        visitor.sign_in()
        status, html, _ = visitor.ask("GET", "/history")
        assert status == 404
        assert "journal.db" in html
        assert json.loads(visitor.ask("GET", "/history.csv")[1])["error"].startswith("journal.db")
    archive.close()
