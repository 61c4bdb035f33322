"""Builds the shipped network from the published one (`make model`). For developers: needs the extra `dev`, and npm."""
