"""Every broken site file is refused with exactly the problems that its first lines announce."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import ConfigRefused

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.toml"))
_EXPECT = re.compile(r"^# expect: (\d+): ([^:]*): (.+?)\r?$", re.MULTILINE)


def announced(file: Path) -> list[tuple[int, str, str]]:
    """(line, key, text) of each announcement."""
    text = file.read_bytes().decode("utf-8", "replace").removeprefix("\ufeff")
    return [(int(line), key, words) for line, key, words in _EXPECT.findall(text)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_broken_file(file: Path) -> None:
    expected = announced(file)
    assert expected, "a broken file announces its problems"
    with pytest.raises(ConfigRefused) as refused:
        load_site(file)
    found = refused.value.problems
    assert [(p.line, p.key) for p in found] == [(line, key) for line, key, _ in expected]
    for problem, (_, _, words) in zip(found, expected, strict=True):
        assert words in problem.text
        assert problem.file == str(file)
        assert "\n" not in str(problem), "one problem is one line"
        assert len(problem.text) < 400
        if problem.line > 0 and problem.key and "missing" not in problem.text:
            told = file.read_bytes().decode("utf-8", "replace").split("\n")[problem.line - 1]
            assert not told.startswith("# expect"), "the line is the announcement itself"


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 100


def test_a_secret_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigRefused) as refused:
        load_site(FOLDER / "mqtt-with-password.toml")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("opening", ["[", "{ a = ", "[{ a = "])
def test_nesting_of_any_depth_is_refused_in_words(tmp_path: Path, opening: str) -> None:
    """Near the interpreter's limit either reader may be the one that gives up; neither may raise anything else."""
    file = tmp_path / "site.toml"
    closing = opening[::-1].translate(str.maketrans("[{", "]}", " a="))
    for depth in [*range(80, 500, 7), 5000]:
        file.write_text(f"schema = 1\nx = {opening * depth}1{closing * depth}\n")
        with pytest.raises(ConfigRefused):
            load_site(file)
