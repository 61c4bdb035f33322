"""What a device says when nothing is wrong. Pure.

A healthy device shows state "normal", no fault, nothing active, and room temperature where it measures one: chosen so that every
`valid_when` of its own profile holds, for then each of its values is believed.
"""

from __future__ import annotations

from simulators.encode import Value, fault_of, is_bool, to_raw
from simulators.profiles import Profile, Signal, When, numbers

# Names that enums of real manuals use for "all is well", the best first; then the units of the values that schools watch.
HEALTHY_WORDS = ("normal", "ok", "good", "healthy", "no_fault", "none", "idle", "ready", "standby", "closed", "raised", "up", "%LEL", "lel")
ROOM_CEL = 25.0
ONE_DECIMAL = 1  # exponent that a value is shown with where a register says so


def healthy(profile: Profile) -> dict[str, Value]:
    """Value of each signal at power-on."""
    conditions: dict[str, list[When]] = {}
    for signal in profile.signals.values():
        for when in signal.valid_when:
            conditions.setdefault(when.signal, []).append(when)
    exponents = {signal.exponent_from for signal in profile.signals.values()}
    return {
        name: _pick(signal, conditions.get(name, []), preferred=_preferred(signal, name in exponents))
        for name, signal in profile.signals.items()
    }


def _preferred(signal: Signal, is_exponent: bool) -> list[Value]:
    """Values to try, the healthiest first."""
    if signal.type == "text":
        return [""]
    if is_bool(signal):
        return [False, True]
    if is_exponent:
        return [ONE_DECIMAL, 0]
    if signal.enum:
        names = [name for number, name in signal.enum if fault_of(signal, number) is None]
        lowered = {name.lower().replace(" ", "_"): name for name in reversed(names)}
        good = [lowered[word.lower()] for word in HEALTHY_WORDS if word.lower() in lowered]
        return [*good, *names]
    return [ROOM_CEL, 0] if signal.unit == "Cel" else [0, ROOM_CEL]


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
        if fault_of(signal, raw) is None and all(_holds(when, value, raw) for when in conditions):
            return value
    return preferred[0]


def _holds(when: When, value: Value, raw: int) -> bool:
    listed = when.is_in or when.not_in
    return any(_matches(item, value, raw) for item in listed) == bool(when.is_in)


def _matches(item: int | str, value: Value, raw: int) -> bool:
    """`item` is a raw number, a name, or a range of raw numbers such as "0-999"."""
    if isinstance(item, int) or item == value:
        return item in (raw, value)
    try:
        low, high = numbers(item)
    except ValueError:
        return False
    return low <= raw <= high
