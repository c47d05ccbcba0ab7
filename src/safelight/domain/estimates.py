"""What a training will take, in time and money, drawn from the runs that were measured (K16).

Seconds go with steps, so the percentiles are of seconds a step, times the steps there will be. Where a
profile has too few runs of its own, all runs stand in; where all are too few, they give a middle and no
spread; where there are none, the one real capture on record does. Each says so, and how many of the runs
the emulator played.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from safelight.domain.money import micro_usd

FEW = 5
"""Fewer runs than that say nothing about a spread."""
REFERENCE_SECONDS, REFERENCE_STEPS = 1674.9, 1500
"""Rank 16, three resolutions, on an H100 (replicate.md 4.5)."""


class Basis(StrEnum):
    """What an estimate rests on."""

    PROFILE = "profile"
    ALL = "all profiles"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one profile, or of all: how many, seconds a step at two percentiles, and how many of the
    runs were emulated."""

    runs: int
    step_p50: float
    step_p95: float
    emulated: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds and micro-dollars; p95 is None where there are too few runs for a spread."""

    steps: int
    seconds_p50: float
    seconds_p95: float | None
    basis: Basis
    runs: int
    emulated: int = 0
    """Of the runs."""

    @property
    def micro_usd_p50(self) -> int:
        """Half of the runs cost no more."""
        return micro_usd(self.seconds_p50) or 0

    @property
    def micro_usd_p95(self) -> int | None:
        """Nineteen of twenty runs cost no more."""
        return micro_usd(self.seconds_p95)

    @property
    def words(self) -> str:
        """For a button or a line: time, money, and what they rest on."""
        minutes = f"{self.seconds_p50 / 60:.0f} min"
        money = f"${self.micro_usd_p50 / 1e6:.2f}"
        if self.basis is Basis.REFERENCE:
            return (
                f"about {minutes}, {money} (one run on record elsewhere; none has succeeded here)"
            )
        runs = f"{self.runs} run{'s' if self.runs > 1 else ''} measured here{self._emulated}"
        of = "this profile" if self.basis is Basis.PROFILE else self.basis
        if self.seconds_p95 is None or self.micro_usd_p95 is None:
            return f"about {minutes}, {money} ({runs}, of {of}; a spread takes {FEW})"
        return (
            f"{minutes}, {money}; 19 of 20 within {self.seconds_p95 / 60:.0f} min, "
            f"${self.micro_usd_p95 / 1e6:.2f} ({runs}, of {of})"
        )

    @property
    def _emulated(self) -> str:
        if not self.emulated:
            return ""
        return ", emulated" if self.emulated == self.runs else f", {self.emulated} of them emulated"


def estimate(steps: int, profile: str, measured: Mapping[str | None, Measured]) -> Estimate:
    """For *steps* with *profile*; *measured* by profile, with None for all of them together."""
    for least in (FEW, 1):
        for key, basis in ((profile, Basis.PROFILE), (None, Basis.ALL)):
            found = measured.get(key)
            if found is not None and found.runs >= least:
                p95 = steps * found.step_p95 if found.runs >= FEW else None
                return Estimate(
                    steps, steps * found.step_p50, p95, basis, found.runs, found.emulated
                )
    seconds = steps * REFERENCE_SECONDS / REFERENCE_STEPS
    return Estimate(steps, seconds, None, Basis.REFERENCE, 1)
