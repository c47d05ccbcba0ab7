"""What protects an owner from spending: a cap for each UTC day, a ceiling of trainings in flight."""

from __future__ import annotations

import random
from dataclasses import dataclass

from safelight.domain.money import dollars, micro_usd
from safelight.domain.outcome import Park, Wait

FULL_SECONDS, FULL_MOST_SECONDS = 15.0, 120.0
"""How often a training that waits for room among those in flight asks again: less often the longer it
waits, so that a thousand of them are eight requests a second and not seventy."""
FULL_SHARE = 0.05
"""Of the time it has waited, the pause before it asks again."""
IMAGE_SECONDS = 12.0
"""Predict seconds of an image at 28 to 50 steps, for what is reserved (replicate.md 5)."""


@dataclass(frozen=True, slots=True)
class SpendingLimits:
    """What an owner may spend a day (micro-dollars) and have in flight; None: no limit."""

    daily_cap_micro_usd: int | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class Today:
    """Spent or reserved today, seconds left of the UTC day, trainings in flight."""

    micro_usd: int
    seconds_left: float
    in_flight: int


def images_estimate(count: int) -> int:
    """Micro-dollars to reserve for *count* images."""
    return micro_usd(count * IMAGE_SECONDS) or 0


def stands_in_the_way(
    limits: SpendingLimits, today: Today, estimate: int, *, training: bool, waited: float = 0.0
) -> Wait | Park | None:
    """Why a request of *estimate* micro-dollars, asked for *waited* seconds ago, is not sent now, if it
    is not."""
    cap = limits.daily_cap_micro_usd
    if cap is not None and estimate > cap:
        return Park(
            f"It is estimated at {dollars(estimate)}, and the owner's cap is {dollars(cap)} a day: no day "
            "will do. Raise the cap (`safelight limits --daily-cap`) and retry, or cancel it.",
            reason="over the daily cap",
        )
    if cap is not None and today.micro_usd + estimate > cap:
        return Wait(
            today.seconds_left + 1.0,
            reason=f"the owner's cap of {dollars(cap)} a day: {dollars(today.micro_usd)} is spent or "
            f"reserved, this is estimated at {dollars(estimate)}; it goes on after midnight UTC",
        )
    most = limits.max_in_flight
    if training and most is not None and today.in_flight >= most:
        return Wait(
            _until_it_asks_again(waited),
            reason=f"{today.in_flight} trainings of the owner are in flight, and {most} may be",
        )
    return None


def _until_it_asks_again(waited: float) -> float:
    """With jitter of a half, so that those which came together do not ask together."""
    pause = min(FULL_MOST_SECONDS, max(FULL_SECONDS, FULL_SHARE * waited))
    return pause * (0.75 + random.random() / 2)  # noqa: S311 (jitter, not a secret)
