"""Generation presets: how images are drawn, by name. Dated files, never changed (R-16, R-94 to R-100).

A preset is `presets/<name>@<version>.toml` in this package. What it sends is checked when it is read:
guidance inside 2.0 to 3.5 (R-97, K12), everything inside what the drawing models take.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from safelight.domain import draw_inputs
from safelight.domain.errors import Invalid, NotFound
from safelight.domain.reasons import in_words

GUIDANCE = (2.0, 3.5)
"""R-97: 2.5, range 2 to 3.5; never the 5 to 7 of the quality presets that drew plastic skin (R-16)."""
DRAWN = (
    "guidance_scale", "num_inference_steps", "aspect_ratio", "output_format", "output_quality",
    "num_outputs", "lora_scale", "model",
)  # fmt: skip
"""What a preset may set. The prompt, the seed and an extra adapter are the asker's."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset. `extra_lora` is `off` (asking for one is refused, R-71) or `allowed`."""

    name: str
    version: str
    title: str
    source: str
    extra_lora: str
    draw: Mapping[str, Any]
    banned: tuple[str, ...]
    add: tuple[str, ...]

    @property
    def id(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"


def parse_preset(text: str) -> Preset:
    """The preset written in TOML *text*; `Invalid` for a key or a value that has no place in it."""
    try:
        data = in_words(tomllib.loads(text))
        draw, prompt = data.pop("draw"), data.pop("prompt")
        preset = Preset(
            draw=MappingProxyType(draw),
            banned=tuple(prompt.pop("banned")),
            add=tuple(prompt.pop("add")),
            **prompt,
            **data,
        )
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise Invalid(f"The preset cannot be read: {error}.") from error
    if stray := sorted(set(draw) - set(DRAWN)):
        raise Invalid(f"A preset cannot set {', '.join(stray)}.", hint=f"It sets: {DRAWN}.")
    draw_inputs.check(draw, None, called={})
    low, high = GUIDANCE
    if not low <= draw.get("guidance_scale", low) <= high:
        raise Invalid(
            f"A preset's guidance_scale is {low} to {high}; {draw['guidance_scale']:g} was given."
        )
    if preset.extra_lora not in ("off", "allowed"):
        raise Invalid(f"extra_lora is 'off' or 'allowed'; {preset.extra_lora!r} was given.")
    return preset


@lru_cache(maxsize=1)
def load_presets() -> Mapping[str, Preset]:
    """Every preset shipped: id → preset, in the order of their ids. A file's name is its id."""
    found = {}
    for item in sorted(files("safelight").joinpath("presets").iterdir(), key=lambda x: x.name):
        if item.name.endswith(".toml"):
            preset = parse_preset(item.read_text("utf-8"))
            if f"{preset.id}.toml" != item.name:
                raise Invalid(f"The file {item.name} holds the preset {preset.id}.")
            found[preset.id] = preset
    return MappingProxyType(found)


def get_preset(id: str) -> Preset:
    """The preset ``name@version``; a bare name where only one version has it. `NotFound` lists all."""
    presets = load_presets()
    fits = [preset for preset in presets.values() if id in (preset.id, preset.name)]
    if len(fits) != 1:
        raise NotFound(f"There is no preset {id!r}.", hint=f"There are: {', '.join(presets)}.")
    return fits[0]
