"""The trainer's log: step, loss and rate, out of tqdm's progress bars.

A bar is printed again and again with the same count; the loss behind a count that has just gone up
is that of the next step (replicate.md 4.4), so one point is taken where the count increases. The
trainer says "loss is nan" before the bar of such a step, which then shows a loss of zero: that step
has no point. A trainer that starts over counts from the start again.

The loss says little: most of it is the noise of the random timestep, and its scale differs by model
(requirements, C1). Nothing acts on a low one; only one that is no number ends a run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

LOSS_SAYS_LITTLE = (
    "A step's loss is mostly the noise of its random timestep: a low one is no sign of a good LoRA."
)

_BAR = re.compile(
    r"^flux_train_replicate:\s+\d+%\|[^|]*\|\s*(?P<count>\d{1,9})/(?P<total>\d{1,9}) "
    r"\[[\d:]+<[\d:?]+,\s*(?P<rate>[\d.]+|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>\S+) loss: (?P<loss>[^\s\]]+))?\]"
)
_NAN = re.compile(r"\bloss is nan\b", re.IGNORECASE)
_FOUND = re.compile(r"^-\s+Found (\d{1,9}) images$")


@dataclass(frozen=True, slots=True)
class Point:
    """One step: its number from 1, its loss, its learning rate, and steps a second as shown then."""

    step: int
    loss: float
    lr: float
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """The course of a training so far.

    `step` is the last step done (0 before the first), `rate` is steps a second, `nan_steps` those
    whose loss was no number, `restarts` the step at which each earlier attempt broke off, `images`
    how many photos the trainer says it found.
    """

    points: tuple[Point, ...] = ()
    step: int = 0
    steps: int | None = None
    rate: float | None = None
    nan_steps: tuple[int, ...] = ()
    restarts: tuple[int, ...] = ()
    images: int | None = None

    @property
    def nan(self) -> bool:
        """Whether a loss was no number."""
        return bool(self.nan_steps)

    @property
    def loss(self) -> float | None:
        """The loss of the last step that has one."""
        return self.points[-1].loss if self.points else None

    def to_dict(self) -> dict[str, Any]:
        """Everything, in little space: losses in order, what stays the same said once."""
        return {
            "step": self.step,
            "steps": self.steps,
            "rate": self.rate,
            "runs": _runs(point.step for point in self.points),
            "loss": [point.loss for point in self.points],
            "lr": _same(point.lr for point in self.points),
            "rates": _same(point.rate for point in self.points),
            "nan": list(self.nan_steps),
            "restarts": list(self.restarts),
            "images": self.images,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Course:
        """What `to_dict` made."""
        steps = [first + n for first, count in data["runs"] for n in range(count)]
        columns = (steps, data["loss"], _spread(data["lr"]), _spread(data["rates"]))
        return cls(
            tuple(Point(*values) for values in zip(*columns, strict=True)),
            data["step"],
            data["steps"],
            data["rate"],
            tuple(data["nan"]),
            tuple(data["restarts"]),
            data["images"],
        )


def _runs(steps: Iterable[int]) -> list[list[int]]:
    """Steps that follow each other as [first, how many]."""
    found: list[list[int]] = []
    for step in steps:
        if found and sum(found[-1]) == step:
            found[-1][1] += 1
        else:
            found.append([step, 1])
    return found


def _same(values: Iterable[float | None]) -> list[list[Any]]:
    """Equal values that follow each other as [how many, value]."""
    return [[len(list(group)), value] for value, group in groupby(values)]


def _spread(groups: Iterable[tuple[int, Any]]) -> list[Any]:
    return [value for count, value in groups for _ in range(count)]


def parse_log(text: str) -> Course:
    """The course in a log, or in the tail of one."""
    reading = _Reading()
    for line in re.split(r"[\r\n]+", text):
        reading.take(line.strip())
    return Course(
        tuple(reading.points),
        reading.last + 1,
        reading.steps,
        reading.rate,
        tuple(reading.nan_steps),
        tuple(reading.restarts),
        reading.images,
    )


class _Reading:
    """What was read so far; `last` is the highest count of this attempt."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.last = -1
        self.steps: int | None = None
        self.rate: float | None = None
        self.nan_steps: list[int] = []
        self.restarts: list[int] = []
        self.images: int | None = None
        self.nan_said = False

    def take(self, line: str) -> None:
        """One line."""
        if _NAN.search(line):
            self.nan_said = True
            self._is_nan(self.last + 2)
        elif bar := _BAR.match(line):
            self._bar(bar)
        elif found := _FOUND.match(line):
            self.images = int(found[1])

    def _is_nan(self, step: int) -> None:
        if step not in self.nan_steps:
            self.nan_steps.append(step)

    def _bar(self, bar: re.Match[str]) -> None:
        count, self.steps = int(bar["count"]), int(bar["total"])
        shown = _number(bar["rate"]) or None
        if shown is not None:
            self.rate = shown if bar["unit"] == "it/s" else 1 / shown
        if count < self.last:
            self.restarts.append(self.last + 1)
            self.points, self.last, self.nan_steps, self.nan_said = [], -1, [], False
        if bar["loss"] is None or count <= self.last:
            return
        after_nan, self.nan_said, self.last = self.nan_said, False, count
        loss, lr = _number(bar["loss"]), _number(bar["lr"])
        if loss is None or lr is None:
            self._is_nan(count + 1)
        elif not (after_nan and loss == 0):
            rate = None if shown is None else self.rate
            self.points.append(Point(count + 1, loss, lr, rate))


def _number(text: str) -> float | None:
    """*text* as a finite number; None for nan, inf and whatever else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
