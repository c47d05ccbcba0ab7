"""`safelight`: the command line. Each command imports what it needs, so that `--help` is quick."""

from __future__ import annotations


def main() -> None:
    """The entry point."""
    from safelight.cli.main import run

    run()
