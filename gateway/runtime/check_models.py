"""Does the site's model exist, and can it see what the points want? For `campus-gateway check`: reads manifests, runs no network."""

from __future__ import annotations

from gateway.config.roles import ROLES
from gateway.config.settings import Problem, Settings, problem_at
from gateway.core.errors import ModelRefused
from models.manifest import FOLDER_NAME, folder_of, read_manifest


def judge_model(settings: Settings) -> tuple[list[Problem], list[Problem]]:
    """Errors and warnings. A site without cameras wants no model."""
    if not settings.site.cameras:
        return [], []
    try:
        kinds = read_manifest(folder_of(settings.site.vision.model, settings.state_dir / FOLDER_NAME)).classes.kinds
    except ModelRefused as refused:
        return [problem_at(settings.file, ("vision", "model"), str(refused))], []
    blind = "vehicle" not in kinds
    text = f"it looks for vehicles, but the model {settings.site.vision.model} finds none: set [vision] model to one that does"
    return [], [
        problem_at(settings.file, ("points", number, "role"), text)
        for number, point in enumerate(settings.site.points)
        if blind and point.camera and {"vehicle"} <= ROLES[point.role].sees and "object" not in ROLES[point.role].sees
    ]
