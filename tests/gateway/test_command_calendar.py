"""campus-gateway calendar, on a site file with everything in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
CALENDAR = """
[hours]
mon = ["08:00-11:50", "13:50-17:00"]
fri = ["08:00-11:50", "13:50-16:00"]
[calendar]
arrival.daily = ["07:20-08:00"]
dismissal.daily = ["17:00-17:40"]
dismissal.fri = ["16:00-16:40"]
[calendar.boarding]
[[calendar.terms]]
name = "2026年秋季学期"
first = 2026-09-01
last = 2027-01-22
[[calendar.exceptions]]
kind = "early"
name = "大雪提前放学"
name_en = "snow"
first = 2026-10-09
dismissal = ["14:30-15:10"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    site = tmp_path / "site.toml"
    site.write_text((EXAMPLES / "small-school.toml").read_text(encoding="utf-8") + CALENDAR, encoding="utf-8")
    return str(site)


def test_a_month_for_people(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calendar", "--config", file, "--month", "2026-10"]) == 0
    now, heading, *rows = capsys.readouterr().out.splitlines()
    assert now.startswith("now 现在: ")
    assert heading.split()[:4] == ["DATE", "日期", "星期", "KIND"]
    shown = {row[:10]: row[12:].split() for row in rows[:-1]}
    assert len(shown) == 31
    assert shown["2026-10-01"] == ["周四", "法定节假日", "holiday", "国庆节", "National", "Day"]
    assert shown["2026-10-09"][:5] == ["周五", "校内调整", "exception", "大雪提前放学", "snow"]
    assert shown["2026-10-09"][5:9] == ["08:00-11:50", "13:50-15:10", "07:20-08:00", "14:30-15:10"]
    assert shown["2026-10-10"][:3] == ["周六", "调休上课", "make"]
    assert shown["2026-10-11"][:4] == ["周日", "周末", "weekend", "2026年秋季学期"]
    assert shown["2026-10-13"][1:3] == ["休息日", "day"]
    assert "校历只到" in rows[-1]


def test_days_as_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calendar", "--config", file, "--from", "2026-10-09", "--days", "3", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [(day["date"], day["kind"]) for day in answer["days"]] == [
        ("2026-10-09", "exception"),
        ("2026-10-10", "make_up_day"),
        ("2026-10-11", "weekend"),
    ]
    assert answer["days"][0]["lessons"] == ["08:00-11:50", "13:50-15:10"]
    assert answer["days"][1]["name"] == {"zh": "国庆节", "en": "National Day"}
    assert answer["days"][2]["night"] == ["00:00-06:00", "22:00-24:00"]
    assert (answer["timezone"], answer["ends"]) == ("Asia/Shanghai", min("2027-01-22", answer["ends"]))


def test_a_school_that_is_always_closed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calendar", "--config", str(EXAMPLES / "demo-school.toml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "now 现在: 无人时段 none"
    assert len(lines) == 14 + 3
    assert lines[-1] == "without an end 长期有效"


@pytest.mark.parametrize(
    "words",
    [["--month", "2026-13"], ["--from", "1.9.2026"], ["--days", "0"], ["--days", "x"], ["--month", "2026-10", "--from", "2026-10-01"]],
)
def test_words_that_are_refused(words: list[str], file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["calendar", "--config", file, *words])
    assert ended.value.code == 2
    assert "calendar: error:" in capsys.readouterr().err


def test_the_end_of_time(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calendar", "--config", file, "--month", "9999-12"]) == 0
    assert capsys.readouterr().out.splitlines()[-2].startswith("9999-12-31")


def test_a_site_file_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calendar", "--config", str(tmp_path / "none.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
