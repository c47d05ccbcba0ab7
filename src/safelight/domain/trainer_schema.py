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

from safelight.domain.draw_inputs import is_number
from safelight.domain.texts import shown
from safelight.domain.trainer_inputs import INPUTS, TrainerInput

BUNDLED = "bundled"
"""Where the inputs were checked against the table that Safelight brings along."""

MOST_INPUTS = 500
"""The trainer has some thirty."""
MOST_CHOICES = 100

_TYPES = {"integer": int, "number": float, "boolean": bool, "string": str}


def training_properties(openapi: Any) -> dict[str, Any] | None:
    """The properties of TrainingInput in a version's `openapi_schema`, with references resolved.

    None: there are none, so it is not a trainer's schema, or one that cannot be understood.
    """
    try:
        schemas = openapi["components"]["schemas"]
        properties = schemas["TrainingInput"]["properties"]
        if len(properties) > MOST_INPUTS:
            return None
        found = {str(name): _resolved(entry, schemas) for name, entry in properties.items()}
    except (TypeError, KeyError, AttributeError, ValueError):
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
    said = entry.get("type", "")
    kind = _TYPES.get(said) if isinstance(said, str) else None
    if kind is None:
        return TrainerInput(
            str, withheld=f"its type {shown(repr(said), most=60)} is not known here"
        )
    return TrainerInput(
        ours.type if ours and {kind, ours.type} == {int, float} else kind,
        entry.get("default"),
        _limit(entry, "minimum", ours.minimum if ours else None),
        _limit(entry, "maximum", ours.maximum if ours else None),
        ours.withheld if ours else None,
        _choices(entry.get("enum")) or (ours.choices if ours else None),
    )


def _limit(entry: Mapping[str, Any], name: str, ours: float | None) -> float | None:
    """A limit that is a number; ours, where the version says nothing that is one."""
    value = entry.get(name)
    return value if is_number(value) else ours


def _choices(enum: Any) -> tuple[str, ...]:
    return tuple(map(str, enum[:MOST_CHOICES])) if isinstance(enum, list) else ()
