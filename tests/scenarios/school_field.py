"""The field and the centre of a scenario: what points show, what outputs do when they are written, who receives the news."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.config.settings import Settings
from gateway.core.cameras import NO_FRAMES, SEES
from gateway.core.commands import Delivered, LatchReleased
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.points import Draft, EventClass, Point
from gateway.core.reading import Quality, Reading, Value
from tests.scenarios.gateway import Gateway

WRITE_S = 0.1  # a write on the wire, and the next look at what it changed
MOVE_S = 0.5  # until the input that confirms an output shows it
PUBACK_S, RECEIPT_S = 0.2, 0.5
NO_ANSWER, BLIND = "no answer", "camera blind"

# What a point shows in a quiet school, where it is not false or 0.
REST: dict[str, Value] = {
    "loop_clear": True,
    "cable_temperature": 25.0,
    "residual_current": 30.0,
    "bollard_position": "up",
    "barrier_position": "closed",
    "device_state": "normal",
}
KIND_REST: dict[str, Value] = {"contact": False, "latched": False, "vision": False, "counter": 0, "measurement": 0.0}


@dataclass(frozen=True, slots=True)
class Switched:
    """An output went on or off. t_s: seconds since the beginning."""

    t_s: float
    output: str
    on: bool


class Field:
    """All devices, cameras and the linkage centre. Everything obeys at once unless a step says otherwise."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        gateway.order, gateway.release, gateway.sent = self._order, self._release, self._sent
        self.switched: list[Switched] = []
        self._shows: dict[str, Value] = {}
        self._doubts: dict[str, tuple[Quality, str]] = {}
        self._held: set[str] = set()
        self._details: dict[str, dict[str, Any]] = {}
        self._silent: set[str] = set()
        self._on: dict[str, bool] = {}
        self._writes: dict[str, str] = {}
        self._centre_answers = True
        self._owed: dict[str, float] = {}  # event id -> when it was sent

    def settle(self, settings: Settings) -> None:
        """The points and outputs of this site file; what they show already stays."""
        self._settings = settings
        self._points: dict[str, list[str]] = {device: [wire.point for wire in wires] for device, wires in settings.wire.items()}
        for (camera, _), points in settings.zones.items():
            self._points.setdefault(camera, []).extend(points)
        self._device_of = {point: device for device, points in self._points.items() for point in points}
        self._links = [point.id for point in settings.points.values() if point.role in ("device_link", "camera_link")]
        for name in self._device_of:
            rest = _rest(settings.points[name])
            if rest is not None:
                self._shows.setdefault(name, rest)
        for output in settings.outputs.values():
            if output.id not in self._on:
                self._on[output.id] = bool(output.at_start)
                if output.confirm is not None and output.at_start:
                    self._shows[output.confirm.point] = output.confirm.on

    def put(self, point: str, value: Value) -> None:
        """What a point shows from now on, without a word to the gateway."""
        self._shows[point] = value
        self._doubts.pop(point, None)

    def come_up(self) -> None:
        """A gateway has started: each device and camera answers in turn, and shows what it has."""
        for link in self._links:
            self._tell_link(link)

    # --- points ---------------------------------------------------------------------------------

    def show(self, point: str, value: Value, detail: dict[str, Any] | None = None, uncertain: str = "") -> None:
        """A point shows a value."""
        self.put(point, value)
        if uncertain:
            self._doubts[point] = (Quality.UNCERTAIN, uncertain)
        self._details[point] = detail or {}
        self._tell(point)
        if self._settings.points[point].kind == "card":
            del self._shows[point]  # a card is shown and taken away

    def fail(self, point: str, reason: str) -> None:
        """A point cannot be believed."""
        self._doubts[point] = (Quality.BAD, reason)
        self._tell(point)

    def press(self, point: str, press_ms: int) -> None:
        """A button or contact is active for so long; a counter counts one."""
        if self._settings.points[point].kind == "counter":
            self.show(point, int(self._shows[point] or 0) + 1)
            return
        self._held.add(point)
        self.show(point, True)
        self._gateway.after(press_ms / 1000, lambda: self._let_go(point))

    def _let_go(self, point: str) -> None:
        self._held.discard(point)
        if self._settings.points[point].kind != "latched":
            self.show(point, False)

    def _release(self, point: str, press: int) -> None:
        """The gateway clears a device's input latch, which is set anew at once while the button is held."""

        def cleared() -> None:
            self._gateway.take(LatchReleased(point, press))
            self.show(point, point in self._held)

        self._gateway.after(WRITE_S, cleared)

    def _tell(self, point: str) -> None:
        device = self._device_of[point]
        if not self._gateway.is_on or device in self._silent or point not in self._shows:
            return
        quality, reason = self._doubts.get(point, (Quality.GOOD, ""))
        value = None if quality is Quality.BAD else self._shows[point]
        self._gateway.take(Reading(point, value, quality, reason, self._gateway.now().now_s, self._details.get(point) or None))

    # --- devices --------------------------------------------------------------------------------

    def silence(self, device: str, silent: bool) -> None:
        """A device no longer answers, or answers again; a camera no longer sees, or sees again."""
        (self._silent.add if silent else self._silent.discard)(device)
        self._tell_link(device)

    def _tell_link(self, device: str) -> None:
        silent, now_s = device in self._silent, self._gateway.now().now_s
        reason = "" if not silent else BLIND if self._settings.points[device].role == "camera_link" else NO_ANSWER
        value: Value = (NO_FRAMES if silent else SEES) if self._settings.points[device].role == "camera_link" else silent
        self._gateway.take(Reading(device, value, reason=reason, now_s=now_s))
        for point in self._points.get(device, []):
            if silent:
                self._gateway.take(Reading(point, None, Quality.BAD, reason, now_s))
            else:
                self._tell(point)

    # --- outputs --------------------------------------------------------------------------------

    def write_ends(self, output: str, how: str) -> None:
        """From now on writes of this output are obeyed, fail, or are without effect."""
        self._writes[output] = how

    def _order(self, order: OutputOrder) -> None:
        def written() -> None:
            how = self._writes.get(order.output, "obeyed")
            failed = how == "fail" or order.device in self._silent
            if not failed and how == "obeyed":
                self._obey(order)
            self._gateway.take(OutputDone(order.output, order.number, NO_ANSWER if failed else ""))

        self._gateway.after(WRITE_S, written)

    def _obey(self, order: OutputOrder) -> None:
        self._switch(order.output, order.on)
        spec = self._settings.outputs[order.output]
        if order.on and spec.momentary:
            self._on[order.output] = False
        elif order.pulse_s:
            self._gateway.after(order.pulse_s, lambda: self._switch(order.output, False))

    def _switch(self, output: str, on: bool) -> None:
        if self._on[output] is not on:
            self._on[output] = on
            self.switched.append(Switched(self._gateway.t_s, output, on))
        confirm = self._settings.outputs[output].confirm
        if confirm is not None:
            value = confirm.on if on else confirm.off
            if value is not None and self._shows.get(confirm.point) != value:
                self._gateway.after(MOVE_S, lambda: self.show(confirm.point, value))

    # --- the centre -----------------------------------------------------------------------------

    def centre(self, answers: bool) -> None:
        """The linkage centre signs for what it gets, or is silent."""
        self._centre_answers = answers
        if answers:
            for event_id in list(self._owed):
                self._gateway.after(RECEIPT_S, partial(self._receive, event_id))

    def _sent(self, draft: Draft) -> None:
        if draft.event_class not in (EventClass.ALARM, EventClass.MODE):
            return
        self._owed[draft.id] = self._gateway.t_s
        gateway = self._gateway
        gateway.after(PUBACK_S, partial(gateway.take, Delivered(draft.id, "broker_acked")))
        gateway.after(RECEIPT_S, partial(self._receive, draft.id))
        gateway.after(self._settings.site.uplink.centre_silence_s, partial(self._overdue, draft.id))

    def _receive(self, event_id: str) -> None:
        if not self._centre_answers or event_id not in self._owed:
            return
        del self._owed[event_id]
        for recipient in self._settings.site.uplink.recipients:
            self._gateway.take(Delivered(event_id, "received", recipient.id))
        if not self._owed:
            self._centre_fault(False)

    def _overdue(self, event_id: str) -> None:
        if event_id in self._owed:
            self._centre_fault(True)

    def _centre_fault(self, silent: bool) -> None:
        for recipient in self._settings.site.uplink.recipients:
            point = f"gw-centre-{recipient.id}"
            known = self._gateway.house.readings.get(point)
            if silent or (known is not None and known.value):
                reason = "no receipt" if silent else ""
                self._gateway.take(Reading(point, silent, reason=reason, now_s=self._gateway.now().now_s))


def _rest(point: Point) -> Value:
    """What it shows while nothing happens; None for what is only there now and then, as a card."""
    rest = REST.get(point.role)
    if rest is not None and (point.kind != "contact" or isinstance(rest, bool)):
        return rest
    return KIND_REST.get(point.kind)
