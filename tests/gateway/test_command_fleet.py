"""campus-gateway fleet: five schools from a table, errors with sheet, row and column, hostile cells."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.__main__ import main
from gateway.config.load import load_site
from gateway.fleet import xlsx
from gateway.fleet.columns import COLUMNS, DEVICES, KITS, SCHOOLS
from gateway.fleet.generate import generate, read_schools
from gateway.fleet.table import Fault, TableRefused, read_tables, sheet_of
from gateway.fleet.template import merged, read_template
from gateway.fleet.text import harmless
from gateway.fleet.toml import made_here, site_text
from gateway.fleet.xlsx import read_xlsx, write_sheets

EXAMPLES = Path(__file__).parents[2] / "deploy/fleet"
TEMPLATE = EXAMPLES / "template.toml"
TABLES = [str(EXAMPLES / "schools.csv"), "--devices", str(EXAMPLES / "devices.csv"), "--template", str(TEMPLATE)]
GOLDEN = Path(__file__).parent / "fleet"

Rows = list[dict[str, str]]


def written(folder: Path, rows: Rows, kind: str = SCHOOLS, encoding: str = "utf-8-sig") -> Path:
    """A CSV table of these rows, with headings in Chinese."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.zh for column in COLUMNS[kind]])
    writer.writerows([row.get(column.id, "") for column in COLUMNS[kind]] for row in rows)
    file = folder / f"{'schools' if kind == SCHOOLS else 'devices'}.csv"
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def row(**cells: str) -> dict[str, str]:
    """A school that is good, with these cells."""
    return {"id": "a1", "name": "甲小学", "kind": "小学", "panic_buttons": "1"} | cells


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Generate from rows; the JSON answer, with the exit status as `status`."""

    def generated(schools: Rows, devices: Rows | None = None, *more: str, template: Path = TEMPLATE, encoding: str = "utf-8-sig") -> Any:
        words = ["fleet", "generate", str(written(tmp_path, schools, encoding=encoding)), "--template", str(template), "--json"]
        words += ["--devices", str(written(tmp_path, devices, DEVICES))] if devices is not None else []
        status = main([*words, "--out", str(tmp_path / "sites"), *more])
        return {"status": status, **json.loads(capsys.readouterr().out)}

    return generated


def errors(answer: dict[str, Any]) -> list[tuple[int, str, str]]:
    """(row, heading, text) of each error."""
    return [(each["row"], each["column"].partition(" ")[2], each["text"]) for each in answer["errors"]]


# --- five schools ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site files of the sample tables."""
    folder = tmp_path_factory.mktemp("fleet") / "sites"
    extra = ["--report", str(folder.parent / "missing.csv"), "--inventory", str(folder.parent / "hosts.json")]
    assert main(["fleet", "generate", *TABLES, "--out", str(folder), *extra]) == 0
    return folder


def test_the_samples_give_the_files_that_were_looked_at(sites: Path) -> None:
    golden = {file.name: file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.toml")}
    assert len(golden) == 5
    assert {file.name: file.read_text(encoding="utf-8") for file in sites.iterdir()} == golden


def test_each_file_is_taken_by_check_and_readable_by_few(sites: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in sites.iterdir():
        assert main(["check", str(file)]) == 0
        assert file.stat().st_mode & 0o007 == 0, "telephone numbers stand in it"
    assert capsys.readouterr().err == ""


def test_what_a_row_says_is_in_the_file(sites: Path) -> None:
    school = load_site(sites / "6101020002.toml")
    assert school.site.uplink.paths[0].url == "mqtts://linkage2.example.org:8883"
    assert [device.unit for device in school.site.devices if device.profile == "honeywell-xnx"] == [13, 14]
    assert school.site.places["dormitory"].type == "dormitory"
    assert (school.points["line-192-168-1-30-1-di1"].place, school.points["line-192-168-1-30-1-di1"].role) == ("dormitory", "panic_button")
    assert school.site.calendar is not None
    assert school.site.calendar.boarding is not None
    assert school.site.hours.fri == ["07:30-12:00", "14:00-17:30"]
    assert [leader.name for leader in school.site.rules.escalation.leaders] == ["钱校长"]
    assert {point.responsible for point in school.site.points} == {"赵建军", "宿管 吴"}
    kindergarten = load_site(sites / "6101030001.toml").site
    assert kindergarten.hours.mon == ["08:30-16:30"]
    assert (kindergarten.places["kitchen"].without, kindergarten.places["kitchen"].why) == (["gas"], "食堂用电，无燃气")
    assert [layer.fixed for layer in kindergarten.anti_ram[0].layers] == [True, True]
    village = load_site(sites / "6101030002.toml").site
    assert village.buses[0].device == "/dev/serial/by-path/platform-usb-0:1.1:1.0-port0"
    assert "kitchen" not in village.places


def test_what_is_missing_is_told(sites: Path) -> None:
    rows = list(csv.reader(io.StringIO((sites.parent / "missing.csv").read_text(encoding="utf-8-sig"))))
    found = {(school, term, place, answer) for school, _, _, _, term, _, place, answer in rows[1:]}
    assert ("6101030002", "硬质防冲撞设施", "校门", "") in found
    assert ("6101030002", "领导带班值班", "", "") in found
    assert ("6101020002", "两道防冲撞设施", "校门", "") in found
    assert ("6101030001", "燃气报警器", "食堂厨房", "食堂用电，无燃气") in found
    assert not any(school == "6101020001" for school, *_ in found), "this one has everything"


def test_the_inventory_holds_no_text_of_the_table(sites: Path) -> None:
    """Ansible would carry out what stands in {{ }}."""
    text = (sites.parent / "hosts.json").read_text(encoding="utf-8")
    children = json.loads(text)["all"]["children"]
    assert children["campus_gateways"]["hosts"]["6101020001"] == {"ansible_host": "10.20.1.11", "campus_school_kind": "primary"}
    assert "6101030002" not in children["campus_gateways"]["hosts"], "it has no address"
    assert set(children["region_610103"]["hosts"]) == {"6101030001", "6101030003"}
    assert text.isascii()


def test_the_same_table_again_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fleet", "generate", *TABLES, "--out", str(tmp_path), "--json"]
    assert main(words) == 0
    stamps = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    (tmp_path / "old.toml").write_text(site_text({"schema": 1}, []), encoding="utf-8")
    (tmp_path / "mine.toml").write_text("schema = 1\n", encoding="utf-8")
    capsys.readouterr()
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["written"], answer["unchanged"], answer["removed"]) == ([], 5, ["old.toml"])
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir() if file.name in stamps} == stamps
    assert (tmp_path / "old.toml").exists()


def test_more_processes_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for jobs in ("1", "2"):
        assert main(["fleet", "generate", *TABLES, "--out", str(tmp_path / jobs), "--jobs", jobs, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]


# --- errors ----------------------------------------------------------------------------------------------------------


def test_all_errors_at_once_and_files_for_the_others(run: Any, tmp_path: Path) -> None:
    schools = [
        row(),
        row(id="a2", panic_buttons="many", longitude="200", region="61", kind="中专"),
        row(id="a2"),
        row(id="../etc"),
        row(id="a3", gas_detectors="2", gas_addresses="11", kitchen="煤"),
        row(id="a4", cameras="9", hours="8点", leaders="甲,乙", leader_phones="1"),
    ]
    answer = run(schools)
    assert (answer["status"], answer["written"], answer["refused"]) == (1, ["a1"], ["a2", "a3", "a4"])
    found = {(number, heading): text for number, heading, text in errors(answer)}
    assert found[3, "一键报警按钮数量"] == '"many" is not a number of things; expected 0 to 64'
    assert "expected 幼儿园, 小学" in found[3, "学校类型"]
    assert "expected -180 to 180" in found[3, "经度"]
    assert "6, 9 or 12 digits" in found[3, "行政区划代码"]
    assert found[4, "学校编号"] == '"a2" stands already in row 3'
    assert found[5, "学校编号"] == '"../etc" is not an id; expected a-z, 0-9 and -, at most 48 characters'
    assert "1 addresses for 2" in found[6, "燃气探测器地址"]
    assert "expected 燃气, 用电, 无" in found[6, "食堂"]
    assert "the template knows 2 of them" in found[7, "摄像机数量"]
    assert "HH:MM-HH:MM" in found[7, "上课时间"]
    assert "1 numbers for 2 leaders" in found[7, "带班领导电话"]
    assert [file.name for file in (tmp_path / "sites").iterdir()] == ["a1.toml"]


def test_what_the_checker_refuses_is_told_where_it_stands_in_the_table(run: Any, tmp_path: Path) -> None:
    """A gas detector without the kitchen it hangs in; two devices with one address; a full line."""
    answer = run([row(gas_detectors="1"), row(id="a2", kitchen="燃气", gas_detectors="2", gas_addresses="11,11")])
    assert answer["status"] == 1
    told = errors(answer)
    assert [each for each in told if each[:2] == (2, "燃气探测器数量") and '"kitchen" is not a place' in each[2]]
    assert [each for each in told if each[:2] == (3, "燃气探测器数量") and each[2].startswith("devices gas-kitchen-2")]
    assert not list((tmp_path / "sites").iterdir()), "neither a file nor what was staged"


def test_what_the_template_is_to_blame_for_is_told_once(run: Any, tmp_path: Path) -> None:
    template = tmp_path / "template.toml"
    template.write_text(TEMPLATE.read_text(encoding="utf-8").replace('signal = "di8"', 'signal = "di9"'), encoding="utf-8")
    answer = run([row(id=f"a{i}") for i in range(5)], template=template)
    one, another = answer["errors"]
    assert another["text"].startswith("guard_posts gate-guard, buttons, 0: ")
    assert (one["sheet"], one["row"], len(answer["refused"])) == ("template.toml", 0, 5)
    assert one["text"].startswith("points guard-check-in, signal: ")
    assert one["text"].endswith("(5 schools: a0, a1, a2, ...)")


@pytest.mark.parametrize(
    ("cells", "heading", "words"),
    [
        ({"role": "一键报警", "place": "火星"}, "位置", "is not a place of this school"),
        ({"role": "锅", "place": "校门"}, "用途", "is not a use that is known"),
        ({"role": "一键报警", "place": "校门"}, "型号", "is empty"),
        ({"role": "一键报警", "place": "校门", "device": "gate-modul"}, "型号", 'did you mean "gate-module"?'),
        ({"role": "一键报警", "place": "校门", "device": "gate-module"}, "通道", "signals of waveshare-modbus-rtu-io-8ch could be"),
        ({"role": "一键报警", "place": "校门", "device": "gate-module", "signal": "di99"}, "通道", "is not a signal of"),
        ({"role": "可燃气体浓度", "place": "校门", "profile": "honeywell-xmx"}, "型号", 'did you mean "honeywell-xnx"?'),
        ({"role": "可燃气体浓度", "place": "校门", "profile": "honeywell-xnx", "address": "300"}, "设备地址", "expected 0 to 255"),
        (
            {"role": "可燃气体浓度", "place": "校门", "profile": "honeywell-xnx", "address": "1", "signal": "gas"},
            "设备地址",
            "is already a",
        ),
        ({"role": "门磁", "place": "校门", "profile": "osdp-reader", "line": "10.0.0.1"}, "线路", "which speaks osdp"),
        ({"role": "摄像机", "place": "校门"}, "线路", "expected the camera's address"),
        ({"role": "摄像机", "place": "校门", "line": "rtsp://h/?password=x"}, "线路", "credentials_file"),
        ({"school": "b", "role": "摄像机", "place": "校门"}, "学校编号", "is not among the schools"),
    ],
)
def test_errors_of_the_devices(run: Any, cells: dict[str, str], heading: str, words: str) -> None:
    answer = run([row()], [{"school": "a1"} | cells])
    assert answer["status"] == 1
    (told,) = errors(answer)
    assert told[:2] == (2, heading)
    assert words in told[2]


def test_headings(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("学校编号 id,NAME*,学校类形,教师人数,学校编号\na,b,小学,40,c\n", encoding="utf-8")
    schools, _ = read_tables(file)
    assert [str(fault) for fault in schools.faults] == [
        't.csv, row 1, column C 学校类形: is not a known heading; did you mean "学校类型"?',
        "t.csv, row 1, column E 学校编号: stands already at A 学校编号 id",
        "t.csv, row 1: the heading 学校类型 (kind) is missing",
    ]
    assert [fault.column for fault in schools.warnings] == ["D 教师人数"]
    assert (
        generate(schools, sheet_of(DEVICES, "d", iter([["school", "role", "place"]])), read_template(TEMPLATE), tmp_path / "s").written
        == []
    )


def test_files_that_are_not_ours_are_left_alone(run: Any, tmp_path: Path) -> None:
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "a1.toml").write_text("mine = 1\n", encoding="utf-8")
    assert run([row(id="a2")])["status"] == 0
    changed = (sites / "a2.toml").read_text(encoding="utf-8") + "# a remark by hand\n"
    (sites / "a2.toml").write_text(changed, encoding="utf-8")
    answer = run([row(), row(id="a2", panic_buttons="2")])
    assert [text for _, _, text in errors(answer)] == [
        f"{sites}/a1.toml was not made by this command: move it away, or take --overwrite",
        f"{sites}/a2.toml was changed by hand: move it away, or take --overwrite",
    ]
    assert (sites / "a2.toml").read_text(encoding="utf-8") == changed
    assert run([row(), row(id="a2", panic_buttons="2")], None, "--overwrite")["written"] == ["a1", "a2"]


def test_a_dry_run_keeps_nothing(run: Any, tmp_path: Path) -> None:
    answer = run([row()], None, "--dry-run", "--inventory", str(tmp_path / "hosts.json"))
    assert (answer["status"], answer["written"], list((tmp_path / "sites").iterdir())) == (0, ["a1"], [])
    assert not (tmp_path / "hosts.json").exists()


def test_full_width_letters_and_other_habits(run: Any, tmp_path: Path) -> None:
    habits = row(
        id="Ａ１".lower(),
        panic_buttons="２",
        kitchen="燃气",
        gas_detectors="２",
        gas_addresses="１３、１４",
        arrival="7:20～8:00",
        hours="8：00—11：50，13：50-16：30",
    )
    assert run([habits])["status"] == 0
    site = load_site(tmp_path / "sites/a1.toml").site
    assert site.calendar is not None
    assert site.calendar.arrival.daily == ["07:20-08:00"]
    assert site.hours.mon == ["08:00-11:50", "13:50-16:30"]
    assert [device.unit for device in site.devices[1:]] == [13, 14]


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", []), ("utf-8-sig", []), ("gb18030", ["schools.csv: read as GB18030"]), ("utf-16", ["schools.csv: read as UTF-16"])],
)
def test_encodings(tmp_path: Path, encoding: str, said: list[str]) -> None:
    schools, _ = read_tables(written(tmp_path, [row(name="㐀镕小学")], encoding=encoding))
    assert (schools.rows[0].cells["name"], schools.said, schools.faults) == ("㐀镕小学", said, [])


def test_text_in_no_encoding(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"id,name\n\xff\xff\xff")
    with pytest.raises(TableRefused, match="neither UTF-8 nor GB18030"):
        read_tables(tmp_path / "t.csv")


def test_the_empty_table_is_filled_in_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As an office does it: the table from us, cells typed into it with another program, read again."""
    import openpyxl

    file = tmp_path / "schools.xlsx"
    assert main(["fleet", "table", "--out", str(file)]) == 0
    assert main(["fleet", "table", "--out", str(file)]) == 1, "it may be filled in"
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == [SCHOOLS, DEVICES, "lists"]
    places = {cell.value.rstrip("*"): cell.column for cell in book[SCHOOLS][1]}
    assert all(cell.comment for cell in book[SCHOOLS][1])
    assert len(book[DEVICES].data_validations.dataValidation) == 4
    for heading, value in (("学校编号", 6101020001), ("学校名称", "=1+1小学"), ("学校类型", "小学"), ("一键报警按钮数量", 2.0)):
        cell = book[SCHOOLS].cell(2, places[heading])
        cell.value = value
        if isinstance(value, str):
            cell.data_type = "s"
    for number, value in enumerate((6101020001, "一键报警按钮", "门卫室"), 1):
        book[DEVICES].cell(2, number).value = value
    book[DEVICES].cell(2, [cell.value for cell in book[DEVICES][1]].index("设备编号") + 1).value = "gate-module"
    book[DEVICES].cell(2, [cell.value for cell in book[DEVICES][1]].index("通道") + 1).value = "DI7"
    book.save(file)
    report = tmp_path / "missing.xlsx"
    assert main(["fleet", "generate", str(file), "--template", str(TEMPLATE), "--out", str(tmp_path / "s"), "--report", str(report)]) == 0
    site = load_site(tmp_path / "s/6101020001.toml").site
    assert (site.site.name, [point.signal for point in site.points]) == ("=1+1小学", ["di8", "di1", "di2", "di7"])
    sheets = read_xlsx(report)
    assert list(sheets) == ["缺项 missing", "汇总 counts"]
    assert sheets["缺项 missing"][1][:3] == ["6101020001", "=1+1小学", "小学"]
    cells = openpyxl.load_workbook(report)["缺项 missing"]
    assert cells["B2"].data_type == "s"
    assert "1 written" in capsys.readouterr().out


def xlsx_with(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A workbook with one part changed."""
    whole = folder / "whole.xlsx"
    write_sheets(whole, {SCHOOLS: [["id", "name", "kind"], ["a", "b", "小学"]]})
    file = folder / "changed.xlsx"
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.namelist():
            content = before.read(part)
            after.writestr(part, change(content) if part == name else content)
    return file


BOMB = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><sst>&b;</sst>'


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("xl/worksheets/sheet1.xml", lambda _: BOMB, "declares a document type"),
        ("xl/workbook.xml", lambda _: b" " * 200_000 + BOMB[21:], "declares a document type"),
        ("xl/worksheets/sheet1.xml", lambda _: BOMB[21:].decode().encode("utf-16"), "declares a document type"),
        ("xl/worksheets/sheet1.xml", lambda text: text[:-40], "is damaged"),
        ("xl/workbook.xml", lambda _: b"<workbook/>", "no sheet"),
        ("[Content_Types].xml", lambda _: b"no xml", "is no XML"),
    ],
)
def test_workbooks_from_strangers(tmp_path: Path, name: str, change: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(TableRefused, match=words):
        read_tables(xlsx_with(tmp_path, name, change))


def test_a_workbook_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = xlsx_with(tmp_path, "xl/worksheets/sheet1.xml", lambda text: b" " * 2_000_000 + text)
    monkeypatch.setattr(xlsx, "UNPACKED_MOST_BYTES", 1_000_000)
    assert file.stat().st_size < 20_000
    with pytest.raises(TableRefused, match="would be 20"):
        read_tables(file)


def test_a_workbook_that_claims_a_million_rows(tmp_path: Path) -> None:
    """Its size is what is in it, not what it says; a cell far below is beyond the rows that are read."""

    def far(text: bytes) -> bytes:
        return (
            text.replace(b'ref="A1:C2"', b'ref="A1:XFD1048576"').replace(b'<row r="2"', b'<row r="1048576"').replace(b'2" t', b'1048576" t')
        )

    schools, _ = read_tables(xlsx_with(tmp_path, "xl/worksheets/sheet1.xml", far))
    assert [row.number for row in schools.rows] == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish", b"\xd0\xcf\x11\xe0" + b"\0" * 600])
def test_no_workbook(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(TableRefused, match=r"is no \.xlsx workbook"):
        read_tables(tmp_path / "t.xlsx")
    with pytest.raises(TableRefused, match="cannot be read"):
        read_tables(tmp_path / "not-there.xlsx")


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema = ", "not valid TOML"),
        ("[fleet]\nlin = 'x'", 'fleet: "lin" is not a key of [fleet]; did you mean "line"?'),
        ("[fleet]\nline = 'x'", 'fleet.line: "x" is not a bus of this template'),
        ("[fleet]\npanic_buttons = 3", "write [[fleet.panic_buttons]]"),
        ("[[fleet.panic_buttons]]\nsite = { id = 'x' }", "fleet.panic_buttons[0]: site: expected a list of tables"),
        ("[fleet.kinds.school]\n", 'fleet.kinds: "school" is not a kind of school'),
        ("[fleet.kinds.primary]\nplaces = 3", "fleet.kinds.primary: places: expected a table"),
        ("places = [1]\npoints = {}", "points: expected a list of tables"),
        ("[uplink]\npaths = [1]", "uplink.paths: expected a list of tables"),
    ],
)
def test_a_template_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.toml").write_text(text, encoding="utf-8")
    with pytest.raises(TableRefused) as refused:
        read_template(tmp_path / "t.toml")
    assert words in str(refused.value)


def test_merging_leaves_the_template_as_it_was() -> None:
    base = {"a": {"b": 1, "c": [{"d": 1}]}, "e": [1]}
    part = {"a": {"c": [{"d": 2}]}, "e": [2]}
    assert merged(base, part) == {"a": {"b": 1, "c": [{"d": 1}, {"d": 2}]}, "e": [2]}
    assert base == {"a": {"b": 1, "c": [{"d": 1}]}, "e": [1]}


def test_every_counted_thing_of_the_template_is_one_that_the_checker_takes(run: Any, tmp_path: Path) -> None:
    """One school with as many of everything as the sample template knows."""
    most = {kit.column: str(len(read_template(TEMPLATE).kits[kit.column])) for kit in KITS}
    answer = run([row(kitchen="燃气", power_room="有", boiler_room="有", laboratory="有", dormitory="有", boarding="是", **most)])
    assert answer["status"] == 0, answer["errors"]


# --- hostile cells ---------------------------------------------------------------------------------------------------

NASTY = st.one_of(
    st.text(max_size=30),
    st.text(st.sampled_from("\"'\\#[]{}=\n\r\t\0\x7f\x85  ./~%$`{{}}\ud7ff，、一"), max_size=30),
    st.sampled_from(
        [
            "../../x",
            "/etc/passwd",
            'x"\n[site]\nid = "evil"',
            '"""',
            "\\",
            "{{ lookup('pipe', 'id') }}",
            "=cmd|'/c calc'!A0",
            "con",
            "..",
            "-",
        ]
    ),
)


def rows_of(kind: str) -> st.SearchStrategy[Iterable[dict[str, str]]]:
    """Rows in which a few cells hold anything."""
    return st.lists(st.dictionaries(st.sampled_from([column.id for column in COLUMNS[kind]]), NASTY, max_size=6), max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(schools=rows_of(SCHOOLS), devices=rows_of(DEVICES))
@example(schools=[{"id": "../x", "name": 'x"\n[site]\nid = "evil"'}], devices=[])
@example(schools=[{"name": 'x"\n[uplink]\n#', "address": "a\u2028b\x85c", "note": "\0"}], devices=[{"place": '"\n', "place_type": "其他"}])
def test_no_cell_breaks_a_file_or_leaves_the_folder(schools: Rows, devices: Rows, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cells over good ones: whatever is written is what check takes, under the school's own id, in the folder."""
    around = tmp_path_factory.mktemp("hostile")
    sheets = []
    for kind, found, good in ((SCHOOLS, schools, row()), (DEVICES, devices, {"school": "a1", "role": "contact", "place": "gate"})):
        ids = [column.id for column in COLUMNS[kind]]
        records = [[({**good, "id": f"a{i}"} | cells).get(name, "") for name in ids] for i, cells in enumerate(found)]
        sheets.append(sheet_of(kind, kind, iter([ids, *records])))
    outcome = generate(*sheets, read_template(TEMPLATE), around / "sites", processes=1)
    made = [file for file in around.rglob("*") if file.is_file()]
    assert {file.name for file in made} == {f"{name}.toml" for name in outcome.written}
    assert all(file.parent == around / "sites" for file in made)
    for file in made:
        text = file.read_text(encoding="utf-8")
        assert made_here(text) is True
        data = tomllib.loads(text)
        assert data["site"]["id"] == file.stem
        assert data["uplink"]["recipients"] == read_template(TEMPLATE).base["uplink"]["recipients"]
    assert all(isinstance(fault, Fault) for fault in outcome.faults)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.text(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(data=st.dictionaries(st.text(max_size=6), VALUES, max_size=5), remarks=st.lists(st.text(), max_size=2))
def test_what_is_written_reads_back(data: dict[str, Any], remarks: list[str]) -> None:
    """The writer holds this itself (ValueError); here it is shown that it never has to."""
    text = site_text(data, remarks)
    assert tomllib.loads(text) == data
    assert made_here(text) is True
    assert made_here(text + "#") is None
    assert made_here("#" + text) is False


@given(st.text())
def test_no_cell_of_a_report_is_a_formula(text: str) -> None:
    assert not str(harmless(text)).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_telephone_numbers_stand_in_no_error(tmp_path: Path) -> None:
    table = sheet_of(SCHOOLS, "t", iter([["id", "name", "kind", "leaders", "leader_phones"], ["a", "b", "小学", "甲,乙", "13800001111"]]))
    school = read_schools(table, sheet_of(DEVICES, "d", iter([["school", "role", "place"]])), read_template(TEMPLATE), [])["a"]
    assert school.faults
    assert not any("13800001111" in str(fault) for fault in school.faults)


def test_every_column_stands_in_the_page() -> None:
    page = (EXAMPLES.parents[1] / "docs/fleet.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?`) \| (.*?) \|", page, re.MULTILINE)
    told = [pair for ids, words in rows for pair in zip(re.findall(r"`(\w+)`", ids), words.split(", "), strict=True)]
    assert sorted(told) == sorted((column.id, column.zh) for kind in COLUMNS.values() for column in kind)
