"""What a person at the keyboard can put right."""

from __future__ import annotations


class SimError(Exception):
    """A site file, profile, port or program that cannot be used. The message is one line; programs end with code 2."""
