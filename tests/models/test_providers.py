"""Which provider runs a model: tried one by one, held against the fixtures, the fastest taken.

Azure's stands here for one that is not the CPU's: it is in every onnxruntime, starts without Azure, and leaves all work of a network
like ours to the CPU.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from gateway.core.errors import ModelRefused
from models import runner
from models.manifest import folder_of
from models.providers import CPU, best, candidates
from models.runner import load

AZURE, CUDA = "AzureExecutionProvider", "CUDAExecutionProvider"
pytestmark = pytest.mark.skipif(AZURE not in runner.offered(), reason="this onnxruntime has the CPU's provider only")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The shipped model, with a manifest that prefers another provider than the CPU's."""
    folder = tmp_path / "model"
    shutil.copytree(folder_of("nanodet-g-person-int8"), folder)
    manifest = folder / "manifest.toml"
    lines = [line for line in manifest.read_text().splitlines() if not line.startswith("providers")]
    manifest.write_text(f'providers = ["{AZURE}", "{CPU}"]\n' + "\n".join(lines))
    return folder


class Wrong:
    """A session that works and gives other numbers."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self.get_providers = session.get_providers

    def run(self, outputs: list[str], feed: dict[str, Any]) -> list[Any]:
        """What the network gives, with every score at a third."""
        values = dict(zip(outputs, self._session.run(outputs, feed), strict=True))
        return [values[name] / 3 if name == "score" else values[name] for name in outputs]


@pytest.mark.parametrize(
    ("offered", "asked", "expected"),
    [
        ([AZURE, CPU], "auto", [CPU]),
        ([CUDA, AZURE, CPU], "auto", [CUDA, CPU]),
        ([AZURE], "auto", []),
        (["TensorrtExecutionProvider", CUDA, CPU], "tensorrt", ["TensorrtExecutionProvider", CPU]),
        (["TensorrtExecutionProvider", CUDA, CPU], "cpu", [CPU]),
        ([CPU], "cuda", [CPU]),
    ],
)
def test_what_is_tried(offered: list[str], asked: str, expected: list[str]) -> None:
    assert candidates((CUDA, CPU), offered, asked) == expected


def test_of_several_that_pass_the_fastest_is_taken_and_the_others_told(model: Path) -> None:
    info = load(model).info
    assert info.provider in (AZURE, CPU)
    (other,) = info.passed_over
    assert other.startswith(AZURE if info.provider == CPU else CPU)
    assert ": slower, " in other
    assert info.tested == (info.provider == CPU)


def test_the_fastest_by_the_clock() -> None:
    turns = {"quick": 1, "slow": 200_000, "slower": 400_000}
    made, passed_over = best(list(turns), turns.__getitem__, lambda count: sum(range(count)))
    assert made == 1
    assert {line.split(":")[0] for line in passed_over} == {"slow", "slower"}


def test_one_that_does_not_start_is_passed_over_with_a_loud_line(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    def start(network: bytes, options: onnxruntime.SessionOptions, names: list[str]) -> onnxruntime.InferenceSession:
        if names[0] == AZURE:
            raise ValueError("libcudnn.so.9: cannot open shared object file")
        return runner.start(network, options, names)

    with caplog.at_level(logging.ERROR):
        info = load(model, start=start).info
    assert info.provider == CPU
    assert "libcudnn.so.9" in info.passed_over[0]
    assert "AzureExecutionProvider cannot run the model and is passed over" in caplog.text


def test_one_that_silently_is_another_is_passed_over(model: Path) -> None:
    """onnxruntime goes on with the CPU when a device is missing, and says so in its own log only."""

    def start(network: bytes, options: onnxruntime.SessionOptions, names: list[str]) -> onnxruntime.InferenceSession:
        return runner.start(network, options, [CPU])

    info = load(model, start=start).info
    assert (info.provider, info.passed_over) == (
        CPU,
        (f"{AZURE}: {AZURE} is offered and does not start: its libraries or its device are missing",),
    )


def test_one_that_finds_other_people_is_passed_over(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    def start(network: bytes, options: onnxruntime.SessionOptions, names: list[str]) -> Any:
        session = runner.start(network, options, names)
        return Wrong(session) if names[0] == AZURE else session

    info = load(model, start=start).info
    assert info.provider == CPU
    assert "fails its self-test" in info.passed_over[0]
    assert "fails its self-test" in caplog.text


def test_a_model_that_the_cpu_cannot_run_either_is_refused(model: Path) -> None:
    def start(network: bytes, options: onnxruntime.SessionOptions, names: list[str]) -> Any:
        return Wrong(runner.start(network, options, names))

    with pytest.raises(ModelRefused, match="fails its self-test"):
        load(model, start=start)


def test_what_the_site_asks_for_and_is_not_there_gives_the_cpu_with_a_loud_line(caplog: pytest.LogCaptureFixture) -> None:
    if CUDA in runner.offered():
        pytest.skip("this onnxruntime has CUDA")
    info = load("nanodet-g-person-int8", provider="cuda").info
    assert (info.provider, info.tested) == (CPU, True)
    assert "the site file asks for it" in info.passed_over[0]
    assert "CPUExecutionProvider runs the model: CUDAExecutionProvider" in caplog.text


def test_a_model_whose_providers_are_all_missing_is_refused(model: Path) -> None:
    manifest = model / "manifest.toml"
    manifest.write_text(manifest.read_text().replace(f'["{AZURE}", "{CPU}"]', '["OpenVINOExecutionProvider"]'))
    with pytest.raises(ModelRefused, match="OpenVINOExecutionProvider"):
        load(model)
