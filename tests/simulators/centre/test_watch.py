"""Silence, last wills and daily reports, as the centre judges them."""

from __future__ import annotations

import pytest

from simulators.centre.ledger import Ledger, Verdict
from simulators.centre.lines import as_json, as_text
from simulators.centre.watch import DEADLINE_S, News, Watch
from tests.simulators.centre.chains import PREFIX, ROOT, SOURCE, Gateway, at

HOUR_S = 3600.0


def ns(second: float) -> int:
    return int(second * 1e9)


def beat(watch: Watch, second: float, heartbeat_s: float = 30.0, boot_id: str = "b") -> list[News]:
    return watch.sign(SOURCE, "heartbeat", {"bootid": boot_id, "heartbeat_s": heartbeat_s}, ns(second))


def status(watch: Watch, second: float, *, online: bool, boot_id: str = "b", retained: bool = False) -> list[News]:
    return watch.sign(SOURCE, "status", {"bootid": boot_id, "online": online}, ns(second), retained=retained)


def kinds(news: list[tuple[str, News]]) -> list[str]:
    return [one.kind for _, one in news]


@pytest.mark.parametrize(("profile", "heartbeat_s"), [("sp5", 30.0), ("sp6", 5.0)])
def test_a_dead_link_is_known_within_the_deadline_of_the_profile(profile: str, heartbeat_s: float) -> None:
    watch = Watch()
    watch.sign(SOURCE, "birth", {"bootid": "b", "supervision": profile}, ns(0))
    assert watch.overdue(ns(DEADLINE_S[profile])) == []
    beat(watch, 1, heartbeat_s)
    assert watch.overdue(ns(1 + 2 * heartbeat_s)) == []
    assert kinds(watch.overdue(ns(1 + DEADLINE_S[profile]))) == ["silent"]
    assert watch.overdue(ns(1000)) == []


def test_a_slow_heartbeat_does_not_lengthen_the_deadline() -> None:
    watch = Watch()
    watch.sign(SOURCE, "birth", {"bootid": "b", "supervision": "sp6"}, ns(0))
    beat(watch, 0, 600)
    assert kinds(watch.overdue(ns(20.1))) == ["silent"]


def test_back_is_told_with_how_long_it_was_quiet() -> None:
    watch = Watch(silent_after_s=10)
    beat(watch, 0)
    watch.overdue(ns(11))
    assert beat(watch, 40) == [News("back", 40.0, "heard again")]
    assert beat(watch, 41) == []


def test_the_last_will_makes_silent_at_once() -> None:
    watch = Watch()
    beat(watch, 0)
    assert [news.kind for news in status(watch, 1, online=False)] == ["silent"]
    assert status(watch, 2, online=False) == []
    assert watch.overdue(ns(500)) == []
    assert [news.kind for news in status(watch, 600, online=True)] == ["back"]


def test_the_will_of_an_earlier_run_says_nothing() -> None:
    watch = Watch()
    beat(watch, 0, boot_id="new")
    assert status(watch, 1, online=False, boot_id="old") == []
    assert watch.overdue(ns(2)) == []


def test_the_will_of_one_path_is_no_silence_while_another_is_heard() -> None:
    watch = Watch()
    for path in ("lan", "mobile"):
        watch.sign(SOURCE, "heartbeat", {"bootid": "b", "heartbeat_s": 30, "path": path}, ns(0))
    will = {"bootid": "b", "online": False}
    assert watch.sign(SOURCE, "status", will | {"path": "lan"}, ns(1)) == []
    assert watch.sign(SOURCE, "status", will | {"path": "lan"}, ns(2)) == []
    assert [news.kind for news in watch.sign(SOURCE, "status", will | {"path": "mobile"}, ns(3))] == ["silent"]


def test_a_path_that_was_not_heard_for_long_does_not_count() -> None:
    watch = Watch()
    watch.sign(SOURCE, "heartbeat", {"bootid": "b", "heartbeat_s": 30, "path": "mobile"}, ns(0))
    watch.sign(SOURCE, "heartbeat", {"bootid": "b", "heartbeat_s": 30, "path": "lan"}, ns(100))
    assert [news.kind for news in watch.sign(SOURCE, "status", {"bootid": "b", "online": False, "path": "lan"}, ns(101))] == ["silent"]


def test_what_the_broker_has_kept_is_no_sign_of_life_but_a_will_counts() -> None:
    watch = Watch(silent_after_s=10)
    beat(watch, 0)
    watch.overdue(ns(11))
    assert status(watch, 12, online=True, retained=True) == []
    assert watch.sign(SOURCE, "birth", {"bootid": "b"}, ns(13), retained=True) == []
    other = Watch()
    assert [news.kind for news in status(other, 0, online=False, retained=True)] == ["silent"]


def test_a_gateway_known_from_before_is_awaited_from_the_first_session_on() -> None:
    watch = Watch(silent_after_s=10)
    assert watch.overdue(ns(100)) == []
    watch.listening("a", ns(100), {SOURCE})
    assert watch.overdue(ns(109)) == []
    watch.deaf("a", ns(101))
    assert watch.overdue(ns(150)) == []
    watch.listening("a", ns(109), set())
    assert watch.overdue(ns(118)) == [], "while this centre was away nobody was silent"
    assert kinds(watch.overdue(ns(120))) == ["silent"]


def heartbeat_at(watch: Watch, broker: str, second: float) -> list[News]:
    return watch.sign(SOURCE, "heartbeat", {"bootid": "b", "heartbeat_s": 30.0, "path": broker}, ns(second), broker=broker)


def test_a_broker_that_is_lost_hides_only_who_is_heard_nowhere_else() -> None:
    watch = Watch(silent_after_s=10)
    for broker in ("a", "b"):
        watch.listening(broker, ns(0), set())
        heartbeat_at(watch, broker, 0)
    watch.sign("/sites/s/gateways/only-b", "heartbeat", {"bootid": "b", "heartbeat_s": 30.0}, ns(0), broker="b")
    watch.deaf("b", ns(1))
    assert [(source, news.kind) for source, news in watch.overdue(ns(11))] == [(SOURCE, "silent")], "the other may speak where nobody hears"
    watch.listening("b", ns(40), set())
    assert watch.overdue(ns(48)) == []
    assert [source for source, _ in watch.overdue(ns(50))] == ["/sites/s/gateways/only-b"], "1 s before the loss, 9 s after it"


def test_a_broker_that_comes_and_goes_does_not_hide_a_silence() -> None:
    watch = Watch(silent_after_s=90)
    watch.listening("a", ns(0), set())
    heartbeat_at(watch, "a", 0)
    found: list[float] = []
    for minute in range(1, 4):
        watch.deaf("a", ns(60 * minute - 1))
        watch.listening("a", ns(60 * minute), set())
        found += [second for second in range(60 * minute, 60 * minute + 59) if watch.overdue(ns(second))]
    assert found == [92], "two seconds of these it could not hear"


def test_daily_reports() -> None:
    watch = Watch(silent_after_s=1e9, report_every_s=26 * HOUR_S)
    beat(watch, 0)
    assert watch.report(SOURCE, 7, ns(10 * HOUR_S)) == []
    assert watch.overdue(ns(35 * HOUR_S)) == []
    assert kinds(watch.overdue(ns(37 * HOUR_S))) == ["no-report"]
    assert watch.overdue(ns(38 * HOUR_S)) == [], "told once"
    (news,) = watch.report(SOURCE, 10, ns(39 * HOUR_S))
    assert (news.kind, news.why) == ("no-report", "daily reports 8 to 9 never came")
    assert watch.report(SOURCE, 9, ns(40 * HOUR_S)) == []
    assert watch.report(SOURCE, 11, ns(41 * HOUR_S)) == []
    assert watch.report(SOURCE, "12", ns(42 * HOUR_S)) == []


def test_a_known_report_that_comes_again_is_no_new_one() -> None:
    watch = Watch(silent_after_s=1e9, report_every_s=26 * HOUR_S)
    watch.report(SOURCE, 7, ns(0))
    assert watch.report(SOURCE, 7, ns(20 * HOUR_S)) == [], "a new session of the gateway brings it again"
    assert kinds(watch.overdue(ns(27 * HOUR_S))) == ["no-report"]


def test_without_a_time_no_report_is_expected() -> None:
    watch = Watch(silent_after_s=1e9)
    beat(watch, 0)
    assert watch.overdue(ns(1000 * HOUR_S)) == []


# --- in the ledger ------------------------------------------------------------------------------


def test_only_what_is_signed_moves_the_watch() -> None:
    gateway = Gateway()
    ledger = Ledger(gateway.trust(), PREFIX, "police")
    ledger.ingest(gateway.heartbeat(owed=None), f"{ROOT}/heartbeat", at(0))
    forged = Gateway().sign({"source": SOURCE, "bootid": "b", "online": False})
    assert [verdict.kind for verdict in ledger.ingest(forged, f"{ROOT}/status", at(1))] == ["bad"]
    will = gateway.sign({"source": SOURCE, "bootid": "b", "online": False})
    status, silent = ledger.ingest(will, f"{ROOT}/status", at(2))
    assert (status.kind, silent.kind, silent.source) == ("status", "silent", SOURCE)
    assert "last will" in str(as_text(silent))
    line = as_json(silent) or {}
    assert (line["kind"], line["silent_s"]) == ("silent", 2.0)


def test_reports_in_the_ledger() -> None:
    gateway = Gateway()
    ledger = Ledger(gateway.trust(), PREFIX, "police", report_every_s=HOUR_S)
    told: list[Verdict] = []
    for number in (1, 2, 4):
        told += ledger.ingest(gateway.sign({"source": SOURCE, "number": number}), f"{ROOT}/report/daily", at(number))
    assert [verdict.kind for verdict in told] == ["report", "report", "report", "no-report"]
    ledger.listening("a", at(5).monotonic_ns)
    assert [verdict.kind for verdict in ledger.overdue(at(2 * HOUR_S).monotonic_ns, "t")] == ["silent", "no-report"]


def test_gaps_of_a_centre_that_is_entitled_to_some_classes_only() -> None:
    """It never sees the other classes, so only a class sequence tells it that something is missing."""
    gateway = Gateway()
    ledger = Ledger(gateway.trust(), PREFIX, "police", classes=frozenset({"alarm"}))
    names = ["audit", "alarm", "fault", "alarm", "alarm", "fault", "alarm"]
    alarms = [body for body, name in [(gateway.event(name), name) for name in names] if name == "alarm"]
    ledger.ingest(alarms[0], f"{ROOT}/event/alarm", at())
    ledger.ingest(alarms[3], f"{ROOT}/event/alarm", at())

    def gaps(owed: int | None) -> list[tuple[str, int, int]]:
        verdicts = ledger.ingest(gateway.heartbeat(owed=owed), f"{ROOT}/heartbeat", at())
        return [(verdict.event_class, verdict.first, verdict.last) for verdict in verdicts if verdict.kind == "gap"]

    assert gaps(owed=4) == [], "what is owed may still come"
    assert gaps(owed=None) == [("alarm", 2, 3)]
    assert gaps(owed=None) == [], "told once"
    (gap,) = ledger.report()["gateways"][SOURCE]["gaps"]
    assert (gap["class"], gap["first"], gap["last"]) == ("alarm", 2, 3)
    for body in alarms[1:3]:
        ledger.ingest(body, f"{ROOT}/event/alarm", at())
    assert ledger.report()["gateways"][SOURCE]["gaps"] == []
