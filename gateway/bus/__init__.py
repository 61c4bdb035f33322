"""The wire: one owner and one queue for each serial line or TCP peer, and whose turn it is."""
