"""Site file and device-profile schema: text in, validated settings out; every error with file, line, key."""
