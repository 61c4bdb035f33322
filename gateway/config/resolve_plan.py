"""Cross-checks of a site file's [plan]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.plan_file import PlanRefused, height_ratio, read_plan
from gateway.config.problems import unknown
from gateway.config.settings import Problem, beside, problem_at
from gateway.config.site import Site
from gateway.core.ids import SYSTEM_PREFIX

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved


def resolve_plan(site: Site, out: Resolved) -> None:
    """Check that all that is on the plan is there. Call it when all points are."""
    if site.plan is None:
        return
    known = {point for point in out.points if not point.startswith(SYSTEM_PREFIX)} | {camera.id for camera in site.cameras}
    out.errors.extend(
        (("plan", "at", name), unknown("a point or camera of this file", name, known)) for name in site.plan.at if name not in known
    )


def plan_problems(file: Path, site: Site) -> list[Problem]:
    """What keeps the drawing from being shown. file: the site file."""
    if site.plan is None:
        return []
    try:
        height_ratio(*read_plan(beside(file, site.plan.file)))
    except PlanRefused as refused:
        return [problem_at(file, ("plan", "file"), str(refused))]
    return []
