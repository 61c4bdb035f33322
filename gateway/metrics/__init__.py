"""Prometheus, on loopback."""
