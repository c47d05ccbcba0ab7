"""A Replicate emulator: a server of its own that speaks the provider's HTTP API on this machine.

It stands in for the provider where the provider cannot be reached or paid: the demo, the tests. The
rest of Safelight does not know that it exists; it is told another base URL, and that is all.
Facts come from the project's reference on the provider, section 7 of which is this server's list.
"""

CONTROL_FILE = "control-token"
"""In its data folder: the token that its own routes ask for."""
