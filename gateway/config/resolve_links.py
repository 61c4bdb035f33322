"""Makes the linkages of [rules.one_key], [rules.gas], [rules.fire] and [rules.electrical]; each carries its rule's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.config.linkage_checks import may_free
from gateway.config.problems import unknown
from gateway.config.site import Site
from gateway.config.site_links import Electrical, Fire, Gas, OneKey
from gateway.config.toml_lines import KeyPath
from gateway.core.linkage import Beep, Effect, LinkageSpec, OnAlarm, Switch, TakeSnapshot
from gateway.core.outputs import OutputSpec
from gateway.core.points import AlarmSpec, Point, Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

LOUD = ("siren", "strobe", "buzzer")
BEGINS = frozenset({"activated", "repeated"})
ELECTRICAL_ROLES = frozenset({"residual_current", "cable_temperature", "arc_fault"})
GAS_ROLES = frozenset({"gas_concentration", "gas_alarm"})
CENTRE_BEEPS = 5  # a press has one, two or three
_NONE: frozenset[str] = frozenset()


def resolve_links(site: Site, out: Resolved) -> None:
    """Check the tables and add to `out.rules`. Call it when all points have their alarms."""
    rules = site.rules
    if rules.one_key is not None:
        _OneKey(rules.one_key, site, out).make()
    if rules.gas is not None:
        _gas(("rules", "gas"), rules.gas, out)
    if rules.fire is not None:
        _fire(("rules", "fire"), rules.fire, out)
    if rules.electrical is not None:
        _electrical(("rules", "electrical"), rules.electrical, out)


# --- one-key 一键报警 ---------------------------------------------------------------------------


class _OneKey:
    """The linkages of [rules.one_key]."""

    def __init__(self, table: OneKey, site: Site, out: Resolved) -> None:
        self._table, self._site, self._out = table, site, out
        self._key: KeyPath = ("rules", "one_key")
        self._modes = _modes(drill=table.drill)
        self._buttons = [point for point in out.points.values() if any(spec.alarm_class == "panic" for spec in point.alarms)]
        for i, name in enumerate(table.silent):
            if name not in [button.id for button in self._buttons]:
                words = unknown("a one-key button of this file", name, [button.id for button in self._buttons])
                out.errors.append(((*self._key, "silent", i), words))
        self._silent = _keys(button for button in self._buttons if button.id in table.silent)
        self._loud = _keys(self._buttons) - self._silent

    def make(self) -> None:
        """All of them."""
        table = self._table
        if not self._buttons:
            self._out.errors.append((self._key, "no one-key button in this file: the rule could never act"))
            return
        sirens = _outputs((*self._key, "sirens"), table.sirens, self._out, ("siren", "buzzer"), _of_kind(self._out, "siren"))
        strobes = _outputs((*self._key, "strobes"), table.strobes, self._out, ("strobe", "lamp"), _of_kind(self._out, "strobe"))
        sounding: list[Effect] = _loud((*sirens, *strobes), table.siren_s)
        self._add("one-key", "声光报警", "siren and strobe", self._loud, BEGINS, sounding, until=table.until)
        self._pictures()
        bollards = _outputs((*self._key, "raise_bollards"), table.raise_bollards, self._out, ("bollard",))
        self._add(
            "one-key-bollards", "升起升降柱", "raise the bollards", self._loud, BEGINS, [switch(output, for_s=None) for output in bollards]
        )
        self._lamps()
        if table.buzzer is not None:
            self._beeps(_outputs((*self._key, "buzzer"), [table.buzzer], self._out, ("buzzer", "siren")))
        again = [output for output in sirens if output.kind == "siren"]
        self._centre_silent(_outputs((*self._key, "centre_silent"), table.centre_silent, self._out, LOUD, again))

    def _lamps(self) -> None:
        steps = (("pressed", BEGINS), ("broker", frozenset({"broker_acked"})), ("received", frozenset({"received"})))
        names = {"pressed": ("已按下", "pressed"), "broker": ("已发出", "broker has it"), "received": ("中心已签收", "centre has it")}
        every = self._loud | self._silent
        for step, words in steps:
            lamp = getattr(self._table.lamp, step)
            if lamp is None or (step == "received" and not self._recipients((*self._key, "lamp", step))):
                continue
            lit = _outputs((*self._key, "lamp", step), [lamp], self._out, ("lamp", "relay"))
            zh, en = names[step]
            effects: list[Effect] = [switch(output) for output in lit]
            self._add(f"one-key-lamp-{step}", f"{zh}指示灯", f"lamp: {en}", every, words, effects, until="reset")

    def _recipients(self, key: KeyPath) -> bool:
        if not self._site.uplink.recipients:
            self._out.errors.append((key, "no recipients in [uplink]: nobody signs for a press, so it is never lit"))
        return bool(self._site.uplink.recipients)

    def _beeps(self, buzzers: Sequence[OutputSpec]) -> None:
        times = (("activated", 1), ("repeated", 1), ("broker_acked", 2), ("received", 3))
        effects: list[Effect] = [Beep(output.id, times) for output in buzzers]
        words = frozenset(word for word, _ in times)
        self._add("one-key-buzzer", "三步确认提示音", "three-step proof by beeps", self._loud, words, effects, unless=self._silent)
        silence: list[Effect] = [Beep(output.id, (("activated", CENTRE_BEEPS),)) for output in buzzers]
        self._add_centre("one-key-centre-buzzer", "中心未确认提示音", "centre silent: beeps", silence, _NONE)

    def _centre_silent(self, outputs: Sequence[OutputSpec]) -> None:
        """Only while a press stands that may be heard; a silent button's news never sounds."""
        sounding: list[Effect] = _loud(outputs, self._table.siren_s)
        self._add_centre("one-key-centre-silent", "中心未确认，现场鸣响", "centre silent: local siren", sounding, self._loud)

    def _add_centre(self, rule: str, zh: str, en: str, effects: list[Effect], alongside: frozenset[str]) -> None:
        silences = _keys(point for point in self._out.points.values() if point.role == "centre_silent")
        self._add(rule, zh, en, silences, frozenset({"activated"}), effects, unless=self._silent, alongside=alongside)

    def _pictures(self) -> None:
        """Buttons with the same cameras share a linkage."""
        gates = [camera.id for camera in self._site.cameras if camera.place in self._site.places and self._is_gate(camera.place)]
        chosen = self._table.pictures
        for i, name in enumerate(chosen or ()):
            cameras = [camera.id for camera in self._site.cameras]
            if name not in cameras:
                self._out.errors.append(((*self._key, "pictures", i), unknown("a camera of this file", name, cameras)))
                return
        groups: dict[tuple[str, ...], list[Point]] = {}
        for button in self._buttons:
            own = [camera.id for camera in self._site.cameras if camera.place == button.place]
            groups.setdefault(tuple(dict.fromkeys(chosen if chosen is not None else [*gates, *own])), []).append(button)
        for number, (cameras_, buttons) in enumerate(groups.items(), 1):
            rule = "one-key-pictures" if number == 1 else f"one-key-pictures-{number}"
            self._add(rule, "抓拍", "pictures", _keys(buttons), BEGINS, [TakeSnapshot(camera) for camera in cameras_])

    def _is_gate(self, place: str) -> bool:
        return self._site.places[place].type == "gate"

    def _add(
        self,
        rule: str,
        zh: str,
        en: str,
        alarms: frozenset[str],
        words: frozenset[str],
        effects: Sequence[Effect],
        until: str = "",
        unless: frozenset[str] = _NONE,
        alongside: frozenset[str] = _NONE,
    ) -> None:
        name = Text(f"一键报警：{zh}", f"one-key alarm: {en}")
        spec = LinkageSpec(
            rule, name, OnAlarm(alarms, words), tuple(effects), modes=self._modes, until=until, unless=unless, alongside=alongside,
            rule="one-key",
        )  # fmt: skip
        _put(self._key, spec, self._out, enabled=self._table.enabled)


# --- gas 燃气 -----------------------------------------------------------------------------------


def _gas(key: KeyPath, table: Gas, out: Resolved) -> None:
    detectors = [point for point in out.points.values() if point.role in GAS_ROLES and _keys([point])]
    if not detectors:
        out.errors.append((key, "no gas detector in this file: the rule could never act"))
        return
    mains = _outputs((*key, "main_valves"), table.main_valves, out, ("gas_valve",))
    rest = [valve for valve in _of_kind(out, "gas_valve") if valve.id not in table.main_valves]
    valves = _outputs((*key, "valves"), table.valves, out, ("gas_valve",), rest)
    fans = _outputs((*key, "fans"), table.fans, out, ("relay",))
    sirens = _outputs((*key, "sirens"), table.sirens, out, LOUD)
    if table.fans and not table.explosion_proof:
        words = "a fan that is not rated for gas may light it: say explosion_proof = true where it is (防爆), or leave the fans out"
        out.errors.append(((*key, "fans"), words))
    shutting = {point.id: _shutting(point, table.shut_at) for point in detectors}
    modes = _modes(drill=table.drill)
    for valve in (*mains, *valves):
        near = [point for point in detectors if valve in mains or point.place == valve.place]
        alarms = frozenset().union(*(shutting[point.id] for point in near)) if near else _NONE
        if not alarms:
            where = "of this file" if valve in mains else f"at {valve.place}"
            lacks = "has `confirm_with`" if near and table.shut_at == "confirmed" else "gives alarm"
            named = "main_valves" if valve in mains else "valves"
            out.errors.append(((*key, named), f"{valve.id} would never be shut: no gas detector {where} {lacks}"))
            continue
        name = Text(f"燃气报警：关闭{valve.name.zh}", f"gas: shut {valve.name.en}")
        shut = (switch(valve, bool(valve.safe)),)
        spec = LinkageSpec(
            f"gas-shut-{valve.id}"[:48], name, OnAlarm(alarms, BEGINS), shut, modes=modes, until="reset", give_back=False, rule="gas"
        )
        _put(key, spec, out, enabled=table.enabled)
    for fan in fans if table.explosion_proof else ():
        near = [point for point in detectors if point.place == fan.place]
        if not near:
            out.errors.append(((*key, "fans"), f"{fan.id} would never run: no gas detector at {fan.place}"))
            continue
        name = Text(f"燃气报警：{fan.name.zh}排风", f"gas: run {fan.name.en}")
        spec = LinkageSpec(
            f"gas-run-{fan.id}"[:48], name, OnAlarm(_keys(near), BEGINS), (switch(fan),), modes=modes, until="cleared", rule="gas"
        )
        _put(key, spec, out, enabled=table.enabled)
    every = frozenset().union(*shutting.values())
    name = Text("燃气报警：声光", "gas: siren")
    loud = tuple(_loud(sirens, table.siren_s))
    _put(key, LinkageSpec("gas-siren", name, OnAlarm(every, BEGINS), loud, modes=modes, rule="gas"), out, enabled=table.enabled)


def _shutting(point: Point, shut_at: str) -> frozenset[str]:
    """The alarms of a detector that shut a valve. One with a single level has only that."""
    wanted = {"level1": ("level1", "level2", "alarm", "confirmed"), "level2": ("level2", "alarm", "confirmed"), "confirmed": ("confirmed",)}
    return frozenset(spec.key for spec in point.alarms if spec.name in wanted[shut_at])


# --- fire and electrical fire 火灾、电气火灾 -------------------------------------------------------


def _fire(key: KeyPath, table: Fire, out: Resolved) -> None:
    roles = {"fire_alarm"} | (ELECTRICAL_ROLES if table.electrical else set())
    alarms = frozenset(
        spec.key for point in out.points.values() if point.role in roles for spec in point.alarms if spec.alarm_class == "fire"
    )
    if not alarms:
        out.errors.append((key, "no fire alarm (role fire_alarm) in this file: the rule could never act"))
        return
    locks = _outputs((*key, "release"), table.release, out, ("lock", "relay"))
    for lock in locks:
        if lock.momentary:
            out.errors.append(((*key, "release"), f"{lock.id} ends by itself: it cannot stay open until the alarm is reset"))
        elif lock.confirm is None:
            out.warnings.append(((*key, "release"), f"{lock.id} has no confirm: whether it has let go is not seen"))
    modes = _modes(drill=table.drill)
    free = tuple(switch(lock) for lock in locks if not lock.momentary)
    name = Text("火灾：释放疏散门", "fire: let the exit doors go")
    spec = LinkageSpec("fire-release", name, OnAlarm(alarms, BEGINS), free, modes=modes, until="reset", rule="fire-release")
    _put(key, spec, out, enabled=table.enabled)
    sirens = _outputs((*key, "sirens"), table.sirens, out, LOUD)
    loud = tuple(_loud(sirens, table.siren_s))
    name = Text("火灾：声光", "fire: siren")
    spec = LinkageSpec("fire-siren", name, OnAlarm(alarms, BEGINS), loud, modes=modes, rule="fire-release")
    _put(key, spec, out, enabled=table.enabled)


def _electrical(key: KeyPath, table: Electrical, out: Resolved) -> None:
    detectors = [point for point in out.points.values() if point.role in ELECTRICAL_ROLES]
    warnings = frozenset(spec.key for point in detectors for spec in point.alarms if spec.alarm_class == "electrical")
    alarms = frozenset(spec.key for point in detectors for spec in point.alarms if spec.alarm_class == "fire")
    if not warnings | alarms:
        out.errors.append((key, "no electrical-fire detector in this file: the rule could never act"))
        return
    modes = _modes(drill=table.drill)
    lamps = _outputs((*key, "warning_lamps"), table.warning_lamps, out, ("lamp", "buzzer"))
    sirens = _outputs((*key, "sirens"), table.sirens, out, LOUD)
    cut = _outputs((*key, "cut"), table.cut, out, ("relay",))
    parts: tuple[tuple[str, str, str, frozenset[str], tuple[Effect, ...], str], ...] = (
        ("lamp", "预警灯", "warning lamp", warnings | alarms, tuple(switch(lamp) for lamp in lamps), "acknowledged"),
        ("siren", "声光", "siren", alarms, tuple(_loud(sirens, table.siren_s)), ""),
        ("cut", "切断电源", "cut the supply", alarms, tuple(switch(relay, for_s=None if relay.pulse_s else 0.0) for relay in cut), "reset"),
    )
    for part, zh, en, causes, effects, until in parts:
        name = Text(f"电气火灾：{zh}", f"electrical fire: {en}")
        spec = LinkageSpec(
            f"electrical-{part}", name, OnAlarm(causes, BEGINS), effects, modes=modes, until=until, give_back=part != "cut",
            rule="electrical",
        )  # fmt: skip
        _put(key, spec, out, enabled=table.enabled)


# --- parts --------------------------------------------------------------------------------------


def _modes(*, drill: bool) -> frozenset[str]:
    return frozenset({"normal", "drill"} if drill else {"normal"})


def _keys(points: Iterable[Point]) -> frozenset[str]:
    """Their alarms, without what watches the point itself."""
    return frozenset(spec.key for point in points for spec in point.alarms if _counts(spec) or point.system)


def _counts(spec: AlarmSpec) -> bool:
    return spec.alarm_class not in ("fault", "tamper")


def _alarms(out: Resolved, classes: Sequence[str]) -> frozenset[str]:
    return frozenset(spec.key for point in out.points.values() for spec in point.alarms if spec.alarm_class in classes)


def _of_kind(out: Resolved, kind: str) -> list[OutputSpec]:
    return [spec for spec in out.outputs.values() if spec.kind == kind and spec.enabled]


def _outputs(
    key: KeyPath, names: Sequence[str] | None, out: Resolved, kinds: tuple[str, ...], default: Sequence[OutputSpec] = ()
) -> list[OutputSpec]:
    """The outputs that a table names, or the default; an error for each that is not there, of another kind, or not enabled."""
    if names is None:
        return list(default)
    found = []
    for i, name in enumerate(names):
        where: KeyPath = (*key, i) if key[-1] not in ("buzzer", "pressed", "broker", "received") else key
        fitting = [spec.id for spec in out.outputs.values() if spec.kind in kinds]
        spec = out.outputs.get(name)
        if spec is None:
            out.errors.append((where, unknown(f"an output of kind {' or '.join(kinds)}", name, fitting)))
        elif spec.kind not in kinds:
            out.errors.append((where, f'"{name}" is a {spec.kind}; expected {" or ".join(kinds)}'))
        elif not spec.enabled:
            out.errors.append((where, f'"{name}" is not enabled: every command to it is refused (enabled = true)'))
        elif name in names[:i]:
            out.errors.append((where, f'"{name}" is named twice'))
        else:
            found.append(spec)
    return found


def switch(output: OutputSpec, on: bool = True, for_s: float | None = 0.0) -> Switch:
    """An output switched for so long; what ends by itself is left to it."""
    return Switch(output.id, on, None if output.momentary else for_s)


def _loud(outputs: Iterable[OutputSpec], for_s: float) -> list[Effect]:
    return [switch(output, for_s=for_s) for output in outputs]


def _put(key: KeyPath, spec: LinkageSpec, out: Resolved, *, enabled: bool) -> None:
    """Add it, unless it has no effect or no cause here."""
    assert isinstance(spec.cause, OnAlarm)
    if enabled and tuple(spec.effects) and spec.cause.alarms and may_free(key, spec.id, out):
        out.rules.append(spec)


# --- what a site does not say --------------------------------------------------------------------


def miss_links(site: Site, out: Resolved) -> None:
    """Warn where there is something to switch and nothing that switches it. Call it when all linkages are there."""
    words = "and nothing here {}: add [{}], with enabled = false if that is meant"
    loud = {spec.id for kind in ("siren", "strobe") for spec in _of_kind(out, kind)}
    if site.rules.one_key is None and loud and _alarms(out, ["panic"]) and not _linked(out, ["panic"], loud):
        said = words.format("sounds when a button is pressed (一键报警)", "rules.one_key")
        out.warnings.append((("outputs",), f"a one-key button and a siren or strobe, {said}"))
    valves = {spec.id for spec in _of_kind(out, "gas_valve")}
    if site.rules.gas is None and valves and _alarms(out, ["gas_low", "gas_high"]) and not _linked(out, ["gas_low", "gas_high"], valves):
        said = words.format("shuts the valve (燃气报警联动切断)", "rules.gas")
        out.warnings.append((("outputs",), f"a gas detector and a gas valve, {said}"))


def _linked(out: Resolved, classes: Sequence[str], outputs: set[str]) -> bool:
    alarms = _alarms(out, classes)
    linkages = [spec for spec in out.rules if isinstance(spec, LinkageSpec) and spec.outputs & outputs]
    return any(isinstance(spec.cause, OnAlarm) and spec.cause.alarms & alarms for spec in linkages)
