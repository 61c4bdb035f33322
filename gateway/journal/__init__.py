"""One SQLite file that keeps what must not be lost: sealed events, latches, outbox."""
