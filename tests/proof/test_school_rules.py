"""The rules of a school with the daemon, a broker, the simulated field and the centre: what a press, a duty and gas bring about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.proof.field_rig import ends_of, signal, types_of
from tests.proof.rig import Rig, wait_for
from tests.proof.school_rig import (
    SIREN,
    STROBE,
    all_told,
    centre_begins,
    coils,
    data_of,
    hall,
    journalled,
    killed_and_begun_anew,
    lit,
    on_site,
    output,
    point,
    press,
    says,
    school,
    state,
    status,
    told,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ONE_KEY = """
[rules.one_key]
sirens = ["siren-gate"]
siren_s = 600
until = "acknowledged"
silent = ["panic-office"]
lamp = { pressed = "lamp-pressed", broker = "lamp-broker", received = "lamp-received" }
centre_silent = ["siren-office"]
"""


# --- a press 一键报警 ---------------------------------------------------------------------------


def test_a_press_sounds_is_proved_and_outlives_a_kill(tmp_path: Path) -> None:
    with school(tmp_path, hall() + ONE_KEY) as (here, broker):
        press(here, "panic-gate")
        wait_for(lambda: lit(here) == ["pressed", "broker", "received"], "the presser sees all three steps")
        assert (coils(here)[SIREN], coils(here)[STROBE]) == (True, True)
        opened, reported = told(here, "incident.opened"), told(here, "incident.reported")
        assert (reported["incident"], reported["to"], sorted(reported["times"])) == (opened["incident"], "police", ["detected", "reported"])
        wait_for(lambda: state(here, "panic-gate/alarm") == "latched_unacknowledged", "the button is let go")

        killed_and_begun_anew(here)
        wait_for(lambda: coils(here) == [True] * 5, "siren, strobe and lamps are on again after their safe values")
        the_rules_know_of_it(here)

        says(here, broker, "acknowledge", "panic-gate", "--person", "王警官")
        wait_for(lambda: coils(here)[:2] == [False, False], "siren and strobe are off")
        assert lit(here) == ["pressed", "broker", "received"], "the lamps stay until the reset"
        says(here, broker, "reset", "panic-gate", "--person", "王警官")
        wait_for(lambda: not any(coils(here)), "all is off")
        resolved = told(here, "incident.resolved")
        assert resolved["incident"] == opened["incident"]
        assert list(map(resolved["times"].get, ("detected", "reported", "controlled", "resolved"))) == sorted(resolved["times"].values())
        assert len(resolved["times"]) == 4
        alarm = told(here, "alarm.activated", subject="panic-gate")
        assert (alarm["status"], alarm["incident"]) == ("Actual", opened["incident"])
        all_told(here)
        what_the_presser_saw_in_order(here)
        assert len(journalled(here, "incident.opened")) == 1, "one incident, over the kill as well"


def the_rules_know_of_it(here: Rig) -> None:
    """After a kill as well, `rules explain` shows the alarm as it stands, and the rule that sounds for it."""
    assert state(here, "panic-gate/alarm") == "latched_unacknowledged"
    explained = on_site(here, "rules", "explain", "panic-gate")
    assert "panic-gate/alarm: latched_unacknowledged" in explained
    assert "one-key (one-key): gives alarm" in explained
    assert "one-key  (one-key 一键报警)" in on_site(here, "rules", "list")
    silent = on_site(here, "rules", "explain", "panic-office")
    assert "lamp-pressed" in silent
    assert "siren-gate" not in silent


def what_the_presser_saw_in_order(here: Rig) -> None:
    """The lamps were lit one after the other, as the press got further; each again, in this order, after the kill."""
    on = [data["output"] for data in data_of(here, "output.done", command="on") if data["output"].startswith("lamp-")]
    assert on[:3] == ["lamp-pressed", "lamp-broker", "lamp-received"]
    assert sorted(on[3:]) == sorted(on[:3])


def test_a_silent_button_sounds_nowhere_and_a_silent_centre_sounds_here(tmp_path: Path) -> None:
    with school(tmp_path, hall() + ONE_KEY, centre=("--no-receipts",)) as (here, broker):
        press(here, "panic-office")
        wait_for(lambda: data_of(here, "alarm.activated", subject="panic-office"), "the centre hears of the duress")
        wait_for(lambda: types_of(here, "gw-centre-police") == ["fault.activated"], "the centre signs nothing")
        nothing_has_sounded(here)
        assert lit(here) == ["pressed", "broker"]
        assert not journalled(here, "incident.reported"), "nobody has signed"

        centre_begins(here, broker)
        wait_for(lambda: lit(here) == ["pressed", "broker", "received"], "the centre signs")
        wait_for(lambda: data_of(here, "incident.reported"), "and the incident is reported")
        wait_for(lambda: types_of(here, "gw-centre-police")[-1] == "fault.cleared", "the centre is back")
        nothing_has_sounded(here)
        for word in ("acknowledge", "reset"):
            on_site(here, word, "panic-office", "--by", "赵敏")
        wait_for(lambda: lit(here) == [], "the lamps are dark again")

        centre_begins(here, broker, "--no-receipts")
        press(here, "panic-gate")
        wait_for(lambda: coils(here) == [True, True, True, True, False], "the school hears of the press, the centre has not signed")
        wait_for(lambda: signal(here, "hall-module", "do1"), "the local siren: the centre does not sign")
        assert lit(here) == ["pressed", "broker"]
        incident = told(here, "incident.opened", subject="panic-gate")
        assert incident["incident"] not in [data["incident"] for data in journalled(here, "incident.reported")]

        centre_begins(here, broker)
        wait_for(lambda: lit(here) == ["pressed", "broker", "received"], "the centre signs at last")
        told(here, "incident.reported", incident=incident["incident"])
        all_told(here)


def nothing_has_sounded(here: Rig) -> None:
    """Neither now nor before: a command that has gone through tells that nothing is still on its way to a siren."""
    guard = f"guard-{len(journalled(here, 'output.done'))}"
    sirens = ("siren-gate", "siren-office")  # one on each line; the strobe is on the first
    for siren in sirens:
        on_site(here, "output", siren, "off", "--by", guard)
    wait_for(lambda: len(ends_of(here, guard)) == len(sirens), "the lines have done all that was asked of them")
    switched_on = {data["output"] for data in journalled(here, "output.done") if data["command"] != "off"}
    assert switched_on <= {"lamp-pressed", "lamp-broker", "lamp-received"}
    assert coils(here)[:2] == [False, False]
    assert not signal(here, "hall-module", "do1")


# --- a day of duties: guard post 护学岗, gas 燃气, walk test 报警测试 ------------------------------

ALWAYS = '["arrival", "dismissal", "lesson", "night", "boarding", "none"]'  # the proof runs at any hour
DUTIES = f"""
[rules.escalation]
leaders = [{{ name = "王建国", phone = "13800000000" }}]
times = {{ duty = {{ leader_after_s = 10, centre_after_s = 600 }} }}
[[guard_posts]]
id = "east-post"
place = "gate"
name = "东门护学岗"
name_en = "east gate"
windows = {ALWAYS}
grace_s = 0
[rules.gas]
"""
KITCHEN = f"""
[[devices]]
id = "gas-sensor"
bus = "hall-line"
profile = "honeywell-xnx"
unit = 2
{point("gas-kitchen", "gas_concentration", "kitchen", "gas-sensor", "gas")}
{point("valve-shut", "contact", "kitchen", "hall-module", "di1")}
{output("gas-valve", "gas_valve", "kitchen", "hall-module", "do2")}
safe = "on"
confirm = {{ point = "valve-shut", within_ms = 700 }}
"""


def test_a_day_of_duties_gas_and_a_walk_test(tmp_path: Path) -> None:
    with school(tmp_path, hall().replace("baud = 38400", "baud = 19200") + KITCHEN + DUTIES) as (here, _):
        wait_for(lambda: types_of(here, "east-post", "campus.duty.")[:1] == ["duty.activated"], "nobody is on post")
        gas_shuts_the_valve(here)
        a_walk_test(here)
        the_post_is_told_further_and_manned(here)
        the_valve_is_shut_at_last(here)
        the_rules_as_they_are(here)
        all_told(here)


def gas_shuts_the_valve(here: Rig) -> None:
    """It was open. It does not show that it has closed, which is a fault."""
    on_site(here, "output", "gas-valve", "off", "--by", "王强")
    wait_for(lambda: ends_of(here, "王强") == [("gas-valve", "done", "")], "the valve is open")
    assert not signal(here, "hall-module", "do2")
    here.post("/points/gas-kitchen", {"value": 60.0})
    wait_for(lambda: signal(here, "hall-module", "do2"), "the valve's coil is on")
    wait_for(lambda: ends_of(here, "linkage gas-shut-gas-valve"), "the order has ended")
    assert ends_of(here, "linkage gas-shut-gas-valve")[0][:2] == ("gas-valve", "unconfirmed")
    wait_for(lambda: types_of(here, "gas-valve", "campus.fault.") == ["fault.activated"], "nobody has seen it close")
    here.post("/points/valve-shut", {"value": True})


def the_valve_is_shut_at_last(here: Rig) -> None:
    """The order was given again, and now the valve is seen to be shut."""
    wait_for(lambda: types_of(here, "gas-valve", "campus.fault.")[-1] == "fault.cleared", "the valve is seen to be shut", 30)
    wait_for(lambda: ends_of(here, "linkage gas-shut-gas-valve")[-1][:2] == ("gas-valve", "done"), "the order has ended well")


def a_walk_test(here: Rig) -> None:
    """The press is a test, which the centre's signature passes; date, name and result are kept."""
    assert "no point was tested yet" in on_site(here, "walk-test", "--results")
    assert "not yet tested" in on_site(here, "walk-test", "--due")
    on_site(here, "walk-test", "start", "panic-gate", "--by", "陈工")
    press(here, "panic-gate")
    alarm = told(here, "alarm.activated", subject="panic-gate")
    assert (alarm["status"], alarm["mode"]["kind"]) == ("Test", "test")
    wait_for(lambda: [row for row in status(here)["modes"] if row.get("passed")], "the centre has signed: passed")
    for word in ("acknowledge", "reset"):
        on_site(here, word, "panic-gate", "--by", "陈工")
    assert told(here, "mode.test_ended")["result"] == "passed"
    assert "panic-gate  passed, by 陈工" in on_site(here, "walk-test", "--results")


def the_post_is_told_further_and_manned(here: Rig) -> None:
    """Nobody has taken it for ten seconds: the duty leader is told, by name and without a telephone number. Then somebody comes."""
    escalated = told(here, "duty.escalated", subject="east-post")
    assert (escalated["level"], escalated["to_role"], escalated["to"]) == (1, "duty_leader", ["王建国"])
    assert "13800000000" not in str(here.events())
    on_site(here, "duty", "check-in", "east-post", "--by", "周建国")
    wait_for(lambda: "duty.cleared" in types_of(here, "east-post"), "somebody is on post")
    checked_in = told(here, "duty.checked_in", subject="east-post")
    assert (checked_in["means"], checked_in["by"]) == ("command", "周建国")
    assert checked_in["late_s"] >= escalated["after_s"]
    assert "周建国" in on_site(here, "duty", "list")


def the_rules_as_they_are(here: Rig) -> None:
    """`rules list` names each rule that has acted; `rules explain` knows what has happened meanwhile."""
    listed = json.loads(on_site(here, "rules", "list", "--json"))["rules"]
    assert {rule["name"] for rule in listed} == {"guard-post", "gas", "escalation", "incident", "drill", "walk-test", "maintenance"}
    acted = {data["by"].removeprefix("linkage ") for data in data_of(here, "output.done", origin="rule")}
    assert acted == {"gas-shut-gas-valve"}
    assert acted <= {rule["rule"] for rule in listed}
    printed = on_site(here, "rules", "list")
    assert "gas-shut-gas-valve  (gas 燃气报警)" in printed
    assert "gas-valve 开 / gas-valve on; until reset, and stays" in printed

    ends = ends_of(here, "linkage gas-shut-gas-valve")
    gas = on_site(here, "rules", "explain", "gas-kitchen")
    assert "gas-kitchen/level2: unacknowledged" in gas
    assert "nothing 无" in gas, "the valve is shut already"
    post = on_site(here, "rules", "explain", "east-post")
    assert "east-post/alarm: returned_unacknowledged" in post
    assert "east-post (guard-post): east gate: on post" in post
    assert "escalated to the duty leader" in post, "were he gone"
    assert ends_of(here, "linkage gas-shut-gas-valve") == ends, "explaining has switched nothing"
