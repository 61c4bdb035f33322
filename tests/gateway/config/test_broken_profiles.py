"""Every broken Modbus profile is refused with exactly the problems that its first lines announce."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.load import load_profile
from gateway.config.settings import ConfigRefused

FILES = sorted((Path(__file__).parent / "broken_profiles").glob("*.toml"))
_EXPECT = re.compile(r"^# expect: (\d+): ([^:]*): (.+?)$", re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_broken_profile(file: Path) -> None:
    expected = [(int(line), key, words) for line, key, words in _EXPECT.findall(file.read_text(encoding="utf-8"))]
    assert expected, "a broken file announces its problems"
    with pytest.raises(ConfigRefused) as refused:
        load_profile(file)
    found = sorted(refused.value.problems, key=lambda problem: problem.line)
    assert [(problem.line, problem.key) for problem in found] == [(line, key) for line, key, _ in expected]
    for problem, (_, _, words) in zip(found, expected, strict=True):
        assert words in problem.text
        assert problem.file == str(file)
        assert "\n" not in str(problem)


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 20
