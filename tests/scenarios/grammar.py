"""The grammar of a scenario file, and how one is read. A wrong file is told with file, line and key. See docs/scenarios.md."""

from __future__ import annotations

import dataclasses
import tomllib
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gateway.config.problems import from_pydantic, unknown
from gateway.config.profile import Strict
from gateway.config.settings import ConfigRefused, Problem
from gateway.config.toml_lines import KeyPath, key_lines, key_text, line_of
from gateway.core.commands import Command

FOLDER = Path(__file__).parent
SITES = FOLDER / "sites"
INPUTS = ("point", "points", "command", "device", "output", "centre", "restart", "clock")

Value = bool | int | float | str


def _when(given: object) -> object:
    if isinstance(given, time) or (isinstance(given, datetime) and given.tzinfo is None):
        return given
    raise ValueError("expected a time of the school's clock without quotes: 07:35:00 or 2026-09-02 07:35:00")


When = Annotated[time | datetime, BeforeValidator(_when)]


def _command(given: object) -> Command:
    """The fields of `Command`, so that a new one is known here at once."""
    if not isinstance(given, dict):
        raise ValueError('expected a table: { kind = "acknowledge", target = "...", by = "...", role = "guard" }')  # noqa: TRY004
    names = [field.name for field in dataclasses.fields(Command)]
    for name in given:
        if name not in names:
            raise ValueError(unknown("a key of a command", name, names))
    try:
        return TypeAdapter(Command).validate_python({"origin": "page", "target": "", **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"command.{first['loc'][0]}: {first['msg']}") from error


class Expect(BaseModel):
    """One event that must be said. Every further key is a member of its data; a table is compared key by key."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    event: str = Field(description="type without `campus.`: alarm.activated, fault.cleared")
    of: str = Field(description="subject: id of the point, output, door or rule")
    at: When | None = Field(None, description="when it is said")
    within_s: float = Field(1.0, gt=0, description="how exact `at` is")
    text: str | None = Field(None, description="the Chinese words")
    text_en: str | None = None

    def members(self) -> dict[str, Any]:
        """What the data must hold."""
        data = dict(self.model_extra or {})
        words = {language: text for language, text in (("zh", self.text), ("en", self.text_en)) if text is not None}
        return data | ({"text": words} if words else {})


class Switch(Strict):
    """An output that goes on or off in the field."""

    output: str
    on: bool


class Restart(Strict):
    """The power is cut, and comes back after off_s."""

    off_s: float = Field(ge=0)
    clock: Literal["synchronised", "holdover", "unknown"] = "synchronised"
    meanwhile: dict[str, Value] = Field(default_factory=dict, description="what points show by then")
    changes: dict[str, Any] = Field(default_factory=dict, description="settings that were changed in the site file")


class Step(Strict):
    """One thing that happens, and what must follow until the next step."""

    at: When
    note: str = ""
    point: str | None = None
    value: Value | None = None
    bad: str | None = Field(None, description="the point cannot be believed, for this reason")
    uncertain: str | None = Field(None, description="the value counts half, for this reason")
    press_ms: int | None = Field(None, ge=1, description="a contact or button that is active for so long")
    detail: dict[str, Any] | None = Field(None, description="what a camera adds")
    points: dict[str, Value] | None = Field(None, description="several points at once")
    command: Annotated[Command | None, BeforeValidator(_command)] = None
    refused: str | None = Field(None, description="words with which the command is refused")
    device: str | None = None
    silent: bool | None = None
    output: str | None = None
    writes: Literal["obeyed", "fail", "without effect"] | None = None
    centre: Literal["answers", "silent"] | None = None
    restart: Restart | None = None
    clock: Literal["synchronised", "holdover", "unknown"] | None = None
    expect: list[Expect] = Field(default_factory=list)
    switch: list[Switch] = Field(default_factory=list)
    state: dict[str, str] = Field(default_factory=dict, description="where alarms stand before the next step")
    also: Literal["any"] | None = Field(None, description="any: further events and switched outputs are no error")

    @model_validator(mode="after")
    def one_input(self) -> Step:
        given = [name for name in INPUTS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"one thing happens in a step; this one has {' and '.join(given)}")
        for name, needed in (("silent", "device"), ("writes", "output"), ("refused", "command")):
            if (getattr(self, name) is not None) > (getattr(self, needed) is not None):
                raise ValueError(f"{name} goes with {needed}")
        for name, needs in (("device", self.silent), ("output", self.writes)):
            if getattr(self, name) is not None and needs is None:
                raise ValueError(f"{name} needs {'silent' if name == 'device' else 'writes'}")
        shown = [name for name in ("value", "bad", "press_ms") if getattr(self, name) is not None]
        if len(shown) != (1 if self.point else 0):
            raise ValueError("a point comes with exactly one of value, bad and press_ms")
        return self


class Scenario(Strict):
    """One situation."""

    title: str = Field(min_length=1)
    title_en: str = Field(min_length=1)
    policy: str = Field("", description="the term of the school-safety policy that it shows")
    rule: list[str] = Field(default_factory=list, description="rules that it covers, as in the registry")
    note: str = ""
    site: str = "school"
    changes: dict[str, Any] = Field(default_factory=dict, description="settings that are other than in the site file")
    add: dict[str, Any] = Field(default_factory=dict, description="tables that the site file has besides")
    begin: datetime
    clock: Literal["synchronised", "holdover", "unknown"] = "synchronised"
    start: dict[str, Value] = Field(default_factory=dict, description="what points show at the beginning, where it is not their rest")
    watch: list[str] | None = Field(None, description="first words of the types that count; all but UNWATCHED if left out")
    expect: list[Expect] = Field(default_factory=list, description="said in the minute before `begin`, in which the gateway starts")
    step: list[Step] = Field(min_length=1)

    @model_validator(mode="after")
    def in_order(self) -> Scenario:
        last = self.begin
        for step, at in zip(self.step, self.times(), strict=True):
            if at < last:
                raise ValueError(
                    f"the step at {step.at} lies before the end of the one in front of it; a later day is written out: 2026-09-02 07:35:00"
                )
            last = at + timedelta(seconds=step.restart.off_s if step.restart else 0)
        return self

    def times(self) -> list[datetime]:
        """Local time of each step. A time without a day is of the same day as the step before."""
        found, day = [], self.begin.date()
        for step in self.step:
            at = step.at if isinstance(step.at, datetime) else datetime.combine(day, step.at)
            day = at.date()
            found.append(at)
        return found


UNWATCHED = frozenset({"audit", "output", "incident", "evidence"})


def files() -> list[Path]:
    """All scenario files."""
    return sorted(FOLDER.glob("*.toml"))


def read(file: Path) -> Scenario:
    """One scenario. Raises ConfigRefused with every problem: file, line, key, what was expected."""
    text = file.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigRefused([Problem(str(file), 1, "", f"not valid TOML: {error}")]) from error
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise refused(file, text, from_pydantic(error, Scenario)) from error


def refused(file: Path, text: str, problems: list[tuple[KeyPath, str]]) -> ConfigRefused:
    """The error that tells these problems, each with its line."""
    lines = key_lines(text)
    found = [Problem(str(file), line_of(lines, key), key_text(key), words) for key, words in problems]
    return ConfigRefused(sorted(found, key=lambda problem: problem.line))
