"""The outbox: nothing offered is ever forgotten, alarms overtake, the window holds, resends keep their times."""

from __future__ import annotations

import pytest

from gateway.uplink.lane import Entry, Hold
from gateway.uplink.outbox import SUSPECTED, Outbox
from gateway.uplink.repeats import ALARM_PROBES, AWAITED_MOST


class Box(Outbox):
    """An outbox with one path, which has a session."""

    def __init__(self, window: int, receipt_timeout_s: float, max_entries: int = 20_000) -> None:
        super().__init__(window, receipt_timeout_s, max_entries)
        self.lane = self.lanes["main"]
        self.link_up(self.lane, 0.0)

    def take(self, now_s: float) -> Entry | None:
        return self.next(self.lane, now_s)

    def went(self, item: Entry, now_s: float) -> None:
        self.sent(self.lane, item, now_s)

    def answer(self, row: int, code: int, now_s: float) -> bool:
        return self.puback(self.lane, row, code, now_s)

    def lose(self) -> set[str]:
        classes = self.link_lost(self.lane)
        self.link_up(self.lane, 0.0)
        return classes

    def held(self) -> dict[str, Hold]:
        return self.lane.holds


PRIORITY = {"alarm": 0, "fault": 2, "audit": 3, "observation": 4}


def entry(row: int, event_class: str = "alarm", owed: str = "police", priority: int | None = None) -> Entry:
    return Entry(
        row=row,
        id=f"id-{row}",
        event_class=event_class,
        priority=PRIORITY[event_class] if priority is None else priority,
        sha256=f"hash-{row}",
        epoch=1 if row > 0 else 0,
        sequence=max(row, 0),
        owed=set(owed.split()),
        sealed_s=float(row),
        body=b"body",
    )


def pump(box: Box, now_s: float) -> list[int]:
    """Send all that may be sent; the rows in their order."""
    rows = []
    while (item := box.take(now_s)) is not None:
        box.went(item, now_s)
        rows.append(item.row)
    return rows


def receipt(box: Box, row: int, recipient: str = "police", *, unusable: bool = False) -> list[int]:
    settled, wrong, unknown = box.receipt(recipient, [(f"id-{row}", f"hash-{row}")], unusable=unusable)
    assert not wrong
    assert not unknown or row not in box
    return [item.row for item in settled]


@pytest.mark.parametrize(
    ("event_class", "waits_s"),
    [("alarm", [10, 20, 30, 30, 30]), ("fault", [10, 20, 40, 80, 160, 300, 300]), ("observation", [10, 20, 40, 80, 160, 300, 300])],
)
def test_resend_times(event_class: str, waits_s: list[float]) -> None:
    box = Box(10, 10.0)
    box.offer(entry(1, event_class))
    now_s = 0.0
    assert pump(box, now_s) == [1]
    for wait_s in waits_s:
        now_s += 3.0
        box.answer(1, 0, now_s)  # the time runs from the broker's word
        assert box.next_due_s() == now_s + wait_s
        assert pump(box, now_s + wait_s - 0.001) == []
        now_s += wait_s
        assert pump(box, now_s) == [1]
    assert box.counts.resent == len(waits_s)
    assert box.counts.sent == len(waits_s) + 1


def test_a_long_receipt_timeout_is_not_cut_by_the_cap() -> None:
    box = Box(10, 60.0)
    box.offer(entry(1))
    for start_s in (0.0, 100.0):
        pump(box, start_s)
        box.answer(1, 0, start_s)
        assert box.next_due_s() == start_s + 60.0


def test_alarms_overtake_and_the_rest_keeps_its_order() -> None:
    box = Box(2, 10.0)
    for row, event_class in enumerate(["observation", "audit", "fault", "audit", "alarm", "observation", "alarm"], 1):
        box.offer(entry(row, event_class))
    assert pump(box, 0.0) == [5, 7], "the window is two"
    box.answer(5, 0, 0.0)
    assert pump(box, 0.0) == [3]
    for row in (7, 3):
        box.answer(row, 0, 0.0)
    assert pump(box, 0.0) == [2, 4]


def test_a_resent_alarm_waits_for_no_routine() -> None:
    box = Box(1, 10.0)
    box.offer(entry(1))
    pump(box, 0.0)
    box.answer(1, 0, 0.0)
    box.offer(entry(2, "observation"))
    box.offer(entry(3, "audit"))
    assert pump(box, 10.0) == [1]


def test_a_receipt_before_the_puback() -> None:
    box = Box(1, 10.0)
    box.offer(entry(1))
    box.offer(entry(2))
    assert pump(box, 0.0) == [1]
    assert receipt(box, 1) == [1]
    assert pump(box, 0.0) == [], "the broker has not acknowledged it: the window is still taken"
    assert box.answer(1, 0, 0.1)
    assert pump(box, 0.1) == [2]
    assert pump(box, 1000.0) == []


def test_each_recipient_owes_its_own_receipt() -> None:
    box = Box(1, 10.0)
    box.offer(entry(1, owed="police bureau"))
    pump(box, 0.0)
    box.answer(1, 0, 0.0)
    assert receipt(box, 1, "bureau") == [1]
    assert receipt(box, 1, "bureau") == [], "said already"
    assert receipt(box, 1, "stranger") == []
    assert box.lowest_owed() == {"police": (1, 1)}
    assert pump(box, 10.0) == [1]
    assert receipt(box, 1, "police", unusable=True) == [1]
    assert len(box) == 0
    assert (box.counts.received, box.counts.unusable) == (1, 1)


def test_receipts_go_by_digest() -> None:
    box = Box(1, 10.0)
    box.offer(entry(1))
    assert box.receipt("police", [("id-2", "hash-1")], unusable=False) == ([], ["id-2"], [])
    assert box.receipt("police", [("id-1", "hash-9"), ("id-8", "hash-8")], unusable=False) == ([], [], ["id-1", "id-8"])
    assert 1 in box
    settled, wrong, unknown = box.receipt("police", [("id-1", "hash-1"), ("id-1", "hash-1")], unusable=False)
    assert ([item.row for item in settled], wrong, unknown) == ([1], [], ["id-1"])


def test_an_early_copy_is_kept_in_memory_until_the_sealed_event_is_here() -> None:
    box = Box(10, 10.0)
    box.offer(entry(-1))
    assert pump(box, 0.0) == [-1]
    box.answer(-1, 0, 0.0)
    assert pump(box, 10.0) == [-1], "repeated like any alarm"
    assert box.lowest_owed() == {}, "it has no number yet"
    early = box.take(0.0)
    assert early is None
    sealed = entry(7)
    sealed.id = "id--1"
    box.drop_early("id--1")
    box.offer(sealed)
    assert -1 not in box
    assert box.answer(-1, 0, 10.1), "its PUBACK comes late"
    assert pump(box, 10.2) == [7]
    assert box.receipt("police", [("id--1", "hash--1")], unusable=False) == ([], [], []), "known, but only the sealed one's ends delivery"
    assert 7 in box


def test_the_body_leaves_memory_with_the_puback() -> None:
    box = Box(10, 10.0)
    kept, early = entry(1), entry(-1)
    box.offer(kept)
    box.offer(early)
    pump(box, 0.0)
    box.answer(1, 0, 0.0)
    box.answer(-1, 0, 0.0)
    assert kept.body is None
    assert early.body == b"body", "it is nowhere else"


def test_a_lost_link_queues_again_what_was_in_flight() -> None:
    box = Box(10, 10.0)
    for row, event_class in ((1, "alarm"), (2, "audit"), (3, "audit"), (4, "fault")):
        box.offer(entry(row, event_class))
    assert pump(box, 0.0) == [1, 4, 2, 3]
    box.answer(2, 0, 0.1)
    receipt(box, 3)
    assert box.lose() == {"alarm", "fault", "audit"}
    assert (box.in_flight, box.lane.oldest_in_flight_s()) == (0, None)
    assert pump(box, 1.0) == [1, 4], "2 waits for its receipt, 3 is settled"
    assert pump(box, 10.1) == [2]


def test_a_late_puback_of_the_old_session_changes_nothing() -> None:
    box = Box(10, 10.0)
    box.offer(entry(1))
    pump(box, 0.0)
    box.lose()
    assert box.answer(1, 0, 0.5)
    assert pump(box, 1.0) == [1]


def test_a_refused_topic_is_set_aside_and_probed_with_one_message() -> None:
    box = Box(10, 10.0)
    for row in (1, 2, 3):
        box.offer(entry(row, "audit"))
    assert pump(box, 0.0) == [1, 2, 3]
    assert [box.answer(row, 0x87, 0.1) for row in (1, 2, 3)] == [False] * 3
    box.offer(entry(4, "fault"))
    assert pump(box, 0.2) == [4], "other topics go on"
    box.answer(4, 0, 0.3)
    assert box.next_due_s() == 10.3, "the fault's own resend comes first"
    receipt(box, 4)
    assert pump(box, 30.0) == []
    assert pump(box, 30.1) == [1], "one probe"
    assert box.answer(1, 0x87, 30.2) is False
    assert pump(box, 90.1) == []
    assert pump(box, 90.2) == [2], "twice as long, and with another one"
    assert box.answer(2, 0, 90.3)
    assert not box.held()
    assert pump(box, 90.4) == [3, 1]
    assert box.counts.pubacks == {0x87: 4, 0: 2}


def test_alarms_are_probed_at_least_each_30_s() -> None:
    box = Box(10, 10.0)
    box.offer(entry(1))
    now_s = 0.0
    for _ in range(5):
        assert pump(box, now_s) == [1]
        box.answer(1, 0x87, now_s)
        assert box.next_due_s() == now_s + 30.0
        now_s += 30.0


def test_a_suspected_topic_is_released_by_the_session_that_outlives_it() -> None:
    """A 3.1.1 broker acknowledges what it forbids: its PUBACK proves nothing."""
    box = Box(10, 10.0)
    box.offer(entry(1, "audit"))
    box.offer(entry(2, "audit"))
    pump(box, 0.0)
    box.lose()
    box.hold(box.lane, "audit", SUSPECTED, 0.0)
    assert pump(box, 29.9) == []
    assert pump(box, 30.0) == [1]
    box.answer(1, 0, 30.0)
    assert pump(box, 30.1) == [], "still one probe only"
    box.release(box.lane, "audit")
    assert not box.held()
    assert pump(box, 30.3) == [2]
    box.release(box.lane, "audit")


def test_what_waits_on_a_path() -> None:
    """Only a suspect that has something to send makes the others go one by one."""
    box = Box(10, 10.0)
    box.offer(entry(1))
    assert box.waits(box.lane, {"alarm", "observation"}, 0.0)
    assert not box.waits(box.lane, {"observation"}, 0.0)
    assert not box.waits(box.lane, (), 0.0)
    box.hold(box.lane, "alarm", SUSPECTED, 0.0)
    assert not box.waits(box.lane, {"alarm"}, 0.0), "set aside: it is not sent now"
    assert box.waits(box.lane, {"alarm"}, 30.0), "its probe is"


def test_a_probe_that_goes_down_with_the_link_is_sent_again() -> None:
    box = Box(10, 10.0)
    box.offer(entry(1))
    pump(box, 0.0)
    box.answer(1, 0x87, 0.0)
    assert pump(box, 30.0) == [1]
    box.lose()
    assert pump(box, 31.0) == [1]


def test_nobody_listens_is_not_delivery() -> None:
    box = Box(10, 10.0)
    box.offer(entry(1))
    pump(box, 0.0)
    assert box.answer(1, 0x10, 0.0)
    assert 1 in box
    assert pump(box, 10.0) == [1]


def test_a_full_shelf_leaves_the_rest_in_the_journal_and_crowds_nothing_else_out() -> None:
    box = Box(100, 10.0, max_entries=16)
    assert all(box.offer(entry(row, "audit")) for row in (1, 2, 3, 4))
    assert not box.shelves.has_room(("police", "audit"))
    assert not box.offer(entry(6, "audit"))
    assert not box.offer(entry(5, "audit"))
    assert box.shelves.behind == {("police", "audit"): (5, (1, 5))}, "the lowest of those that were left out"
    assert box.offer(entry(7, "alarm"))
    assert box.offer(entry(8, "fault"))
    assert box.offer(entry(9, "audit", "bureau")), "another's shelf"
    assert box.offer(entry(4, "audit")), "already here"
    for row in (1, 2, 3, 4):
        receipt(box, row)
    assert box.shelves.has_room(("police", "audit"))


def test_a_silent_recipient_fills_its_own_shelf_only() -> None:
    """The bureau receipts nothing: what only it still owes goes back to the journal, and the police's alarms keep their room."""
    box = Box(1000, 10.0, max_entries=10)
    for row in range(1, 101):
        assert box.offer(entry(row, "alarm", "police bureau")), row
        receipt(box, row, "police")
    assert len(box) <= 11
    assert box.shelves.behind.keys() == {("bureau", "alarm")}
    assert "police" not in box.lowest_owed()
    assert box.lowest_owed()["bureau"] == (1, 1)


def test_a_new_alarm_goes_before_repeats_and_the_silent_are_asked_not_flooded() -> None:
    box = Box(5000, 10.0)
    for row in range(1, 901):
        box.offer(entry(row, "alarm", "bureau"))
    for row in pump(box, 0.0):
        box.answer(row, 0, 0.0)
    box.offer(entry(1000, "alarm", "police"))
    assert pump(box, 10.0)[0] == 1000
    assert len(pump(box, 19.9)) == 0, "no more than a few in each receipt timeout"
    asked = pump(box, 20.0)
    assert len(asked) == ALARM_PROBES
    box.heard_from("bureau", 21.0)
    assert receipt(box, asked[0], "bureau") == [asked[0]]
    assert len(pump(box, 21.0)) > 600, "it is back, and what went out before that one was lost: all of it goes out"


def test_a_busy_centre_gets_nothing_twice_before_it_has_read_it_once() -> None:
    box = Box(5000, 10.0)
    for row in range(1, 2001):
        box.offer(entry(row))
    for row in range(1, 2001):
        item = box.take(row / 1000)
        assert item is not None
        box.went(item, row / 1000)
        box.answer(item.row, 0, row / 1000)
    for row in range(1, 101):
        box.heard_from("police", 9.0 + row / 100)
        receipt(box, row)
    box.offer(entry(3000))
    assert pump(box, 12.5)[0] == 3000
    box.answer(3000, 0, 12.5)
    assert box.counts.resent <= ALARM_PROBES, "in the order in which it was sent, it has come to the hundredth"
    box.heard_from("police", 13.0)
    receipt(box, 3000)
    box.heard_from("police", 22.5)
    assert len(pump(box, 22.5)) > 1600, "something newer was read: the rest was passed over"


def test_one_message_that_the_broker_never_takes_holds_up_nothing_else() -> None:
    box = Box(1, 10.0)
    for row in (1, 2, 3):
        box.offer(entry(row))
    assert pump(box, 0.0) == [1]
    assert not box.answer(1, 0x83, 0.0)
    assert pump(box, 29.0) == [], "the topic is set aside: it might be forbidden"
    assert pump(box, 30.0) == [2], "tried with another one"
    box.answer(2, 0, 30.0)
    assert pump(box, 30.0) == [3]
    box.answer(3, 0, 30.0)
    assert pump(box, 31.0) == [1]
    assert not box.answer(1, 0x83, 31.0)
    assert not box.held(), "its like were taken: it is this message, not the topic"
    box.offer(entry(4))
    assert pump(box, 32.0) == [4]
    assert box.rejected() == ["path main, event id-1: reason code 0x83"]
    box.answer(4, 0, 32.0)
    for row in (2, 3, 4):
        receipt(box, row)
    assert pump(box, 61.0) == [1], "an alarm is tried again each 30 s"
    box.answer(1, 0, 61.0)
    receipt(box, 1)
    assert not box.rejected()


def test_one_that_is_too_large_is_set_aside_at_once() -> None:
    box = Box(2, 10.0)
    for row in (1, 2, 3):
        box.offer(entry(row))
    assert pump(box, 0.0) == [1, 2]
    assert not box.answer(1, 0x95, 0.0)
    assert not box.held()
    assert pump(box, 0.1) == [3]


def test_a_body_that_must_be_read_holds_up_none_that_is_at_hand() -> None:
    box = Box(10, 10.0)
    cold = entry(1)
    cold.body = None
    box.offer(cold)
    box.offer(entry(2))
    assert box.take(0.0) is cold
    box.fetch(box.lane, cold)
    assert box.next(box.lane, 0.0, at_hand=True).row == 2  # type: ignore[union-attr]
    box.fetched(box.lane, 1, b"body")
    assert box.next(box.lane, 0.0, at_hand=True) is cold
    assert cold.body == b"body"


def a_busy_centre(owed: str = "police") -> Box:
    """At 1 s the centre has as much before it as it should, and twice as much waits."""
    box = Box(10_000, 10.0)
    for row in range(1, 3 * AWAITED_MOST + 1):
        box.offer(entry(row, "observation", owed))
    box.heard_from("police", 1.0)
    for row in range(1, AWAITED_MOST + 1):
        assert pump_one(box, 1.0) == row
        box.answer(row, 0, 1.0)
    return box


def pump_one(box: Box, now_s: float) -> int | None:
    """Row of the next one, sent."""
    item = box.take(now_s)
    if item is not None:
        box.went(item, now_s)
    return None if item is None else item.row


def test_a_centre_that_answers_gets_no_more_than_it_can_read() -> None:
    box = a_busy_centre()
    assert pump_one(box, 2.0) is None
    receipt(box, 1)
    assert [pump_one(box, 2.0), pump_one(box, 2.0)] == [AWAITED_MOST + 1, AWAITED_MOST + 2]
    box.answer(AWAITED_MOST + 1, 0, 2.0)
    assert pump_one(box, 2.0) is None


def test_an_alarm_waits_for_no_centre() -> None:
    box = a_busy_centre()
    box.offer(entry(9000, "alarm"))
    assert [pump_one(box, 2.0), pump_one(box, 2.0)] == [9000, None]


def test_a_silent_centre_holds_nothing_up() -> None:
    """The broker keeps for it what it does not read; another recipient may be well."""
    box = a_busy_centre("police bureau")
    assert pump_one(box, 10.9) is None
    assert pump_one(box, 11.0) is not None  # neither has been heard for the receipt timeout


def test_what_was_never_answered_is_due_and_holds_nothing_up() -> None:
    box = a_busy_centre()
    box.heard_from("police", 11.0)
    assert pump_one(box, 11.0) is not None


def test_one_recipient_that_is_silent_does_not_hold_up_the_other() -> None:
    box = a_busy_centre("police bureau")
    for row in range(1, AWAITED_MOST + 1):
        receipt(box, row)
    assert pump_one(box, 2.0) == AWAITED_MOST + 1


def test_what_is_owed_by_nobody_is_not_taken() -> None:
    box = Box(1, 10.0)
    assert box.offer(entry(1, owed=""))
    assert len(box) == 0


def test_oldest_and_lowest() -> None:
    box = Box(10, 10.0)
    for row in (3, 1, 2):
        box.offer(entry(row, owed="police bureau" if row == 3 else "police"))
    oldest = box.oldest_owed("police")
    assert oldest is not None
    assert oldest.row == 1
    assert box.oldest_owed("nobody") is None
    assert box.lowest_owed() == {"police": (1, 1), "bureau": (1, 3)}
    assert box.owes_alarms()


def test_an_event_that_somebody_wants_again() -> None:
    box = Box(10, 10.0)
    box.offer(entry(1, owed="police bureau"))
    pump(box, 0.0)
    box.answer(1, 0, 0.0)
    receipt(box, 1, "police")
    assert box.offer_again(entry(1, owed="police")), "the bureau owes it still"
    assert box.lowest_owed() == {"police": (1, 1), "bureau": (1, 1)}
    assert pump(box, 10.0) == [1]
    receipt(box, 1, "police")
    receipt(box, 1, "bureau")
    assert len(box) == 0
    assert box.offer_again(entry(1, owed="police"))
    assert box.lowest_owed() == {"police": (1, 1)}
    full = Box(10, 10.0, max_entries=0)
    assert not full.offer_again(entry(1))


@pytest.mark.parametrize(
    ("event_class", "told"), [("alarm", True), ("mode", True), ("fault", False), ("audit", False), ("observation", False)]
)
def test_how_far_the_news_of_alarms_and_drills_get_is_told(event_class: str, told: bool) -> None:
    box = Box(10, 10.0)
    heard: list[tuple[str, str, str]] = []
    box.heard = lambda event_id, step, by: heard.append((event_id, step, by))
    box.offer(entry(1, event_class, "police bureau", priority=3))
    pump(box, 0.0)
    box.answer(1, 0, 1.0)
    receipt(box, 1, "police")
    receipt(box, 1, "police")
    receipt(box, 1, "bureau", unusable=True)
    news = [("id-1", "broker_acked", ""), ("id-1", "received", "police"), ("id-1", "unusable", "bureau")]
    assert heard == (news if told else [])
