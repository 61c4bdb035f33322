"""The alarms of a point: its role's defaults, what the site file says otherwise, and what watches the point itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.problems import unknown
from gateway.config.profile import Offered
from gateway.config.resolve_outputs import watch
from gateway.config.role import AlarmDefault, Role
from gateway.config.roles import ROLES, SIGNAL_FAULT_DELAY_S
from gateway.config.site import PointSettings, Site, SuppressWhile
from gateway.config.toml_lines import KeyPath
from gateway.core.points import (
    LEAKS_MOST_MA,
    Above,
    AlarmSpec,
    Baseline,
    Below,
    Chattering,
    Condition,
    Confirmed,
    Contact,
    EventClass,
    LoopCut,
    NaturalAbove,
    NaturalGrown,
    NotGood,
    Point,
    Press,
    Rise,
    Stale,
    Stuck,
    Text,
    While,
)
from gateway.core.school_days import WINDOW_POINT, Window

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

CONFIRMED = "confirmed"
LEL, LEL_MOST = "%LEL", 100.0
MANAGED_DELAY_MOST_S = 60.0  # GB 15322: a detector itself has answered by then
GROWN_MA = 50.0  # of natural leakage since it was first learned: a sixth of the first limit, more than a wet season brings


def wire_alarms(i: int, settings: PointSettings, role: Role, signal: Offered, site: Site, out: Resolved) -> tuple[AlarmSpec, ...]:
    """All alarms of a point on a wire."""
    alarms = role_alarms(i, settings, role, signal.kind, site, out)
    trends = (*_trends(i, settings, role, signal.kind, site, out), *_of_the_baseline(i, settings, role, site, out))
    if not alarms and not trends:
        return ()
    return (*alarms, *trends, *_of_the_point(settings, signal, bool(alarms), site))


def role_alarms(i: int, settings: PointSettings, role: Role, kind: str, site: Site, out: Resolved) -> tuple[AlarmSpec, ...]:
    """The alarms that the role brings, with the site file's own limits and delays."""
    given = {name for name in ("level1", "level2", "deadband") if getattr(settings, name) is not None}
    has_limits = any(isinstance(alarm.condition, Above | Below) for alarm in role.alarms)
    for name in sorted(given):
        if not has_limits:
            out.errors.append((("points", i, name), f"role {role.name} has no limits"))
    if not settings.alarm:
        if role.fixed:
            out.errors.append((("points", i, "alarm"), f"a {role.name} cannot be switched off"))
        return ()
    if role.fixed:
        for name in ("latching", "on_delay_s", "off_delay_s"):
            if getattr(settings, name) is not None:
                out.errors.append((("points", i, name), f"cannot be changed for a {role.name}: it latches and acts at once"))
    alarms = tuple(_role_alarm(settings, role, default, kind, site) for default in role.alarms)
    managed = [alarm.name for alarm in alarms if alarm.managed]
    if settings.windows and (managed or any(alarm.alarm_class in ("fault", "tamper") for alarm in alarms)):
        words = f"a {role.name} counts at any time: highly managed alarms, tamper and faults have no windows"
        out.errors.append((("points", i, "windows"), words))
    if managed and settings.latching is False and not role.fixed:
        words = f"{managed[0]} is highly managed ({alarms[-1].alarm_class}): it stands until a person resets it"
        out.errors.append((("points", i, "latching"), words))
    limits = {alarm.name: alarm.condition.limit for alarm in alarms if isinstance(alarm.condition, Above)}
    if "level1" in limits and "level2" in limits and limits["level1"] >= limits["level2"]:
        key = "level1" if "level1" in given else "level2"
        out.errors.append((("points", i, key), f"level1 ({limits['level1']:g}) must be below level2 ({limits['level2']:g})"))
    out.errors += [(("points", i, name), words) for name, words in _useless(settings, role, alarms)]
    return alarms


def _useless(settings: PointSettings, role: Role, alarms: tuple[AlarmSpec, ...]) -> Iterator[tuple[str, str]]:
    """(key, why) of numbers with which an alarm would never come, never end, or come too late for anybody."""
    above = {alarm.name: alarm.condition for alarm in alarms if isinstance(alarm.condition, Above)}
    for name, condition in above.items():
        if role.unit == LEL and condition.limit > LEL_MOST and getattr(settings, name, None) is not None:
            yield name, f"{condition.limit:g} {LEL} is never reached: at {LEL_MOST:g} the air is explosive"
    lowest = min((condition.limit for condition in above.values()), default=0.0)
    if settings.deadband is not None and 0 < lowest <= settings.deadband:
        yield "deadband", f"an alarm from {lowest:g} on would be over at {lowest - settings.deadband:g} only: it would never end"
    managed = next((alarm for alarm in alarms if alarm.managed and alarm.on_delay_s > MANAGED_DELAY_MOST_S), None)
    if managed is not None and settings.on_delay_s is not None and not role.fixed:
        words = f"{managed.name} is highly managed ({managed.alarm_class}): it waits {MANAGED_DELAY_MOST_S:g} s at most"
        yield "on_delay_s", words


def _role_alarm(settings: PointSettings, role: Role, default: AlarmDefault, kind: str, site: Site) -> AlarmSpec:
    return AlarmSpec(
        point=settings.id,
        name=default.name,
        condition=_condition(settings, default, kind),
        alarm_class=default.alarm_class,
        event_class=default.event_class,
        latching=default.latching if settings.latching is None or role.fixed else settings.latching,
        text=_text(default.text, settings, site),
        on_delay_s=default.on_delay_s if settings.on_delay_s is None else settings.on_delay_s,
        off_delay_s=default.off_delay_s if settings.off_delay_s is None else settings.off_delay_s,
        urgency=default.urgency,
        severity=default.severity,
        certainty=default.certainty,
        outside_hours=default.outside_hours and settings.windows is None,
        windows=default.windows if settings.windows is None else frozenset(map(Window, settings.windows)),
        boot=role.boot,
    )


def _condition(settings: PointSettings, default: AlarmDefault, kind: str) -> Condition:
    condition = default.condition
    if isinstance(condition, Contact) and kind in ("counter", "latched"):
        return Press()
    if isinstance(condition, Above | Below):
        limit = getattr(settings, default.name, None)
        deadband = condition.deadband if settings.deadband is None else settings.deadband
        return replace(condition, limit=condition.limit if limit is None else limit, deadband=deadband)
    return condition


def _trends(i: int, settings: PointSettings, role: Role, kind: str, site: Site, out: Resolved) -> Iterator[AlarmSpec]:
    """What is seen over time, where the site file asks for it."""
    if settings.rise_per_min is not None:
        first = role.alarms[0] if role.alarms else None
        if first is None or not isinstance(first.condition, Above) or not settings.alarm:
            out.errors.append((("points", i, "rise_per_min"), f"role {role.name} has no limits, so nothing that may rise too fast"))
        else:
            text = _text(Text("数值上升过快", "Rises too fast"), settings, site)
            rise = Rise(settings.rise_per_min, settings.rise_window_s)
            yield AlarmSpec(
                settings.id, "rise", rise, first.alarm_class, first.event_class, False, text, urgency="Expected", severity="Moderate"
            )
    if settings.stuck_h is not None:
        if not role.moves or kind not in ("measurement", "counter"):
            out.errors.append((("points", i, "stuck_h"), f"a {role.name} may stay the same for any time"))
        else:
            yield _fault("stuck", Stuck(settings.stuck_h * 3600), Text("数值长时间不变", "Value does not move"), settings, site)


def baseline(settings: PointSettings) -> Baseline | None:
    """What of this point's value is natural, if the site file says so."""
    if settings.baseline is None:
        return None
    return Baseline(None if settings.baseline == "learned" else float(settings.baseline))


def _of_the_baseline(i: int, settings: PointSettings, role: Role, site: Site, out: Resolved) -> Iterator[AlarmSpec]:
    """A natural leakage that is no longer one, for the electrician."""
    if settings.baseline is None:
        return
    if not role.leaks or not settings.alarm:
        leaking = " or ".join(other.name for other in ROLES.values() if other.leaks)
        out.errors.append((("points", i, "baseline"), f"is for points of role {leaking} that give alarm"))
    elif settings.baseline == "learned":
        most, least = f"{LEAKS_MOST_MA:g} mA", f"{GROWN_MA:g} mA"
        above = Text(f"自然漏流超过{most}", f"Natural leakage above {most}")
        grown = Text(f"自然漏流缓慢增大超过{least}", f"Natural leakage has grown by {least}")
        yield _fault("baseline", NaturalAbove(LEAKS_MOST_MA), above, settings, site)
        yield _fault("trend", NaturalGrown(GROWN_MA), grown, settings, site)


def _of_the_point(settings: PointSettings, signal: Offered, chatters: bool, site: Site) -> Iterator[AlarmSpec]:
    """What watches the point itself: can its value be believed, is its loop whole, does it come and go all the time?"""
    looped = signal.kind == "contact" and bool(getattr(signal, "loop", None))
    yield _fault("signal", NotGood(loops=not looped), Text("信号故障", "Signal fault"), settings, site, SIGNAL_FAULT_DELAY_S)
    if looped:
        text = _text(Text("报警回路断路或短路", "Loop open or short"), settings, site)
        yield AlarmSpec(settings.id, "tamper", LoopCut(), "tamper", EventClass.ALARM, True, text, severity="Moderate")
    if settings.stale_s or getattr(signal, "stale_s", None):
        yield _fault("stale", Stale(), Text("数值未更新", "Value is stale"), settings, site)
    if chatters and signal.kind in ("contact", "measurement", "enum"):
        yield _fault("chattering", Chattering(), Text("信号频繁变化", "Comes and goes all the time"), settings, site)


def _fault(name: str, condition: Condition, text: Text, settings: PointSettings, site: Site, on_delay_s: float = 0.0) -> AlarmSpec:
    """A fault of the point; it latches, so that a technician sees what was there (docs/decisions/013)."""
    return AlarmSpec(
        point=settings.id,
        name=name,
        condition=condition,
        alarm_class="fault",
        event_class=EventClass.FAULT,
        latching=True,
        text=_text(text, settings, site),
        on_delay_s=on_delay_s,
        urgency="Expected",
        severity="Moderate",
    )


def _text(text: Text, settings: PointSettings, site: Site) -> Text:
    place = site.places[settings.place]
    zh = settings.name or place.name
    en = settings.name_en or place.name_en or settings.name or place.name
    return Text(f"{text.zh}：{zh}", f"{text.en}: {en}")


def resolve_alarms(site: Site, out: Resolved) -> None:
    """What an alarm has to do with other points. Call it when all points are there."""
    for i, settings in enumerate(site.points):
        point = out.points.get(settings.id)
        if point is None:
            continue
        if settings.suppress_while is not None:
            _suppressed(("points", i, "suppress_while"), settings.suppress_while, point, site, out)
        if settings.confirm_with:
            _confirmed(("points", i, "confirm_with"), settings, out.points[settings.id], site, out)


def _suppressed(key: KeyPath, asked: SuppressWhile, point: Point, site: Site, out: Resolved) -> None:
    may = [spec.name for spec in point.alarms if not spec.managed and spec.alarm_class not in ("fault", "tamper")]
    if not may:
        words = f"{point.id} has no alarm that may be suppressed: highly managed alarms, tamper and faults never are"
        out.errors.append((key, words))
        return
    suppressed = _in_window(asked.window, site, out) if asked.window else _while_shown(key, asked, point, out)
    if suppressed is None:
        return
    alarms = tuple(replace(spec, suppress_while=suppressed) if spec.name in may else spec for spec in point.alarms)
    out.points[point.id] = replace(out.points[point.id], alarms=alarms)


def _in_window(window: str, site: Site, out: Resolved) -> While:
    """The window of the day as a point of the gateway's own, made where it is asked for."""
    name = Text("在校时段", "window of the school day")
    made = Point(WINDOW_POINT, "school_window", next(iter(site.places)), name, kind="enum", system=True, watched=True)
    out.points.setdefault(WINDOW_POINT, made)
    return While(WINDOW_POINT, window)


def _while_shown(key: KeyPath, asked: SuppressWhile, point: Point, out: Resolved) -> While | None:
    assert asked.point is not None
    if asked.point == point.id:
        out.errors.append(((*key, "point"), "a point does not suppress itself"))
        return None
    if not watch((*key, "point"), asked.point, out):
        return None
    if out.points[asked.point].kind == "contact" and not isinstance(asked.value, bool):
        out.errors.append(((*key, "value"), f'"{asked.point}" is a contact: it shows true or false'))
    return While(asked.point, asked.value)


def _confirmed(key: KeyPath, settings: PointSettings, point: Point, site: Site, out: Resolved) -> None:
    """Each detector's own alarm goes out as ever; two together are one more, for what must not follow from one alone."""
    own = [spec for spec in point.alarms if spec.event_class is EventClass.ALARM and isinstance(spec.condition, Above | Contact)]
    if not own:
        out.errors.append((key, f"role {point.role} has no alarm that a second detector could confirm"))
        return
    highest = own[-1]
    fitting = [other.id for other in out.points.values() if any(spec.name == highest.name for spec in other.alarms)]
    keys = [highest.key]
    for j, name in enumerate(settings.confirm_with):
        if name == point.id or name in settings.confirm_with[:j]:
            out.errors.append(((*key, j), f'"{name}" is the point itself, or named twice'))
        elif name not in fitting or out.points[name].role != point.role:
            same = [other for other in fitting if out.points[other].role == point.role and other != point.id]
            out.errors.append(((*key, j), unknown(f"another {point.role} of this file", name, same)))
        else:
            keys.append(f"{name}/{highest.name}")
    text = _text(Text("两只探测器同时报警", "Two detectors agree"), settings, site)
    spec = AlarmSpec(point.id, CONFIRMED, Confirmed(tuple(keys)), highest.alarm_class, EventClass.ALARM, True, text, severity="Extreme")
    out.points[point.id] = replace(point, alarms=(*point.alarms, spec))
