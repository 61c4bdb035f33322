"""What a line of the log is about, for whoever searches it: `log.warning("...", extra=about(line="gate-io"))`. Pure."""

from __future__ import annotations

from typing import Any

NOTICE = 25  # between info and warning: what people want to read back, an alarm above all
FIELDS = "about"  # attribute of a log record


def about(**fields: object) -> dict[str, Any]:
    """The `extra` of a log call. fields: ids of the site file (line, device, path, camera, point, task) and of events; no secrets,
    no names of people. Empty ones are left out when the line is written.
    """
    return {FIELDS: fields}
