"""Terms of what ships: all known, all allowed, all texts in one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.supply.licences import licences, problems
from deploy.supply.shipped import TERMS, Package, packages, permitted
from tests.deploy.supply.folders import own_sbom, package


def test_all_that_ships_has_terms_that_are_known_and_allowed(shipped: list[Package]) -> None:
    assert len(shipped) > 30
    assert problems(shipped) == []


def test_all_that_ships_brings_its_texts(shipped: list[Package]) -> None:
    """Four packages bring none; theirs are texts that others bring."""
    without = {found.name for found in shipped if not found.texts}
    assert without == {"chinesecalendar", "flatbuffers", "libosdp", "pyserial"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND Zlib", True),
        ("Zlib AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", True),
        ("GPL-3.0-or-later", False),
        ("GPL-3.0-only OR MIT AND Zlib", True),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT OR", False),
        ("", False),
    ],
)
def test_expressions(expression: str, expected: bool) -> None:
    assert permitted(expression) is expected


def test_what_is_unknown_or_not_allowed_is_named_with_what_to_do(tmp_path: Path) -> None:
    package(tmp_path, "alpha", "1", "License-Expression: AGPL-3.0-only")
    package(tmp_path, "beta", "1", "Classifier: License :: OSI Approved :: BSD License")
    package(tmp_path, "gamma", "1", "Classifier: License :: OSI Approved :: MIT License", **{"gamma.libs__libodd-0123abcd.so.1": ""})
    told = "\n".join(problems(packages(tmp_path)))
    assert "alpha: AGPL-3.0-only is not allowed" in told
    assert "beta: its terms are not known: find them out and name them in [packages]" in told
    assert "libodd in gamma: its terms are not known: find them out and name them in [libraries]" in told
    assert len(told.splitlines()) == 3


def test_parts_that_are_compiled_in_are_judged_and_optional_ones_are_not(tmp_path: Path) -> None:
    info = package(tmp_path, "alpha", "1", "License-Expression: MIT")
    gpl = [{"license": {"id": "GPL-3.0-only"}}]
    own_sbom(info, {"name": "within", "licenses": gpl}, {"name": "maybe", "scope": "optional", "licenses": gpl}, {"name": "silent"})
    assert [line.partition(":")[0] for line in problems(packages(tmp_path))] == ["within in alpha"]


def test_each_text_once_with_all_who_bring_it(tmp_path: Path) -> None:
    package(tmp_path, "alpha", "1", "License-Expression: MIT", info__licenses__LICENSE="the text\r\n", info__licenses__NOTICE="made by A")
    package(tmp_path, "beta", "2", "License-Expression: MIT", beta__LICENSE="the text\n")
    told = licences(tmp_path)
    assert told.count("the text") == 1
    assert "alpha 1: LICENSE\nbeta 2: LICENSE" in told
    assert "alpha 1: MIT\nbeta 2: MIT" in told
    assert "made by A" in told
    assert licences(tmp_path, only=packages(tmp_path)[:1]).count("beta") == 0


def test_every_allowed_term_has_a_reason_and_is_used(shipped: list[Package]) -> None:
    assert all(reason for reason in TERMS["allowed"].values())
    told = " ".join([*(part.licence for found in shipped for part in (found, *found.inside)), *TERMS["libraries"].values()])
    assert [name for name in TERMS["allowed"] if name not in told] == []
