"""Cross-checks of a site file's duties; makes their descriptions, and for each the point by which it says what it finds."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.config.cards import read_cards
from gateway.config.hours import parse_spans
from gateway.config.problems import unknown
from gateway.config.resolve_linkage import free_rule_id
from gateway.config.resolve_outputs import free_id, watch
from gateway.config.roles_rules import RULE_ROLES, rule_point
from gateway.config.settings import Problem, beside, problem_at
from gateway.config.site import Site
from gateway.config.site_duties import DutyRoom, GuardPost, Patrol, Shifts
from gateway.config.toml_lines import KeyPath
from gateway.core.duties import ROUNDS_PER_DAY, Checkpoint, DutyRoomSpec, GuardPostSpec, PatrolSpec, ShiftsSpec, Signers
from gateway.core.points import Text
from gateway.core.school_days import DaySpans, Window

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

_HASH = re.compile(r"^[0-9a-f]{16,128}$")
_TIME = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$")
_SPAN = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")
_DAY_MIN = 1440
_SHIFT_LEAST_MIN = 180  # between two changes; shorter shifts could not be told apart from early and late handovers


def resolve_duties(site: Site, out: Resolved) -> None:
    """Check the duties and fill `out.rules` and `out.points`. Call it when all points and outputs are there."""
    for i, post in enumerate(site.guard_posts):
        _guard_post(("guard_posts", i), post, site, out)
    for i, patrol in enumerate(site.patrols):
        _patrol(("patrols", i), patrol, site, out)
    if site.rules.duty_room is not None:
        _duty_room(("rules", "duty_room"), site.rules.duty_room, site, out)
    if site.rules.shifts is not None:
        _shifts(("rules", "shifts"), site.rules.shifts, site, out)


def with_duty_cards(file: Path, site: Site, rules: list[Any]) -> tuple[list[Any], list[Problem]]:
    """The descriptions with the cards that count for each; problems carry the file and line that they are in. file: the site file."""
    keys: dict[str, KeyPath] = {}
    for i, post in enumerate(site.guard_posts):
        keys.setdefault(post.id, ("guard_posts", i))
    for i, patrol in enumerate(site.patrols):
        keys.setdefault(patrol.id, ("patrols", i))
    found, problems = list(rules), list[Problem]()
    for number, spec in enumerate(rules):
        if isinstance(spec, GuardPostSpec | PatrolSpec):
            cards, wrong = _cards(file, keys[spec.id], spec.signers, site)
            found[number] = replace(spec, signers=replace(spec.signers, cards=cards))
            problems += [problem for problem in wrong if problem not in problems]
    return found, problems


# --- what they have in common ----------------------------------------------------------------------


def _is_wanted(key: KeyPath, duty: GuardPost | Patrol | DutyRoom | Shifts, site: Site, out: Resolved) -> bool:
    """Whether a description is to be made of it."""
    if not free_id((*key, "id"), duty.id, out) or not free_rule_id((*key, "id"), duty.id, out):
        return False
    if duty.place not in site.places:
        out.errors.append(((*key, "place"), unknown("a place of this file", duty.place, site.places)))
        return False
    return duty.enabled


def _add(spec: GuardPostSpec | PatrolSpec | DutyRoomSpec | ShiftsSpec, role: str, responsible: str, out: Resolved) -> None:
    out.rules.append(spec)
    out.points[spec.id] = rule_point(spec.id, RULE_ROLES[role], spec.place, spec.name, responsible)


def _name(duty: GuardPost | Patrol | DutyRoom | Shifts, site: Site) -> Text:
    place = site.places[duty.place]
    return Text(duty.name or place.name, duty.name_en or duty.name or place.name_en or place.name)


def _button(key: KeyPath, point: str, out: Resolved) -> bool:
    """A button by which somebody shows to be there: nothing with an alarm of its own, and no latch that nobody would clear."""
    if not watch(key, point, out):
        return False
    found = out.points[point]
    if found.kind not in ("contact", "counter") or any(spec.alarm_class not in ("fault", "tamper") for spec in found.alarms):
        words = f'"{point}" has role {found.role} and is a {found.kind}; expected a plain contact or counter without an alarm'
        out.errors.append((key, words))
        return False
    return True


def _buttons(key: KeyPath, points: list[str], out: Resolved) -> tuple[str, ...]:
    return tuple(point for j, point in enumerate(points) if _button((*key, j), point, out))


def _sees_people(key: KeyPath, point: str, out: Resolved) -> bool:
    """A camera's zone that shows a person, or how many."""
    if not watch(key, point, out):
        return False
    found = out.points[point]
    if found.kind == "vision" or found.unit == "person":
        return True
    out.errors.append((key, f'"{point}" has role {found.role} and is a {found.kind}; expected the zone of a camera that sees people'))
    return False


def _signers(points: tuple[str, ...], has_reader: bool, duty: GuardPost | Patrol) -> Signers:
    if not has_reader:
        return Signers(points, {}, duty.tell_names)
    return Signers(points, {}, duty.tell_names, tuple(duty.cards), duty.cards_file)


# --- cards -----------------------------------------------------------------------------------------


def _check_cards(key: KeyPath, duty: GuardPost | Patrol, has_reader: bool, out: Resolved) -> None:
    for j, card in enumerate(duty.cards):
        if not _HASH.match(card.lower()) and not duty.cards_file:
            words = f'"{card[:40]}" is not the hash of a card (16 to 128 hex digits); a holder\'s name needs cards_file'
            out.errors.append(((*key, "cards", j), words))
    if has_reader and not duty.cards and not duty.cards_file:
        out.errors.append((key, "a card reader needs cards or cards_file: not everybody's card counts"))
    if not has_reader and (duty.cards or duty.cards_file):
        out.errors.append(((*key, "cards" if duty.cards else "cards_file"), "needs a card reader"))


def _cards(file: Path, key: KeyPath, signers: Signers, site: Site) -> tuple[dict[str, str], list[Problem]]:
    """Hash -> holder of the cards that count."""
    holders: dict[str, str] = {}
    problems: list[Problem] = []
    if signers.file:
        path = beside(file, signers.file)
        try:
            raw = path.read_bytes()
        except OSError as error:
            return {}, [problem_at(file, (*key, "cards_file"), f'"{signers.file}" cannot be read: {error.strerror}')]
        cards, problems = read_cards(str(path), raw, site.schedules)
        holders = {number: card.name for number, card in cards.items()}
    if not signers.wanted:
        return holders, problems
    found: dict[str, str] = {}
    for j, wanted in enumerate(signers.wanted):
        named = {number: name for number, name in holders.items() if name == wanted}
        if _HASH.match(wanted.lower()):
            named = {wanted.lower(): holders.get(wanted.lower(), "")}
        elif not named and signers.file:  # without a file it was said already
            problems.append(problem_at(file, (*key, "cards", j), unknown(f"a holder in {signers.file}", wanted, holders.values())))
        found |= named
    return found, problems


# --- guard posts, patrols --------------------------------------------------------------------------


def _guard_post(key: KeyPath, post: GuardPost, site: Site, out: Resolved) -> None:
    if not _is_wanted(key, post, site, out):
        return
    buttons = _buttons((*key, "buttons"), post.buttons, out)
    readers = tuple(p for j, p in enumerate(post.readers) if watch((*key, "readers", j), p, out, roles=("card_reader",)))
    cameras = tuple(p for j, p in enumerate(post.cameras) if _sees_people((*key, "cameras", j), p, out))
    _check_cards(key, post, bool(post.readers), out)
    if len(set(post.windows)) < len(post.windows):
        out.errors.append(((*key, "windows"), "a window is named twice"))
    spec = GuardPostSpec(
        id=post.id,
        place=post.place,
        name=_name(post, site),
        signers=_signers((*buttons, *readers), bool(readers), post),
        cameras=cameras,
        windows=frozenset(Window(name) for name in post.windows),
        grace_s=post.grace_s,
        away_s=post.away_s,
        valid_s=post.valid_s,
        early_s=post.early_s,
    )
    _add(spec, "guard_post", post.responsible, out)


def _patrol(key: KeyPath, patrol: Patrol, site: Site, out: Resolved) -> None:
    if not _is_wanted(key, patrol, site, out):
        return
    names, points, has_reader = set[str](), list[str](), False
    for j, checkpoint in enumerate(patrol.checkpoints):
        at: KeyPath = (*key, "checkpoints", j)
        if checkpoint.id in names:
            out.errors.append(((*at, "id"), f'"{checkpoint.id}" is another checkpoint of this patrol already'))
        names.add(checkpoint.id)
        if checkpoint.point is None:
            continue
        if checkpoint.point in points:
            out.errors.append(((*at, "point"), f'"{checkpoint.point}" stands for another checkpoint already'))
        is_reader = checkpoint.point in out.points and out.points[checkpoint.point].role == "card_reader"
        has_reader |= is_reader
        at = (*at, "point")
        if watch(at, checkpoint.point, out) if is_reader else _button(at, checkpoint.point, out):
            points.append(checkpoint.point)
    _check_cards(key, patrol, has_reader, out)
    rounds = _rounds(key, patrol, out)
    if rounds and len(rounds) < ROUNDS_PER_DAY:
        out.warnings.append((key, f"{len(rounds)} rounds a day: GB/T 29315 asks for at least {ROUNDS_PER_DAY}"))
    spec = PatrolSpec(
        id=patrol.id,
        place=patrol.place,
        name=_name(patrol, site),
        signers=_signers(tuple(points), has_reader, patrol),
        checkpoints=tuple(Checkpoint(c.id, Text(c.name or c.id, c.name_en or c.name or c.id), c.point or "") for c in patrol.checkpoints),
        rounds=rounds,
        school_days_only=patrol.days == "school",
    )
    _add(spec, "patrol", patrol.responsible, out)


def _rounds(key: KeyPath, patrol: Patrol, out: Resolved) -> DaySpans:
    """Minutes of each round, in the order of the day; one that crosses midnight ends beyond 1440."""
    if not patrol.rounds:
        count = patrol.rounds_per_day or ROUNDS_PER_DAY
        edges = [round(_DAY_MIN * number / count) for number in range(count + 1)]
        return tuple(pairwise(edges))
    spans: list[tuple[int, int]] = []
    for j, words in enumerate(patrol.rounds):
        found = _SPAN.match(words)
        at: KeyPath = (*key, "rounds", j)
        start, end = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
        if not found or start == end or end > _DAY_MIN:
            out.errors.append((at, f'"{words[:40]}" is not a span of the day; expected HH:MM-HH:MM'))
            continue
        span = (start, end if end > start else end + _DAY_MIN)
        if any(_overlap(span, other) for other in spans):
            out.errors.append((at, f'"{words}" overlaps with another round'))
        spans.append(span)
    return tuple(sorted(spans))


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(one[0] < other[1] + shift and other[0] + shift < one[1] for shift in (-_DAY_MIN, 0, _DAY_MIN))


# --- duty room, shifts -----------------------------------------------------------------------------


def _duty_room(key: KeyPath, room: DutyRoom, site: Site, out: Resolved) -> None:
    if not _is_wanted(key, room, site, out):
        return
    buttons = _buttons((*key, "buttons"), room.buttons, out)
    hours: list[tuple[int, int]] = []
    for j, words in enumerate(room.hours):
        try:
            hours += parse_spans([words])
        except ValueError as error:
            out.errors.append(((*key, "hours", j), str(error)))
    for name, output, kinds in (("lamp", room.lamp, ("lamp", "strobe", "relay")), ("buzzer", room.buzzer, ("buzzer", "relay"))):
        _check_output((*key, name), output, kinds, out)
    if not room.buttons and not room.lamp and not room.buzzer:
        out.warnings.append((key, "neither lamp nor buzzer nor button: a question is seen in `status` and answered by command only"))
    spec = DutyRoomSpec(
        id=room.id,
        place=room.place,
        name=_name(room, site),
        signers=Signers(buttons),
        seed=f"{site.site.id}/{site.site.gateway}",
        min_interval_s=room.min_interval_min * 60,
        max_interval_s=room.max_interval_min * 60,
        within_s=room.answer_within_s,
        hours=tuple(sorted(hours)) or ((0, _DAY_MIN),),
        lamp=room.lamp or "",
        buzzer=room.buzzer or "",
    )
    _add(spec, "duty_room", room.responsible, out)


def _check_output(key: KeyPath, output: str | None, kinds: tuple[str, ...], out: Resolved) -> None:
    if output is None:
        return
    found = out.outputs.get(output)
    if found is None:
        out.errors.append((key, unknown("an output of this file", output, out.outputs)))
    elif found.kind not in kinds:
        out.errors.append((key, f'output "{output}" is a {found.kind}; expected a {" or ".join(kinds)}'))
    elif not found.enabled:
        out.errors.append((key, f'output "{output}" is not enabled'))


def _shifts(key: KeyPath, shifts: Shifts, site: Site, out: Resolved) -> None:
    if not _is_wanted(key, shifts, site, out):
        return
    times: list[int] = []
    for j, words in enumerate(shifts.times):
        found = _TIME.match(words)
        if not found:
            out.errors.append(((*key, "times", j), f'"{words[:40]}" is not a time of the day; expected HH:MM'))
            continue
        minute = int(found[1]) * 60 + int(found[2])
        if any(min((minute - other) % _DAY_MIN, (other - minute) % _DAY_MIN) < _SHIFT_LEAST_MIN for other in times):
            out.errors.append(((*key, "times", j), f'"{words}" is less than {_SHIFT_LEAST_MIN // 60} h from another change'))
        times.append(minute)
    spec = ShiftsSpec(
        id=shifts.id,
        place=shifts.place,
        name=_name(shifts, site),
        times=tuple(sorted(times)) or (0,),
        overdue_s=shifts.overdue_min * 60,
        early_s=shifts.early_min * 60,
    )
    _add(spec, "shift", shifts.responsible, out)
