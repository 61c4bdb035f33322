"""The simulated school's HTTP API, on loopback: what is there, and what shall happen.

    GET    /health                             {"ok": true}
    GET    /points                             point id -> device, signal, kind, role, present value (contacts: true = active)
    POST   /points/{id}                        {"value": ...} or {"press_ms": 300}
    GET    /devices                            device id -> bus, unit, profile, fault, signals with their values
    POST   /devices/{id}/signals/{signal}      {"value": ...}
    POST   /devices/{id}/say                   {"hex": "02 30 ..."}: these very bytes, from a device with frames of its own
    POST   /devices/{id}/fault                 {"kind": "late", "ms": 400, "for_s": 30}; DELETE heals all of it
    POST   /points/{id}/fault                  the same for the signal of a point: {"kind": "stuck"}; DELETE heals
    POST   /devices/{id}/restart               power off and on, at once
    POST   /buses/{id}/unplug, /buses/{id}/plug
    POST   /buses/{id}/fault                   {"kind": "noise", "ms": 100}; DELETE heals
    POST   /cameras/{id}                       {"person": true, "freeze": false, "black": false}
    POST   /cameras/{id}/trouble               {"kind": "covered"}; DELETE heals
    GET    /network                            the ways to the broker: addresses, connections, bytes
    POST   /network/{id}                       {"kind": "delay", "ms": 200}; DELETE heals
    POST   /broker                             {"kind": "kill"}, {"kind": "start"}; DELETE heals
    POST   /clock                              {"jump_s": 3600}; DELETE takes all jumps back
    POST   /disk                               {"kind": "full"}; DELETE heals
    GET    /faults                             all kinds, what each can be told, and who can have them
    GET    /troubles                           what is wrong at present; DELETE heals everything
    GET    /world                              what lives: gas, cables, bollards, doors, outputs, people
    POST   /world                              {"alive": true, "speed": 10, "rain": true, "hour": 7.5}
    POST   /places/{id}/gas                    {"rate": 100} litres a minute from an open tap, {"window": true}
    POST   /cables/{point}                     {"load_ratio": 1.6, "loose": true, "tau_s": 20}, {"leak_ma": 400}, {"arcs": 14}
    POST   /bollards/{point}                   {"move": "up" | "down" | "stop" | "repair"}, {"obstacle": true}, {"ram": true} or km/h
    POST   /doors/{id}                         {"do": "pass" | "exit" | "force" | "hold" | "close", "card": "26 00C0FFEE"}
    POST   /outputs/{id}                       {"stuck": true}: its valve, lock or siren does not follow
    POST   /people                             {"patrol": ID}, {"pupils": PLACE}, {"guard": CAMERA}, {"climber": CAMERA}
    POST   /cameras/{id}/scene                 {"walk": {...}}, {"light": "night"}, {"rain": true}, {"hand": true}, ...
    GET    /stats                              requests per device and bus; per point when it was set and first read

Each trouble may have "for_s": it then heals by itself. Every POST and DELETE answers {"at_ns": when the change was made}, in ns of
CLOCK_MONOTONIC. Errors: 400, 404 with {"error": ...}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulators.alive import Alive
from simulators.api_faults import FaultsApi, fault_of
from simulators.api_world import WorldApi
from simulators.errors import SimError
from simulators.school import School, Unknown

Handler = Callable[[Request], Awaitable[JSONResponse]]
LOOPBACK = "127.0.0.1"


class _Api:
    """The handlers, one for each line of the table above."""

    def __init__(self, school: School) -> None:
        self.school = school

    async def health(self, request: Request) -> JSONResponse:
        return JSONResponse({"ok": True, "site": self.school.plan.id})

    async def points(self, request: Request) -> JSONResponse:
        return JSONResponse(
            {
                point.id: {
                    "device": point.device,
                    "signal": point.signal,
                    "kind": self.school.devices[point.device].profile.signals[point.signal].kind,
                    "role": point.role,
                    "value": self.school.point_value(point.id),
                }
                for point in self.school.points.values()
            }
        )

    async def set_point(self, request: Request) -> JSONResponse:
        point_id, body = request.path_params["id"], await _body(request)
        match body:
            case {"press_ms": int(press_ms), **rest} if not rest:
                return _done(self.school.press_point(point_id, press_ms))
            case {"value": bool() | int() | float() | str() as value, **rest} if not rest:
                return _done(self.school.set_point(point_id, value))
        raise ValueError('give either {"value": ...} or {"press_ms": whole number}')

    async def devices(self, request: Request) -> JSONResponse:
        plans = {plan.id: plan for plan in self.school.plan.devices}
        return JSONResponse(
            {
                device.id: {
                    "bus": plans[device.id].bus,
                    "unit": device.unit,
                    "profile": device.profile.id,
                    "fault": fault_of(device),
                    "signals": {name: device.get(name) for name in device.profile.signals},
                }
                for device in self.school.devices.values()
            }
        )

    async def set_signal(self, request: Request) -> JSONResponse:
        match await _body(request):
            case {"value": bool() | int() | float() | str() as value, **rest} if not rest:
                return _done(self.school.set_signal(request.path_params["id"], request.path_params["signal"], value))
        raise ValueError('give {"value": ...}')

    async def say(self, request: Request) -> JSONResponse:
        match await _body(request):
            case {"hex": str(digits), **rest} if not rest:
                return _done(self.school.say(request.path_params["id"], bytes.fromhex(digits)))
        raise ValueError('give {"hex": "02 30 ..."}')

    async def set_camera(self, request: Request) -> JSONResponse:
        return _done(self.school.set_camera(request.path_params["id"], await _body(request)))

    async def stats(self, request: Request) -> JSONResponse:
        school = self.school
        points = {}
        for point in school.points.values():
            change = school.devices[point.device].changes.get(point.signal)
            points[point.id] = {
                "changed_ns": change.at_ns if change else None,
                "first_read_ns": change.first_read_ns if change else None,
            }
        return JSONResponse(
            {
                "now_ns": time.monotonic_ns(),
                "devices": {device.id: asdict(device.traffic) for device in school.devices.values()},
                "buses": {
                    bus_id: {"address": wire.address, "plugged": wire.plugged, **asdict(wire.traffic)}
                    for bus_id, wire in school.wires.items()
                },
                "points": points,
            }
        )


def application(school: School, alive: Alive | None = None) -> Starlette:
    """The API of one school. alive: its world; a sleeping one if left out."""
    api = _Api(school)
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/health", api.health),
        ("GET", "/points", api.points),
        ("POST", "/points/{id}", api.set_point),
        ("GET", "/devices", api.devices),
        ("POST", "/devices/{id}/signals/{signal}", api.set_signal),
        ("POST", "/devices/{id}/say", api.say),
        ("POST", "/cameras/{id}", api.set_camera),
        ("GET", "/stats", api.stats),
        *FaultsApi(school, _body).routes(),
        *WorldApi(school, alive or Alive(school), _body).routes(),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in routes],
        exception_handlers={Unknown: _unknown, ValueError: _wrong, SimError: _wrong},
    )


def listen(port: int) -> socket.socket:
    """A loopback socket for the API; port 0 takes a free one. SimError when the port is busy."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((LOOPBACK, port))
    except OSError as error:
        sock.close()
        raise SimError(f"cannot open the HTTP API on {LOOPBACK}:{port}: {error.strerror or error}") from error
    return sock


class ApiServer(uvicorn.Server):
    """The HTTP server; leaves signals to the program that runs it. End it with `should_exit = True`."""

    def __init__(self, school: School, alive: Alive | None = None) -> None:
        super().__init__(
            uvicorn.Config(application(school, alive), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        )
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body(), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not text: {error}") from error
    if isinstance(body, dict):
        return body
    raise ValueError("the body is not a JSON object")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _done(at_ns: int) -> JSONResponse:
    return JSONResponse({"at_ns": at_ns})


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=404)


async def _wrong(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, status_code=400)
