"""Every call that logs at warning or above is accounted for: why it cannot come with each poll, reading or second."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOUD = {"warning", "error", "exception", "critical"}

ONCE_LOST = "said when the state changes: once when lost, `info` when back"
AT_START = "while starting, or while something is opened or read anew"
A_PERSON = "answers what one person, centre or technician did"
SLOW = "tried again only after a pause of its own, seconds to hours"
ONE_THING = "about one picture, report, event or file that is given up"
CUT = "may come with each try while one thing stays wrong: the log itself lets a place say 20 in a minute (gateway/runtime/logs.py)"
# file -> function -> why. A new call wants a line here; think whether it can come with each poll.
CALLS: dict[str, dict[str, str]] = {
    "drivers/camera.py": {"_lost": ONCE_LOST},
    "gateway/__main__.py": {"_run": AT_START},
    "gateway/bus/gpio_line.py": {"_give_back": ONCE_LOST, "_lose": ONCE_LOST},
    "gateway/bus/osdp_line.py": {"_lose": ONCE_LOST},
    "gateway/bus/osdp_reader.py": {"_tell": ONCE_LOST},
    "gateway/bus/push_line.py": {"_lose": ONCE_LOST},
    "gateway/bus/serial_line.py": {"_lose": ONCE_LOST},
    "gateway/bus/tcp_line.py": {"_lose": ONCE_LOST},
    "gateway/console/app.py": {"_note": A_PERSON},
    "gateway/journal/care.py": {"_make_room": SLOW},
    "gateway/journal/carry.py": {"_bring": ONE_THING, "_next": ONE_THING, "_put": ONE_THING},
    "gateway/journal/migration.py": {"drop_copies": AT_START, "keep_copy": AT_START},
    "gateway/journal/salvage.py": {"salvage": AT_START},
    "gateway/journal/writer.py": {"_take_care": ONCE_LOST},
    "gateway/runtime/console_process.py": {"_opened": ONCE_LOST, "run": ONCE_LOST},
    "gateway/runtime/conveyor.py": {"_send_early": ONE_THING},
    "gateway/runtime/daemon.py": {
        "_build": AT_START, "_journal_refused": ONCE_LOST, "_journal_replaced": ONE_THING, "_keep_console": SLOW, "_left_behind": ONE_THING,
        "_outran": ONE_THING, "_shut_down": ONE_THING, "_start": AT_START, "_start_metrics": AT_START, "_watch_vision": SLOW,
    },
    "gateway/runtime/evidence.py": {"_make_key": SLOW, "_remove": ONE_THING, "_send": ONE_THING},
    "gateway/runtime/field.py": {"_cleared": CUT, "_learned": ONE_THING, "_said": A_PERSON},
    "gateway/runtime/key_change.py": {"look": SLOW},
    "gateway/runtime/keys.py": {"load_signer": AT_START},
    "gateway/runtime/reports.py": {"_catch_up": AT_START, "_looked": SLOW},
    "gateway/runtime/showing.py": {"_plan": AT_START, "watch": ONCE_LOST},
    "gateway/runtime/supervise.py": {"_keep": ONCE_LOST, "_run_once": SLOW},
    "gateway/runtime/vision_door.py": {"_mark": ONCE_LOST, "_send_told": ONE_THING, "_speak": CUT},
    "gateway/runtime/vision_evidence.py": {"_failed": ONE_THING, "_keep_blurred": ONE_THING, "_keep_outgoing": ONE_THING},
    "gateway/runtime/vision_eye.py": {"__init__": AT_START},
    "gateway/runtime/vision_process.py": {"_lose_model": ONCE_LOST, "_say": ONCE_LOST},
    "gateway/runtime/vision_tiles.py": {"_say": ONCE_LOST},
    "gateway/runtime/vision_views.py": {"_say_once": ONCE_LOST, "restore": AT_START, "store": ONE_THING},
    "gateway/runtime/watchdog.py": {"notify": CUT, "run": ONCE_LOST},
    "gateway/uplink/commands.py": {"_record": A_PERSON},
    "gateway/uplink/link.py": {
        "_acked": ONCE_LOST, "_ask_for_receipts": ONCE_LOST, "_lose_picture": ONCE_LOST, "_lose_report": SLOW, "_note_loss": ONCE_LOST,
        "_open_commands": ONCE_LOST, "_read_bodies": ONCE_LOST, "_send": CUT, "_send_picture": ONE_THING, "_send_report": ONE_THING,
        "answered": ONE_THING,
    },
    "gateway/uplink/receipts.py": {"_refuse": ONCE_LOST, "take": CUT},
    "gateway/uplink/session.py": {"_on_message": ONCE_LOST},
    "models/providers.py": {"best": AT_START},
    "models/runner.py": {"load": AT_START},
}  # fmt: skip


def calls() -> dict[str, set[str]]:
    """File -> functions that log so."""
    found: dict[str, set[str]] = {}
    for folder in ("gateway", "drivers", "models"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_loud, _own(function))):
                    found.setdefault(str(file.relative_to(ROOT)), set()).add(function.name)
    return found


def _own(function: ast.AST) -> list[ast.AST]:
    """Its nodes without those of functions inside it."""
    nodes: list[ast.AST] = []
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes += [child, *_own(child)]
    return nodes


def _is_loud(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOUD):
        return False
    target = node.func.value
    is_log = isinstance(target, ast.Name) and target.id == "log"
    return is_log or (isinstance(target, ast.Call) and isinstance(target.func, ast.Attribute) and target.func.attr == "getLogger")


def test_each_loud_call_is_accounted_for() -> None:
    accounted = {file: set(functions) for file, functions in CALLS.items()}
    assert calls() == accounted


@pytest.mark.parametrize(
    ("code", "loud"),
    [("log.warning('x')", True), ("logging.getLogger('a').error('x')", True), ("log.info('x')", False), ("say('x')", False)],
)
def test_calls_are_found(code: str, loud: bool) -> None:
    statement = ast.parse(code).body[0]
    assert isinstance(statement, ast.Expr)
    assert _is_loud(statement.value) is loud
