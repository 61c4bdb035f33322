"""The part of the school's HTTP API in which the world lives: gas, cables, posts, doors, people, cameras. Its table stands in `api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from simulators.alive import Alive
from simulators.physics.orders import NoSuchThing
from simulators.physics.world import World
from simulators.school import School, Unknown

Handler = Callable[[Request], Awaitable[JSONResponse]]
Body = Callable[[Request], Awaitable[dict[str, Any]]]


class WorldApi:
    """Its handlers. body: the JSON object of a request."""

    def __init__(self, school: School, alive: Alive, body: Body) -> None:
        self._school = school
        self._alive = alive
        self._body = body

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Method, path, handler."""
        world = self._alive.world
        named = {
            "/places/{id}/gas": (world.gas_order, self._points_at),
            "/cables/{id}": (world.cable_order, self._itself),
            "/bollards/{id}": (world.post_order, self._post),
            "/doors/{id}": (world.door_order, self._door),
            "/outputs/{id}": (world.output_order, self._confirming),
        }
        return [
            ("GET", "/world", self.state),
            ("POST", "/world", self.sky),
            ("POST", "/people", self.people),
            ("POST", "/cameras/{id}/scene", self.scene),
            *(("POST", path, self._named(act, points)) for path, (act, points) in named.items()),
        ]

    async def state(self, request: Request) -> JSONResponse:
        return JSONResponse(self._alive.state())

    async def sky(self, request: Request) -> JSONResponse:
        body = await self._body(request)
        return self._done(lambda world: world.sky_order(body, self._alive.field))

    async def people(self, request: Request) -> JSONResponse:
        body = await self._body(request)
        return self._done(lambda world: world.people_order(body, self._alive.field))

    async def scene(self, request: Request) -> JSONResponse:
        return JSONResponse({"at_ns": self._school.set_camera(request.path_params["id"], {"scene": await self._body(request)})})

    def _named(self, act: Callable[..., Mapping[str, Any] | None], points: Callable[[str], tuple[str, ...]]) -> Handler:
        async def handler(request: Request) -> JSONResponse:
            name, body = request.path_params["id"], await self._body(request)
            return self._done(lambda world: act(name, body, self._alive.field), points(name))

        return handler

    def _done(self, act: Callable[[World], Any], points: tuple[str, ...] = ()) -> JSONResponse:
        try:
            at_ns, answer = self._alive.order(act, points)
        except NoSuchThing as error:
            raise Unknown(str(error)) from error
        return JSONResponse({"at_ns": at_ns, **(answer or {})})

    # --- the points of a thing: a model shows them again after somebody had set them by hand ------------

    def _points_at(self, place: str) -> tuple[str, ...]:
        return tuple(point.id for point in self._alive.plan.points.values() if point.place == place and point.role.startswith("gas_"))

    def _itself(self, point: str) -> tuple[str, ...]:
        return (point,)

    def _post(self, point: str) -> tuple[str, ...]:
        return next(((*post.points, *post.loops) for post in self._alive.plan.posts if point in post.points), ())

    def _door(self, name: str) -> tuple[str, ...]:
        doors = [((*door.contacts, *door.forced, *door.held), door.id) for door in self._alive.plan.doors]
        return next((points for points, door in doors if name in (*points, door)), ())

    def _confirming(self, output: str) -> tuple[str, ...]:
        at = self._alive.plan.outputs.get(output)
        return (at.confirm,) if at else ()
