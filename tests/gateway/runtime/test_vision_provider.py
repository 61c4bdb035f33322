"""What runs the network, from the vision process's word to what a technician reads."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.runtime.doctor_daemon import judge_provider
from gateway.runtime.findings import SOON, UNKNOWN, WRONG
from gateway.runtime.status_text import vision_lines

CPU = {"id": "nanodet", "provider": "CPUExecutionProvider", "tested": True, "passed_over": []}
CUDA = {
    "id": "nanodet",
    "provider": "CUDAExecutionProvider",
    "tested": False,
    "passed_over": ["CPUExecutionProvider: slower, 90 ms against 9 ms"],
}
FELL_BACK = CPU | {"passed_over": ["CUDAExecutionProvider: model nanodet fails its self-test"]}


@pytest.mark.parametrize(
    ("model", "asked", "grades"),
    [
        ({}, "auto", []),
        (CPU, "auto", []),
        (CUDA, "auto", [UNKNOWN]),
        (FELL_BACK, "auto", [SOON]),
        (FELL_BACK, "cuda", [WRONG]),
        ({"refused": "model nanodet: sha256 is another"}, "auto", [WRONG]),
    ],
)
def test_what_the_doctor_says_of_it(model: dict[str, Any], asked: str, grades: list[str]) -> None:
    findings = list(judge_provider(model, asked))
    assert [finding.grade for finding in findings] == grades
    assert all(finding.where == "vision" for finding in findings)


def test_why_an_accelerator_is_not_used_is_in_its_words() -> None:
    (finding,) = judge_provider(FELL_BACK, "auto")
    assert "CUDAExecutionProvider: model nanodet fails its self-test" in finding.what.en
    assert "slower" not in " ".join(found.what.en for found in judge_provider(CUDA, "auto"))


def test_what_status_says_of_it() -> None:
    assert vision_lines({}) == []
    assert vision_lines(CPU) == ["vision: nanodet on CPUExecutionProvider"]
    assert vision_lines(FELL_BACK)[1] == "  not on CUDAExecutionProvider: model nanodet fails its self-test"
    assert "its makers never ran it" in vision_lines(CUDA)[0]
    assert vision_lines({"refused": "no such file"}) == ["vision: NO MODEL: no such file"]
