"""Profiles: how a kind of subject is judged, trained and previewed. Dated files, never changed.

A profile is `<name>@<version>.toml`, in this package or in the project's own folder; a change is a
new file. What a profile sends is checked against the trainer's inputs when it is read, so a profile
cannot carry a parameter that would be dropped.
"""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safelight.domain.errors import Invalid, NotFound
from safelight.domain.gates import Gates
from safelight.domain.reasons import in_words
from safelight.domain.trainer_inputs import INPUTS, NOT_TAKEN, REPEATS, check_input

DEFAULT = "likeness@v2"
BACKEND = "replicate"
NEW_NAME = "A profile is immutable: a change is a new name or a new version, in a new file."


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
    text: str = ""
    """The file as it is: kept with the first training that uses it."""
    file: str = ""
    own: bool = False
    """Out of the project's own folder, and not of those that Safelight ships."""

    @property
    def sha256(self) -> str:
        """The hash of the file, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def place(self, name: str) -> str:
        """Where the profile sets *name*: file, line and what stands there."""
        return _place(self.text, self.file or self.id, name)

    @property
    def id(self) -> str:
        """``name@version``, as it is stored and asked for."""
        return f"{self.name}@{self.version}"


def parse_profile(text: str, file: str = "", *, own: bool = False) -> Profile:
    """The profile written in TOML *text*.

    Raises:
        Invalid: a key or a value has no place in it; *file* and the line are named.
    """
    try:
        data = tomllib.loads(text)
        if not own:
            data = in_words(data)
        steps = data.pop("steps")
        for name, value in data.get("sent", {}).items():
            _check_line(text, file, name, value)
        fixed = (
            _check_line(text, file, "steps", steps) if isinstance(steps, int) else StepRule(**steps)
        )
        if isinstance(fixed, StepRule):
            for bound in (fixed.minimum, fixed.maximum):
                _check_line(text, file, "steps", bound)
        if data["backend"] != BACKEND:
            raise Invalid(
                f"{file}: the backend {data['backend']!r} is not run here, but {BACKEND!r}."
            )
        ignored = {name: Ignored(**item) for name, item in data.pop("ignored", {}).items()}
        for name in ignored:
            if name in INPUTS:
                where = _place(text, file, f"ignored.{name}")
                raise Invalid(f"{where}: {name!r} is listed as ignored, but the trainer takes it.")
        return Profile(
            sent=MappingProxyType(data.pop("sent")),
            gates=Gates.parse(data.pop("gates")),
            steps=fixed,
            generation=GenerationPreset(**data.pop("generation")),
            previews=tuple(Preview(**item) for item in data.pop("previews")),
            ignored=MappingProxyType(ignored),
            sources=MappingProxyType(data.pop("sources", {})),
            text=text,
            file=file,
            own=own,
            **data,
        )
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"The profile {file} cannot be read: {error}.") from error


def _check_line(text: str, file: str, name: str, value: Any) -> Any:
    try:
        return check_input(name, value)
    except Invalid as error:
        meant = ""
        if name in NOT_TAKEN:
            meant = " To keep it on record without sending it, write it under [ignored]."
        if name in REPEATS:
            meant = f" It was meant to change how often each image is seen: {_seen(text)}.{meant}"
        raise Invalid(
            f"{_place(text, file, name)}: {error.message}{meant}", hint=error.hint
        ) from error


def _seen(text: str) -> str:
    """How often a profile shows each image, for one whose gates may be wrong too."""
    data = tomllib.loads(text)
    match data.get("steps"), data.get("gates"):
        case {"exposures": exposures}, _:
            return f"its [steps] rule asks for {exposures} times"
        case int(steps), {"ideal_min": int(low), "ideal_max": int(high)} if low > 0 < high:
            return (
                f"its {steps} steps show each of {high} images {steps / high:.0f} times, and each of "
                f"{low} images {steps / low:.0f} times"
            )
    return "set steps for that"


def _place(text: str, file: str, name: str) -> str:
    """``file, line 14 (num_repeats = 20)``; the file alone where no line sets *name*."""
    key = re.compile(rf"^\s*\[?[\"']?{re.escape(name)}[\"']?\s*[=\]]")
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() == "[sources]":
            break
        if key.match(line):
            return f"{file}, line {number} ({line.strip()})"
    return file


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, Profile]:
    """The profiles that come with Safelight: id → profile, in the order of their ids."""
    found = {}
    for item in sorted(files("safelight").joinpath("profiles").iterdir(), key=lambda x: x.name):
        if item.name.endswith(".toml"):
            profile = _named(item.name, item.read_text("utf-8"))
            found[profile.id] = profile
    return MappingProxyType(found)


def _named(name: str, text: str, *, own: bool = False) -> Profile:
    profile = parse_profile(text, name, own=own)
    if f"{profile.id}.toml" != name:
        raise Invalid(
            f"The file {name} holds the profile {profile.id}.",
            hint=f"A file's name is its profile's: call it {profile.id}.toml.",
        )
    return profile


class _Own:
    """The project's own profiles, read again when a file in the folder changes."""

    folder: Path | None = None


def use_folder(folder: Path | None) -> None:
    """From now on, in this process, the profiles of *folder* count too (`SAFELIGHT_PROFILES`)."""
    _Own.folder = folder


def own_profiles() -> tuple[Mapping[str, Profile], Mapping[str, Invalid]]:
    """The project's own profiles by id, and what is wrong with the files that cannot be read.

    One that bears the id of a shipped profile is wrong: a profile is immutable.
    """
    found: dict[str, Profile] = {}
    wrong: dict[str, Invalid] = {}
    if _Own.folder is None:
        return found, wrong
    if not _Own.folder.is_dir():
        raise Invalid(
            f"SAFELIGHT_PROFILES names {_Own.folder}, which is no folder.",
            hint="Name the folder that holds your profiles, or unset it.",
        )
    for path in sorted(_Own.folder.glob("*.toml")):
        try:
            profile = _named(path.name, path.read_text("utf-8"), own=True)
            if profile.id in shipped():
                raise Invalid(f"{path.name}: Safelight ships a profile of this id.", hint=NEW_NAME)
            found[profile.id] = profile
        except (Invalid, UnicodeDecodeError) as error:
            problem = error if isinstance(error, Invalid) else Invalid(f"{path.name}: {error}.")
            wrong[path.stem] = problem
    return found, wrong


def load_profiles() -> Mapping[str, Profile]:
    """Every profile that can be used: id → profile, the project's own after those shipped."""
    return MappingProxyType({**shipped(), **own_profiles()[0]})


def get_profile(id: str) -> Profile:
    """The profile ``name@version``; `NotFound` lists those there are.

    Raises:
        NotFound, Invalid: there is none; it is the project's own and cannot be read.
    """
    if id in shipped():
        return shipped()[id]
    own, wrong = own_profiles()
    if id in own:
        return own[id]
    if id in wrong:
        raise wrong[id]
    raise NotFound(f"There is no profile {id!r}.", hint=f"There are: {', '.join(load_profiles())}.")
