"""Profiles: how a kind of subject is judged, trained and previewed. Dated files, never changed.

A profile is `profiles/<name>@<version>.toml` in this package; a change is a new file. What a profile
sends is checked against the trainer's inputs when it is read, so a profile cannot carry a parameter
that would be dropped.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from safelight.domain.errors import Invalid, NotFound
from safelight.domain.gates import Gates
from safelight.domain.trainer_inputs import INPUTS, check_input

DEFAULT = "likeness@v2"


@dataclass(frozen=True, slots=True)
class StepRule:
    """Steps from exposures per image (K2): clamp(exposures × images ÷ batch, minimum, maximum)."""

    exposures: int
    minimum: int
    maximum: int

    def steps(self, images: int, batch_size: int = 1) -> int:
        """Steps for a set of *images*."""
        wanted = math.ceil(self.exposures * images / batch_size)
        return max(self.minimum, min(self.maximum, wanted))


@dataclass(frozen=True, slots=True)
class GenerationPreset:
    """How images are drawn with a version of this profile (R-94 to R-100, K12)."""

    guidance: float
    steps: int
    aspect_ratio: str
    output_format: str
    output_quality: int
    num_outputs: int
    lora_scale: float
    model: str

    def as_input(self) -> dict[str, Any]:
        """The preset under the drawing model's own input names, without prompt and seed."""
        return {
            "model": self.model,
            "guidance_scale": self.guidance,
            "num_inference_steps": self.steps,
            "aspect_ratio": self.aspect_ratio,
            "output_format": self.output_format,
            "output_quality": self.output_quality,
            "num_outputs": self.num_outputs,
            "lora_scale": self.lora_scale,
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt drawn with every new version: ``{trigger}`` and ``{noun}`` stand for the subject's."""

    prompt: str
    seed: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """A parameter a field note set that the trainer never took."""

    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile. `id` is ``name@version``; `sources` says where each number comes from."""

    name: str
    version: str
    title: str
    source: str
    backend: str
    trainer: str
    sent: Mapping[str, Any]
    gates: Gates
    steps: StepRule | int
    generation: GenerationPreset
    previews: tuple[Preview, ...]
    ignored: Mapping[str, Ignored] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """``name@version``, as it is stored and asked for."""
        return f"{self.name}@{self.version}"


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
    profile: Profile, *, images: int, trigger: str, overrides: Mapping[str, Any] | None = None
) -> TrainingPlan:
    """The plan for a training on *images* photos. `Invalid` for an override that cannot be sent."""
    if images < 1:
        raise Invalid(f"A training needs at least one image; {images} were given.")
    asked_for = dict(overrides or {})
    changes = {name: check_input(name, value) for name, value in asked_for.items()}
    sent = {**profile.sent, **changes}
    batch = int(sent.get("batch_size", INPUTS["batch_size"].default))
    if "steps" not in changes:
        rule = profile.steps
        sent["steps"] = rule.steps(images, batch) if isinstance(rule, StepRule) else rule
    sent["trigger_word"] = trigger
    ignored = {name: item.value for name, item in profile.ignored.items()}
    asked = {
        "profile": profile.id,
        "images": images,
        "overrides": asked_for,
        "parameters": {**ignored, **sent},
    }
    steps = int(sent["steps"])
    return TrainingPlan(
        asked=asked,
        sent=sent,
        steps=steps,
        rank=int(sent.get("lora_rank", INPUTS["lora_rank"].default)),
        exposures=steps * batch / images,
    )


def parse_profile(text: str) -> Profile:
    """The profile written in TOML *text*; `Invalid` for a key or a value that has no place in it."""
    try:
        data = tomllib.loads(text)
        steps = data.pop("steps")
        for name, value in data.get("sent", {}).items():
            check_input(name, value)
        fixed = check_input("steps", steps) if isinstance(steps, int) else StepRule(**steps)
        ignored = {name: Ignored(**item) for name, item in data.pop("ignored", {}).items()}
        for name in ignored:
            if name in INPUTS:
                raise Invalid(f"{name!r} is listed as ignored, but the trainer takes it.")
        return Profile(
            sent=MappingProxyType(data.pop("sent")),
            gates=Gates.parse(data.pop("gates")),
            steps=fixed,
            generation=GenerationPreset(**data.pop("generation")),
            previews=tuple(Preview(**item) for item in data.pop("previews")),
            ignored=MappingProxyType(ignored),
            sources=MappingProxyType(data.pop("sources", {})),
            **data,
        )
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"The profile cannot be read: {error}.") from error


@lru_cache(maxsize=1)
def load_profiles() -> Mapping[str, Profile]:
    """Every profile shipped: id → profile, in the order of their ids. A file's name is its id."""
    found = {}
    for item in sorted(files("safelight").joinpath("profiles").iterdir(), key=lambda x: x.name):
        if item.name.endswith(".toml"):
            profile = parse_profile(item.read_text("utf-8"))
            if f"{profile.id}.toml" != item.name:
                raise Invalid(f"The file {item.name} holds the profile {profile.id}.")
            found[profile.id] = profile
    return MappingProxyType(found)


def get_profile(id: str) -> Profile:
    """The profile ``name@version``; `NotFound` lists those there are."""
    profiles = load_profiles()
    if id not in profiles:
        raise NotFound(f"There is no profile {id!r}.", hint=f"There are: {', '.join(profiles)}.")
    return profiles[id]
