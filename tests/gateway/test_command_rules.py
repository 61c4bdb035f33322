"""`campus-gateway rules`: the list from the site file, an explanation from the site file alone and from a daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.rule_names import RULES

SITE = str(Path(__file__).parents[1] / "scenarios" / "sites" / "links.toml")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["rules", *words, "--config", SITE])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = said(capsys, "list")
    assert status == 0
    assert "one-key  (one-key 一键报警)\n    watches  panic-gatehouse/alarm: 报警 / gives alarm\n" in text
    assert "shutter-open  (linkage 联动)\n    watches  shutter 为 true持续 60 秒 / shutter is true for 60 s" in text
    assert "gas-valve on; until reset, and stays" in text
    rows = json.loads(said(capsys, "list", "--json")[1])["rules"]
    assert {row["name"] for row in rows} >= {"one-key", "gas", "fire-release", "electrical", "linkage", "incident", "drill"}
    assert {row["name"] for row in rows} <= set(RULES)


def test_explain_from_the_site_file_alone(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = said(capsys, "explain", "panic-gatehouse", "--at", "2026-09-01 07:30")
    assert status == 0
    for words in ("上学时段 / arrival", "siren-gate on 180 s, by linkage one-key", "lamp-received on, by linkage one-key-lamp-received"):
        assert words in text
    answer = json.loads(said(capsys, "explain", "gas-kitchen", "--value", "30", "--at", "2026-09-01 07:30", "--json")[1])
    assert [row["en"] for row in answer["follows"] if row["kind"] == "output"] == ["kitchen-fan on, by linkage gas-run-kitchen-fan"]
    drilled = json.loads(said(capsys, "explain", "panic-gatehouse", "--at", "2026-09-01 07:30", "--mode", "drill", "--json")[1])
    assert [row for row in drilled["follows"] if row["kind"] == "output"] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explain", "no-such", "--at", "2026-09-01 07:30"), '"no-such" is not a point of this site'),
        (("explain", "panic-gatehouse"), "without a daemon, give a time"),
    ],
)
def test_what_cannot_be_answered(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, error = said(capsys, *words, "--state-dir", str(tmp_path))
    assert (status, told in error) == (1, True)


@pytest.mark.parametrize("at", ["half past seven", "2026-09-01 07:30+08:00"])
def test_a_time_that_is_none(at: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["rules", "explain", "panic-gatehouse", "--at", at, "--config", SITE])
    assert "--at" in capsys.readouterr().err
