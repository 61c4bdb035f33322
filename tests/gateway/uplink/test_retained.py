"""Reports for the broker to keep: the newest of each kind, one at a time, anew in each session, never at the alarms' cost."""

from __future__ import annotations

from gateway.uplink.retained import CLOSED_S, TIMES_MOST, Retained


def sent(reports: Retained, path: str = "main", code: int = 0, now_s: float = 0.0) -> list[bytes]:
    """What goes out on a path until nothing is left."""
    out = []
    while (report := reports.next(path, now_s)) is not None:
        assert reports.next(path, now_s) is None, "one at a time"
        out.append(report.body)
        reports.answered(path, report, code)
    return out


def test_each_kind_goes_once_in_a_session_and_again_in_the_next() -> None:
    reports = Retained()
    assert sent(reports) == []
    reports.offer("daily", b"1")
    reports.offer("weekly", b"w")
    assert sent(reports) == [b"1", b"w"]
    assert sent(reports) == []
    reports.offer("daily", b"2")
    assert sent(reports) == [b"2"]
    reports.session_lost("main", 0.0)
    assert sorted(sent(reports)) == [b"2", b"w"]
    assert sorted(sent(reports, "other")) == [b"2", b"w"], "another path may end at another broker"


def test_a_newer_one_that_comes_meanwhile_goes_next() -> None:
    reports = Retained()
    reports.offer("daily", b"1")
    flying = reports.next("main", 0.0)
    assert flying is not None
    reports.offer("daily", b"2")
    assert reports.next("main", 0.0) is None
    assert reports.answered("main", flying, 0) == ""
    assert sent(reports) == [b"2"]


def test_what_is_refused_is_told_and_not_tried_again_in_this_session() -> None:
    reports = Retained()
    reports.offer("daily", b"1")
    flying = reports.next("main", 0.0)
    assert flying is not None
    assert "0x87" in reports.answered("main", flying, 0x87)
    assert (sent(reports), reports.taken) == ([], 0)
    reports.session_lost("main", 0.0)
    assert sent(reports) == [b"1"]


def test_one_that_does_not_fit_holds_up_no_other() -> None:
    reports = Retained()
    reports.offer("daily", b"large")
    reports.offer("weekly", b"w")
    large = reports.next("main", 0.0)
    assert large is not None
    reports.give_up("main", large)
    assert sent(reports) == [b"w"]


def test_the_late_answer_of_a_lost_session_counts_for_nothing() -> None:
    reports = Retained()
    reports.offer("daily", b"1")
    flying = reports.next("main", 0.0)
    assert flying is not None
    reports.session_lost("main", 0.0)
    assert reports.answered("main", flying, 0x87) == ""
    assert sent(reports) == [b"1"]


def test_sessions_that_end_at_reports_close_their_path_for_hours() -> None:
    reports = Retained()
    reports.offer("daily", b"1")
    for closed_at_s in (100.0, 100.0 + CLOSED_S):
        told = []
        for _ in range(TIMES_MOST):
            assert reports.next("main", closed_at_s) is not None
            told.append(reports.session_lost("main", closed_at_s))
        assert told == ["", "", "3 sessions in a row ended with a report on its way"], "told once"
        assert sent(reports, now_s=closed_at_s + CLOSED_S - 1) == []
        assert sent(reports, "other", now_s=closed_at_s) == ([b"1"] if closed_at_s == 100.0 else []), "another path goes on"
    reports.offer("daily", b"2")
    assert sent(reports, "other", now_s=closed_at_s) == [b"2"]
    assert sent(reports, now_s=closed_at_s + CLOSED_S) == [b"2"]


def test_sessions_that_end_without_one_on_its_way_do_not() -> None:
    reports = Retained()
    reports.offer("daily", b"1")
    for _ in range(3 * TIMES_MOST):
        assert sent(reports) == [b"1"]
        assert reports.session_lost("main", 0.0) == ""
