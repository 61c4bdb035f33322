"""campus-gateway: the box in a school's guard room that must never lose an alarm."""

__version__ = "0.1.0"
