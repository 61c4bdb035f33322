"""The plain words: what a point says of itself."""

from __future__ import annotations

import pytest

from gateway.core import errors
from gateway.core.errors import GatewayError, Permanent, PublishRefused, Retryable
from gateway.core.points import AlarmSpec, Contact, EventClass, Point, Text
from gateway.core.wire import Failure, Outcome

SPEC = AlarmSpec("p", "alarm", Contact(), "panic", EventClass.ALARM, True, Text("警", "alarm"))


def test_key_and_quiet() -> None:
    assert SPEC.key == "p/alarm"
    assert Point("p", "measurement", "gate", Text("", "")).quiet
    assert not Point("p", "panic_button", "gate", Text("", ""), alarms=(SPEC,)).quiet
    assert not Point("p", "contact", "gate", Text("", ""), observe=True).quiet


@pytest.mark.parametrize("name", [name for name, value in vars(errors).items() if isinstance(value, type)])
def test_every_error_says_whether_trying_again_can_help(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, GatewayError)
    assert kind in (GatewayError, Retryable, Permanent) or issubclass(kind, Retryable) != issubclass(kind, Permanent)


def test_a_refused_publish_names_topic_and_code() -> None:
    error = PublishRefused("campus/v1/x", 0x87)
    assert str(error) == "the broker refused a message on campus/v1/x: reason code 0x87"


def test_an_outcome_gives_the_same_words_for_the_same_failure() -> None:
    assert Outcome(b"x", None, 0.0).reason == ""
    assert Outcome(b"", Failure.NO_ANSWER, 0.0, detail="after 0.3 s").reason == "no answer"
    assert Outcome(b"", Failure.EXCEPTION, 0.0, exception=2, detail="exception 2").reason == "exception 2"
    assert Outcome(b"", Failure.EXCEPTION, 0.0).reason == "exception"
