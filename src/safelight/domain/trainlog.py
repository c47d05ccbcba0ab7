"""The trainer's log: step, loss and rate, out of tqdm's progress bars.

A bar is printed again and again with the same count; the loss behind a count that has just gone up
is that of the next step (replicate.md 4.4), so one point is taken where the count increases.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_BAR = re.compile(
    r"^flux_train_replicate:\s+\d+%\|[^|]*\|\s*(?P<count>\d+)/(?P<total>\d+) "
    r"\[[\d:]+<[\d:?]+,\s*(?P<rate>[\d.]+|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>\S+) loss: (?P<loss>[^\s\]]+))?\]"
)
_NAN = re.compile(r"\bloss is nan\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Point:
    """One step: its number from 1, its loss and its learning rate."""

    step: int
    loss: float
    lr: float


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a training so far.

    `step` is the last step done (0 before the first), `rate` is steps a second, `nan`: a loss was not
    a number, so that step has no point.
    """

    points: tuple[Point, ...] = ()
    step: int = 0
    steps: int | None = None
    rate: float | None = None
    nan: bool = False

    @property
    def loss(self) -> float | None:
        """The loss of the last step that has one."""
        return self.points[-1].loss if self.points else None


def parse_log(text: str) -> Course:
    """The course in a log, or in the tail of one. A trainer that starts over starts the course over."""
    points: list[Point] = []
    steps: int | None = None
    rate: float | None = None
    last = -1
    nan = False
    for line in re.split(r"[\r\n]+", text):
        if _NAN.search(line):
            nan = True
            continue
        bar = _BAR.match(line.strip())
        if bar is None:
            continue
        count, steps = int(bar["count"]), int(bar["total"])
        if bar["rate"] != "?" and float(bar["rate"]) > 0:
            rate = float(bar["rate"]) if bar["unit"] == "it/s" else 1 / float(bar["rate"])
        if count < last:
            points, last = [], -1
        if bar["loss"] is None or count <= last:
            continue
        last = count
        loss, lr = _number(bar["loss"]), _number(bar["lr"])
        if loss is None or lr is None:
            nan = True
        else:
            points.append(Point(count + 1, loss, lr))
    return Course(tuple(points), last + 1, steps, rate, nan)


def _number(text: str) -> float | None:
    """*text* as a finite number; None for nan, inf and whatever else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
