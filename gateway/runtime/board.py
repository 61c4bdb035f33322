"""What is true now, as messages: birth, state of each point, telemetry, heartbeat."""

from __future__ import annotations

import heapq
from typing import Any

from gateway import __version__
from gateway.alarm.machine import State
from gateway.config.settings import Settings
from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer
from gateway.core.reading import Now, Quality, Reading
from gateway.rules.modes import at_point
from gateway.runtime.clock import Clock
from gateway.runtime.decide import House
from gateway.runtime.mode_book import told

CONTRACT_VERSION = 1
STATE_PAUSE_S = 1.0  # a point's state is told at once, and again after this pause if it went on changing
MEASURED_STATE_S = 60.0  # a measured value alone is told at most once a minute (contract, `state/{point}`)


class Board:
    """Collects what changed, for the uplink to send when it has room. Satisfies core.delivery.Board."""

    def __init__(self, settings: Settings, house: House, signer: Signer, clock: Clock, boot_id: str) -> None:
        self._settings = settings
        self._house = house
        self._signer = signer
        self._clock = clock
        self._boot_id = boot_id
        self._dirty: dict[str, None] = {}
        self._pausing: list[tuple[float, str]] = []  # heap: when it may be told again
        self._waiting: set[str] = set()  # the points in it
        self._told_s: dict[str, float] = {}
        self._values: dict[str, Reading] = {}
        self.newest = (0, 0)  # epoch, sequence

    def quiet(self, reading: Reading) -> None:
        """A reading of a point that has no alarm: telemetry only."""
        self._values[reading.point] = reading

    def value(self, reading: Reading) -> None:
        """A reading of a point that has alarms or is observed."""
        point = self._house.points[reading.point]
        if point.kind == "measurement":
            self._values[reading.point] = reading
            if reading.now_s - self._told_s.get(reading.point, -MEASURED_STATE_S) >= MEASURED_STATE_S:
                self._dirty[reading.point] = None

    def changed(self, points: set[str]) -> None:
        """The published state of these points is no longer true."""
        for point in points:
            self._dirty[point] = None

    def everything(self) -> None:
        """Publish every point's state again (a new session may be with a new broker)."""
        for point_id, reading in self._house.readings.items():
            if reading is not None:
                self._dirty[point_id] = None

    def next_state(self) -> tuple[str, dict[str, Any]] | None:
        """(point, message) of one state that has changed since it was last sent, or None."""
        now = self._clock.now()
        while self._pausing and self._pausing[0][0] <= now.now_s:
            point_id = heapq.heappop(self._pausing)[1]
            self._waiting.discard(point_id)
            self._dirty[point_id] = None
        chosen = self._next_dirty(now.now_s)
        if chosen is None:
            return None
        self._told_s[chosen] = now.now_s
        point = self._house.points[chosen]
        reading = self._house.readings.get(chosen)
        return chosen, {
            "source": self._settings.source,
            "bootid": self._boot_id,
            "at": rfc3339(now.at_ms),
            "point": chosen,
            "role": point.role,
            "place": point.place,
            "value": None if reading is None else reading.value,
            "unit": point.unit,
            "quality": "bad" if reading is None else str(reading.quality),
            "reason": "not read yet" if reading is None else reading.reason,
            "alarms": {
                spec.name: str(state)
                for spec in point.alarms
                if (state := self._house.alarms[spec.key].state) is not State.NORMAL or not spec.auxiliary
            },
            **self._mode(chosen, now),
        }

    def _mode(self, point: str, now: Now) -> dict[str, Any]:
        """The drill, test or maintenance in which a point is; nothing where it is normal."""
        run = at_point(self._house.modes.runs, point, now.now_s)
        return {} if run is None else {"mode": {"kind": run.mode, "id": run.id}}

    def _next_dirty(self, now_s: float) -> str | None:
        while self._dirty:
            point_id = next(iter(self._dirty))
            del self._dirty[point_id]
            again_s = self._told_s.get(point_id, -STATE_PAUSE_S) + STATE_PAUSE_S
            if again_s <= now_s:
                return point_id
            if point_id not in self._waiting:
                self._waiting.add(point_id)
                heapq.heappush(self._pausing, (again_s, point_id))
        return None

    def measured(self) -> dict[str, float]:
        """What the measuring points show now, those that may be believed."""
        points = self._house.points
        return {
            point: float(reading.value)
            for point, reading in self._values.items()
            if points[point].kind == "measurement" and reading.quality is not Quality.BAD and isinstance(reading.value, int | float)
        }

    def telemetry(self) -> dict[str, Any] | None:
        """All measured values, or None when there are none."""
        if not self._values:
            return None
        values: dict[str, Any] = {}
        bad: dict[str, str] = {}
        for point, reading in self._values.items():
            if reading.quality is Quality.BAD:
                bad[point] = reading.reason
            else:
                values[point] = reading.value
        message: dict[str, Any] = {"source": self._settings.source, "at": rfc3339(self._clock.now().at_ms), "values": values}
        if bad:
            message["bad"] = bad
        return message

    def heartbeat(self) -> dict[str, Any]:
        """Newest epoch and sequence, clock quality, drills and the like with the number of their points."""
        epoch, sequence = self.newest
        now = self._clock.now()
        modes = [{**run, "points": len(run["points"])} for run in told(self._house.modes.runs, now)]
        numbers = {"epoch": f"{epoch:010d}", "newest_sequence": f"{sequence:020d}"}
        return {**numbers, "clockquality": now.clock, **({"modes": modes} if modes else {})}

    def birth(self) -> dict[str, Any]:
        """Identity, versions, points, cameras, places. The public key in it is for display only."""
        self.everything()
        site = self._settings.site
        return {
            "source": self._settings.source,
            "bootid": self._boot_id,
            "at": rfc3339(self._clock.now().at_ms),
            "contract": CONTRACT_VERSION,
            "software": {"name": "campus-gateway", "version": __version__},
            "site": {"id": site.site.id, "name": site.site.name, "name_en": site.site.name_en, "timezone": site.site.timezone},
            "key": self._signer.public(),
            "supervision": site.uplink.supervision,
            "places": {name: {"name": p.name, "name_en": p.name_en, "type": p.type} for name, p in site.places.items()},
            "modes": told(self._house.modes.runs, self._clock.now()),
            "cameras": [{"id": c.id, "place": c.place, "zones": [zone.id for zone in c.zones]} for c in site.cameras],
            "points": [
                {
                    "id": point.id,
                    "role": point.role,
                    "place": point.place,
                    "name": {"zh": point.name.zh, "en": point.name.en},
                    "kind": point.kind,
                    "unit": point.unit,
                    "responsible": point.responsible,
                    "alarms": [spec.name for spec in point.alarms],
                    **({"external": point.external} if point.external else {}),
                }
                for point in self._house.points.values()
                if not point.system and not point.quiet
            ],
        }
