"""Sizing of a city's bus: prints the table of README.md for 1,890 and 500,000 schools. Standard library only; change the figures and run.

usage: python3 sizing.py [SCHOOLS...]
"""

from __future__ import annotations

import sys

DAY_S = 86_400
# Bytes of one payload. All but telemetry: measured in the demo school (make demo) and by tests/simulators, signature included.
EVENT, RECEIPT, STATE, HEARTBEAT, TELEMETRY = 1218, 514, 475, 504, 529
# Messages of one school in a day, at most
EVENTS = 2_000  # the day by which the gateway's storage is designed
HEARTBEATS = DAY_S // 30  # supervision profile sp5
ANALOGUE = 20  # points with measured values; each may tell its state once a minute (docs/contract.md)
STATES = ANALOGUE * DAY_S // 60 + EVENTS
TELEMETRIES = DAY_S // 60  # QoS 0: not stored
QUIET_EVENTS, QUIET_STATES = 50, ANALOGUE * 24  # assumed: a school day without an alarm, values that change once an hour
NODES, COPIES, SUBSCRIPTIONS = 3, 3, 2  # receipt and command
ALLOWANCE = 1.3  # what the store adds to a payload: subject, headers, checksum; assumed
CLUSTER = 1_890  # schools on one cluster


def day(events: int, states: int) -> tuple[int, int]:
    """(messages, bytes) of QoS 1 of one school in a day, receipts included."""
    messages = 2 * events + states + HEARTBEATS
    return messages, events * (EVENT + RECEIPT) + states * STATE + HEARTBEATS * HEARTBEAT


def lines(schools: int) -> list[str]:
    """The rows for so many schools."""
    clusters = -(-schools // CLUSTER)
    rows = [f"| | {schools:,} schools |", "|---|---|", f"| clusters of {NODES} nodes, at most {CLUSTER:,} schools each | {clusters:,} |"]
    for name, events, states in (("quiet day", QUIET_EVENTS, QUIET_STATES), ("busiest day", EVENTS, STATES)):
        messages, size = day(events, states)
        rows += [
            f"| {name}: stored messages | {messages * schools / 1e6:,.1f} million, {messages * schools / DAY_S:,.0f} a second |",
            f"| {name}: in one cluster | {messages * min(schools, CLUSTER) / DAY_S:,.0f} a second |",
            f"| {name}: payload | {size * schools / 1e9:,.1f} GB |",
            f"| {name}: disk of each node, should the centre be away all day | {size * min(schools, CLUSTER) * ALLOWANCE / 1e9:,.1f} GB |",
        ]
    connected = min(schools, CLUSTER)
    return [
        *rows,
        f"| telemetry, QoS 0, not stored | {TELEMETRIES * TELEMETRY * schools / 1e9:,.1f} GB a day |",
        f"| sessions on each node, and with one node away | {connected // NODES:,}, {connected // (NODES - 1):,} |",
        f"| consumers (one for each subscription of QoS 1, each on {COPIES} nodes) in one cluster | {connected * SUBSCRIPTIONS:,} |",
    ]


if __name__ == "__main__":
    for number in [int(word) for word in sys.argv[1:]] or [CLUSTER, 500_000]:
        print("\n".join(lines(number)), end="\n\n")
