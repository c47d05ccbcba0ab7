"""What a training is asked for and what is sent: a profile, the overrides, and the trainer's inputs.

Everything that the trainer would drop or refuse is refused here, with the place it came from: the
profile's line, or the request. The exposures that follow are said with it, since they are what most
dropped parameters were meant to change (requirements, 0.4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safelight.domain.errors import Invalid
from safelight.domain.profiles import Profile, StepRule
from safelight.domain.trainer_inputs import INPUTS, REPEATS, TrainerInput, check_input

OURS = ("trigger_word", "input_images")
"""Inputs that Safelight sets and nobody else."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a training is asked for and what is sent (all but `input_images`).

    `asked` holds the profile, the images, the overrides and every parameter somebody named, those
    that the trainer ignores among them; `sent` only what it takes.
    """

    asked: Mapping[str, Any]
    sent: Mapping[str, Any]
    steps: int
    rank: int
    exposures: float
    """How often each image is seen: steps × batch_size ÷ images."""


def training_input(
    profile: Profile,
    *,
    images: int,
    trigger: str,
    overrides: Mapping[str, Any] | None = None,
    inputs: Mapping[str, TrainerInput] = INPUTS,
) -> TrainingPlan:
    """The plan for a training on *images* photos; *inputs* is what the trainer's version takes.

    Raises:
        Invalid: an override, or a line of the profile, cannot be sent.
    """
    if images < 1:
        raise Invalid(f"A training needs at least one image; {images} were given.")
    asked_for = dict(overrides or {})
    changes = {}
    for name, value in asked_for.items():
        try:
            changes[name] = check_input(name, value, inputs)
        except Invalid as error:
            raise _meant(name, error, exposures_note(profile, images)) from error
    sent = {**profile.sent, **changes}
    batch = _number(sent, "batch_size")
    if "steps" not in changes:
        rule = profile.steps
        sent["steps"] = rule.steps(images, batch) if isinstance(rule, StepRule) else rule
    sent["trigger_word"] = trigger
    check_sent(profile, sent, asked_for, inputs)
    ignored = {name: item.value for name, item in profile.ignored.items()}
    asked = {
        "profile": profile.id,
        "profile_sha256": profile.sha256,
        "images": images,
        "overrides": asked_for,
        "parameters": {**ignored, **sent},
        "recorded_only": sorted(ignored),
    }
    steps = int(sent["steps"])
    return TrainingPlan(
        asked=asked,
        sent=sent,
        steps=steps,
        rank=_number(sent, "lora_rank"),
        exposures=steps * batch / images,
    )


def _number(sent: Mapping[str, Any], name: str) -> int:
    return int(sent.get(name, INPUTS[name].default))


def check_sent(
    profile: Profile,
    sent: Mapping[str, Any],
    overrides: Mapping[str, Any],
    inputs: Mapping[str, TrainerInput],
) -> None:
    """Raise Invalid, naming the line or the request, where the trainer would not take what is sent."""
    for name, value in sent.items():
        if name in OURS and name in inputs:
            continue
        try:
            check_input(name, value, inputs)
        except Invalid as error:
            where = "The request" if name in overrides else profile.place(name)
            raise Invalid(f"{where}: {error.message}", hint=error.hint) from error


def exposures_note(profile: Profile, images: int) -> str:
    """How often each image would be seen, and what to set for another number."""
    batch = _number(profile.sent, "batch_size")
    rule = profile.steps
    steps = rule.steps(images, batch) if isinstance(rule, StepRule) else rule
    twice = math.ceil(2 * steps)
    return (
        f"With {profile.id}, {images} images get {steps} steps: each is seen "
        f"{steps * batch / images:.0f} times. Set steps to change that: {twice} would show each "
        f"{twice * batch / images:.0f} times."
    )


def _meant(name: str, error: Invalid, note: str) -> Invalid:
    """The error; for what was meant to change exposures, with the exposures there are."""
    if name not in REPEATS:
        return error
    message = f"{error.message} It was meant to change how often each image is seen. {note}"
    return Invalid(message, hint=error.hint)
