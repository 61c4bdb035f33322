"""What is true now, as messages; with a real site file, house and clock."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.contract.canonical import canonical
from gateway.core.commands import Command, Delivered
from gateway.core.delivery import Board as BoardProtocol
from gateway.core.ids import EventIds
from gateway.core.reading import Now, Quality, Reading
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.board import STATE_PAUSE_S, Board
from gateway.runtime.clock import Clock
from gateway.runtime.decide import Decision, House, decide
from gateway.runtime.mode_book import ModeBook
from tests.gateway.journal.journals import signer

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"


class Moment(Clock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def now(self) -> Now:
        return Now(self.now_s, 1_795_248_000_000 + round(self.now_s * 1000))


class School:
    """The demo school with a board."""

    def __init__(self) -> None:
        self.settings: Settings = load_site(EXAMPLE)
        self.house = House(dict(self.settings.points), SchoolCalendar(ZoneInfo("Asia/Shanghai"), ((),) * 7))
        self.clock = Moment()
        self.board = Board(self.settings, self.house, signer(), self.clock, "boot-1")
        self.ids = EventIds()

    def read(self, reading: Reading) -> None:
        """As the conveyor does."""
        decision = decide(self.house, reading, self.clock.now(), self.ids)
        self.house.apply(decision)
        self.board.changed(decision.changed)
        self.board.value(reading)

    def act(self, stimulus: Command | Delivered) -> Decision:
        """The same for a command, and for news of delivery."""
        decision = decide(self.house, stimulus, self.clock.now(), self.ids)
        self.house.apply(decision)
        self.board.changed(decision.changed)
        return decision

    def states(self, after_s: float = STATE_PAUSE_S) -> dict[str, dict[str, object]]:
        """What is told once so many seconds have passed."""
        self.clock.now_s += after_s
        out = {}
        while (told := self.board.next_state()) is not None:
            out[told[0]] = told[1]
            canonical(told[1])
        return out


@pytest.fixture
def school() -> School:
    return School()


def test_it_is_what_delivery_asks_for(school: School) -> None:
    board: BoardProtocol = school.board
    assert board.next_state() is None
    assert board.telemetry() is None


def test_a_state_is_told_once_for_each_change(school: School) -> None:
    school.read(Reading("panic-gatehouse", True))
    (state,) = school.states().values()
    assert state["alarms"] == {"alarm": "unacknowledged", "signal": "normal"}
    assert (state["value"], state["quality"], state["reason"], state["bootid"]) == (True, "good", "", "boot-1")
    assert (state["role"], state["place"], state["source"]) == ("panic_button", "gatehouse", "/sites/demo-school/gateways/gate")
    school.read(Reading("panic-gatehouse", True))
    assert school.states() == {}
    school.read(Reading("panic-gatehouse", None, Quality.BAD, "no answer"))
    (state,) = school.states().values()
    assert (state["value"], state["quality"], state["reason"]) == (None, "bad", "no answer")
    school.read(Reading("panic-gatehouse", None, Quality.BAD, "no answer"))
    assert school.states() == {}


def test_a_contact_that_its_alarm_outlasts_is_told(school: School) -> None:
    """The off delay holds the alarm; what the point shows has changed all the same."""
    school.read(Reading("person-gate", True))
    school.states()
    school.clock.now_s += 1.0
    school.read(Reading("person-gate", False, now_s=school.clock.now_s))
    school.clock.now_s += STATE_PAUSE_S
    (state,) = school.states().values()
    assert (state["value"], state["alarms"]["alarm"]) == (False, "unacknowledged")


def test_several_changes_before_a_send_are_one_message_with_the_newest(school: School) -> None:
    school.read(Reading("panic-gatehouse", True))
    school.read(Reading("panic-gatehouse", False))
    (state,) = school.states().values()
    assert (state["value"], state["alarms"]) == (False, {"alarm": "latched_unacknowledged", "signal": "normal"})


def test_a_measured_value_alone_is_told_once_a_minute(school: School) -> None:
    now_s = school.clock.now_s
    school.read(Reading("gas-kitchen-lel", 1.0, now_s=now_s))
    assert set(school.states(0)) == {"gas-kitchen-lel"}
    school.read(Reading("gas-kitchen-lel", 2.0, now_s=now_s + 30))
    assert school.states() == {}
    school.read(Reading("gas-kitchen-lel", 30.0, now_s=now_s + 31))
    assert set(school.states()) == {"gas-kitchen-lel"}, "an alarm does not wait"
    school.read(Reading("gas-kitchen-lel", 31.0, now_s=now_s + 100))
    assert school.states()["gas-kitchen-lel"]["value"] == 31.0


def test_a_point_that_chatters_is_told_at_once_and_then_once_a_pause(school: School) -> None:
    school.read(Reading("panic-gatehouse", True))
    assert set(school.states(0)) == {"panic-gatehouse"}
    for _ in range(3):
        school.read(Reading("panic-gatehouse", False))
        school.read(Reading("panic-gatehouse", True))
        school.read(Reading("panic-duty", True))
        assert school.states(0).keys() <= {"panic-duty"}, "another point does not wait for it"
    (state,) = school.states().values()
    assert (state["point"], state["value"]) == ("panic-gatehouse", True)
    assert school.states() == {}


def test_telemetry_separates_what_may_not_be_believed(school: School) -> None:
    school.read(Reading("gas-kitchen-lel", 12.5))
    school.read(Reading("residual-main", None, Quality.BAD, "no answer"))
    message = school.board.telemetry()
    assert message is not None
    assert message["values"] == {"gas-kitchen-lel": 12.5}
    assert message["bad"] == {"residual-main": "no answer"}
    canonical(message)
    school.read(Reading("residual-main", 10.0))
    assert "bad" not in (school.board.telemetry() or {})


def test_birth_names_everything_and_publishes_all_states_again(school: School) -> None:
    school.read(Reading("panic-gatehouse", False))
    school.read(Reading("gas-kitchen-lel", 1.0))
    school.states()
    birth = school.board.birth()
    canonical(birth)
    assert birth["key"] == signer().public()
    assert birth["contract"] == 1
    of_rules = {"hazards", "monthly-report"}
    assert {point["id"] for point in birth["points"]} == {point.id for point in school.settings.site.points} | of_rules
    assert birth["cameras"] == [{"id": "gate-camera", "place": "gate", "zones": ["apron"]}]
    assert set(birth["places"]) == set(school.settings.site.places)
    assert set(school.states()) == {"panic-gatehouse", "gas-kitchen-lel"}, "a new session may be with a new broker"


def test_heartbeat_says_how_far_the_log_has_come(school: School) -> None:
    school.board.newest = (3, 17)
    heartbeat = school.board.heartbeat()
    assert (heartbeat["epoch"], heartbeat["newest_sequence"]) == ("0000000003", f"{17:020d}")
    assert heartbeat["clockquality"] in ("synchronised", "holdover", "unknown")


def test_a_point_that_was_never_read_is_not_normal(school: School) -> None:
    school.board.changed({"panic-duty"})
    (state,) = school.states().values()
    assert (state["value"], state["quality"], state["reason"]) == (None, "bad", "not read yet")


def test_a_drill_is_seen_in_state_heartbeat_and_birth(school: School) -> None:
    school.house.modes = ModeBook()
    asked = Command("start_drill", "fire", "赵敏", "duty_leader", "page", "0", for_s=600.0, points=("panic-gatehouse",))
    assert school.act(asked).ok
    announced = {"kind": "drill", "state": "announced", "drill": "fire"}
    assert announced.items() <= school.board.birth()["modes"][0].items()
    school.act(Delivered(next(iter(school.house.modes.runs)).announcement, "broker_acked"))
    (run,) = school.board.heartbeat()["modes"]
    assert {"kind": "drill", "state": "running", "points": 1, "left_s": 600}.items() <= run.items()
    assert "by" not in run, "no names of people outside sealed events"
    states = school.states()
    assert states["panic-gatehouse"]["mode"] == {"kind": "drill", "id": run["id"]}
    assert all("mode" not in state for point, state in states.items() if point != "panic-gatehouse")
    school.act(Command("end_drill", "", "赵敏", "duty_leader", "page"))
    assert "mode" not in school.states()["panic-gatehouse"]
    assert "modes" not in school.board.heartbeat()
