"""What a device says when nothing is wrong. Pure.

A healthy device shows state "normal", no fault, nothing active, and room temperature where it measures one: chosen so that every
`valid_when` of its own profile holds, for then each of its values is believed.
"""

from __future__ import annotations

from simulators.encode import Value, fault_of, is_bool, meaning, to_raw
from simulators.memory import matches
from simulators.profiles import Profile
from simulators.signals import Signal, When

# Names that enums of real manuals use for "all is well", the best first; then the units of the values that schools watch.
HEALTHY_WORDS = ("normal", "ok", "good", "healthy", "no_fault", "none", "idle", "ready", "standby", "closed", "raised", "up", "%LEL", "lel")
ROOM_CEL = 25.0
ONE_DECIMAL = 1  # exponent that a value is shown with where a register says so
LOOP_ZERO_MA = 4.0
OTHERS = (1, 10, 50, 100, 20)  # for a device to which 0 is a fault


def healthy(profile: Profile) -> dict[str, Value]:
    """Value of each signal at power-on; those that are made from others are not among them."""
    conditions: dict[str, list[When]] = {}
    for signal in profile.signals.values():
        remote = signal.write.remote_when if signal.write else None
        for when in (*signal.valid_when, *((remote,) if remote else ())):
            conditions.setdefault(when.signal, []).append(when)
    exponents = {signal.exponent_from for signal in profile.signals.values()}
    values = {
        name: _pick(signal, conditions.get(name, []), preferred=_preferred(signal, name in exponents))
        for name, signal in profile.signals.items()
        if not signal.made_from
    }
    for signal in profile.signals.values():
        if signal.made_from:
            values |= _sources(signal, values)
    return values


def good_names(names: list[str]) -> list[str]:
    """Those that say "all is well", the best first, then the rest."""
    lowered = {name.lower().replace(" ", "_"): name for name in reversed(names)}
    good = [lowered[word.lower()] for word in HEALTHY_WORDS if word.lower() in lowered]
    return [*good, *names]


def _preferred(signal: Signal, is_exponent: bool) -> list[Value]:
    """Values to try, the healthiest first."""
    if signal.type == "text":
        return [""]
    if is_bool(signal) or signal.loop:
        return [False, True]
    if is_exponent:
        return [ONE_DECIMAL, 0]
    if signal.enum:
        names = [name for low, _, name in signal.enum if name not in signal.bad and fault_of(signal, low) is None]
        return list(good_names(names))
    if signal.current_loop:
        return [LOOP_ZERO_MA]
    return [ROOM_CEL, 0, *OTHERS] if signal.unit == "Cel" else [0, ROOM_CEL, *OTHERS]


def _pick(signal: Signal, conditions: list[When], preferred: list[Value]) -> Value:
    """The first value that the signal can hold, that is no fault, and that meets every condition."""
    if signal.type == "text":
        return preferred[0]
    wanted: list[Value] = [value for when in conditions for value in when.is_in]
    for value in (*preferred, *wanted):
        try:
            raw = to_raw(signal, value)
        except ValueError:
            continue
        doubtful = fault_of(signal, raw) or meaning(signal, signal.doubts, raw)
        if doubtful is None and all(_holds(when, value, raw) for when in conditions):
            return value
    return preferred[0] if preferred else 0


def _holds(when: When, value: Value, raw: int) -> bool:
    return any(matches(item, value, raw) for item in when.is_in or when.not_in) == bool(when.is_in)


def _sources(signal: Signal, values: dict[str, Value]) -> dict[str, Value]:
    """States of the sources with which a signal that is made from them is normal, or has the healthiest of its names."""
    for name in good_names([name for _, name in signal.table if name not in signal.bad]):
        pattern = next(pattern for pattern, each in signal.table if each == name)
        return {source: bit == "1" for source, bit in zip(signal.made_from, pattern, strict=True) if bit != "x"}
    return {}
