"""Who may do what: one table, one function. Page, command line and verified MQTT commands are all judged here."""

from __future__ import annotations

import re
import unicodedata

from gateway.core.commands import Command
from gateway.core.outputs import OutputSpec
from gateway.core.points import AlarmSpec

GUARD, DUTY_LEADER, TECHNICIAN, CENTRE, VIEWER = ROLES = ("guard", "duty_leader", "technician", "centre", "viewer")
SHELVE_MOST_S = 8 * 3600.0
OUT_OF_SERVICE_MOST_S = 24 * 3600.0
MANAGED_OUT_MOST_S = 8 * 3600.0  # of a highly managed alarm (contract, commands)
LONGEST_WORDS = 200  # characters of a reason

_BRACKETED = re.compile(r"[(\[{<〈《【〔「『〖](?:[^)\]}>〉》】〕」』〗]*(?:[)\]}>〉》】〕」』〗]|$))")  # one left open goes on to the end
_ALL = frozenset({GUARD, DUTY_LEADER, TECHNICIAN, CENTRE})
ON_SITE = frozenset({GUARD, DUTY_LEADER, TECHNICIAN})
_LEADING = frozenset({DUTY_LEADER, TECHNICIAN, CENTRE})
MAY: dict[str, frozenset[str]] = {
    "acknowledge": _ALL,
    "reset": _ALL,
    "shelve": _LEADING,
    "unshelve": _ALL,
    "out_of_service": _LEADING,
    "return_to_service": _LEADING,
    "output": _ALL,
    "silence": _ALL,
    "take_snapshot": _ALL,
    "learn": frozenset({TECHNICIAN}),
    "check_in": ON_SITE,
    "patrol": ON_SITE,
    "answer": ON_SITE,
    "open_shift": _ALL,
    "inspect": ON_SITE,
    "whistle": _LEADING,
    "report_in": _ALL,
    "end_whistle": _LEADING,
    "open_hazard": ON_SITE,
    "assign_hazard": _LEADING - {CENTRE},
    "fix_hazard": ON_SITE,
    "verify_hazard": ON_SITE,
    "close_hazard": _LEADING - {CENTRE},
    "sign_in": ON_SITE | {VIEWER},
    "sign_out": ON_SITE | {VIEWER},
    "locked_out": ON_SITE | {VIEWER},
    "looked": ON_SITE | {VIEWER},
    "commission": frozenset({TECHNICIAN}),
    "log_level": frozenset({TECHNICIAN}),
    "upgrade": frozenset({TECHNICIAN}),
    "apply": frozenset({TECHNICIAN}),
    "start_drill": _LEADING,
    "end_drill": _LEADING,
    "start_test": _LEADING,
    "end_test": _LEADING,
    "start_maintenance": frozenset({TECHNICIAN}),
    "end_maintenance": _LEADING,
}
NOTED = frozenset(
    {"sign_in", "sign_out", "locked_out", "looked", "commission", "log_level", "upgrade", "apply"}
)  # nothing follows from these but their audit event
# EN 50131-1: restoring a tamper needs a higher access level than taking an alarm; so does hiding one
TECHNICIANS_CLASSES = frozenset({"tamper", "fault"})
TECHNICIANS_ACTS = frozenset({"reset", "shelve"})


def may(command: Command) -> str:
    """Why this person may not give a command of this kind, or ''."""
    if not _plain(command.by):
        return "a command names the person who gives it"
    if command.role not in MAY.get(command.kind, frozenset()):
        return f"a {command.role.replace('_', ' ')[:20]} may not {command.kind.replace('_', ' ')[:40]}"
    return ""


def authorise(command: Command, spec: AlarmSpec | OutputSpec) -> str:
    """Why this command may not be carried out on this alarm or output, or ''."""
    refused = may(command)
    if refused or isinstance(spec, OutputSpec):
        return refused
    if command.kind in TECHNICIANS_ACTS and spec.alarm_class in TECHNICIANS_CLASSES and command.role != TECHNICIAN:
        return f"a {spec.alarm_class} alarm is left to a technician: {command.kind} needs role technician"
    if command.kind == "shelve":
        if spec.managed:
            return f"an alarm of class {spec.alarm_class} is highly managed: it is never shelved"
        return _permit(command, SHELVE_MOST_S)
    if command.kind == "out_of_service":
        if not _plain(command.second) or could_be_one(command.by, command.second):
            return "two different persons sign for taking an alarm out of service"
        return _permit(command, MANAGED_OUT_MOST_S if spec.managed else OUT_OF_SERVICE_MOST_S)
    return ""


def _permit(command: Command, most_s: float) -> str:
    if not command.why.strip():
        return f"{command.kind.replace('_', ' ')} needs a reason"
    if not 0 < command.for_s <= most_s:
        return f"{command.kind.replace('_', ' ')} needs a time of at most {most_s / 3600:g} h"
    return ""


def same_person(one: str, other: str) -> bool:
    """True for one name in two spellings: other case or width of letters, spaces, characters that nobody sees."""
    return _plain(one) == _plain(other)


def could_be_one(one: str, other: str) -> bool:
    """Where two persons must have looked: True also if the names differ only by signs, what stands in brackets, a number at the end, or the
    order of their words. Not seen: traditional for simplified characters, a title without brackets, pinyin, a name that is made up.
    """
    words, others = _words(one), _words(other)
    return same_person(one, other) or "".join(words) == "".join(others) or sorted(words) == sorted(others)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in letters if unicodedata.category(letter)[0] not in "CZ")


def _words(name: str) -> list[str]:
    """What is left of a name; all of it, where nothing would be."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", name).casefold() if unicodedata.category(letter)[0] != "C")
    words = _BRACKETED.sub(" ", seen)
    words = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in words).rstrip()
    while words and unicodedata.category(words[-1])[0] in "NZ":
        words = words[:-1]
    return words.split() or [_plain(name)]
