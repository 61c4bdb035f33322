"""thingsboard-gateway as the peer of the holes, where it is installed: its Modbus connector, one tag a number, a plain broker.

Configured as shipped where nothing else is said, without shell and remote configuration. It needs no server: only its
question for the session's limits must be answered before it sends anything, which `Platform` does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators import profiles
from tests.bench.bus_field import PROFILES
from tests.bench.subjects import Load

PROGRAMS = ("thingsboard-gateway", "tb-gateway")  # as pip and as the Debian package name it
ASKED = "v1/devices/me/rpc/request/+"
NO_LIMITS = {"maxPayloadSize": 65536, "maxInflightMessages": 100, "rateLimits": {}, "gatewayRateLimits": {}}


def installed() -> str | None:
    """Path of the program, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


class Platform:
    """Answers the one question that a ThingsBoard server must answer."""

    def __init__(self, port: int) -> None:
        """Connect to the broker on loopback. OSError when it does not answer."""
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(ASKED, qos=1)
        self._client.on_message = self._answer
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _answer(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        if b"getSessionLimits" in message.payload:
            client.publish(message.topic.replace("/request/", "/response/"), json.dumps(NO_LIMITS), qos=1)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


class Thingsboard:
    """The program with one tag a number, which is what its configuration offers first."""

    name = "thingsboard"
    everything = "v1/gateway/telemetry"
    changes = everything

    def __init__(self, program: str) -> None:
        self._program = program

    def start(self, load: Load, broker_port: int, folder: Path) -> subprocess.Popen[bytes]:
        """Write its configuration and start it."""
        config, logs = folder / "config", folder / "logs"
        config.mkdir()
        logs.mkdir()
        for name, content in configuration(load.scan_ports, load.period_ms, broker_port).items():
            (config / name).write_text(json.dumps(content))
        surroundings = dict(os.environ, TB_GW_CONFIG_DIR=f"{config}/", TB_GW_LOGS_PATH=str(logs))
        with (folder / "subject.log").open("wb") as log:
            return subprocess.Popen([self._program], cwd=folder, env=surroundings, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def values(self, topic: str, payload: bytes) -> dict[str, object]:
        """Numbers as scan-N-rM."""
        found: dict[str, object] = {}
        for device, entries in json.loads(payload).items():
            for entry in entries:
                found |= {f"{device}-{name}": value for name, value in entry.get("values", entry).items() if name != "ts"}
        return found


def configuration(ports: Sequence[int], period_ms: int, broker_port: int) -> dict[str, object]:
    """Its three files."""
    tags: list[dict[str, object]] = [
        {
            "tag": signal.name,
            "type": "32uint" if signal.size == 2 else "16uint",
            "functionCode": 3,
            "objectsCount": signal.size,
            "address": signal.address,
        }
        for signal in profiles.load("bench-holes", [PROFILES]).signals.values()
    ]
    slaves = [_slave(number, port, period_ms, tags) for number, port in enumerate(ports)]
    loggers = ("service", "connector", "converter", "tb_connection", "storage", "extension", "database")
    return {
        "modbus.json": {
            "name": "modbus",
            "logLevel": "ERROR",
            "master": {"slaves": slaves},
        },
        "tb_gateway.json": {
            "thingsboard": {
                "host": "127.0.0.1",
                "port": broker_port,
                "remoteShell": False,
                "remoteConfiguration": False,
                "statistics": {"enable": True, "statsSendPeriodInSeconds": 60, "customStatsSendPeriodInSeconds": 3600},
                "maxPayloadSizeBytes": 8196,
                "minPackSendDelayMS": 50,
                "minPackSizeToSend": 500,
                "checkConnectorsConfigurationInSeconds": 60,
                "handleDeviceRenaming": True,
                "security": {"type": "accessToken", "accessToken": "bench"},
                "qos": 1,
                "reportStrategy": {"type": "ON_RECEIVED"},
            },
            "storage": {"type": "memory", "read_records_count": 100, "max_records_count": 100000},
            "grpc": {"enabled": False},
            "connectors": [{"type": "modbus", "name": "modbus", "configuration": "modbus.json"}],
        },
        "logs.json": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"stderr": {"class": "logging.StreamHandler"}},
            "loggers": {name: {"handlers": ["stderr"], "level": "WARNING", "propagate": False} for name in loggers},
            "root": {"level": "ERROR", "handlers": ["stderr"]},
        },
    }


def _slave(number: int, port: int, period_ms: int, tags: list[dict[str, object]]) -> dict[str, object]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": f"scan-{number}",
        "deviceType": "default",
        "timeout": 5,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 0,
        "pollPeriod": period_ms,
        "connectAttemptTimeMs": 1000,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 30000,
        "reportStrategy": {"type": "ON_RECEIVED"},
        "attributes": [],
        "timeseries": tags,
        "attributeUpdates": [],
        "rpc": [],
    }
