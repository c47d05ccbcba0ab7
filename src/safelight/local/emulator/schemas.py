"""The schemas the emulator checks requests against and shows on its versions."""

from __future__ import annotations

from typing import Any

from safelight.domain.trainer_inputs import INPUTS
from safelight.local.emulator.drawing import FORMATS, SIZES
from safelight.local.emulator.problems import invalid

_TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
_RANGES: dict[str, tuple[float, float]] = {
    "num_outputs": (1, 4),
    "num_inference_steps": (1, 50),
    "guidance_scale": (0, 10),
    "output_quality": (0, 100),
    "lora_scale": (-1, 3),
    "extra_lora_scale": (-1, 3),
    "prompt_strength": (0, 1),
}
_ENUMS: dict[str, tuple[str, ...]] = {
    "aspect_ratio": (*SIZES, "custom"),
    "output_format": tuple(FORMATS),
    "model": ("dev", "schnell"),
    "megapixels": ("1", "0.25"),
}


def trainer_schema() -> dict[str, Any]:
    """`openapi_schema` of the trainer: its TrainingInput."""
    properties: dict[str, Any] = {"input_images": {"type": "string", "format": "uri"}}
    for name, spec in INPUTS.items():
        shown: dict[str, Any] = {"type": _TYPES[spec.type], "title": name}
        if spec.default is not None:
            shown["default"] = spec.default
        if spec.minimum is not None:
            shown["minimum"] = spec.minimum
        if spec.maximum is not None:
            shown["maximum"] = spec.maximum
        if spec.choices is not None:
            shown["enum"] = list(spec.choices)
        properties[name] = shown
    schemas = {"TrainingInput": {"type": "object", "properties": properties}}
    return {"openapi": "3.0.2", "components": {"schemas": schemas}}


def drawing_schema() -> dict[str, Any]:
    """`openapi_schema` of a trained version: its Input."""
    properties: dict[str, Any] = {
        "prompt": {"type": "string"},
        "seed": {"type": "integer", "nullable": True},
        "width": {"type": "integer", "minimum": 256, "maximum": 1440},
        "height": {"type": "integer", "minimum": 256, "maximum": 1440},
    }
    for name, (low, high) in _RANGES.items():
        properties[name] = {"type": "number", "minimum": low, "maximum": high}
    for name, allowed in _ENUMS.items():
        properties[name] = {"type": "string", "enum": list(allowed)}
    schemas = {"Input": {"type": "object", "required": ["prompt"], "properties": properties}}
    return {"openapi": "3.0.2", "components": {"schemas": schemas}}


def check_prediction(input: dict[str, Any]) -> None:
    """Predictions are checked up front: 422 with every field that does not fit."""
    wrong: list[tuple[str, str, str]] = []
    if not input.get("prompt"):
        wrong.append(("required", "input", "prompt is required"))
    for name, (low, high) in _RANGES.items():
        value = input.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            given = type(value).__name__
            wrong.append(
                ("invalid_type", f"input.{name}", f"Invalid type. Expected: number, given: {given}")
            )
        elif value > high:
            wrong.append(("number_lte", f"input.{name}", f"Must be less than or equal to {high:g}"))
        elif value < low:
            wrong.append(
                ("number_gte", f"input.{name}", f"Must be greater than or equal to {low:g}")
            )
    for name, allowed in _ENUMS.items():
        if (value := input.get(name)) is not None and value not in allowed:
            listed = ", ".join(f'"{a}"' for a in allowed)
            says = f"{name} must be one of the following: {listed}"
            wrong.append(("enum", f"input.{name}", says))
    if wrong:
        raise invalid(wrong)


def training_fault(input: dict[str, Any]) -> str | None:
    """Trainings are checked by the model's own server after 201: its message, in its words."""
    for name, spec in INPUTS.items():
        value = input.get(name)
        if value is None or spec.type not in (int, float):
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _cog(name, f"value is not a valid {_TYPES[spec.type]}", "type_error", None)
        if spec.minimum is not None and value < spec.minimum:
            says = f"ensure this value is greater than or equal to {spec.minimum:g}"
            return _cog(name, says, "value_error.number.not_ge", spec.minimum)
        if spec.maximum is not None and value > spec.maximum:
            says = f"ensure this value is less than or equal to {spec.maximum:g}"
            return _cog(name, says, "value_error.number.not_le", spec.maximum)
    return None


def _cog(name: str, says: str, type: str, limit: float | None) -> str:
    context = "" if limit is None else f',"ctx":{{"limit_value":{limit:g}}}'
    return (
        'Prediction input failed validation: {"detail":[{"loc":["body","input","'
        f'{name}"],"msg":"{says}","type":"{type}"{context}}}]}}'
    )
