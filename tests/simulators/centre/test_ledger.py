"""What the centre says of events, in the order in which they really come."""

import rfc8785

from simulators.centre.ledger import Ledger, Record, Standing, Verdict, floor_of
from simulators.centre.lines import as_json, as_text
from simulators.centre.verify import sha256
from tests.simulators.centre.chains import PREFIX, ROOT, SOURCE, Gateway, at

ALARM = f"{ROOT}/event/alarm"


def ledger_of(gateway: Gateway, silent_after_s: float = 0.0) -> Ledger:
    return Ledger(gateway.trust(), PREFIX, "police", silent_after_s)


def one(verdicts: list[Verdict]) -> Verdict:
    assert len(verdicts) == 1
    return verdicts[0]


def put(ledger: Ledger, body: bytes, event_class: str = "alarm") -> Verdict:
    return one(ledger.ingest(body, f"{ROOT}/event/{event_class}", at()))


def report(ledger: Ledger) -> dict[str, object]:
    return dict(ledger.report()["gateways"][SOURCE])


def test_a_whole_chain() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    for event_class in ("audit", "alarm", "fault", "alarm", "alarm"):
        verdict = put(ledger, gateway.event(event_class), event_class)
        assert (verdict.kind, verdict.standing, verdict.problem) == ("event", Standing.NEW, None)
        assert verdict.answer is not None
        assert verdict.answer.result == "received"
        assert verdict.answer.sha256 == sha256(verdict.body)
    found = report(ledger)
    assert (found["chain"], found["received"], found["lowest"], found["highest"]) == ("whole", 5, 1, 5)
    assert found["missing"] == found["gaps"] == found["class_missing"] == []


def test_hole_then_fill() -> None:
    """An alarm overtakes: a hole is no gap while the missing event is still owed."""
    gateway = Gateway()
    ledger = ledger_of(gateway)
    first, second, third = (gateway.event() for _ in range(3))
    put(ledger, first)
    assert put(ledger, third).problem is None
    assert report(ledger)["chain"] == "broken at 0000000001/2 (missing)"
    assert [v.kind for v in ledger.ingest(gateway.heartbeat(owed=2), f"{ROOT}/heartbeat", at())] == ["heartbeat"]
    assert put(ledger, second).problem is None
    assert report(ledger)["chain"] == "whole"


def test_a_gap_is_told_once() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    events = [gateway.event() for _ in range(5)]
    put(ledger, events[0])
    put(ledger, events[3])
    beats = [ledger.ingest(gateway.heartbeat(owed=5), f"{ROOT}/heartbeat", at()) for _ in range(2)]
    assert [v.kind for v in beats[0]] == ["heartbeat", "gap"]
    assert (beats[0][1].epoch, beats[0][1].first, beats[0][1].last) == ("0000000001", 2, 3)
    assert [v.kind for v in beats[1]] == ["heartbeat"]
    assert report(ledger)["gaps"] == [{"epoch": "0000000001", "first": 2, "last": 3}]
    put(ledger, events[2])
    put(ledger, events[1])
    assert report(ledger)["gaps"] == []


def test_the_newest_events_can_be_a_gap() -> None:
    """Nothing is owed, yet the newest numbers never came."""
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event())
    gateway.event()
    verdicts = ledger.ingest(gateway.heartbeat(owed=None), f"{ROOT}/heartbeat", at())
    assert [(v.kind, v.first, v.last) for v in verdicts] == [("heartbeat", 0, 0), ("gap", 2, 2)]
    assert report(ledger)["missing"] == [{"epoch": "0000000001", "first": 2, "last": 2}]


def test_a_heartbeat_owes_each_recipient_its_own() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    gateway.event()
    verdicts = ledger.ingest(gateway.heartbeat(owed=None, recipient="education"), f"{ROOT}/heartbeat", at())
    assert [v.kind for v in verdicts] == ["heartbeat"]
    assert floor_of({"lowest_owed": {"police": {"epoch": "1", "sequence": "2"}}}, "police") is None


def test_new_epoch() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event())
    missing = gateway.event()
    put(ledger, gateway.event())
    gateway.new_epoch(2)
    assert put(ledger, gateway.event("audit"), "audit").problem is None
    found = report(ledger)
    assert (found["highest"], found["chain"]) == (1, "broken at 0000000001/2 (missing)")
    verdicts = ledger.ingest(gateway.heartbeat(owed=None), f"{ROOT}/heartbeat", at())
    assert [(v.kind, v.epoch) for v in verdicts] == [("heartbeat", ""), ("gap", "0000000001")]
    put(ledger, missing)
    assert report(ledger)["chain"] == "whole"


def test_broken_link() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event())
    gateway.previous = "f" * 64
    verdict = put(ledger, gateway.event())
    assert verdict.problem == "previoushash is not the hash of event 1"
    assert verdict.answer is not None
    assert verdict.answer.result == "received", "the event is here; its chain is the gateway's matter"
    assert report(ledger)["chain"] == "broken at 0000000001/2"


def test_resend_is_receipted_again() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    body = gateway.event()
    first, second = put(ledger, body), put(ledger, body)
    assert (first.standing, second.standing) == (Standing.NEW, Standing.RESEND)
    assert first.answer == second.answer
    assert (report(ledger)["received"], report(ledger)["resent"]) == (1, 1)


def test_same_id_with_other_bytes() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event(event_id="e1"))
    verdict = put(ledger, gateway.event(event_id="e1", value=False))
    assert verdict.standing is Standing.CONFLICT
    assert verdict.answer is not None
    assert (verdict.answer.result, verdict.answer.reason) == ("unusable", "conflict: this id came before with other bytes")
    assert (report(ledger)["received"], report(ledger)["conflicts"]) == (1, 1)


def test_a_number_used_twice_is_a_conflict() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event())
    gateway.new_epoch(1)
    verdict = put(ledger, gateway.event())
    assert verdict.problem is not None
    assert "sequence 1 was used before" in verdict.problem
    assert report(ledger)["conflicts"] == 1


def test_early_copy_is_replaced() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    early = put(ledger, gateway.early("e1"))
    assert (early.standing, early.place) == (Standing.EARLY, None)
    assert report(ledger)["early"] == 1
    again = put(ledger, gateway.early("e1"))
    sealed = put(ledger, gateway.event(event_id="e1"))
    assert [again.standing, sealed.standing] == [Standing.RESEND, Standing.REPLACES]
    assert early.answer is not None
    assert sealed.answer is not None
    assert early.answer.sha256 != sealed.answer.sha256, "both are receipted, each with its own digest"
    found = report(ledger)
    assert (found["received"], found["early"], found["conflicts"], found["chain"]) == (1, 0, 0, "whole")


def test_early_copy_behind_its_sealed_one() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    put(ledger, gateway.event(event_id="e1"))
    late = put(ledger, gateway.early("e1"))
    assert late.standing is Standing.RESEND
    assert late.answer is not None
    assert report(ledger)["conflicts"] == 0


def test_forged_events_move_nothing() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    genuine = gateway.event(event_id="e1")
    forged = Gateway().event(event_id="e1")
    assert (put(ledger, forged).kind, put(ledger, forged).answer) == ("bad", None)
    spaced = genuine.replace(b",", b", ", 1)
    assert put(ledger, spaced).problem == "payload is not its canonical form (RFC 8785)"
    elsewhere = one(ledger.ingest(genuine, "campus/v1/school-2/gate/event/alarm", at()))
    assert (elsewhere.kind, elsewhere.answer) == ("bad", None)
    assert put(ledger, genuine).standing is Standing.NEW
    assert report(ledger)["unverified"] == 3
    assert list(ledger.report()["gateways"]) == [SOURCE], "a stranger does not grow the ledger"


def test_signed_but_not_what_the_contract_says() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    good = gateway.numbered(gateway.draft("e1"))
    for member, value in (
        ("sequence", "7"),
        ("epoch", 1),
        ("classsequence", "0" * 20),
        ("previoushash", "A" * 64),
        ("specversion", "0.3"),
        ("time", "2026-11-21 08:00"),
        ("type", None),
        ("data", "x"),
    ):
        verdict = put(ledger, gateway.sign({**good, member: value}))
        assert (verdict.kind, verdict.standing) == ("event", Standing.UNUSABLE), member
        assert verdict.answer is not None
        assert verdict.answer.result == "unusable"
        assert verdict.answer.reason
    assert put(ledger, gateway.sign(good), "weather").problem == "unknown class 'weather'"
    nameless = put(ledger, gateway.sign({**good, "id": 7}))
    assert (nameless.kind, nameless.answer) == ("bad", None)
    assert report(ledger)["received"] == 0


def test_signed_messages_beside_events() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    birth = gateway.sign({"source": SOURCE, "software": "1"})
    assert one(ledger.ingest(birth, f"{ROOT}/birth", at())).kind == "birth"
    assert one(ledger.ingest(b'{"online":true}', f"{ROOT}/status", at())).problem == "no signature"
    assert one(ledger.ingest(Gateway().heartbeat(None), f"{ROOT}/heartbeat", at())).kind == "bad"
    assert ledger.ingest(b"{}", f"{ROOT}/telemetry", at()) == []
    assert one(ledger.ingest(b"{}", "elsewhere", at())).kind == "bad"
    assert report(ledger)["unverified"] == 2


def test_silence_is_told_once_and_ends() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    beat = gateway.heartbeat(owed=None, heartbeat_s=8)
    ledger.ingest(beat, f"{ROOT}/heartbeat", at(0))
    assert ledger.overdue(at(20).monotonic_ns, "t") == []
    assert one(ledger.overdue(at(20.1).monotonic_ns, "t")).silent_s == 20.1
    assert ledger.overdue(at(30).monotonic_ns, "t") == []
    ledger.ingest(beat, f"{ROOT}/heartbeat", at(31))
    assert ledger.overdue(at(40).monotonic_ns, "t") == []
    assert one(ledger.overdue(at(60).monotonic_ns, "t")).kind == "silent"


def test_silence_as_the_centre_sets_it() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway, silent_after_s=2)
    ledger.ingest(gateway.heartbeat(owed=None), f"{ROOT}/heartbeat", at(0))
    assert one(ledger.overdue(at(3).monotonic_ns, "t")).source == SOURCE


def test_recall_gives_the_same_report() -> None:
    gateway = Gateway()
    ledger, again = ledger_of(gateway), ledger_of(gateway)
    events = [gateway.event() for _ in range(4)]
    for body in (events[0], events[3], events[3], events[1], gateway.early("e9")):
        verdict = put(ledger, body)
        if verdict.standing in (Standing.NEW, Standing.EARLY):
            resent = 1 if body == events[3] else 0
            again.recall(Record(SOURCE, verdict.message["id"], verdict.sha256, verdict.standing, verdict.place, resent))
    assert again.report() == ledger.report()
    assert put(again, events[0]).standing is Standing.RESEND
    assert put(again, events[2]).problem is None
    again.recall_heartbeat(SOURCE, gateway.heartbeat(owed=None))
    assert report(again)["chain"] == "whole"


def test_lines() -> None:
    gateway = Gateway()
    ledger = ledger_of(gateway)
    verdict = put(ledger, gateway.event(event_id="e1"))
    line = as_json(verdict)
    assert line is not None
    assert {name: line[name] for name in ("kind", "id", "alarm", "sequence", "epoch", "verified", "resend", "problem")} == {
        "kind": "event",
        "id": "e1",
        "alarm": "alarm",
        "sequence": 1,
        "epoch": "0000000001",
        "verified": True,
        "resend": False,
        "problem": None,
    }
    assert "campus.alarm.activated  panic-1/alarm" in (as_text(verdict) or "")
    odd = put(ledger, gateway.sign({**gateway.draft("e2"), "data": [1]}))
    assert (as_json(odd) or {})["alarm"] is None
    assert "unusable  PROBLEM: no data" in (as_text(odd) or "")
    for body, topic in ((b"{}", "status"), (rfc8785.dumps({"a": 1}), "heartbeat")):
        bad = one(ledger.ingest(body, f"{ROOT}/{topic}", at()))
        assert (as_json(bad) or {})["problem"] == "no signature"
        assert "BAD" in (as_text(bad) or "")
