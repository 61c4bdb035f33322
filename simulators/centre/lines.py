"""How verdicts are told: one JSON object a line for programs, or one readable line for people."""

from __future__ import annotations

from typing import Any

from simulators.centre.keys import fingerprint
from simulators.centre.ledger import Standing, Verdict


def as_json(verdict: Verdict) -> dict[str, Any] | None:
    """The NDJSON object of a verdict; None for what is not streamed (state, telemetry)."""
    arrival: dict[str, Any] = {"arrived_at": verdict.arrival.at, "arrived_monotonic_ns": verdict.arrival.monotonic_ns}
    if verdict.arrival.broker:
        arrival["broker"] = verdict.arrival.broker
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
        case "key":
            kid, x = str(message["kid"]), str(message["x"])
            return {"kind": "key", "source": verdict.source, **arrival, "kid": kid, "x": x, "fingerprint": fingerprint(x)}
        case "online" | "offline":
            return {"kind": verdict.kind, **arrival}
        case "state":
            return None
        case _:
            return {"kind": verdict.kind, "source": verdict.source, **arrival, "verified": True, "message": message}


def as_text(verdict: Verdict) -> str | None:
    """One line for a person; None for what is not shown. What strangers wrote cannot move the cursor."""
    line = _text(verdict)
    return None if line is None else _printable(line)


def as_row(line: dict[str, Any]) -> str:
    """One stored event in one line for a person."""
    number = f"{line['epoch']}/{line['sequence']}" if line["sequence"] is not None else "unnumbered"
    data = line.get("data")
    text = data.get("text") if isinstance(data, dict) else None
    said = text.get("zh", "") if isinstance(text, dict) else ""
    problem = f"  PROBLEM: {line['problem']}" if line["problem"] else ""
    words = [line["arrived_at"], line["source"], f"{line['class']} {number}", line.get("type") or "", line.get("subject") or "", said]
    return _printable("  ".join(str(word) for word in words) + problem)


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


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
        case "birth":
            return f"{head}birth"
        case "key":
            return (
                f"{head}NEW KEY announced, not trusted yet: {message['kid']}, fingerprint {fingerprint(str(message['x']))}; "
                "compare it with the school's, then: campus-centre keys accept"
            )
        case "online":
            return f"{head}listening at {verdict.arrival.broker}"
        case "offline":
            return f"{head}hears nothing more at {verdict.arrival.broker}"
        case "status":
            return f"{head}status  {'online' if message.get('online') is True else 'OFFLINE'}"
        case "command/result":
            return f"{head}{as_answer(message)}"
        case "report":
            zero = "  zero report" if message.get("nothing_happened") is True else ""
            return f"{head}report  {message.get('report')} {message.get('number')}{zero}"
        case _:
            return None
