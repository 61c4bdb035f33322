"""The only room that knows the others: wiring, supervision, the conveyor, the door, the watchdog."""
