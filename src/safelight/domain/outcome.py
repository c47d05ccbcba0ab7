"""How a job's turn ends. Expected endings are values; exceptions are for surprises."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The stage ended; what follows is in other jobs."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not done yet: come again in *seconds*. `fresh`: waiting was no failure, attempts start anew."""

    seconds: float
    reason: str
    fresh: bool = True
    error: str | None = None


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


def backoff(attempt: int, *, first: float = BACKOFF_FIRST, cap: float = BACKOFF_CAP) -> float:
    """Seconds before attempt number *attempt* + 1: doubling, capped, with jitter of a half so that
    jobs which failed together do not come back together."""
    top = min(cap, first * 2.0 ** min(attempt - 1, 30))
    return top * (0.5 + random.random() / 2)  # noqa: S311 (jitter, not a secret)
