"""Cross-checks of [rules.escalation] and [[whistles]]; makes their descriptions, and the point of each whistle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gateway.config.problems import unknown
from gateway.config.resolve_outputs import free_id
from gateway.config.roles_rules import RULE_ROLES, rule_point
from gateway.config.site import Site
from gateway.config.site_chains import Times, Whistle
from gateway.config.toml_lines import KeyPath
from gateway.core.chains import Addressee, Chain, EscalationSpec, WhistleSpec
from gateway.core.points import AlarmSpec, EventClass, Point, Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

WHISTLE = "whistle"  # role of a whistle's point


def resolve_escalation(site: Site, out: Resolved) -> None:
    """The chain of all alarms that escalate. Call it when all points have their alarms."""
    settings = site.rules.escalation
    names = [leader.name for leader in settings.leaders]
    for i, name in enumerate(names):
        if name in names[:i]:
            out.errors.append((("rules", "escalation", "leaders", i, "name"), f'"{name}" is named twice'))
    chains = {
        spec.key: Chain(
            str(spec.event_class), spec.alarm_class, spec.severity, point.place, spec.text, times.leader_after_s, times.centre_after_s
        )
        for point, spec in _alarms(out)
        if (times := _times(site, spec)) is not None
    }
    if settings.enabled and chains:
        centres = {name: tuple(r.id for r in site.uplink.recipients if name in r.classes) for name in ("alarm", "duty")}
        out.rules.append(EscalationSpec(chains, tuple(names), centres))


def _times(site: Site, spec: AlarmSpec) -> Times | None:
    if spec.event_class not in (EventClass.ALARM, EventClass.DUTY):
        return None
    times: Mapping[str, Times] = {str(name): times for name, times in site.rules.escalation.times.items()}
    return times.get("duty" if spec.event_class is EventClass.DUTY else spec.severity)


def _alarms(out: Resolved) -> Iterator[tuple[Point, AlarmSpec]]:
    return ((point, spec) for point in out.points.values() for spec in point.alarms)


def resolve_whistle_points(site: Site, out: Resolved) -> None:
    """Check the ids of [[whistles]] and make their points. Call it when all other points are there."""
    for i, whistle in enumerate(site.whistles):
        key: KeyPath = ("whistles", i)
        if not free_id((*key, "id"), whistle.id, out):
            continue
        if whistle.place is not None and whistle.place not in site.places:
            out.errors.append(((*key, "place"), unknown("a place of this file", whistle.place, site.places)))
        out.points[whistle.id] = rule_point(whistle.id, RULE_ROLES[WHISTLE], _place(whistle, site), _name(whistle))


def resolve_whistles(site: Site, out: Resolved) -> None:
    """Check whom each whistle calls and what blows it. Call it when all points have their alarms."""
    for i, whistle in enumerate(site.whistles):
        key: KeyPath = ("whistles", i)
        point = out.points.get(whistle.id)
        if point is None or point.role != WHISTLE or any(rule.id == whistle.id for rule in out.rules):
            continue  # said already, at its id
        causes = _causes(key, whistle, out)
        classes = {"duty"} | ({"alarm"} if causes else set())
        addressees = tuple(_addressees(key, whistle, classes, site, out))
        out.rules.append(WhistleSpec(whistle.id, _name(whistle), point.place, addressees, causes))


def _place(whistle: Whistle, site: Site) -> str:
    return whistle.place if whistle.place in site.places else next(iter(site.places))


def _name(whistle: Whistle) -> Text:
    return Text(whistle.name or whistle.id, whistle.name_en or whistle.name or whistle.id)


def _addressees(key: KeyPath, whistle: Whistle, classes: set[str], site: Site, out: Resolved) -> Iterator[Addressee]:
    recipients = {recipient.id: recipient for recipient in site.uplink.recipients}
    seen: set[str] = set()
    for j, addressee in enumerate(whistle.addressees):
        here: KeyPath = (*key, "addressees", j)
        field = "name" if addressee.recipient is None else "recipient"
        name = addressee.name.strip() if addressee.recipient is None else addressee.recipient
        if name in seen:
            out.errors.append(((*here, field), f'"{name}" is called twice'))
            continue
        seen.add(name)
        if addressee.recipient is not None:
            recipient = recipients.get(name)
            if recipient is None:
                out.errors.append(((*here, field), unknown("a recipient of [uplink]", name, recipients)))
                continue
            missing = sorted(classes - set(recipient.classes))
            if missing:
                words = f'recipient "{name}" takes no events of class {" and ".join(missing)}: it would never hear of the whistle'
                out.errors.append(((*here, field), words))
            if not any("report_in" in each.may for each in recipient.keys):
                words = f'no key of recipient "{name}" may report_in: it could never report in, add it to `may`'
                out.warnings.append(((*here, field), words))
        yield Addressee(name, addressee.recipient is not None, addressee.deadline_s or whistle.deadline_s)


def _causes(key: KeyPath, whistle: Whistle, out: Resolved) -> frozenset[str]:
    """The alarms that blow it; an error for a class or role of which there is none."""
    specs = [(point, spec) for point, spec in _alarms(out) if spec.event_class is not EventClass.FAULT and point.role != WHISTLE]
    classes, roles = {spec.alarm_class for _, spec in specs}, {point.role for point, _ in specs}
    for field, named, known in (("alarm_classes", whistle.alarm_classes, classes), ("roles", whistle.roles, roles)):
        for j, name in enumerate(named):
            if name not in known:
                what = "a class of an alarm of this file" if field == "alarm_classes" else "a role with an alarm in this file"
                out.errors.append(((*key, field, j), unknown(what, name, sorted(known))))
    return frozenset(spec.key for point, spec in specs if spec.alarm_class in whistle.alarm_classes or point.role in whistle.roles)
