"""A trainer version's inputs, out of its own `openapi_schema`.

Trainer versions differ: `gradient_checkpointing` is taken since January 2025 only (replicate.md 4.1).
So the inputs are read from the version that will run. What Safelight withholds, and its own limits
where the trainer has none, come from the bundled table (`trainer_inputs.INPUTS`), which also stands
in where a version's schema cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from safelight.domain.trainer_inputs import INPUTS, TrainerInput

BUNDLED = "bundled"
"""Where the inputs were checked against the table that Safelight brings along."""

_TYPES = {"integer": int, "number": float, "boolean": bool, "string": str}


def training_properties(openapi: Any) -> dict[str, Any] | None:
    """The properties of TrainingInput in a version's `openapi_schema`, with references resolved.

    None: there are none, so it is not a trainer's schema, or one that cannot be understood.
    """
    try:
        schemas = openapi["components"]["schemas"]
        properties = schemas["TrainingInput"]["properties"]
        found = {str(name): _resolved(entry, schemas) for name, entry in properties.items()}
    except (TypeError, KeyError, AttributeError):
        return None
    return found or None


def _resolved(entry: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Cog writes an enumeration as a reference, and what may be null as a choice of two."""
    found = dict(entry)
    for choice in (*found.pop("allOf", ()), *found.pop("anyOf", ())):
        where = str(choice.get("$ref", "")).removeprefix("#/components/schemas/")
        part = schemas[where] if where else choice
        if part.get("type") != "null":
            found = {**part, **found}
    return found


def inputs_of(properties: Mapping[str, Any]) -> Mapping[str, TrainerInput]:
    """The inputs that a version takes, from what `training_properties` found."""
    return MappingProxyType({name: _input(name, entry) for name, entry in properties.items()})


def _input(name: str, entry: Mapping[str, Any]) -> TrainerInput:
    ours = INPUTS.get(name)
    kind = _TYPES.get(entry.get("type", ""))
    if kind is None:
        return TrainerInput(str, withheld=f"its type {entry.get('type')!r} is not known here")
    choices = entry.get("enum")
    return TrainerInput(
        ours.type if ours and {kind, ours.type} == {int, float} else kind,
        entry.get("default"),
        entry.get("minimum", ours.minimum if ours else None),
        entry.get("maximum", ours.maximum if ours else None),
        ours.withheld if ours else None,
        tuple(map(str, choices)) if choices else (ours.choices if ours else None),
    )
