"""When the battery is low for long enough, the gateway stops in good order while it still can. Pure."""

from __future__ import annotations

from gateway.core.doors import PowerSpec
from gateway.core.reading import Quality, Reading


def low_since(spec: PowerSpec, since_s: float, low: Reading | None, mains: Reading | None, now_s: float) -> float:
    """Since when the battery is known to be low and mains power is not known to be there; 0 when it is not so.

    since_s: the last answer. A reading that is not good neither says "low" nor "mains is there".
    """
    is_low = low is not None and low.quality is Quality.GOOD and bool(low.value)
    mains_there = mains is not None and mains.quality is Quality.GOOD and not mains.value
    if not is_low or (spec.mains and mains_there):
        return 0.0
    return since_s or now_s
