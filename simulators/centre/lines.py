"""How verdicts are told: one JSON object a line for programs, or one readable line for people."""

from __future__ import annotations

from typing import Any

from simulators.centre.ledger import Standing, Verdict


def as_json(verdict: Verdict) -> dict[str, Any] | None:
    """The NDJSON object of a verdict; None for what is not streamed (state, telemetry)."""
    arrival = {"arrived_at": verdict.arrival.at, "arrived_monotonic_ns": verdict.arrival.monotonic_ns}
    message = verdict.message
    match verdict.kind:
        case "event":
            data = message.get("data")
            return {
                "kind": "event",
                "id": message["id"],
                "source": verdict.source,
                "class": verdict.event_class,
                "type": message.get("type"),
                "subject": message.get("subject"),
                "alarm": data.get("alarm") if isinstance(data, dict) else None,
                "sequence": verdict.place.sequence if verdict.place else None,
                "epoch": verdict.place.epoch if verdict.place else None,
                "time": message.get("time"),
                **arrival,
                "sha256": verdict.sha256,
                "verified": True,
                "standing": verdict.standing,
                "resend": verdict.standing is Standing.RESEND,
                "problem": verdict.problem,
                "data": data,
            }
        case "gap":
            gap = {"epoch": verdict.epoch, "first": verdict.first, "last": verdict.last}
            of_class = {"class": verdict.event_class} if verdict.event_class else {}
            return {"kind": "gap", "source": verdict.source, **arrival, **gap, **of_class}
        case "bad":
            what = {"topic": verdict.topic, "sha256": verdict.sha256, "verified": False, "problem": verdict.problem}
            return {"kind": "bad", "source": verdict.source, **arrival, **what}
        case "silent" | "back" | "no-report":
            return {"kind": verdict.kind, "source": verdict.source, **arrival, "silent_s": verdict.silent_s, "why": verdict.problem}
        case "online":
            return {"kind": "online", **arrival}
        case "state":
            return None
        case _:
            return {"kind": verdict.kind, "source": verdict.source, **arrival, "verified": True, "message": message}


def as_text(verdict: Verdict) -> str | None:
    """One line for a person; None for what is not shown. What strangers wrote cannot move the cursor."""
    line = _text(verdict)
    return None if line is None else "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def as_answer(message: dict[str, Any]) -> str:
    """What a gateway says of a command, in one line."""
    words = " ".join(str(message.get(name, "")) for name in ("command", "target", "result", "reason"))
    return f"command  {' '.join(words.split())}: {message.get('text', '')}"


def _text(verdict: Verdict) -> str | None:
    head = f"{verdict.arrival.at}  {verdict.source or verdict.topic or 'this centre'}  "
    message = verdict.message
    match verdict.kind:
        case "event":
            number = f"{verdict.place.epoch}/{verdict.place.sequence}" if verdict.place else "unnumbered"
            standing = "" if verdict.standing is Standing.NEW else f"  {verdict.standing}"
            problem = f"  PROBLEM: {verdict.problem}" if verdict.problem else ""
            data = message.get("data")
            alarm = data.get("alarm") if isinstance(data, dict) else None
            subject = f"{message.get('subject')}/{alarm}" if alarm else message.get("subject")
            return f"{head}{verdict.event_class} {number}  {message.get('type')}  {subject}{standing}{problem}"
        case "gap":
            of_class = f" of class {verdict.event_class}" if verdict.event_class else ""
            return f"{head}GAP  epoch {verdict.epoch}: {verdict.first} to {verdict.last}{of_class} never came and are no longer owed"
        case "bad":
            return f"{head}BAD  {verdict.topic}: {verdict.problem}"
        case "silent" | "back" | "no-report":
            return f"{head}{verdict.kind.upper()}  {verdict.problem}"
        case "birth" | "online":
            return f"{head}{verdict.kind}"
        case "status":
            return f"{head}status  {'online' if message.get('online') is True else 'OFFLINE'}"
        case "command/result":
            return f"{head}{as_answer(message)}"
        case "report":
            return f"{head}{verdict.kind}"
        case _:
            return None
