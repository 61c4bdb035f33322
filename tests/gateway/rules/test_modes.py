"""What the journal keeps of drills, tests and maintenance."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.deadline import Deadline
from gateway.core.reading import Now
from gateway.rules.modes import DAY_MS, DRILL, MODES, TEST, KnownTests, Run, Tried, at_point, is_exercise, passes, tag_mode

ANNOUNCED = Run(
    "r1", DRILL, "fire", ("a", "b"), "赵敏", "duty_leader", "", 600.0,
    begins=Deadline(160.0), called_off=Deadline(700.0), announcement="e1", unsigned=frozenset({"police"}), asked_ms=1, kept_s=100.0,
)  # fmt: skip


@given(
    begun=st.booleans(),
    gone_s=st.floats(0, 50),
    off_s=st.floats(0, 300),
    clocks=st.tuples(*[st.sampled_from(["synchronised", "holdover", "unknown"])] * 2),
)
def test_a_run_is_the_same_after_a_restart(begun: bool, gone_s: float, off_s: float, clocks: tuple[str, str]) -> None:
    run = replace(ANNOUNCED, tried={"a/alarm": Tried("e2", received_s={"police": 0.5})}, real=1)
    run = run.begin(Now(100.0, 1_000_000), "lesson") if begun else run
    stored = json.loads(json.dumps(run.kept(Now(100.0 + gone_s, 1_000_000 + round(gone_s * 1000), clocks[0])).row()))
    later = Now(5.0, 1_000_000 + round((gone_s + off_s) * 1000), clocks[1])
    back = Run.read(stored).resumed(later)
    assert replace(back, ends=run.ends, begins=run.begins, called_off=run.called_off, kept_s=run.kept_s) == run
    passed_s = off_s if "unknown" not in clocks else 0.0
    before, after = (run.ends, back.ends) if begun else (run.begins, back.begins)
    left_s = before.until_s - 100.0 - gone_s
    assert after.until_s - 5.0 == pytest.approx(max(left_s - passed_s, 0.0), abs=0.01)


@pytest.mark.parametrize("damage", [{"mode": "carnival"}, {"tried": {"a/alarm": {"colour": 1}}}, {"begins": {}}, {"points": None}])
def test_a_damaged_row_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        Run.read(ANNOUNCED.row() | damage)


def test_a_point_is_in_a_run_from_its_begin_to_its_end() -> None:
    run = ANNOUNCED.begin(Now(200.0, 1), "")
    assert at_point((ANNOUNCED,), "a", 200.0) is None
    assert at_point((run,), "a", 799.9) is run
    assert at_point((run,), "a", 800.0) is None
    assert at_point((run,), "c", 300.0) is None


@pytest.mark.parametrize("mode", MODES)
def test_what_an_alarm_remembers(mode: str) -> None:
    tag = replace(ANNOUNCED, mode=mode).tag
    assert tag_mode(tag) == mode
    assert is_exercise(tag) is (mode != "maintenance")
    assert (tag_mode(""), is_exercise("")) == ("normal", False)


@pytest.mark.parametrize(
    ("tried", "signers", "passed"),
    [
        (Tried(), {"police"}, False),
        (Tried(broker_s=0.1), {"police"}, False),
        (Tried(received_s={"police": 1.0}), {"police"}, True),
        (Tried(received_s={"police": 1.0}), {"police", "bureau"}, False),
        (Tried(exercise=False, received_s={"police": 1.0}), {"police"}, False),
        (Tried(broker_s=0.1), set(), True),
        (Tried(), set(), False),
    ],
)
def test_when_a_test_is_passed(tried: Tried, signers: set[str], passed: bool) -> None:
    assert passes(replace(ANNOUNCED, mode=TEST, tried={"a/alarm": tried}), frozenset(signers)) is passed


def test_a_test_is_due_after_the_last_passed_or_since_the_point_is_known() -> None:
    assert KnownTests(known_ms=5).due_ms(2) == 5 + 2 * DAY_MS
    assert KnownTests(known_ms=5, passed_ms=9, at_ms=99, result="failed").due_ms(1) == 9 + DAY_MS
