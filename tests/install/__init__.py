"""Installing on a fresh Debian, and what a real systemd does with it. Long: `make test-install`."""
