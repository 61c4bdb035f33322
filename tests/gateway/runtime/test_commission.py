"""A first visit without a daemon: its book, its answers, its page. The whole of it is played in tests/proof/test_commission.py."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.contract.jws import TrustedKey, verify_detached
from gateway.core.commands import Command
from gateway.core.errors import DoorRefused
from gateway.core.points import Text
from gateway.core.wire import Exchange, WireClass
from gateway.core.wire import Outcome as WireOutcome
from gateway.runtime.commission import (
    BOOK_NAME,
    OK,
    PROBLEM,
    RESULTS,
    SKIPPED,
    SOON,
    STEPS,
    UNKNOWN,
    Book,
    Check,
    Outcome,
    VisitRefused,
    cut,
    report,
    signer_of,
    walk,
    write_report,
)
from gateway.runtime.commission_end import fill_ledger
from gateway.runtime.commission_exercise import DoorSide
from gateway.runtime.commission_page import html
from gateway.runtime.commission_steps import Visit, checks, target_of
from gateway.runtime.commission_talk import Answer, Answers, Terminal
from gateway.runtime.door import Door
from gateway.runtime.findings import Finding
from gateway.runtime.keys import KeyRefused, load_signer
from gateway.runtime.probing import asker
from tests.gateway.runtime.waiting import until

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
AT_MS = 1_793_520_000_000  # 2026-11-01


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLES, folder)
    return load_site(folder / "demo-school.toml")


class Done:
    """Checks that count how often they were carried out."""

    def __init__(self, *keys: str, note: str | Text = "") -> None:
        self.keys: list[str] = []
        self.checks = [
            Check(key, Text(f"查 {key}", f"look at {key}"), lambda key=key: self._do(key, note), "gate", "张卫国") for key in keys
        ]  # type: ignore[misc]

    def _do(self, key: str, note: str | Text) -> Outcome:
        self.keys.append(key)
        return Outcome(PROBLEM if note else OK, note)


def opened(settings: Settings, *, resume: bool = False, anew: bool = False) -> Book:
    return Book.open(settings, "李工", AT_MS, resume=resume, anew=anew)


def test_each_answer_is_kept_at_once_and_asked_once(settings: Settings) -> None:
    book, heard = opened(settings), []
    first = Done("points/a", "points/b")
    checks = iter(first.checks)
    walk([next(checks)], book, "李工", lambda: AT_MS, lambda key, row, fresh: heard.append((key, row["result"], fresh)))
    kept = json.loads((settings.state_dir / BOOK_NAME).read_text())
    assert kept["results"]["points/a"]["by"] == "李工"
    assert (settings.state_dir / BOOK_NAME).stat().st_mode & 0o777 == 0o600
    again = opened(settings, resume=True)
    assert again.visit == book.visit
    walk(first.checks, again, "赵敏", lambda: AT_MS, lambda key, row, fresh: heard.append((key, row["result"], fresh)))
    assert first.keys == ["points/a", "points/b"]
    assert heard == [("points/a", OK, True), ("points/a", OK, False), ("points/b", OK, True)]
    assert again.results["points/b"]["by"] == "赵敏"


@pytest.mark.parametrize(("redo", "done"), [("points", ["points/a", "points/b"]), ("points/b", ["points/b"]), ("", [])])
def test_what_is_done_again(settings: Settings, redo: str, done: list[str]) -> None:
    book = opened(settings)
    walk(Done("points/a", "points/b").checks, book, "x", lambda: AT_MS, lambda *told: None)
    again = Done("points/a", "points/b")
    walk(again.checks, book, "x", lambda: AT_MS, lambda *told: None, redo)
    assert again.keys == done


def test_a_visit_that_was_left_is_not_begun_again_by_mistake(settings: Settings) -> None:
    book = opened(settings)
    with pytest.raises(VisitRefused, match=r"李工.*--resume goes on with it"):
        opened(settings)
    assert opened(settings, anew=True).visit != book.visit
    finished = opened(settings, resume=True)
    finished.finish(AT_MS)
    assert opened(settings).visit != finished.visit


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": 9, "results": {}}', '{"schema": 1, "source": "/sites/other/gateways/x", "results": {}}']
)
def test_a_book_that_is_none_is_refused(settings: Settings, text: str) -> None:
    settings.state_dir.mkdir()
    (settings.state_dir / BOOK_NAME).write_text(text)
    with pytest.raises(VisitRefused, match="move it away"):
        opened(settings, resume=True)


def told(settings: Settings, note: str = "") -> dict[str, Any]:
    book = opened(settings, anew=True)
    walk([*Done("site/check").checks, *Done("points/a", note=note).checks], book, "李工", lambda: AT_MS, lambda *row: None)
    return report(settings, book, "李工", AT_MS)


def test_the_report_is_signed_and_any_change_shows(settings: Settings, tmp_path: Path) -> None:
    signer = load_signer(settings.state_dir)
    file, sha256 = write_report(tmp_path / "out", told(settings), signer_of(settings), html)
    found = json.loads(file.read_text())
    public = TrustedKey(signer.kid, signer.public()["x"], "gateway")
    verify_detached(found, public)
    assert sha256 in file.with_suffix(".html").read_text()
    found["by"] = "somebody else"
    with pytest.raises(Exception, match="signature"):
        verify_detached(found, public)


def test_the_page_tells_times_on_the_schools_clock(settings: Settings) -> None:
    found = told(settings)
    page = html(found | {"begun_at": "2026-10-31T16:00:00.000Z"}, "ab" * 32)
    assert "开始 begun 2026-11-01 00:00:00;" in page
    assert "(Asia/Shanghai)" in page
    assert "T16:00:00" not in page


@pytest.mark.parametrize(
    ("text", "most", "cut_text"),
    [
        ("short", 5, "short"),
        ("no answer at all", 12, "no answer…"),
        ("no answer at all", 10, "no answer…"),
        ("查供电、接线", 5, "查供电…"),
        ("单元 field-line", 8, "单元…"),
        ("abcdefgh", 4, "abc…"),
    ],
)
def test_what_is_too_long_is_cut_between_words(text: str, most: int, cut_text: str) -> None:
    assert cut(text, most) == cut_text


@pytest.mark.parametrize(
    ("grades", "result"), [([], OK), (["unknown"], UNKNOWN), (["soon", "unknown"], SOON), (["wrong", "soon"], PROBLEM)]
)
def test_soon_and_unknown_stand_as_such_in_the_report(settings: Settings, grades: list[str], result: str) -> None:
    """They are neither right nor a problem, on the page too."""
    found = [
        Finding(grade, f"part {number}", Text(f"{number} 号", f"number {number}"), Text("", "")) for number, grade in enumerate(grades)
    ]
    looked = dict.fromkeys(("clock", "disk", "power", "files"), found)
    visit = Visit(
        settings, DoorSide(settings.door_path), Answers({}, as_json=False), "李工", lambda: AT_MS, 1.0, range(0), "synchronised", looked
    )
    book = opened(settings)
    walk(checks(visit, "board"), book, "李工", lambda: AT_MS, lambda *row: None)
    issued = report(settings, book, "李工", AT_MS)
    assert issued["totals"] == {each: 4 * (each == result) for each in RESULTS}
    assert f'<td class="{result}">' in html(issued, "ab" * 32)
    zh, en = "；".join(each.what.zh for each in found), "; ".join(each.what.en for each in found)
    row = book.results["board/clock"]
    assert (row["note"], row["note_zh"]) == (f"{zh} {en}".strip(), zh)


def test_without_its_key_no_key_is_made(settings: Settings) -> None:
    settings.state_dir.mkdir()
    with pytest.raises(KeyRefused, match="not signed"):
        signer_of(settings)
    assert not list(settings.state_dir.iterdir())


def test_what_people_write_is_only_text_on_the_page(settings: Settings) -> None:
    page = html(told(settings, note="<script>alert(1)</script> & '\""), "ab" * 32)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "未签名 not signed" in page
    assert "校门 <small>main gate</small>" in page
    assert "问题 problem" in page


def test_steps_of_the_command_line_are_those_of_the_visit(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["commission", "--by", "x", "--only", "nonsense", "--config", str(settings.file)])
    said = capsys.readouterr().err
    assert all(step in said for step in STEPS)


def test_without_a_daemon_nothing_is_begun(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commission", "--by", "x", "--config", str(settings.file)]) == 2
    assert "no daemon listens" in capsys.readouterr().err
    assert not (settings.state_dir / BOOK_NAME).exists()


def test_a_person_at_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = iter(["perhaps", "N", "no light", "y", "s"])
    terminal = Terminal(lambda prompt: next(lines))
    question = Text("亮吗？", "does it light?")
    assert [terminal.ask("k/a", question) for _ in range(3)] == [Answer(False, "no light"), Answer(True), Answer(None)]
    assert "亮吗？" in capsys.readouterr().out


def test_the_end_of_the_input_leaves_the_visit() -> None:
    def ended(prompt: str) -> str:
        raise EOFError

    with pytest.raises(VisitRefused, match="--resume"):
        Terminal(ended).ask("k/a", Text("", ""))


def test_a_file_of_answers(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text('{"default": "y", "answers": {"a": "n", "b": {"answer": "s", "note": "later"}}}')
    answers = Answers.read(file, as_json=False)
    assert [answers.ask(key, Text("", "")) for key in "abc"] == [Answer(False), Answer(None, "later"), Answer(True)]
    assert Answers.read(None, as_json=False).ask("a", Text("", "")) == Answer(None)


@pytest.mark.parametrize("text", ["[]", '{"answers": []}', '{"answers": {"a": "maybe"}}', '{"default": 1}', "{"])
def test_a_wrong_file_of_answers_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "answers.json"
    file.write_text(text)
    with pytest.raises(VisitRefused, match=r"answers.json"):
        Answers.read(file, as_json=False)


# --- against a door -----------------------------------------------------------------------------


async def nothing(bus: str, exchange: Exchange) -> WireOutcome | None:
    raise AssertionError("no read is asked for")


Submit = Callable[[str, Exchange], Awaitable[WireOutcome | None]]


@asynccontextmanager
async def shown(
    settings: Settings, points: list[dict[str, Any]], refuse: frozenset[str] = frozenset(), submit: Submit = nothing, refusal: str = ""
) -> AsyncIterator[list[Command]]:
    """A daemon that shows these points, and takes every command but some kinds; what it was told to do."""
    commands: list[Command] = []

    def act(command: Command) -> tuple[bool, str]:
        commands.append(command)
        return command.kind not in refuse, refusal or f"{command.kind}: no"

    settings.state_dir.mkdir(exist_ok=True)
    door = Door(settings.door_path, frozenset(), lambda readings: None, act, {}, submit)

    async def watch(writer: asyncio.StreamWriter, left: Callable[[], bool]) -> None:
        writer.write(json.dumps({"ok": True, "picture": {"points": points, "alarms": []}}).encode() + b"\n")
        await writer.drain()

    door.watch = watch
    running = asyncio.get_running_loop().create_task(door.run())
    await until(settings.door_path.exists)
    yield commands
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def looked_at(settings: Settings, step: str, answer: str) -> dict[str, dict[str, Any]]:
    """The book after one step in which everything is answered so."""

    def work() -> dict[str, dict[str, Any]]:
        book = opened(settings, anew=True)
        talk = Answers({"default": answer}, as_json=False)
        visit = Visit(settings, DoorSide(settings.door_path), talk, "李工", lambda: AT_MS, 1.0, range(0), "synchronised")
        walk(checks(visit, step), book, "李工", lambda: AT_MS, talk.result)
        return book.results

    return await asyncio.to_thread(work)


@pytest.mark.parametrize(
    ("value", "answer", "result"),
    [("sees", "y", OK), ("sees", "n", PROBLEM), ("sees", "s", SKIPPED), ("black", "y", PROBLEM), (None, "y", PROBLEM)],
)
async def test_a_camera(settings: Settings, value: str | None, answer: str, result: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with shown(settings, [{"point": "gate-camera", "value": value, "reason": "画面全黑 (picture black)"}]):
        found = await looked_at(settings, "cameras", answer)
    assert found["cameras/gate-camera"]["result"] == result
    assert found["cameras/gate-camera"]["seen"]["zones"] == ["apron"]
    assert ("画面正确" in capsys.readouterr().out) is (value == "sees"), "nobody is asked about a picture that is not there"


@pytest.mark.parametrize(("quality", "answer", "result"), [("good", "y", OK), ("uncertain", "n", PROBLEM), ("bad", "y", PROBLEM)])
async def test_a_measured_value(settings: Settings, quality: str, answer: str, result: str) -> None:
    rows = [{"point": "gas-kitchen-lel", "value": 0.4, "unit": "%LEL", "quality": quality, "reason": "warm-up"}]
    others = {each.id for each in settings.site.points} - {"gas-kitchen-lel"}
    async with shown(settings, rows, frozenset({"start_test"})):
        found = await looked_at(settings, "points", answer)
    assert found["points/gas-kitchen-lel"]["result"] == result
    assert found["points/gas-kitchen-lel"]["responsible"] == "王师傅"
    assert others >= {key.partition("/")[2] for key in found} - {"gas-kitchen-lel"}
    assert "start_test: no" in found["points/panic-gatehouse"]["note"]


async def test_why_a_point_could_not_be_tried_is_told_in_both_languages(settings: Settings) -> None:
    rows = [{"point": "gas-kitchen-lel", "value": None, "unit": "%LEL", "quality": "bad", "reason": "no answer"}]
    stands = 'the alarm of "panic-gatehouse" stands already: reset it first, then test it'
    async with shown(settings, rows, frozenset({"start_test"}), refusal=stands):
        found = await looked_at(settings, "points", "y")
    said = "测试不能开始：panic-gatehouse 的报警尚未复位：请先复位，再测试"
    assert (said in found["points/panic-gatehouse"]["note"], stands in found["points/panic-gatehouse"]["note"]) == (True, True)
    assert "读数不可信：无应答" in found["points/gas-kitchen-lel"]["note"]


async def test_problems_that_the_ledger_does_not_take_are_named(settings: Settings) -> None:
    book = opened(settings)
    walk(Done("points/a", note=Text("坏了", "broken")).checks, book, "李工", lambda: AT_MS, lambda *told: None)
    async with shown(settings, [], frozenset({"open_hazard"})) as commands:
        refused = await asyncio.to_thread(fill_ledger, settings, book, DoorSide(settings.door_path), "李工", AT_MS)
    assert refused == ["points/a: open_hazard: no"]
    ((kind, place, due, responsible),) = [(each.kind, each.target, each.value, each.second) for each in commands]
    assert commands[0].points == ("commission", "points/a"), "found again, it is the same hazard"
    assert commands[0].why == "调试验收 points/a：查 points/a：坏了"
    assert (kind, place, due, responsible) == ("open_hazard", "gate", "2026-11-15", "张卫国")
    assert "未记入" in book.results["points/a"]["ledger"]
    async with shown(settings, []) as commands:
        for _ in range(2):
            assert await asyncio.to_thread(fill_ledger, settings, book, DoorSide(settings.door_path), "李工", AT_MS) == []
    assert len(commands) == 1, "what is in the ledger is not put there twice"
    walk(Done("points/a", note=Text("坏了", "broken")).checks, book, "李工", lambda: AT_MS, lambda *told: None, "points/a")
    async with shown(settings, []) as commands:
        assert await asyncio.to_thread(fill_ledger, settings, book, DoorSide(settings.door_path), "李工", AT_MS) == []
    assert [each.points for each in commands] == [("commission", "points/a")], "done again and wrong again: the ledger knows it by this"


def test_a_check_is_about_the_place_of_its_device(settings: Settings) -> None:
    """Not about the first place of the file, where none of them stands."""
    visit = Visit(settings, DoorSide(settings.door_path), Terminal(), "李工", lambda: AT_MS, 1.0, range(0), "synchronised")
    places = {check.key: check.place for step in ("ports", "devices") for check in checks(visit, step)}
    assert (places["devices/gas-kitchen"], places["devices/gate-module"]) == ("kitchen", "gatehouse")
    assert places["ports/gate-io"] == "gatehouse"
    assert places["devices/power-monitor"] == settings.points["residual-main"].place


async def test_a_line_of_the_daemons_is_asked_through_it_by_a_relative_name(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site file names the port beside itself. What the daemon refuses is told as it says it: the port itself is not tried instead."""
    monkeypatch.chdir(settings.file.parent)
    here = replace(settings, file=Path(settings.file.name))
    (bus,) = (bus for bus in here.site.buses if bus.id == "field-line")
    asked: list[str] = []

    async def refuse(bus_id: str, exchange: Exchange) -> WireOutcome | None:
        asked.append(bus_id)
        return None

    async with shown(settings, [], submit=refuse):
        async with asker(target_of(here, bus), here) as line:
            assert line.through == "through the running daemon, bus field-line"
        with pytest.raises(DoorRefused, match="not a polled bus of this daemon"):
            async with asker(target_of(here, bus), here) as line:
                await line.ask(Exchange("scan", "unit 1", 1, bytes([3, 0, 0, 0, 1]), 5, 0.1, WireClass.DIAGNOSTICS))
    assert asked == ["field-line"]
