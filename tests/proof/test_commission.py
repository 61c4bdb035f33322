"""A first visit from its first check to its signed report, with the daemon, a school, a broker and the centre that signs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.jws import TrustedKey, verify_detached
from tests.proof.field_rig import journal_events
from tests.proof.rig import Rig
from tests.proof.school_rig import all_told, hall, on_site, point, press, school, status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

BY = ("--by", "李工")
HAZARDS = '[hazards]\nresponsible = "王校长"\n'


def visit(here: Rig, acts: dict[str, Callable[[], object]], *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and all that the visit says. acts: what the hands at the gate do when they are asked to set a point off."""
    command = [sys.executable, "-m", "gateway", "commission", "--config", str(here.site), "--json", *BY, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        said = []
        for line in running.stdout:
            told = json.loads(line)
            said.append(told)
            if told["kind"] == "say" and " now: " in told["en"]:
                acts.get(told["key"], lambda: None)()
        errors = running.stderr.read()
        assert "Traceback" not in errors, errors
    return running.returncode, said


def results(said: list[dict[str, Any]]) -> dict[str, str]:
    return {told["key"]: told["result"] for told in said if told["kind"] == "result"}


def test_a_visit_that_is_left_and_taken_up_again(tmp_path: Path) -> None:
    field = HAZARDS + hall() + point("store-door", "contact", "store", "module", "di4")
    with school(tmp_path, field) as (here, _):
        answers = tmp_path / "answers.json"
        answers.write_text(
            json.dumps(
                {"default": "y", "answers": {"outputs/siren-office/consent": "s", "outputs/strobe-gate": {"answer": "n", "note": "dark"}}}
            )
        )
        acts = {f"points/panic-{name}": lambda name=name: press(here, f"panic-{name}") for name in ("gate", "office")}
        acts["points/store-door"] = lambda: here.post("/points/store-door", {"value": True})

        code, said = visit(here, acts, "--answers", str(answers), "--only", "devices")
        assert (code, results(said)) == (0, {"devices/module": "ok", "devices/hall-module": "ok"})
        assert not any(told["kind"] == "report" for told in said), "one step has no report"

        code, said = visit(here, acts, "--answers", str(answers))
        assert (code, said) == (2, []), "a visit that was left is not begun again by mistake"

        code, said = visit(here, acts, "--answers", str(answers), "--resume", "--wait", "3", "--scan", "1-4")
        found = results(said)
        assert code == 1
        assert {key for key, result in found.items() if key.startswith("points/") and result == "ok"} == {
            "points/panic-gate", "points/panic-office", "points/store-door",
        }  # fmt: skip
        assert found["points/panic-store"] == "problem", "nobody pressed it"
        assert (found["outputs/siren-gate"], found["outputs/strobe-gate"], found["outputs/siren-office"]) == ("ok", "problem", "skipped")
        assert (found["link/main"], found["link/receipt"], found["ports/hall-line"]) == ("ok", "ok", "ok")
        assert status(here)["modes"] == [], "no point is left in a test"
        (report,) = (told for told in said if told["kind"] == "report")
        signed_and_sealed(here, report)
        problems_are_in_the_ledger(here, report)
        what_doctor_and_support_say(here)
        only_what_is_done_again_is_asked(here, acts, answers)
        all_told(here)


def signed_and_sealed(here: Rig, told: dict[str, Any]) -> None:
    """The report holds by the gateway's public key, its hash stands in the journal, and the page fetches nothing."""
    report = json.loads(Path(told["json"]).read_text())
    public = json.loads(on_site_key(here))
    verify_detached(report, TrustedKey(public["kid"], public["x"], "gateway"))
    sealed = [event["data"] for event in journal_events(here) if event["data"].get("command") == "commission"]
    assert [data["value"] for data in sealed if "value" in data] == [f"sha256:{told['sha256']}"]
    checks = {check["check"]: check for step in report["steps"] for check in step["checks"]}
    button = checks["points/panic-gate"]
    assert button["seen"]["walk_test"] == "passed"
    assert [step["by"] for step in button["seen"]["way"] if step["step"] == "received"] == ["police"]
    assert set(checks["link/receipt"]["seen"]["received_s"]) == {"police"}
    assert checks["outputs/strobe-gate"]["note"] == "dark"
    page = Path(told["html"]).read_text()
    assert "调试验收报告" in page
    assert told["sha256"] in page
    assert "http" not in page.replace(f"{report['source']}", "").partition("<body>")[0]
    for word in ("src=", "href=", "@import", "url("):
        assert word not in page


def problems_are_in_the_ledger(here: Rig, told: dict[str, Any]) -> None:
    """Each one is a hazard now, with who answers for it and a date."""
    assert told["not_in_ledger"] == []
    opened = [event["data"] for event in journal_events(here) if event["type"] == "campus.hazard.opened"]
    words = " ".join(data["text"]["zh"] for data in opened)
    assert len(opened) == told["totals"]["problem"]
    assert {data["source"] for data in opened} == {"commission"}
    assert "points/panic-store" in words
    assert "outputs/strobe-gate" in words


def what_doctor_and_support_say(here: Rig) -> None:
    """Of a running daemon: the button that was never tried; and an archive that holds its status, metrics and events."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "doctor", "--config", str(here.site), "--json"], capture_output=True, check=False, text=True
    )
    doctor = json.loads(done.stdout)
    found = {finding["where"]: finding["what"]["en"] for finding in doctor["findings"]}
    assert doctor["daemon_up"]
    assert "daemon" not in found
    assert "not yet tested" in found["panic-store"] or "failed" in found["panic-store"]
    assert "panic-gate" not in found
    packed = json.loads(on_site(here, "support-bundle", str(here.folder / "support.tar.gz"), "--json"))
    files = {each["file"]: each["bytes"] for each in packed["files"]}
    assert {"status.json", "metrics.txt", "events.ndjson", "doctor.json"} <= set(files)
    assert "status.json" not in packed["left_out"]


def on_site_key(here: Rig) -> str:
    return subprocess.run([sys.executable, "-m", "gateway", "key", str(here.site)], capture_output=True, check=True, text=True).stdout


def only_what_is_done_again_is_asked(here: Rig, acts: dict[str, Callable[[], object]], answers: Path) -> None:
    acts["points/panic-store"] = lambda: press(here, "panic-store")
    code, said = visit(here, acts, "--answers", str(answers), "--resume", "--redo", "points/panic-store")
    fresh = {told["key"]: told["result"] for told in said if told["kind"] == "result" and told["fresh"]}
    assert (code, fresh) == (1, {"points/panic-store": "ok"}), "the strobe is still dark"
    assert "panic-store  passed, by 李工" in on_site(here, "walk-test", "--results")
