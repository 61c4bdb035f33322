"""Rules, configurations and routes, judged by promtool and amtool; each alert fires and keeps silent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.metrics.table import METRICS
from tests.real_parts import need

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "docs"))
from make_metrics import alerts  # noqa: E402

HERE = ROOT / "deploy" / "prometheus"
ALERTS = list(alerts())
EACH_ALERT = pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])
TESTS = "".join(file.read_text(encoding="utf-8") for file in sorted((HERE / "tests").iterdir()))
METRIC = re.compile(r"\bgw_[a-z0-9_]+")
RECORDED = re.compile(r"\b(?:gateway|fleet):[a-z0-9_:]+")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)


def anchor(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "rules/recording.yml", "rules/alerts.yml"),
        ("test", "rules", "tests/alerts.test.yml"),
        ("test", "rules", "tests/slow-alerts.test.yml"),
        ("check", "config", "prometheus.yml"),
        ("check", "config", "--agent", "agent.yml"),
    ],
    ids=lambda words: " ".join(words),
)
def test_promtool(words: tuple[str, ...]) -> None:
    promtool = need("promtool", package="prometheus")
    done = run(promtool, *(HERE / word if word.endswith(".yml") else word for word in words))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


def test_promtool_sees_a_rule_that_never_fires(tmp_path: Path) -> None:
    """The unit tests can fail: an alert with another limit does not pass its own."""
    promtool = need("promtool", package="prometheus")
    for name in ("rules", "tests"):
        (tmp_path / name).mkdir()
    for file in (HERE / "rules").iterdir():
        text = file.read_text(encoding="utf-8")
        (tmp_path / "rules" / file.name).write_text(text.replace("gw_outbox_oldest_seconds > 120", "gw_outbox_oldest_seconds > 9999"))
    head, *tests = re.split(r"(?m)^(?=  - name: )", TESTS)
    its_own = tmp_path / "tests" / "alerts.test.yml"
    its_own.write_text(head + "".join(test for test in tests if test.startswith("  - name: ReceiptsMissing ")), encoding="utf-8")
    done = run(promtool, "test", "rules", its_own)
    assert done.returncode == 1
    assert "ReceiptsMissing" in done.stdout + done.stderr


@EACH_ALERT
def test_each_alert_is_whole(alert: object) -> None:
    found = next(each for each in ALERTS if each is alert)
    assert "severity: page" in found.labels or "severity: ticket" in found.labels
    assert re.search(r"[\u4e00-\u9fff]", found.zh), "words for people are Chinese"
    assert found.en.isascii()
    assert found.en
    assert found.runbook == f"docs/troubleshooting.md#{anchor(found.name)}"
    known = {metric.exposed for metric in METRICS.values()} | {f"{m.name}_bucket" for m in METRICS.values() if m.buckets}
    assert set(METRIC.findall(found.expr)) <= known
    recorded = set(re.findall(r"record: (\S+)", (HERE / "rules/recording.yml").read_text(encoding="utf-8")))
    assert set(RECORDED.findall(found.expr)) <= recorded


@EACH_ALERT
def test_each_alert_is_tested_both_ways(alert: object) -> None:
    found = next(each for each in ALERTS if each is alert)
    fires, silent = (
        re.search(rf"- name: {found.name} {words}\n(.*?)(?=\n  - name|\Z)", TESTS, re.DOTALL) for words in ("fires", "keeps silent")
    )
    assert fires is not None
    assert f'ALERTS{{alertname="{found.name}", alertstate="firing"' in fires[1]
    assert "value: 1" in fires[1]
    assert silent is not None
    assert f'ALERTS{{alertname="{found.name}", alertstate="firing"}}' in silent[1]
    assert "exp_samples: []" in silent[1]


@EACH_ALERT
def test_somebody_can_look_up_what_to_do(alert: object) -> None:
    found = next(each for each in ALERTS if each is alert)
    assert f"### {anchor(found.name)}\n" in (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")


def test_recorded_figures_use_metrics_that_exist() -> None:
    text = (HERE / "rules/recording.yml").read_text(encoding="utf-8")
    known = {metric.exposed for metric in METRICS.values()} | {f"{m.name}_bucket" for m in METRICS.values() if m.buckets}
    assert set(METRIC.findall(text)) <= known


def test_alertmanager_takes_its_configuration() -> None:
    amtool = need("amtool", package="prometheus-alertmanager")
    done = run(amtool, "check-config", HERE / "alertmanager.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("scope=fleet severity=page alertname=ManyPathsDown", "bureau-duty"),
        ("severity=page alertname=LineDown site=s1 instance=gw1", "school-duty-phone,bureau-duty"),
        ("severity=page alertname=JournalRefuses site=s1 instance=gw1", "bureau-duty"),
        ("severity=ticket alertname=DeviceSilent site=s1 instance=gw1", "bureau-tickets"),
    ],
)
def test_who_is_told(labels: str, told: str) -> None:
    amtool = need("amtool", package="prometheus-alertmanager")
    done = run(amtool, "config", "routes", "test", f"--config.file={HERE / 'alertmanager.yml'}", *labels.split())
    assert done.stdout.strip() == told, done.stderr


def test_alerts_in_routes_and_inhibitions_exist() -> None:
    text = (HERE / "alertmanager.yml").read_text(encoding="utf-8")
    named = {name for found in re.findall(r'alertname!?=~?"([^"]+)"', text) for name in found.split("|")}
    assert named <= {alert.name for alert in ALERTS}
    assert len(named) > 10


def test_no_secrets_in_the_examples() -> None:
    for file in HERE.glob("*.yml"):
        assert not re.search(r"(?i)^\s*(password|bearer_token|secret|credentials):", file.read_text(encoding="utf-8"), re.MULTILINE), file
