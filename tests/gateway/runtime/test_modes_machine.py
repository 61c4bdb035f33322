"""Modes over restarts: whatever happens in whatever order, no press is swallowed and nothing real is called an exercise."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.core.points import Draft
from tests.gateway.runtime.drilled import School

BUTTONS = ("panic", "hall", "fire")


class Modes(RuleBasedStateMachine):
    """One school; `tried` holds the buttons that were pressed since the drill or test that lists them began."""

    @initialize()
    def begin(self) -> None:
        self.school = School()
        self.tried: set[str] = set()
        self.seen: dict[str, str] = {}

    def _listed(self, point: str) -> bool:
        school = self.school
        return any(run.runs(school.now_s) and run.mode != "maintenance" and point in run.points for run in school.house.modes.runs)

    def _forget_what_began(self) -> None:
        """A button is untried in each new run."""
        runs = {point: run.id for run in self.school.house.modes.runs if run.begun for point in run.points}
        for point in BUTTONS:
            if self.seen.get(point) != runs.get(point):
                self.tried.discard(point)
        self.seen = runs

    @rule(point=st.sampled_from(BUTTONS))
    def press(self, point: str) -> None:
        self._forget_what_began()
        stood = self.school.house.alarms[f"{point}/alarm"].live != "normal"
        may_be_exercise = self._listed(point) and point not in self.tried and not stood
        told = self.school.press(point)
        assert len(told) == 1, "each press is told once"
        self._judge(told[0], may_be_exercise)
        self.tried.add(point)

    def _judge(self, told: Draft, may_be_exercise: bool) -> None:
        assert (told.data["status"] != "Actual") is may_be_exercise
        assert ("mode" in told.data and told.data["mode"]["kind"] != "maintenance") is may_be_exercise  # type: ignore[index]

    @rule(point=st.sampled_from(BUTTONS))
    def settle(self, point: str) -> None:
        self.school.settle(point)

    @rule(
        points=st.sets(st.sampled_from(BUTTONS), min_size=1), for_s=st.sampled_from([60.0, 1000.0]), announce_s=st.sampled_from(["0", "90"])
    )
    def drill(self, points: set[str], for_s: float, announce_s: str) -> None:
        self.school.ask("start_drill", "fire", points=tuple(sorted(points)), for_s=for_s, value=announce_s)

    @rule(point=st.sampled_from(BUTTONS), kind=st.sampled_from(["start_test", "start_maintenance"]))
    def open(self, point: str, kind: str) -> None:
        self.school.ask(kind, point, for_s=100.0)

    @rule(kind=st.sampled_from(["end_drill", "end_test", "end_maintenance"]))
    def close(self, kind: str) -> None:
        self.school.ask(kind)

    @rule(seconds=st.sampled_from([0.5, 30.0, 95.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.school.pass_time(seconds)

    @rule(off_s=st.sampled_from([0.0, 40.0, 5000.0]), clock=st.sampled_from(["synchronised", "holdover", "unknown"]))
    def restart(self, off_s: float, clock: str) -> None:
        self.school.restart(off_s, clock=clock)

    @rule(signs=st.booleans())
    def centre(self, signs: bool) -> None:
        self.school.signs = signs

    def teardown(self) -> None:
        """A mode always ends by itself."""
        if hasattr(self, "school"):
            self.school.pass_time(4 * 3600.0)
            assert not self.school.house.modes.runs
            for point in BUTTONS:
                assert self.school.press(point)[0].data["status"] == "Actual"


Modes.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestModes = Modes.TestCase
