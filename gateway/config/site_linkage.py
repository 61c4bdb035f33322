"""Schema of the site file: [[linkage]], cause and effect."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from gateway.config.profile import Strict
from gateway.core.ids import ID_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN, description="a-z, 0-9 and -, at most 48 characters")]
WindowName = Literal["arrival", "dismissal", "lesson", "night", "boarding", "none"]
ModeName = Literal["normal", "drill", "test", "maintenance"]


def _shown(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError('expected what the point shows: true, false, a number or a name in "quotes"')


Shown = Annotated[Any, AfterValidator(_shown), WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "number"}, {"type": "string"}]})]


class When(Strict):
    """The cause: an alarm that does something, or a point that shows a value."""

    alarm: str = Field("", description="point, or point/alarm; or name them by role, alarm_class or place")
    role: str = Field("", description="every alarm of the points with this role")
    alarm_class: str = ""
    place: Id | None = Field(None, description="only alarms of this place")
    does: Literal["activated", "cleared", "acknowledged", "reset", "escalated", "broker_acked", "received", "unusable"] = "activated"
    point: Id | None = None
    value: Shown = True
    for_s: float = Field(0.0, ge=0, le=86_400, description="the point must show it for so long")

    @model_validator(mode="after")
    def one_cause(self) -> When:
        by_alarm = bool(self.alarm or self.role or self.alarm_class or (self.place and self.point is None))
        if by_alarm == (self.point is not None):
            raise ValueError("a cause is either an alarm (`alarm`, `role`, `alarm_class`, `place`) or a `point` that shows a `value`")
        return self


class Then(Strict):
    """One effect: an output is switched, or a camera takes a picture."""

    output: Id | None = None
    do: Literal["on", "off", "beep"] = "on"
    for_s: float | None = Field(None, gt=0, le=3600, description="on lasts so long; the output's own pulse if left out")
    times: int = Field(1, ge=1, le=10, description="of a beep")
    snapshot: Id | None = Field(None, description="a camera of this file")

    @model_validator(mode="after")
    def one_effect(self) -> Then:
        if (self.output is None) == (self.snapshot is None):
            raise ValueError("an effect has either `output` or `snapshot`")
        return self


class Linkage(Strict):
    """Cause -> effects, in these windows of the school day and in these modes."""

    id: Id
    name: str = ""
    name_en: str = ""
    when: When
    then: list[Then] = Field(min_length=1)
    windows: list[WindowName] = Field(default_factory=list, description="only then; always if left out")
    modes: list[ModeName] = Field(default_factory=lambda: list[ModeName](["normal"]), min_length=1)
    until: Literal["", "acknowledged", "cleared", "reset", "over"] = Field(
        "", description="when what was switched is taken back: a word of the same alarm, or over: the point no longer shows the value"
    )
    enabled: bool = True
