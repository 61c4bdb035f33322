"""Readings -> conditions -> ISA-18.2 states. Pure: time is handed in. One table holds every transition."""
