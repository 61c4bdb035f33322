"""Topic names as the contract's table gives them."""

from __future__ import annotations

from gateway.contract.topics import Topics


def test_topics() -> None:
    topics = Topics("campus/v1/school/gate")
    assert topics.event("alarm") == "campus/v1/school/gate/event/alarm"
    assert topics.state("panic") == "campus/v1/school/gate/state/panic"
    assert [topics.birth, topics.status, topics.heartbeat, topics.telemetry, topics.receipt, topics.command] == [
        f"campus/v1/school/gate/{name}" for name in ("birth", "status", "heartbeat", "telemetry", "receipt", "command")
    ]
