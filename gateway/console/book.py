"""All pages of the console, in the order of the navigation, and all files that it gives."""

from __future__ import annotations

from gateway.console.pages import Download, Page

NOW = Page("/", "now", "now.html", ("alarms", "faults", "aside", "duties", "delivery", "points"))

PAGES: tuple[Page, ...] = (NOW,)
DOWNLOADS: tuple[Download, ...] = ()
