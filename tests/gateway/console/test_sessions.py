"""Sessions and locks: by time that is handed in."""

from __future__ import annotations

from gateway.console.sessions import ACT_S, LOCKED_S, LOOK_S, SESSIONS_MOST, WRONG_MOST, Lock, Sessions


def test_looking_lasts_a_shift_and_acting_a_quarter_of_an_hour() -> None:
    sessions = Sessions()
    cookie, session = sessions.begin("张三", 100.0)
    assert (session.until_s, session.act_until_s) == (100.0 + LOOK_S, 100.0 + ACT_S)
    assert sessions.of(cookie, 100.0 + LOOK_S - 1) is session
    assert sessions.of(cookie, 100.0 + LOOK_S) is None
    assert sessions.of(cookie + "x", 101.0) is None
    assert sessions.of("", 101.0) is None


def test_signing_out_and_being_put_out() -> None:
    sessions = Sessions()
    mine, _ = sessions.begin("a", 0.0)
    also, _ = sessions.begin("a", 0.0)
    other, _ = sessions.begin("b", 0.0)
    sessions.end(mine)
    assert sessions.of(mine, 1.0) is None
    sessions.end_all("a")
    assert (sessions.of(also, 1.0), sessions.of(other, 1.0) is not None) == (None, True)


def test_sessions_are_bounded_the_oldest_goes() -> None:
    sessions = Sessions()
    cookies = [sessions.begin("a", float(n))[0] for n in range(SESSIONS_MOST + 1)]
    assert sessions.of(cookies[0], 300.0) is None
    assert sessions.of(cookies[-1], 300.0) is not None


def test_five_wrong_passwords_close_the_door_for_five_minutes() -> None:
    lock = Lock()
    for n in range(WRONG_MOST):
        assert lock.closed_s("a", float(n)) == 0.0
        lock.wrong("a", float(n))
    assert lock.closed_s("a", 4.0) == LOCKED_S
    assert lock.closed_s("b", 4.0) == 0.0
    assert lock.closed_s("a", 4.0 + LOCKED_S) == 0.0
    lock.wrong("a", 4.0 + LOCKED_S)
    assert lock.closed_s("a", 5.0 + LOCKED_S) == 0.0, "counted anew"
    lock.right("a")
    assert lock.closed_s("a", 5.0 + LOCKED_S) == 0.0
