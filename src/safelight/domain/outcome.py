"""How a job's turn ends. Expected endings are values; exceptions are for surprises."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The stage ended; what follows is in other jobs."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not done yet: come again in *seconds*. `fresh`: waiting was no failure, attempts start anew.
    `fault`: something we need is away, and the attempt is given back."""

    seconds: float
    reason: str
    fresh: bool = True
    error: str | None = None
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """It stands still, visibly, until a person retries or cancels it."""

    error: str
    reason: str = "needs a person"


@dataclass(frozen=True, slots=True)
class Canceled:
    """It was asked to stop, and stopped."""

    reason: str = "cancelled"


Outcome = Done | Wait | Park | Canceled

BACKOFF_FIRST = 1.0
BACKOFF_CAP = 300.0
FAULT_CAP = 60.0
"""Seconds between two tries at most while something we need is away: what is back is found soon."""
FAULT_SECONDS = 24 * 3600.0
"""For how long a fault may last that passes; after that a person looks."""


def backoff(attempt: int, *, first: float = BACKOFF_FIRST, cap: float = BACKOFF_CAP) -> float:
    """Seconds before attempt number *attempt* + 1: doubling, capped, with jitter of a half so that
    jobs which failed together do not come back together."""
    top = min(cap, first * 2.0 ** min(attempt - 1, 30))
    return top * (0.5 + random.random() / 2)  # noqa: S311 (jitter, not a secret)


def passing_fault(
    error: str,
    since: datetime | None,
    due_at: datetime,
    *,
    reason: str = "failed, will be tried again",
    least: float = 0.0,
) -> Wait | Park:
    """What follows from a fault that passes by itself, which a job has met *since* (None: the first
    time) and met again when it was due, both by the database's clock: a pause about as long as it has
    lasted, *least* or more; after a day, a person. No attempt is spent: the cap on those is for
    surprises, and an outage of minutes would use it up."""
    lasted = (due_at - since).total_seconds() if since else 0.0
    if lasted > FAULT_SECONDS:
        return Park(
            f"It has met this for {lasted / 3600:.0f} hours: {error}", reason="away for a day"
        )
    top = min(FAULT_CAP, max(BACKOFF_FIRST, lasted))
    pause = top * (0.5 + random.random() / 2)  # noqa: S311 (as above)
    return Wait(max(pause, least), reason=reason, fresh=False, error=error, fault=True)
