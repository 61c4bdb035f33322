"""All pages of the console, in the order of the navigation, and all files that it gives."""

from __future__ import annotations

from gateway.console.cameras import CAMERAS, TILE
from gateway.console.duties import DUTY
from gateway.console.hazards import CLOSED, HAZARD, HAZARDS, LEDGERS
from gateway.console.history import HISTORY, HISTORY_FILE
from gateway.console.incidents import INCIDENT, INCIDENTS
from gateway.console.inspections import INSPECTIONS
from gateway.console.pages import Download, Page
from gateway.console.plan import DRAWING, PLAN, POINTS
from gateway.console.reports import AS_JSON, REPORT, REPORTS
from gateway.console.trends import TRENDS, TRENDS_FILE
from gateway.console.zones import ZONES

NOW = Page("/", "now", "now.html", ("alarms", "faults", "aside", "duties", "delivery", "points"))

PAGES: tuple[Page, ...] = (
    NOW,
    PLAN,
    DUTY,
    CAMERAS,
    INCIDENTS,
    TRENDS,
    HISTORY,
    HAZARDS,
    INSPECTIONS,
    REPORTS,
    POINTS,
    CLOSED,
    HAZARD,
    REPORT,
    INCIDENT,
    ZONES,
)
DOWNLOADS: tuple[Download, ...] = (
    TILE,
    TRENDS_FILE,
    HISTORY_FILE,
    DRAWING,
    *LEDGERS,
    AS_JSON,
)
