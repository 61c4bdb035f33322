"""Every query of the dashboards and every rule, asked of a real Prometheus that scrapes a real gateway."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.metrics.table import HISTOGRAM, METRICS
from simulators.broker import free_port
from tests.deploy.grafana.test_dashboards import queries
from tests.proof.rig import Rig, wait_for
from tests.proof.school_rig import all_received, hall, on_site, point, press, school, status
from tests.real_parts import need

pytestmark = pytest.mark.slow
RULES = Path(__file__).parents[2] / "deploy/prometheus/rules"
FIELD = f"""
[[devices]]
id = "gas-kitchen"
bus = "hall-line"
profile = "honeywell-xnx"
unit = 2
[[devices]]
id = "power-monitor"
bus = "hall-line"
profile = "acrel-aim-r100"
unit = 3
timeout_ms = 150
{point("gas-kitchen-lel", "gas_concentration", "kitchen", "gas-kitchen", "gas")}
{point("residual-main", "residual_current", "office", "power-monitor", "residual1")}
[[cameras]]
id = "gate-camera"
url = "rtsp://127.0.0.1:9/none"
place = "gate"
zones = [{{ id = "apron", polygon = [[0.05, 0.30], [0.95, 0.30], [0.95, 1.0], [0.05, 1.0]] }}]
[[points]]
id = "person-gate"
role = "person_after_hours"
place = "gate"
camera = "gate-camera"
zone = "apron"
[hours]
[reports]
[hazards]
responsible = "王师傅"
"""
# What did not happen here, and is no reason to let a gateway run for longer.
NOT_HERE = {
    "gw_certificate_expires_timestamp_seconds": "the path of this test has no TLS",
    "gw_cable_temperature_celsius": "no such point",
    "gw_report_last_timestamp_seconds": "no report is due",
    "gw_alarm_escalations": "nobody was told further",
    "gw_walk_test_passed_timestamp_seconds": "no test was made",
    "gw_remote_commands": "the centre gave no command",
    "gw_vision_model": "the vision process is played here",
}
# Panels that are empty while all is well, by their English titles.
EMPTY_WHILE_WELL = {
    "Alerts over time", "Firing alerts", "Certificates that expire first", "Most silent devices", "Blind cameras",
    "Points without a good reading", "Why sessions ended", "Bad answers", "What is wrong with cameras", "Crashes of parts",
    "Cable temperature", "Since the daily report", "Certificate is good for",
}  # fmt: skip


class Prometheus:
    """A real one, asked over its HTTP API."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._base}/-/ready", timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Series of an instant query; fails with its error."""
        try:
            with urllib.request.urlopen(f"{self._base}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def rules(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self._base}/api/v1/rules", timeout=10) as answer:
            return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]


@contextlib.contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """It scrapes and evaluates each second."""
    program, port = need("prometheus", package="prometheus"), free_port()
    config = folder / "prometheus.yml"
    labels = "{site: proof-school, district: east}"
    config.write_text(
        f"global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: [{RULES}/*.yml]\n"
        f"scrape_configs: [{{job_name: campus-gateway, static_configs: [{{targets: ['{target}'], labels: {labels}}}]}}]\n"
    )
    words = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            here = Prometheus(port)
            wait_for(here.ready, "Prometheus is ready")
            yield here
        finally:
            process.terminate()


@contextlib.contextmanager
def eyes(here: Rig) -> Iterator[None]:
    """The vision process, as far as the daemon hears it: it sees, and tells its figures once; the connection stays."""
    figures = {"camera": "gate-camera", "frame_age_s": 0.1, "judged": 50, "inferences": 20, "looking_s": 1.5, "analysed_fps": 5.0}
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(str(here.folder / "state" / "door.sock"))
        said = door.makefile("rb")
        for number in (1, 2):
            words = {"op": "alive", "who": "vision", "cameras": [figures | {"judged": 50 * number}]}
            door.sendall(json.dumps(words).encode() + b'\n{"op": "readings", "readings": [{"point": "gate-camera", "value": "sees"}]}\n')
            assert [json.loads(said.readline())["ok"] for _ in range(2)] == [True, True]
        yield


def plain(query: str) -> str:
    """As Grafana would send it with everything chosen."""
    for name, value in (("$__rate_interval", "1m"), ("$__range", "5m")):
        query = query.replace(name, value)
    return re.sub(r"\$[a-z]+", ".*", query)


def test_every_query_and_every_rule(tmp_path: Path) -> None:
    with school(tmp_path, hall() + FIELD) as (here, _), eyes(here):
        target = status(here)["metrics"].split("/")[2]
        press(here, "panic-gate")
        wait_for(lambda: status(here)["alarms"], "the alarm is there")
        on_site(here, "acknowledge", "panic-gate", "--by", "张卫国")
        all_received(here)
        with prometheus(tmp_path, target) as asked:
            wait_for(lambda: asked.ask("count_over_time(gateway:paths_up:count[1m]) > 2"), "it was scraped, and the rules were evaluated")
            wait_for(lambda: asked.ask("gw_gas_concentration_lel_ratio and on () gw_residual_current_amperes"), "the detectors are read")
            for name, metric in METRICS.items():
                found = asked.ask(f"{metric.exposed}_count" if metric.kind == HISTOGRAM else metric.exposed)
                assert bool(found) is (name not in NOT_HERE), name
            wrong = [rule for rule in asked.rules() if rule["health"] == "err"]
            assert wrong == []
            empty = {
                title.partition(" / ")[2] for name in ("fleet", "site") for title, query in queries(name) if not asked.ask(plain(query))
            }
            assert empty <= EMPTY_WHILE_WELL
            firing = {each["metric"]["alertname"] for each in asked.ask('ALERTS{alertstate="firing",severity="page"}')}
            assert firing == set(), "a gateway that is well calls nobody"
