"""A device that does not allow holes is asked without them, and nobody notices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import RtuFraming
from gateway.core.reading import Quality
from gateway.core.wire import Driver, Failure, Outcome
from tests.drivers.golden import address_of, bits, driver, point, said, signal, small, words
from tests.drivers.modbus_frames import rtu

REGISTERS = "".join(signal(f"r{n}", "measurement", "holding", n, 'type = "u16"') for n in (0, 1, 5)) + signal(
    "di", "contact", "discrete", 0
)
ILLEGAL = "exception 2: illegal data address"


def device(learned: dict[str, object] | None = None) -> ModbusDriver:
    return ModbusDriver("dev", small(REGISTERS), 1, [point(name) for name in ("r0", "r1", "r5", "di")], learned=learned)


def test_only_a_block_with_holes_spans() -> None:
    contact, registers = device().plan()
    assert (address_of(registers), registers.spanning) == ((3, 0, 6), True)
    assert not contact.spanning


def test_a_block_whose_hole_is_a_part_of_a_longer_number_does_not_span() -> None:
    of = small(signal("a", "measurement", "holding", 0, 'type = "u32"') + signal("b", "measurement", "holding", 2, 'type = "u16"'))
    (block,) = driver(of, "a", "b").plan()
    assert not block.spanning


def test_exception_2_to_a_bridged_block_is_learned_and_nobody_hears_of_it() -> None:
    of = device()
    contact, bridged = of.plan()
    of.decode(contact, bits(1, 1), 0.9)
    assert len(of.decode(bridged, words(10, 11, 0, 0, 0, 15), 1.0)) == 3
    assert of.learned == {}
    assert of.fail(bridged, ILLEGAL, 2.0) == []
    blocks = of.replan()
    assert blocks is not None
    assert [address_of(block) for block in blocks] == [(2, 0, 1), (3, 0, 2), (3, 5, 1)]
    assert blocks[0] == contact
    assert of.replan() is None
    assert of.plan() == blocks
    assert of.learned == {"no_bridging": True}
    assert of.decode(blocks[1], words(10, 11), 3.0) == []  # said before
    assert said(of.decode(blocks[2], words(16), 3.1)) == {"r5": (16, Quality.GOOD, "")}
    assert of.decode(contact, bits(1, 1), 3.2) == []
    assert of.decode(bridged, words(0, 0, 0, 0, 0, 0), 3.3) == []  # an answer to a block that is no more


def test_what_fails_without_holes_too_is_bad() -> None:
    of = device()
    of.fail(of.plan()[1], ILLEGAL, 1.0)
    blocks = of.replan()
    assert blocks is not None
    assert said(of.decode(blocks[1], words(1, 2), 2.0)) == {"r0": (1, Quality.GOOD, ""), "r1": (2, Quality.GOOD, "")}
    assert said(of.fail(blocks[2], ILLEGAL, 2.1)) == {"r5": (None, Quality.BAD, ILLEGAL)}
    assert of.replan() is None


def test_points_that_were_bad_before_are_told_good_by_the_new_blocks() -> None:
    of = device()
    bridged = of.plan()[1]
    assert len(of.fail(bridged, "no answer", 1.0)) == 3
    assert of.fail(bridged, ILLEGAL, 2.0) == []
    blocks = of.replan()
    assert blocks is not None
    assert said(of.decode(blocks[2], words(7), 3.0)) == {"r5": (7, Quality.GOOD, "")}
    assert said(of.decode(blocks[1], words(1, 2), 3.1)) == {"r0": (1, Quality.GOOD, ""), "r1": (2, Quality.GOOD, "")}


def test_other_failures_teach_nothing() -> None:
    for reason in ("exception 20: unknown code", "exception 3: illegal data value", "no answer"):
        of = device()
        assert len(of.fail(of.plan()[1], reason, 1.0)) == 3
        assert of.replan() is None


def test_what_was_learned_is_kept_for_the_next_run() -> None:
    of = device(learned={"no_bridging": True})
    assert [address_of(block) for block in of.plan()] == [(2, 0, 1), (3, 0, 2), (3, 5, 1)]
    assert not any(block.spanning for block in of.plan())
    assert of.learned == {"no_bridging": True}


def test_the_words_of_the_framing_are_those_that_teach() -> None:
    of = device()
    bridged = of.plan()[1]
    framing = RtuFraming()
    framing.encode(1, bridged.request, bridged.reply_bytes)
    reply = framing.feed(rtu(1, b"\x83\x02"))
    assert reply is not None
    assert reply.failure is Failure.EXCEPTION
    outcome = Outcome(b"", reply.failure, 1.0, exception=reply.exception, detail=reply.detail)
    assert of.fail(bridged, outcome.reason, 1.0) == []
    assert of.replan() is not None


@given(
    places=st.sets(st.integers(0, 40), min_size=2, max_size=12),
    replies=st.lists(st.binary(min_size=82, max_size=82), min_size=1, max_size=5),
)
def test_every_plan_of_the_same_map_says_the_same(places: set[int], replies: list[bytes]) -> None:
    """Bridged, not bridged, and changed from one to the other after the first reply."""
    of = small("".join(signal(f"r{n}", "measurement", "holding", n, 'type = "u16"') for n in places), "[limits]\nmax_hole = 4")
    points = [point(f"r{n}") for n in sorted(places)]
    bridged = ModbusDriver("dev", of, 1, points)
    plain = ModbusDriver("dev", of, 1, points, learned={"no_bridging": True})
    changed = ModbusDriver("dev", of, 1, points)
    for now, registers in enumerate(replies):
        said_by = [asked(each, registers, float(now)) for each in (bridged, plain, changed)]
        assert said_by[0] == said_by[1] == said_by[2]
        spanning = next((block for block in changed.plan() if block.spanning), None)
        if spanning is not None:
            assert changed.fail(spanning, ILLEGAL, now + 0.5) == []


def asked(of: ModbusDriver, registers: bytes, now_s: float) -> dict[str, tuple[object, Quality, str]]:
    """All that is said when every block of the plan is read from these registers."""
    found = {}
    for block in of.plan():
        _, start, count = address_of(block)
        found.update(said(of.decode(block, bytes([3, 2 * count]) + registers[2 * start : 2 * (start + count)], now_s)))
    return found


def test_it_is_a_driver_as_the_bus_knows_them() -> None:
    of: Driver = device()
    assert [block.device for block in of.plan()] == ["dev", "dev"]
