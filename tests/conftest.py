"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes is the machine's matter: a busy one is no fault of the code.
settings.register_profile("safelight", settings(), deadline=None)
settings.load_profile("safelight")
