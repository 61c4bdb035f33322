"""A camera's zones on the page: drawn for everybody, the pencil for technicians only, and what the archive says of the site file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from gateway.console.pages import NoArchive, Shape
from gateway.runtime.console_archive import DiskArchive
from tests.gateway.config.test_cameras import CAMERA
from tests.gateway.config.test_load import site
from tests.gateway.console.pictures import picture
from tests.gateway.console.served import PASSWORD, Hand, Served, Visitor

YARD = Shape("zone", "yard", ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
KERB = Shape("line", "kerb", ((0.0, 0.5), (1.0, 0.5)))
BLACK = Shape("mask", "", ((0.0, 0.0), (0.2, 0.0), (0.2, 0.3)))
PEOPLE = {"guard": "张三", "duty_leader": "王主任", "technician": "赵工", "viewer": "校长"}


class OneCamera(NoArchive):
    """An archive of a school with the camera of CAMERA."""

    def cameras(self) -> tuple[str, ...]:
        return ("eye",)

    def drawn(self, camera: str) -> tuple[Shape, ...]:
        return (YARD, KERB, BLACK)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Visitor]]:
    served = Served(tmp_path_factory.mktemp("console"), Hand(picture()), OneCamera())
    served.accounts.add(PEOPLE["technician"], "technician", PASSWORD)
    with served.running():
        found = {role: served.visitor() for role in PEOPLE}
        for role, visitor in found.items():
            assert visitor.sign_in(PEOPLE[role]) == 200
        yield found


@pytest.mark.parametrize("role", PEOPLE)
def test_everybody_sees_what_is_drawn_and_a_technician_may_draw(people: dict[str, Visitor], role: str) -> None:
    status, html, _ = people[role].ask("GET", "/cameras/eye/zones")
    assert status == 200
    shapes = json.loads(unescape(re.findall(r'data-shapes="([^"]*)"', html)[0]))
    assert [(each["kind"], each["id"]) for each in shapes] == [("zone", "yard"), ("line", "kerb"), ("mask", "")]
    assert shapes[1]["corners"] == [[0.0, 0.5], [1.0, 0.5]]
    assert ('id="pencil"' in html) == (role == "technician")
    assert "style=" not in html, "the page forbids inline styles"


@pytest.mark.parametrize("role", PEOPLE)
def test_the_way_there_is_shown_to_technicians(people: dict[str, Visitor], role: str) -> None:
    assert ('href="/cameras/eye/zones"' in people[role].ask("GET", "/cameras")[1]) == (role == "technician")


def test_a_camera_that_is_not_there_has_no_zones(people: dict[str, Visitor]) -> None:
    assert people["technician"].ask("GET", "/cameras/none/zones")[0] == 404


def test_the_archive_reads_zones_lines_and_masks_of_the_site_file(tmp_path: Path) -> None:
    async def wish(cameras: list[str]) -> None:
        pass

    archive = DiskArchive(site(tmp_path, CAMERA), wish)
    assert archive.drawn("eye") == (YARD, KERB, BLACK)
    assert archive.drawn("none") == ()
    archive.close()
