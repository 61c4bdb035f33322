"""Scenarios: what happens at a school, and what the gateway must say to it. The grammar: docs/scenarios.md."""
