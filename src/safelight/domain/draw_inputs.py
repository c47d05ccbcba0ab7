"""What a version's drawing model takes, as data: read from its own schema, or the bundled copy.

Two predictors are in use (replicate.md 5): the older takes a LoRA scale of -1 to 2, the newer -1 to
3. The bundled copy holds what both take, for a version whose schema could not be read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeGuard

from safelight.domain.errors import Invalid

MOST_INPUTS = 500
MOST_CHOICES = 100
"""The models have some twenty inputs, and eleven choices at most."""

Inputs = Mapping[str, Mapping[str, Any]]
"""name → {type, minimum, maximum, choices}: what is absent is not limited."""

ASPECT_RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
FORMATS = ("webp", "jpg", "png")


def _range(type: str, low: float, high: float) -> Mapping[str, Any]:
    return MappingProxyType({"type": type, "minimum": low, "maximum": high})


def _choice(*choices: str) -> Mapping[str, Any]:
    return MappingProxyType({"type": "string", "choices": choices})


BUNDLED: Inputs = MappingProxyType(
    {
        "prompt": {"type": "string"},
        "model": _choice("dev", "schnell"),
        "aspect_ratio": _choice(*ASPECT_RATIOS, "custom"),
        "num_outputs": _range("integer", 1, 4),
        "num_inference_steps": _range("integer", 1, 50),
        "guidance_scale": _range("number", 0, 10),
        "seed": {"type": "integer"},
        "output_format": _choice(*FORMATS),
        "output_quality": _range("integer", 0, 100),
        "lora_scale": _range("number", -1, 2),
        "extra_lora": {"type": "string"},
        "extra_lora_scale": _range("number", -1, 2),
    }
)
"""What both predictors take of the inputs that Safelight sends."""


def read_schema(schema: Mapping[str, Any] | None) -> dict[str, dict[str, Any]] | None:
    """The inputs in a version's ``openapi_schema``; None where it shows none.

    Choices stand in a schema of their own that the property refers to (``allOf`` and ``$ref``), or
    in the property itself.
    """
    schemas = _dict(_dict(_dict(schema).get("components")).get("schemas"))
    properties = _dict(_dict(schemas.get("Input")).get("properties"))
    found: dict[str, dict[str, Any]] = {}
    for name, shown in islice(properties.items(), MOST_INPUTS):
        spec = _dict(shown)
        parts = spec.get("allOf")
        for part in [*(parts if isinstance(parts, list) else []), spec]:
            ref = _dict(part).get("$ref")
            if isinstance(ref, str):
                spec = {**spec, **_dict(schemas.get(ref.rpartition("/")[2]))}
        # What limits a user's request is of the form that it is compared with, or not there.
        kept = {key: spec[key] for key in ("minimum", "maximum") if is_number(spec.get(key))}
        if isinstance(spec.get("type"), str):
            kept["type"] = spec["type"]
        if isinstance(spec.get("enum"), list):
            kept["choices"] = spec["enum"][:MOST_CHOICES]
        found[str(name)] = kept
    return found or None


def is_number(value: Any) -> TypeGuard[float]:
    """Whether *value* is a finite number, and no truth value."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -1e300 < value < 1e300


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


CALLED: Mapping[str, str] = MappingProxyType(
    {
        "num_outputs": "count",
        "lora_scale": "scale",
        "guidance_scale": "guidance",
        "output_format": "format",
    }
)
"""What those who ask call some of the inputs."""


def taken(input: Mapping[str, Any], inputs: Inputs | None) -> dict[str, Any]:
    """What of *input* the drawing model has a name for: for what a profile sets and nobody asked for."""
    known = inputs or BUNDLED
    return {name: value for name, value in input.items() if name in known}


def check(
    input: Mapping[str, Any], inputs: Inputs | None, *, called: Mapping[str, str] = CALLED
) -> None:
    """Raise Invalid unless the drawing model takes every one of *input* (None: the bundled copy).

    A name that it does not know would be dropped without a word, after it was paid for.
    """
    known = inputs or BUNDLED
    for name, value in input.items():
        if value is None:
            continue
        spec = known.get(name)
        if spec is None:
            raise Invalid(
                f"This version's drawing model has no input {name!r}: it would be dropped.",
                hint=f"It takes: {', '.join(sorted(known))}.",
            )
        _check(called.get(name, name), value, spec)


def _check(name: str, value: Any, spec: Mapping[str, Any]) -> None:
    choices = spec.get("choices")
    if choices is not None and value not in choices:
        raise Invalid(f"{name} is one of {', '.join(map(str, choices))}; {value!r} was given.")
    if spec.get("type") not in ("integer", "number"):
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or (spec["type"] == "integer" and value % 1):
        wanted = "a whole number" if spec["type"] == "integer" else "a number"
        raise Invalid(f"{name} must be {wanted}; {value!r} was given.")
    low, high = spec.get("minimum"), spec.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        raise Invalid(
            f"{name} is {'any' if low is None else f'{low:g}'} to "
            f"{'any' if high is None else f'{high:g}'}; {value:g} was given."
        )
