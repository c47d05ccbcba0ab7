"""`Prefer: wait`: the answer to a create comes once the run has ended, or the time is over."""

from __future__ import annotations

import asyncio
import re
import time

from safelight.local.emulator.problems import invalid
from safelight.local.emulator.state import State

LONGEST = 60
_WAIT = re.compile(r"wait(?:=([1-9]|[1-9][0-9]))?")
_LOOK_SECONDS = 0.05


def wanted(prefer: str | None) -> int | None:
    """The seconds to wait, of ours; None: it was not asked for. Problem 422 for another form."""
    if not prefer:
        return None
    found = _WAIT.fullmatch(prefer.strip())
    seconds = int(found[1] or LONGEST) if found else 0
    if not 1 <= seconds <= LONGEST:
        says = "Does not match pattern '^wait(=([1-9]|[1-9][0-9]|60))?$'"
        raise invalid([("pattern", "Prefer", says)])
    return seconds


async def ended(state: State, run_id: str, seconds: int) -> bool:
    """Whether it has ended within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if state.row("SELECT 1 FROM runs WHERE id = ? AND ended IS NOT NULL", run_id):
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False
