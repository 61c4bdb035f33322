"""How long a path waits before it tries again, from how its sessions ended; and whether somebody else uses its client id. Pure."""

from __future__ import annotations

from gateway.core.errors import GatewayError, NoPuback, NotAllowed, PacketTooLarge, TakenOver, Unwelcome

BACK_OFF_FIRST_S = 0.5
BACK_OFF_CAP_S = 30.0  # brokers; house rule
BACK_OFF_OWED_CAP_S = 3.0  # while somebody waits for an alarm
STEADY_S = 10.0  # a session that lasted this long starts the back-off anew
UNWELCOME_S = (15.0, 30.0)  # a wrong password stays wrong, and brokers lock out who asks too often
RIVAL_FIRST_S = 5.0  # two that use one client id throw each other out: each waits longer, by chance, so that both get their turns
RIVAL_CAP_S = 300.0
RIVAL_OWED_CAP_S = 6.0
SHORT_S = 60.0  # MQTT 3.1.1 has no word for a takeover: sessions that the broker ends so soon, again and again, look like one
SHORT_TIMES = 5
CALM_S = 600.0  # a session that lasted this long had no rival

UNREACHABLE, UNWELCOME, TAKEN_OVER, UNACKNOWLEDGED, CLOSED = "unreachable", "refused", "taken_over", "unacknowledged", "closed"
TROUBLES = (UNREACHABLE, UNWELCOME, TAKEN_OVER, UNACKNOWLEDGED, CLOSED)


class Patience:
    """One path's. rival: why it is believed that another device uses this client id, or empty."""

    def __init__(self) -> None:
        self._failures = 0
        self._short = 0
        self._takeovers = 0
        self._trouble = UNREACHABLE
        self.rival = ""

    def ended(self, error: GatewayError, lasted_s: float, *, owes_alarms: bool) -> tuple[float, float]:
        """(least, most) seconds to wait, by chance between them. lasted_s: how long there was a session, 0 when there was none."""
        trouble = self._trouble = kind_of(error, lasted_s)
        self._failures = 0 if lasted_s > STEADY_S else self._failures + 1
        like_a_takeover = trouble == CLOSED and lasted_s < SHORT_S and not isinstance(error, NotAllowed | PacketTooLarge)
        self._short = self._short + 1 if like_a_takeover else 0 if lasted_s else self._short
        self.steady(lasted_s)
        if trouble == TAKEN_OVER:
            self.rival = str(error)
        elif self._short >= SHORT_TIMES:
            self.rival = f"the broker ended {self._short} sessions in a row within {SHORT_S:.0f} s each"
        if trouble == TAKEN_OVER or (self._short >= SHORT_TIMES and trouble != UNWELCOME):
            self._takeovers += 1
        return self.wait(owes_alarms=owes_alarms)

    def wait(self, *, owes_alarms: bool) -> tuple[float, float]:
        """(least, most) seconds to wait after what has just ended, if an alarm is owed by now, or not."""
        if self._trouble == UNWELCOME:
            return UNWELCOME_S
        if self._trouble == TAKEN_OVER or self._short >= SHORT_TIMES:
            cap_s = RIVAL_OWED_CAP_S if owes_alarms else RIVAL_CAP_S
            most_s = min(cap_s, RIVAL_FIRST_S * 2 ** min(self._takeovers, 10))
            return most_s / 2, most_s
        most_s = BACK_OFF_OWED_CAP_S if owes_alarms else BACK_OFF_CAP_S
        return 0.05, 0.05 + min(most_s, BACK_OFF_FIRST_S * 2 ** min(self._failures, 10))

    def steady(self, lasted_s: float) -> None:
        """The session has lasted so long by now."""
        if lasted_s > CALM_S:
            self.rival, self._takeovers, self._short = "", 0, 0


def kind_of(error: GatewayError, lasted_s: float) -> str:
    """One of TROUBLES."""
    if isinstance(error, Unwelcome):
        return UNWELCOME
    if isinstance(error, TakenOver):
        return TAKEN_OVER
    if isinstance(error, NoPuback):
        return UNACKNOWLEDGED
    return CLOSED if lasted_s else UNREACHABLE
