"""What became of the files of a kind, and whether that is good."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field

from safelight.config import cores

SLOWEST = 10.0
"""Seconds for one file, on a machine that has nothing else to do."""


def patience() -> float:
    """How many times as long everything takes now, because others want the cores as well."""
    return max(1.0, os.getloadavg()[0] / cores())


@dataclass
class Outcome:
    """What became of the files; `cap` is what a process may take, in bytes."""

    kind: str = ""
    cap: float = 0.0
    files: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    """How each file ended: ``read``, or the name of the error that it is refused with."""
    slowest: float = 0.0
    """Seconds."""
    slowest_file: str = ""
    memory: int = 0
    """The most that a process had, in bytes."""
    disk: int = 0
    """The most that one file left on the disk while it was read, in bytes."""
    died: int = 0
    """Processes that had to be replaced."""
    late: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What ended in anything but a name, or broke a promise of its kind."""

    def took(self, name: str, seconds: float, limit: float = SLOWEST) -> None:
        """Note how long a file took; *limit* is on a machine at rest."""
        if seconds > self.slowest:
            self.slowest, self.slowest_file = seconds, name
        if seconds > limit * patience():
            self.late.append(f"{name}: {seconds:.1f} s")

    @property
    def passed(self) -> bool:
        """No hang, no memory over the cap, no ending without a name."""
        return not self.wrong and not self.late and self.memory <= self.cap
