"""The trainer's log: step, loss and rate, out of tqdm's progress bars.

A bar is printed again and again with the same count; the loss behind a count that has just gone up
is that of the next step (replicate.md 4.4), so one point is taken where the count increases. The
trainer says "loss is nan" before the bar of such a step, which then shows a loss of zero: that step
has no point. It says so on standard output while its bar stands unended on standard error, so the words
are glued to the bar before them as often as they have a line of their own. A trainer that starts over
counts from the start again.

The loss says little: most of it is the noise of the random timestep, and its scale differs by model
(requirements, C1). Nothing acts on a low one. One that is no number is another matter: the trainer
(ai-toolkit) puts zero in its place and goes on, so that such a step teaches nothing and harms nothing,
and one of them in a thousand is a mark in the course. Where the weights themselves are no numbers any
more, every step after is one: `Course.diverged`.
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
LAST_STEPS = 20
MANY_NAN = 10
"""A run has diverged once so many of its last `LAST_STEPS` steps had no loss: ten seconds of one that
does not recover, and more than one broken photo among twenty can bring about."""
MOST_CHARS = 8 * 1024 * 1024
"""So much of a log is read: the longest training's (6,000 steps, each with two bars) has a quarter."""
HEAD_CHARS = 256 * 1024
"""Of a longer one, so much from its start, where the count of photos stands, and the rest from its end."""

# Every repeat has a bound and gives nothing back (possessive), so that the time for a log grows with its
# length and no faster, whatever is in it and whether it has line ends or not.
_COUNT = r"[0-9][0-9,]{0,12}+"
_GAP = r"[ \t]{0,9}+"
_EVENT = re.compile(
    # A bar, wherever it begins; past its total tqdm leaves bar, total and time left out.
    rf"flux_train_replicate:{_GAP}(?:[0-9]{{1,3}}+%\|[^|\r\n]{{0,400}}+\|{_GAP}"
    rf"(?P<count>{_COUNT})/(?P<total>{_COUNT})|(?P<past>{_COUNT})it)"
    rf" \[[0-9:]{{1,16}}+(?:<[0-9:?]{{1,16}}+)?,{_GAP}"
    r"(?P<rate>[0-9.]{1,12}+|\?)(?P<unit>it/s|s/it)"
    r"(?:, lr: (?P<lr>[^\s\]]{1,40}+) loss: (?P<loss>[^\s\]]{1,40}+)[^\]\r\n]{0,200}+)?(?P<bar>\])"
    r"|[Ll](?P<nan>(?i:oss is nan)(?!(?!flux_train)[a-z]))"
    # How many photos it found: at a line's start, or glued to a bar.
    rf"|-(?<![^\s\]]-){_GAP}Found (?P<images>[0-9]{{1,9}}+) images?(?![a-z])"
)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,32}[A-Za-z]")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?")


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
    def diverged(self) -> bool:
        """Whether the losses are no numbers any more, and not only one here and there."""
        return sum(step > self.step - LAST_STEPS for step in self.nan_steps) >= MANY_NAN

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
    for event in _EVENT.finditer(_ESCAPE.sub("", both_ends(text))):
        reading.take(event)
    return Course(
        tuple(reading.points),
        reading.last + 1,
        reading.steps,
        reading.rate,
        tuple(reading.nan_steps),
        tuple(reading.restarts),
        reading.images,
    )


def both_ends(text: str, most: int = MOST_CHARS, head: int = HEAD_CHARS) -> str:
    """*text*; of one longer than *most* characters its first *head* and its end, the rest left out."""
    return text if len(text) <= most else f"{text[:head]}\n{text[-(most - head) :]}"


class _Reading:
    """What was read so far; `last` is the highest count of this attempt."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.last = -1
        self.steps: int | None = None
        self.rate: float | None = None
        self.nan_steps: dict[int, None] = {}
        self.restarts: list[int] = []
        self.images: int | None = None
        self.nan_said = False

    def take(self, event: re.Match[str]) -> None:
        """A bar, a NaN that is said, or the count of photos."""
        if event["nan"]:
            self.nan_said = True
            self.nan_steps[self.last + 2] = None
        elif event["images"]:
            self.images = int(event["images"])
        else:
            self._bar(event)

    def _bar(self, bar: re.Match[str]) -> None:
        count = _whole(bar["count"] or bar["past"])
        self.steps = _whole(bar["total"] or "0") or self.steps
        shown = _number(bar["rate"]) or None
        if shown is not None:
            self.rate = shown if bar["unit"] == "it/s" else 1 / shown
        if count < self.last:
            self.restarts.append(self.last + 1)
            self.points, self.last, self.nan_steps, self.nan_said = [], -1, {}, False
        if bar["loss"] is None or count <= self.last:
            return
        after_nan, self.nan_said, self.last = self.nan_said, False, count
        loss, lr = _number(bar["loss"]), _number(bar["lr"])
        if loss is None or lr is None:
            self.nan_steps[count + 1] = None
        elif not (after_nan and loss == 0):
            rate = None if shown is None else self.rate
            self.points.append(Point(count + 1, loss, lr, rate))


def _whole(text: str) -> int:
    """A count, with or without thousands separators; at most nine digits, as columns have them."""
    return min(int(text.replace(",", "")), 999_999_999)


def _number(text: str) -> float | None:
    """*text* as a finite number; None for nan, inf and whatever else."""
    text = text.rstrip(",")
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None
