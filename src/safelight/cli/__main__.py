"""`python -m safelight.cli`."""

from safelight.cli import main

main()
