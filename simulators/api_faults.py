"""The part of the school's HTTP API that makes things go wrong, and heals them. Its table stands at the top of `api`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from simulators import trouble_makers
from simulators.school import School
from simulators.vocabulary import ALL

Handler = Callable[[Request], Awaitable[JSONResponse]]
Body = Callable[[Request], Awaitable[dict[str, Any]]]


class FaultsApi:
    """Its handlers. body: the JSON object of a request."""

    def __init__(self, school: School, body: Body) -> None:
        self.school = school
        self._body = body

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path, handler."""
        both = [
            ("device", "/devices/{id}/fault"),
            ("bus", "/buses/{id}/fault"),
            ("camera", "/cameras/{id}/trouble"),
            ("network", "/network/{id}"),
            ("broker", "/broker"),
            ("clock", "/clock"),
            ("disk", "/disk"),
        ]
        return [
            ("GET", "/faults", self.vocabulary),
            ("GET", "/troubles", self.troubles),
            ("DELETE", "/troubles", self.heal_all),
            ("GET", "/network", self.network),
            ("POST", "/points/{id}/fault", self.point_fault),
            ("DELETE", "/points/{id}/fault", self.point_heal),
            ("POST", "/devices/{id}/restart", self.restart),
            ("POST", "/buses/{id}/unplug", self.unplug),
            ("POST", "/buses/{id}/plug", self.plug),
            *(("POST", path, self._begin(sort)) for sort, path in both),
            *(("DELETE", path, self._heal(sort)) for sort, path in both),
        ]

    async def vocabulary(self, request: Request) -> JSONResponse:
        kinds = {sort: {name: kind.as_json() for name, kind in table.items()} for sort, table in ALL.items()}
        return JSONResponse({"kinds": kinds, "targets": trouble_makers.targets(self.school)})

    async def troubles(self, request: Request) -> JSONResponse:
        return JSONResponse({"now_ns": time.monotonic_ns(), "troubles": self.school.troubles.list()})

    async def heal_all(self, request: Request) -> JSONResponse:
        return _done(await self.school.troubles.heal())

    async def network(self, request: Request) -> JSONResponse:
        links = self.school.around.links if self.school.around else {}
        return JSONResponse(
            {
                name: {
                    "address": f"127.0.0.1:{link.port}",
                    "target": f"{link.target[0]}:{link.target[1]}",
                    "connections": link.connections,
                    "taken": len(link.peers),
                    "sent_bytes": link.sent_bytes,
                    "received_bytes": link.received_bytes,
                    "swallowed": link.swallowed,
                }
                for name, link in links.items()
            }
        )

    async def point_fault(self, request: Request) -> JSONResponse:
        point = self.school.point(request.path_params["id"])
        body = await self._body(request)
        return _done(await trouble_makers.begin(self.school, "device", point.device, {"signal": point.signal, **body}))

    async def point_heal(self, request: Request) -> JSONResponse:
        point = self.school.point(request.path_params["id"])
        return _done(await self.school.troubles.heal("device", point.device, f"signal {point.signal}"))

    async def restart(self, request: Request) -> JSONResponse:
        return _done(self.school.device(request.path_params["id"]).restart())

    async def unplug(self, request: Request) -> JSONResponse:
        return _done(await trouble_makers.begin(self.school, "bus", request.path_params["id"], {"kind": "unplugged"}))

    async def plug(self, request: Request) -> JSONResponse:
        await self.school.troubles.heal("bus", request.path_params["id"], trouble_makers.CABLE)
        await self.school.plug(request.path_params["id"])
        return _done(time.monotonic_ns())

    def _begin(self, sort: str) -> Handler:
        async def begin(request: Request) -> JSONResponse:
            body = await self._body(request)
            if sort == "clock" and "kind" not in body:
                body = {"kind": "jump", **body}
            return _done(await trouble_makers.begin(self.school, sort, request.path_params.get("id", sort), body))

        return begin

    def _heal(self, sort: str) -> Handler:
        async def heal(request: Request) -> JSONResponse:
            name = request.path_params.get("id", sort)
            trouble_makers.must_be_there(self.school, sort, name)
            return _done(await self.school.troubles.heal(sort, name))

        return heal


def fault_of(device: Any) -> dict[str, Any] | None:
    """How a device answers at present, for the list of devices."""
    return asdict(device.fault) if device.fault else None


def _done(at_ns: int) -> JSONResponse:
    return JSONResponse({"at_ns": at_ns})
