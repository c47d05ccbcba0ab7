"""SpendingLimits that protect an owner: a cap by UTC day, and a ceiling of trainings in flight."""

from __future__ import annotations

from dataclasses import dataclass

from safelight.domain.money import dollars, micro_usd
from safelight.domain.outcome import Park, Wait

FULL_SECONDS = 15.0
"""How often a training that waits for room among those in flight is looked at again."""
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
    limits: SpendingLimits, today: Today, estimate: int, *, training: bool
) -> Wait | Park | None:
    """Why a request of *estimate* micro-dollars is not sent now, if it is not."""
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
            FULL_SECONDS,
            reason=f"{today.in_flight} trainings of the owner are in flight, and {most} may be",
        )
    return None
