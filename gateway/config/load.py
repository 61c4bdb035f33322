"""Reads site files and device profiles: TOML text -> checked `Settings`, or every problem with its line."""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from gateway.config.calendar import CalendarTables
from gateway.config.cards import with_cards
from gateway.config.problems import from_pydantic, hide_private, unknown
from gateway.config.profile_modbus import ModbusProfile
from gateway.config.profile_modbus_checks import modbus_errors
from gateway.config.profiles import PROFILES, Profile
from gateway.config.resolve import Resolved, resolve
from gateway.config.resolve_calendar import resolve_calendar
from gateway.config.resolve_console import console_doubts
from gateway.config.resolve_duties import with_duty_cards
from gateway.config.resolve_plan import plan_problems
from gateway.config.settings import DOOR_NAME, ConfigRefused, Problem, Settings, beside, problem_at
from gateway.config.site import Site
from gateway.config.toml_lines import key_lines, key_text, line_of

MAX_FILE_BYTES = 4_000_000  # a site of 10,000 points is about 1.5 MB; anything larger is a mistake

SOCKET_PATH_MOST_BYTES = 107  # sun_path of unix(7), less its final zero

M = TypeVar("M", bound=BaseModel)


def load_site(path: str | FilePath, *, state_dir: str | None = None) -> Settings:
    """Read and check one site file. Raises ConfigRefused with every problem found."""
    file = FilePath(path)
    text, data = _read(file)
    site = _validate(file, text, data, Site)
    files = profile_files([beside(file, folder) for folder in site.profile_dirs])
    profiles, problems = _profiles(file, text, site, files)
    resolved: Resolved = resolve(site, profiles, frozenset(files))
    doors, card_problems = with_cards(file, site, resolved.doors)
    problems += card_problems
    rules, duty_problems = with_duty_cards(file, site, resolved.rules)
    problems += [problem for problem in duty_problems if problem not in card_problems]
    further, calendar_problems = _calendar_file(file, site)
    calendar = resolve_calendar(file, site, further)
    problems += calendar_problems + calendar.problems
    problems += plan_problems(file, site)
    resolved.warnings += [*calendar.warnings, *console_doubts(file, site)]
    if calendar.point is not None:
        resolved.points[calendar.point.id] = calendar.point
    lines = key_lines(text) if resolved.errors or resolved.warnings or problems else {}
    problems += [Problem(str(file), line_of(lines, path_), key_text(path_), words) for path_, words in resolved.errors]
    if problems:
        raise ConfigRefused(sorted(problems, key=lambda p: p.line))
    folder = beside(file, state_dir or site.site.state_dir)
    if len(os.fsencode(folder / DOOR_NAME)) > SOCKET_PATH_MOST_BYTES:
        words = f"is too long for the control socket in it: {folder} has {len(os.fsencode(folder))} bytes"
        raise ConfigRefused([Problem(str(file), line_of(key_lines(text), ("site", "state_dir")), "site.state_dir", words)])
    warnings = [Problem(str(file), line_of(lines, path_), key_text(path_), words) for path_, words in resolved.warnings]
    return Settings(
        file=file,
        site=site,
        state_dir=folder,
        profiles=profiles,
        points=resolved.points,
        wire=resolved.wire,
        zones=resolved.zones,
        outputs=resolved.outputs,
        doors=doors,
        power=resolved.power,
        rules=rules,
        school_days=calendar.days,
        warnings=warnings,
    )


def load_profile(path: str | FilePath) -> Profile:
    """Read and check one device profile. Raises ConfigRefused with every problem found."""
    file = FilePath(path)
    text, data = _read(file)
    protocol = data.get("protocol", "modbus")
    if protocol not in PROFILES:
        line = line_of(key_lines(text), ("protocol",))
        raise ConfigRefused([Problem(str(file), line, "protocol", unknown("a protocol", str(protocol), PROFILES))])
    profile = cast("Profile", _validate(file, text, data, PROFILES[protocol]))
    if not isinstance(profile, ModbusProfile):
        return profile
    errors = modbus_errors(profile)
    if errors:
        lines = key_lines(text)
        raise ConfigRefused([Problem(str(file), line_of(lines, key), key_text(key), words) for key, words in errors])
    return profile


def load_calendar(path: str | FilePath) -> CalendarTables:
    """Read and check one calendar file by itself. Raises ConfigRefused with every problem found."""
    file = FilePath(path)
    text, data = _read(file)
    return _validate(file, text, data, CalendarTables)


def profile_files(further: list[FilePath]) -> dict[str, FilePath]:
    """Profile id -> file. The site's own folders come first, then those that the product ships."""
    found: dict[str, FilePath] = {}
    drivers = importlib.util.find_spec("drivers")
    assert drivers is not None
    assert drivers.origin is not None
    shipped = FilePath(drivers.origin).parent / "profiles"
    for folder in [*further, shipped]:
        if folder.is_dir():
            for file in sorted(folder.glob("*.toml")):
                found.setdefault(file.stem, file)
    return found


def _profiles(file: FilePath, text: str, site: Site, files: dict[str, FilePath]) -> tuple[dict[str, Profile], list[Problem]]:
    """Only the profiles that this site uses; an error in one is shown with its own file and line."""
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    for name in {device.profile for device in site.devices}:
        if name not in files:
            continue  # resolve() names the device that asks for it
        try:
            profiles[name] = load_profile(files[name])
        except ConfigRefused as refused:
            problems += refused.problems
    for i, folder in enumerate(site.profile_dirs):
        if not beside(file, folder).is_dir():
            line = line_of(key_lines(text), ("profile_dirs", i))
            problems.append(Problem(str(file), line, f"profile_dirs[{i}]", f'"{folder}" is not a folder'))
    return profiles, problems


def _calendar_file(file: FilePath, site: Site) -> tuple[CalendarTables | None, list[Problem]]:
    """The calendar file that a site names, or what is wrong with it."""
    if site.calendar is None or not site.calendar.file:
        return None, []
    path = beside(file, site.calendar.file)
    if not path.is_file():
        return None, [problem_at(file, ("calendar", "file"), f'"{site.calendar.file}" is not a file')]
    try:
        return load_calendar(path), []
    except ConfigRefused as refused:
        return None, refused.problems


def _read(file: FilePath) -> tuple[str, dict[str, Any]]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigRefused([Problem(str(file), 1, "", f"cannot be read: {error.strerror}")]) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigRefused([Problem(str(file), 1, "", f"is {len(raw)} bytes long; at most {MAX_FILE_BYTES} are expected")])
    try:
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigRefused([Problem(str(file), line, "", "is not UTF-8 text; save the file as UTF-8")]) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words, line = _toml_error(str(error), text)
        raise ConfigRefused([Problem(str(file), line, "", words)]) from error
    except RecursionError as error:
        raise ConfigRefused([Problem(str(file), 1, "", "brackets are nested too deeply to be a site file")]) from error
    except ValueError as error:  # Python reads no decimal number of more than 4300 digits
        found = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        raise ConfigRefused([Problem(str(file), line, "", "a number is too long to be meant")]) from error


_LONG_NUMBER = re.compile(r"[0-9_]{4300}")
_TOML_WORDS = (
    (r"Invalid value", 'a value is expected here; text goes in "quotes"'),
    (r"Cannot overwrite a value", "this key has a value already"),
    (r"Cannot declare \((.*?),?\) twice", r"this table stands in the file already: \1"),
    (r"Cannot mutate immutable namespace \((.*?),?\)", r"this table is complete already and takes no more keys: \1"),
    (r"Illegal character '\\n'", "the text is not closed with a quote"),
    (r"Unterminated string", "a text is not closed with its quotes"),
    (r"Unclosed array", "a [ is not closed"),
    (r"Unclosed inline table", "a { is not closed"),
    (r"Expected newline or end of document after a statement", "the line should have ended"),
    (r"Expected '=' after a key in a key/value pair", 'expected "=" after a key'),
    (r"Invalid initial character for a key part", "a key is expected here"),
)


def _toml_error(message: str, text: str) -> tuple[str, int]:
    """tomllib says "... (at line 3, column 7)" or "(at end of document)"."""
    words, _, where = message.partition(" (at ")
    for pattern, ours in _TOML_WORDS:
        words = re.sub(pattern, ours, words)
    digits = re.match(r"line (\d+)", where)
    lines = text.rstrip("\n").split("\n")
    line = min(int(digits[1]), len(lines)) if digits else len(lines)
    return f"not valid TOML: {words[:1].lower()}{words[1:]}, at: {hide_private(lines[line - 1].strip())[:60]}", line


def _validate(file: FilePath, text: str, data: dict[str, Any], model: type[M]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = key_lines(text)
        problems = [Problem(str(file), line_of(lines, key), key_text(key), words) for key, words in from_pydantic(error, model)]
        raise ConfigRefused(sorted(problems, key=lambda p: p.line)) from error
