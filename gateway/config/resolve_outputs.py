"""Cross-checks of a site file's outputs; makes their descriptions, and a point for each that shows its state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.problems import unknown
from gateway.config.profile import Offered
from gateway.config.profiles import Profile, signals_of
from gateway.config.roles import SIGNAL_FAULT_DELAY_S, SYSTEM_ROLES
from gateway.config.site import Output, Site
from gateway.config.toml_lines import KeyPath
from gateway.core.ids import SYSTEM_PREFIX
from gateway.core.outputs import Confirm, Need, OutputSpec
from gateway.core.points import AlarmSpec, Point, Text
from gateway.core.reading import Value

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

KIND_NAMES = {
    "siren": Text("警号", "siren"),
    "strobe": Text("闪光灯", "strobe"),
    "buzzer": Text("蜂鸣器", "buzzer"),
    "lamp": Text("指示灯", "lamp"),
    "relay": Text("继电器", "relay"),
    "lock": Text("门锁", "lock"),
    "gas_valve": Text("燃气切断阀", "gas valve"),
    "bollard": Text("升降柱控制", "bollard control"),
}


def resolve_outputs(site: Site, profiles: dict[str, Profile], out: Resolved) -> None:
    """Check [[outputs]] and fill `out.outputs`. Call it when all points are there."""
    used: dict[tuple[str, str], str] = {}
    for i, output in enumerate(site.outputs):
        key: KeyPath = ("outputs", i)
        if not free_id((*key, "id"), output.id, out):
            continue
        signal = _signal(key, output, site, profiles, out)
        if output.place not in site.places:
            out.errors.append(((*key, "place"), unknown("a place of this file", output.place, site.places)))
            continue
        if signal is None:
            continue
        wire = (output.device, output.signal)
        if wire in used:
            out.errors.append(((*key, "signal"), f'"{output.signal}" of {output.device} is output "{used[wire]}" already'))
        used.setdefault(wire, output.id)
        spec = _spec(key, output, signal, site, out)
        out.outputs[output.id] = spec
        out.points[output.id] = _point(spec)
    _interlocks(site, out)


def free_id(key: KeyPath, name: str, out: Resolved) -> bool:
    """False, with an error, for an id that something else of the site has, or that is the gateway's own."""
    if name.startswith(SYSTEM_PREFIX):
        out.errors.append((key, f'ids that begin with "{SYSTEM_PREFIX}" are the gateway\'s own'))
        return False
    if name in out.points or name in out.doors:
        out.errors.append((key, f'"{name}" is used already; points, devices, cameras, outputs and doors share one set of ids'))
        return False
    return True


def watch(key: KeyPath, point: str, out: Resolved, *, roles: tuple[str, ...] = (), kind: str = "") -> bool:
    """Mark a point as looked at. False, with an error, where it is not one of the file, or has another role or kind."""
    found = out.points.get(point)
    if found is None or found.system or found.role == "output":
        known = [name for name, other in out.points.items() if not other.system and other.role != "output"]
        fitting = [name for name in known if out.points[name].role in roles]
        out.errors.append((key, unknown("a point of this file", point, fitting or known)))
        return False
    if (roles and found.role not in roles) or (kind and found.kind != kind):
        wanted = f"role {' or '.join(roles)}" if roles and found.role not in roles else f"a {kind}"
        out.errors.append((key, f'"{point}" has role {found.role} and is a {found.kind}; expected {wanted}'))
        return False
    out.points[point] = replace(found, watched=True)
    return True


def _signal(key: KeyPath, output: Output, site: Site, profiles: dict[str, Profile], out: Resolved) -> Offered | None:
    devices = {device.id: device for device in site.devices}
    if output.device not in devices:
        out.errors.append(((*key, "device"), unknown("a device of this file", output.device, devices)))
        return None
    profile = profiles.get(devices[output.device].profile)
    if profile is None:
        return None  # said already, at the device
    signals = dict(signals_of(profile))
    outputs = [name for name, signal in signals.items() if signal.kind == "output"]
    if output.signal not in signals:
        out.errors.append(((*key, "signal"), unknown(f"an output of {profile.id}", output.signal, outputs)))
        return None
    if output.signal not in outputs:
        out.errors.append(((*key, "signal"), f'"{output.signal}" of {profile.id} is no output'))
        return None
    return signals[output.signal]


def _spec(key: KeyPath, output: Output, signal: Offered, site: Site, out: Resolved) -> OutputSpec:
    place, kind_name = site.places[output.place], KIND_NAMES[output.kind]
    spec = OutputSpec(
        id=output.id,
        kind=output.kind,
        place=output.place,
        name=Text(output.name or f"{place.name}{kind_name.zh}", output.name_en or f"{place.name_en or place.name} {kind_name.en}"),
        device=output.device,
        signal=output.signal,
        pulse_s=output.pulse_ms / 1000,
        device_pulse_s=_device_pulse_s(signal),
        momentary=_is_momentary(signal),
        interlock=tuple(output.interlock),
        confirm=_confirm(key, output, out),
        remote_when=_remote(key, output, out),
        loop_clear=output.loop_clear or "",
        enabled=output.kind != "bollard" if output.enabled is None else output.enabled,
    )
    if output.loop_clear is not None:
        watch((*key, "loop_clear"), output.loop_clear, out, roles=("loop_clear",))
    if spec.momentary and spec.pulse_s:
        out.errors.append(((*key, "pulse_ms"), f'"{output.signal}" is a command that ends by itself; it takes no pulse_ms'))
    if spec.kind == "bollard":
        _check_bollard(key, spec, out)
    return replace(spec, safe=_safe(key, output, spec, out))


def _device_pulse_s(signal: Offered) -> float:
    pulse = getattr(signal, "pulse", None)
    return 0.0 if pulse is None else pulse.most * pulse.unit_ms / 1000


def _is_momentary(signal: Offered) -> bool:
    """The profile knows how to say "on" and not "off": open, close, reset."""
    write, send = getattr(signal, "write", None), getattr(signal, "send", None)
    return bool((write and write.on is not None and write.off is None) or (send and "off" not in send))


def _safe(key: KeyPath, output: Output, spec: OutputSpec, out: Resolved) -> bool | None:
    said = output.safe
    if said is None and output.kind == "gas_valve":
        out.errors.append(((*key, "safe"), '"safe" is missing: say which of on and off closes the gas valve'))
    if said == "keep" and output.kind == "gas_valve":
        out.errors.append(((*key, "safe"), "the safe value of a gas valve closes it; say on or off"))
    if output.kind == "gas_valve" and output.confirm is None:
        out.warnings.append((key, "no confirm: whether the gas valve has closed is not seen"))
    if said == "off" and spec.momentary:
        out.errors.append(((*key, "safe"), f'"{output.signal}" has no off: it is a command that ends by itself'))
    if said == "on" and (output.kind == "bollard" or output.pulse_ms or output.interlock):
        why = "would move the bollard" if output.kind == "bollard" else "is not for an output with a pulse or an interlock"
        out.errors.append(((*key, "safe"), f"on {why}"))
    if said == "keep" or (said is None and (output.kind == "bollard" or spec.momentary)):
        return None
    return said == "on"


def _check_bollard(key: KeyPath, spec: OutputSpec, out: Resolved) -> None:
    if not spec.pulse_s and not spec.momentary:
        out.errors.append(
            ((*key, "pulse_ms"), '"pulse_ms" is missing: a bollard is moved by a pulse, a level would move it at each restart')
        )
    if spec.enabled and not spec.loop_clear:
        words = "an enabled bollard needs loop_clear, the input that shows that no vehicle stands over it"
        out.errors.append(((*key, "loop_clear"), words))


def _confirm(key: KeyPath, output: Output, out: Resolved) -> Confirm | None:
    confirm = output.confirm
    if confirm is None or not watch((*key, "confirm", "point"), confirm.point, out):
        return None
    is_contact = out.points[confirm.point].kind == "contact"
    off: Value = confirm.off
    for name, value in (("value", confirm.value), ("off", off)):
        if is_contact and value is not None and not isinstance(value, bool):
            out.errors.append(((*key, "confirm", name), f'"{confirm.point}" is a contact; expected true or false'))
    if off is None and isinstance(confirm.value, bool):
        off = not confirm.value
    return Confirm(confirm.point, confirm.value, off, confirm.within_ms / 1000)


def _remote(key: KeyPath, output: Output, out: Resolved) -> Need | None:
    remote = output.remote_when
    if remote is None or not watch((*key, "remote_when", "point"), remote.point, out):
        return None
    return Need(remote.point, remote.value)


def _interlocks(site: Site, out: Resolved) -> None:
    """An interlock holds both ways, whichever of the two names the other."""
    names = [output.id for output in site.outputs]
    for i, output in enumerate(site.outputs):
        for j, other in enumerate(output.interlock):
            key: KeyPath = ("outputs", i, "interlock", j)
            if other not in names:
                out.errors.append((key, unknown("an output of this file", other, names)))
            elif other == output.id:
                out.errors.append((key, "an output cannot be interlocked with itself"))
            elif other in out.outputs and output.id in out.outputs and output.id not in out.outputs[other].interlock:
                mate = out.outputs[other]
                if mate.safe:
                    out.errors.append((key, f'"{other}" has safe = "on", which is not for an output with an interlock'))
                out.outputs[other] = replace(mate, interlock=(*mate.interlock, output.id))


def _point(spec: OutputSpec) -> Point:
    """The output as a point: its state, and a fault while that is not what was ordered."""
    role = SYSTEM_ROLES["output"]
    alarms = tuple(
        AlarmSpec(
            point=spec.id,
            name=default.name,
            condition=default.condition,
            alarm_class=default.alarm_class,
            event_class=default.event_class,
            latching=default.latching,
            text=Text(f"{default.text.zh}：{spec.name.zh}", f"{default.text.en}: {spec.name.en}"),
            on_delay_s=SIGNAL_FAULT_DELAY_S,
            urgency=default.urgency,
            severity=default.severity,
        )
        for default in role.alarms
    )
    return Point(id=spec.id, role=role.name, place=spec.place, name=spec.name, kind="output", alarms=alarms)
