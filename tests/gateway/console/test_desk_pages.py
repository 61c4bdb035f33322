"""The pages of plan, duties, hazards, inspections and reports over real HTTP: what they show, to whom, and what their forms send."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from gateway.console import desk, plan, reports, view
from gateway.runtime.door import _command
from tests.gateway.console.school_day import DAILY, HAZARD, PLAN, POINTS, SchoolArchive, whole
from tests.gateway.console.served import Hand, Served, Visitor

PATHS = (
    "/plan",
    "/plan/list",
    "/duty",
    "/hazards",
    "/hazards/closed",
    "/hazards/hz-12",
    "/inspections",
    "/reports",
    "/reports/daily/7",
    "/reports/drill-event/40",
)
FILES = (
    "/plan/drawing",
    "/ledger/hazards.xlsx",
    "/ledger/hazards.csv",
    "/reports/daily/7/report.json",
    "/reports/drill-event/40/report.json",
)
PEOPLE = {"guard": "张三", "duty_leader": "王主任", "technician": "赵工", "viewer": "校长"}
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("console"), Hand(whole()), SchoolArchive())
    served.accounts.add("赵工", "technician", "correct horse")
    with served.running():
        yield served


@pytest.fixture(scope="module")
def people(page: Served) -> dict[str, Visitor]:
    found = {role: page.visitor() for role in PEOPLE}
    for role, visitor in found.items():
        assert visitor.sign_in(PEOPLE[role]) == 200
    return found


def shown(people: dict[str, Visitor], path: str, role: str = "duty_leader") -> str:
    """The page's HTML."""
    status, html, _ = people[role].ask("GET", path)
    assert status == 200, html
    return unescape(html)


def commands(html: str) -> set[str]:
    """What the forms and buttons of a page ask for."""
    return set(re.findall(r'data-(?:command|act)="(\w+)"', html)) - {"silence"}


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_for_every_role_and_for_nobody_else(page: Served, people: dict[str, Visitor], path: str) -> None:
    for role in PEOPLE:
        assert "Traceback" not in shown(people, path, role)
    assert page.visitor().ask("GET", path)[0] == 303
    assert commands(shown(people, path, "viewer")) == set()


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_for_every_role_and_for_nobody_else(page: Served, people: dict[str, Visitor], path: str) -> None:
    assert [people[role].ask("GET", path)[0] for role in PEOPLE] == [200] * 4
    assert page.visitor().ask("GET", path)[0] == 401


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_whole_in_english(people: dict[str, Visitor], path: str) -> None:
    visitor = people["technician"]
    visitor.ask("GET", "/language?to=en")
    try:
        html = visitor.ask("GET", path)[1]
    finally:
        visitor.ask("GET", "/language?to=zh")
    main = re.sub(r"<[^>]*>", " ", html.partition("<main")[2].partition("</main>")[0])
    for name in ("李建军", "张卫国", "王师傅", "李明", "王主任", "赵工", "张三", "第二次演练", "换了传感器"):
        main = main.replace(name, "")
    assert HAN.findall(main) == [], HAN.search(main)


# --- plan --------------------------------------------------------------------------------------


def test_each_point_is_told_by_the_gravest_of_what_is_true() -> None:
    found = {row["point"]: row["mark"] for row in plan.marks(whole(), view.UNTAKEN)}
    assert found == {
        "panic-gatehouse": "alarm",
        "gas-kitchen": "taken",
        "residual-main": "fault",
        "door-back": "aside",
        "panic-duty": "mode",
        "person-gate": "mode",
        "gate-camera": "normal",
        "stray": "normal",
    }
    rehearsed = whole()
    rehearsed["alarms"][0] |= {"mode": "drill:d1"}
    assert plan.marks(rehearsed, view.UNTAKEN)[0]["mark"] == "rehearsed"


def test_a_mark_lies_where_the_site_file_says_and_never_beyond_the_edge() -> None:
    rows = {row["point"]: (row["x"], row["y"]) for row in plan.marks(whole(), view.UNTAKEN)}
    assert rows["panic-gatehouse"] == (240, round(0.78 * 470))
    assert rows["door-back"] == (976, 47)
    assert rows["stray"] == (None, None)


def test_the_plan_names_place_point_and_state_and_lists_what_is_not_on_it(people: dict[str, Visitor]) -> None:
    html = shown(people, "/plan")
    assert 'aria-label="门卫室，一键报警按钮（门卫室），报警，未确认"' in html
    assert html.count('class="mark ') == len(POINTS) - 1
    assert "未标点位" in html.partition('id="plan_rest"')[2]
    assert " style=" not in html, "the page's policy forbids it"
    status, drawing, headers = people["viewer"].ask("GET", "/plan/drawing")
    assert (status, drawing, headers["content-type"]) == (200, PLAN.read_text(encoding="utf-8"), "image/svg+xml")


def test_a_school_without_a_plan_has_the_list(page: Served, people: dict[str, Visitor]) -> None:
    page.hand.show(whole() | {"plan": None})
    try:
        assert "没有设置平面图" in shown(people, "/plan")
        assert shown(people, "/plan/list").count('id="point-') == len(POINTS)
    finally:
        page.hand.show(whole())


# --- what each role is offered, and what it sends ------------------------------------------------

GUARD = {"check_in", "patrol", "answer", "open_shift"}
LEADER = GUARD | {"end_drill", "end_maintenance", "start_drill", "start_test"}


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/duty", {"guard": GUARD, "duty_leader": LEADER, "technician": LEADER | {"start_maintenance"}}),
        ("/hazards", {"guard": {"open_hazard"}, "duty_leader": {"open_hazard"}}),
        ("/hazards/hz-12", {"guard": {"fix_hazard"}, "duty_leader": {"fix_hazard", "assign_hazard"}}),
        ("/hazards/hz-13", {"guard": {"verify_hazard"}, "duty_leader": {"verify_hazard"}}),
        ("/inspections", {"guard": {"inspect"}, "technician": {"inspect"}}),
        ("/plan", {"guard": set(), "technician": set()}),
    ],
)
def test_each_role_is_offered_what_it_may_do(people: dict[str, Visitor], path: str, offered: dict[str, set[str]]) -> None:
    assert {role: commands(shown(people, path, role)) for role in offered} == offered


@pytest.mark.parametrize(
    "sent",
    [
        {"command": "patrol", "target": "night-round", "value": "boiler"},
        {"command": "open_shift", "target": "shifts", "second": "李建军", "why": ""},
        {"command": "start_drill", "target": "fire", "for_s": 1800, "value": "60", "why": "", "points": ["panic-duty"]},
        {"command": "open_hazard", "target": "kitchen", "value": "2026-12-01", "second": "王师傅", "why": "门坏了"},
        {"command": "verify_hazard", "target": "hz-13", "value": "no", "why": "还在漏"},
        {
            "command": "inspect",
            "target": "daily-round",
            "value": "problem",
            "points": ["exits"],
            "why": "堵",
            "second": "李明",
            "for_s": 7 * 86_400,
        },
    ],
)
def test_what_a_form_sends_reaches_the_daemon_as_a_command(page: Served, people: dict[str, Visitor], sent: dict[str, Any]) -> None:
    page.hand.commands.clear()
    assert people["duty_leader"].ask("POST", "/act", sent)[0] == 200
    command = _command(page.hand.deeds[-1], 0)
    assert (command.kind, command.target, command.by, command.role) == (sent["command"], sent["target"], "王主任", "duty_leader")
    assert (command.value, command.second, command.why) == tuple(sent.get(name, "") for name in ("value", "second", "why"))
    assert (command.for_s, command.points) == (sent.get("for_s", 0), tuple(sent.get("points", ())))


def test_only_an_inspection_may_name_days(people: dict[str, Visitor]) -> None:
    drill = {"command": "start_drill", "target": "fire", "for_s": 7 * 86_400, "points": ["panic-duty"]}
    assert people["duty_leader"].ask("POST", "/act", drill)[0] == 400
    inspect = {"command": "inspect", "target": "daily-round", "value": "problem", "for_s": 400 * 86_400}
    assert people["duty_leader"].ask("POST", "/act", inspect)[0] == 400


def test_the_forms_hold_the_fields_of_their_commands(people: dict[str, Visitor]) -> None:
    fields: dict[str, set[str]] = {}
    for path in ("/duty", "/hazards", "/hazards/hz-12", "/hazards/hz-13", "/inspections"):
        for name, form in re.findall(r'data-command="(\w+)"(.*?)</form>', shown(people, path, "technician"), re.DOTALL):
            fields.setdefault(name, set()).update(re.findall(r' name="(\w+)"', form))
    assert fields == {
        "patrol": {"value"},
        "open_shift": {"second", "why"},
        "start_drill": {"target", "minutes", "value", "why", "points"},
        "start_test": {"minutes", "points"},
        "start_maintenance": {"why", "minutes", "points"},
        "open_hazard": {"target", "why", "second", "value"},
        "fix_hazard": {"why"},
        "assign_hazard": {"second", "value", "why"},
        "verify_hazard": {"value", "why"},
        "inspect": {"value", "why", "second", "days", "points"},
    }


# --- duties, hazards, inspections, reports ---------------------------------------------------------


def test_a_mode_says_until_when_and_a_late_test_is_named(people: dict[str, Visitor]) -> None:
    html = shown(people, "/duty")
    for word in ("消防应急演练", "至 2026-11-22 09:00", "逾期", "待做的报警测试", "值班：李建军", "已到 锅炉房"):
        assert word in html
    assert "检修中" in html.partition('id="banner"')[2].partition("<main")[0]


def test_a_hazard_has_its_steps_and_what_is_overdue_comes_first(people: dict[str, Visitor]) -> None:
    html = shown(people, "/hazards")
    assert html.index("hz-12") < html.index("hz-13")
    one = shown(people, "/hazards/hz-12")
    assert one.index("登记") < one.index("交办")
    assert HAZARD["zh"] in one
    assert "hz-3" in shown(people, "/hazards/closed")
    assert "已销号" in shown(people, "/hazards/hz-3"), "one that is closed is known from the journal"
    assert people["guard"].ask("GET", "/hazards/hz-99")[0] == 404


def test_inspections_that_are_late_come_first(people: dict[str, Visitor]) -> None:
    html = shown(people, "/inspections")
    assert 0 < html.index('data-target="weekly"') < html.index('data-target="daily-round"')
    assert 'name="points" value="exits"' in html


def test_a_report_shows_its_sections_in_their_order_and_says_that_nothing_happened(people: dict[str, Visitor]) -> None:
    html = shown(people, "/reports/daily/7")
    for word in ("负责人 Li Qiang", "零报告：无事发生", "13 min", "95.5 %", "校门无防冲撞", "11-22 08:30:00", "2026-11-21 00:00"):
        assert word in html
    assert html.index("四个100%") < html.index("确认最长用时") < html.index("strange")
    assert json.loads(people["viewer"].ask("GET", "/reports/daily/7/report.json")[1]) == DAILY
    assert "日报 7" in shown(people, "/reports")


def test_a_drill_is_reported_from_its_event(people: dict[str, Visitor]) -> None:
    assert "/reports/drill-event/40" in shown(people, "/reports")
    html = shown(people, "/reports/drill-event/40")
    for word in ("消防应急演练", "0.4 s", "14 s", "未触发的点位", "一键报警按钮（门卫室）", "30 min"):
        assert word in html


def test_a_drill_report_that_was_issued_is_shown_alike_and_given_as_it_was_signed(people: dict[str, Visitor]) -> None:
    html = shown(people, "/reports/drill/3")
    for word in ("消防应急演练", "14 s", "kid..sig"):
        assert word in html
    given = people["viewer"].ask("GET", "/reports/drill/3/report.json")[1]
    assert "sections" not in json.loads(given)
    assert hashlib.sha256(given.encode()).hexdigest() in html


@pytest.mark.parametrize(
    "path", ["/reports/daily/8", "/reports/yearly/1", "/reports/daily/-1", "/reports/drill-event/39", "/reports/drill-event/x"]
)
def test_a_report_that_is_not_there_is_said_so(people: dict[str, Visitor], path: str) -> None:
    assert people["guard"].ask("GET", path)[0] == 404
    assert people["guard"].ask("GET", f"{path}/report.json")[0] == 404


@pytest.mark.parametrize("path", PATHS)
def test_before_the_first_picture_each_page_says_that_the_daemon_is_away(page: Served, people: dict[str, Visitor], path: str) -> None:
    page.hand.show(None, away=True)
    try:
        assert "失去联系" in shown(people, path)
    finally:
        page.hand.show(whole())


@pytest.mark.parametrize("path", PATHS)
def test_hostile_names_stay_text(page: Served, people: dict[str, Visitor], path: str) -> None:
    bad = "<script>alert(1)</script>\"'"
    page.hand.show(_poisoned(whole(), bad))
    try:
        assert "<script>alert" not in people["technician"].ask("GET", path)[1]
    finally:
        page.hand.show(whole())


def _poisoned(value: Any, bad: str) -> Any:
    """All texts for people are hostile."""
    if isinstance(value, dict):
        texts = ("zh", "en", "by", "why", "who", "responsible", "reason", "point", "place")
        return {name: bad if name in texts and isinstance(each, str) else _poisoned(each, bad) for name, each in value.items()}
    return [_poisoned(each, bad) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("x", [24, 60, 500, 940, 976])
@pytest.mark.parametrize("text", ["门", "一键报警按钮（教学楼三层办公室）", "one-key alarm button (teaching block)"])
def test_a_label_lies_within_the_plan(x: int, text: str) -> None:
    half = len(text) * plan.LETTER / 2 if text[0] > "z" else len(text) * plan.LETTER * 0.3
    centre = x + plan.label_shift(x, text)
    assert half <= centre <= plan.WIDTH - half
    if x == 500:
        assert centre == x, "where there is room it stays under its mark"


@pytest.mark.parametrize(
    "spots", [[(240, 300), (270, 300)], [(240, 300), (240, 340)], [(30, 30), (60, 30)], [(970, 460), (940, 440), (910, 450)]]
)
def test_labels_of_points_that_lie_close_do_not_overlap(spots: list[tuple[int, int]]) -> None:
    rows = [{"point": str(number), "x": x, "y": y} for number, (x, y) in enumerate(spots)]
    labels = plan.labels([*rows, {"point": "off", "x": None, "y": None}], {row["point"]: "门卫室一键报警按钮" for row in rows}, 470)
    assert set(labels) == {row["point"] for row in rows}
    boxes = []
    for row in rows:
        label, half = labels[row["point"]], len("门卫室一键报警按钮") * plan.LETTER / 2
        x, y = row["x"] + label.dx, row["y"] + label.dy
        boxes.append((x - half, y - plan.LETTER, x + half, y))
        assert (half <= x <= plan.WIDTH - half, plan.LETTER <= y <= 470) == (True, True)
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], boxes


def test_points_of_one_name_are_told_apart_by_their_ids() -> None:
    points = [{"point": name, "zh": "按钮" if name < "c" else "气体", "en": "b" if name < "c" else "g"} for name in "abc"]
    assert desk.told_apart(points, "zh") == {"a": "按钮 (a)", "b": "按钮 (b)", "c": "气体"}


def test_alarms_of_one_name_are_told_apart_in_a_drill_report() -> None:
    twice = [{"alarm": f"{name}/alarm", "name": {"zh": "一键报警按钮", "en": "button"}} for name in ("panic-a", "panic-b")]
    section = reports._of_drill({"alarms": twice}, {})["drill"]
    (table,) = section["tables"]
    assert [row["point"]["zh"] for row in table["rows"]] == ["一键报警按钮 (panic-a)", "一键报警按钮 (panic-b)"]
