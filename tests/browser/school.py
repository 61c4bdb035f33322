"""A school before a real browser: the daemon, its page, a broker, the centre and the simulated field, each a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.console.accounts import Accounts
from gateway.runtime.console_process import ACCOUNTS
from simulators.broker import Broker, free_port
from tests.gateway.console.served import PASSWORD, Visitor
from tests.proof.rig import Program, Rig, rig, wait_for
from tests.proof.school_rig import PLACES, gate, hall, point

GUARD, LEADER, TECHNICIAN, VIEWER = "张卫国", "王主任", "赵工", "孙校长"
PEOPLE = {GUARD: "guard", LEADER: "duty_leader", TECHNICIAN: "technician", VIEWER: "viewer"}
ALWAYS = '["arrival", "dismissal", "lesson", "night", "boarding", "none"]'  # the tests run at any hour

FIELD = f"""
{PLACES}
%s
{point("door-store", "door_forced", "store", "module", "di4")}
responsible = "{GUARD}"
{point("door-hall", "door_forced", "gate", "module", "di5")}
{hall().replace("baud = 38400", "baud = 19200")}
[[devices]]
id = "gas-sensor"
bus = "hall-line"
profile = "honeywell-xnx"
unit = 2
{point("gas-kitchen", "gas_concentration", "kitchen", "gas-sensor", "gas")}
responsible = "{LEADER}"

[[cameras]]
id = "gate-eye"
url = "rtsp://127.0.0.1/none"
place = "gate"
zones = [{{ id = "apron", polygon = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]] }}]

[rules.one_key]
lamp = {{ pressed = "lamp-pressed", broker = "lamp-broker", received = "lamp-received" }}
[rules.escalation]
enabled = false

[[guard_posts]]
id = "east-post"
place = "gate"
name = "东门护学岗"
name_en = "east gate guard post"
windows = {ALWAYS}
grace_s = 600
[[patrols]]
id = "night-round"
place = "gatehouse"
name = "夜间巡逻"
name_en = "night round"
rounds_per_day = 2
checkpoints = [{{ id = "boiler", name = "锅炉房", name_en = "boiler house" }}]

[hazards]
responsible = "{LEADER}"
[reports]
by = "{LEADER}"
[[inspections]]
id = "daily"
name = "每日安全排查"
name_en = "daily safety inspection"
place = "gate"
every = "day"
days = "all"
items = [{{ id = "bollards", name = "升降柱", name_en = "bollards" }}, {{ id = "hose", name = "消火栓", name_en = "fire hose" }}]

[plan]
file = "plan.svg"
[plan.at]
panic-gate = [0.2, 0.8]
gas-kitchen = [0.65, 0.3]
"""
DRAWING = Path(__file__).parents[2] / "deploy/examples/demo-plan.svg"


@dataclass
class School:
    """here: its processes; base: address of the page, on `port`; broker_port: MQTT on loopback."""

    here: Rig
    port: int
    broker_port: int
    page: Program

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def visitor(self) -> Visitor:
        """A browser without a window or a script."""
        return Visitor(self.port, f"127.0.0.1:{self.port}")


@contextlib.contextmanager
def school(folder: Path, field: str = FIELD) -> Iterator[School]:
    """A running school with an account for each of PEOPLE (password PASSWORD), once its page answers."""
    port = free_port()
    field = f'{field % gate(free_port())}\n[places.gatehouse]\nname = "门卫室"\nname_en = "gatehouse"\n[console]\nport = {port}\n'
    (folder / "plan.svg").write_bytes(DRAWING.read_bytes())
    with Broker("nats", dir=folder / "broker") as broker, rig(folder, broker.url, field) as here:
        accounts = Accounts(folder / "state" / ACCOUNTS)
        for name, role in PEOPLE.items():
            accounts.add(name, role, PASSWORD)
        page = Program(folder / "page.log", "gateway", "console", "--config", str(here.site)).start()
        try:
            wait_for(lambda: _answers(Visitor(port, f"127.0.0.1:{port}")), "the page is up")
            wait_for(here.status, "the daemon is up")
            yield School(here, port, broker.port, page)
        finally:
            status = page.stop()
        assert status == 0, page.tail()
        assert "Traceback" not in page.log.read_text(), page.tail(40)


def _answers(visitor: Visitor) -> bool:
    try:
        return visitor.ask("GET", "/sign-in")[0] == 200
    except OSError:
        return False
