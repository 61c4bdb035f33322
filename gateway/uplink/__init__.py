"""MQTT: one session per path, delivery until the centre itself has said "received"."""
