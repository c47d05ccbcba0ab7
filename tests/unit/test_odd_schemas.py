"""A version's `openapi_schema` is the provider's text like any other: whatever stands in it, the paid weights
are stored, a request is refused by name or sent, and nothing else happens."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain import draw_inputs, trainer_schema
from safelight.domain.errors import Invalid
from safelight.domain.trainer_inputs import check_input

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
WORDS = st.sampled_from(["integer", "number", "string", "boolean", "null", "array"])
PROPERTY = JSON | st.fixed_dictionaries(
    {},
    optional={
        "type": WORDS | JSON,
        "minimum": JSON,
        "maximum": JSON,
        "enum": JSON,
        "default": JSON,
        "allOf": JSON | st.just([{"$ref": "#/components/schemas/Other"}]),
        "anyOf": JSON | st.just([{"type": "integer"}, {"type": "null"}]),
        "$ref": JSON,
    },
)
NAMES = st.sampled_from(["steps", "lora_rank", "seed", "prompt", "num_outputs"]) | st.text(
    max_size=4
)
PROPERTIES = JSON | st.dictionaries(NAMES, PROPERTY, max_size=4)


def schema(name: str, properties: Any) -> dict[str, Any]:
    parts = {name: {"properties": properties}, "Other": {"enum": ["a"], "type": "string"}}
    return {"components": {"schemas": parts}}


@given(PROPERTIES, JSON)
def test_whatever_a_trainers_schema_says_an_input_is_taken_or_refused_by_name(
    properties: Any, value: Any
) -> None:
    found = trainer_schema.training_properties(schema("TrainingInput", properties))
    for name in found or {}:
        inputs = trainer_schema.inputs_of(found or {})
        with suppress(Invalid):
            check_input(name, value, inputs)


@given(PROPERTIES, JSON)
def test_whatever_a_drawing_models_schema_says_an_input_is_taken_or_refused_by_name(
    properties: Any, value: Any
) -> None:
    found = draw_inputs.read_schema(schema("Input", properties))
    for name in found or {}:
        with suppress(Invalid):
            draw_inputs.check({name: value}, found)


@given(JSON)
def test_what_is_no_schema_is_none(odd: Any) -> None:
    trainer_schema.training_properties(odd)
    draw_inputs.read_schema(odd)


@pytest.mark.parametrize("limit", ["3", None, [], {}, True, float("inf"), float("nan")])
def test_a_limit_that_is_no_number_is_none(limit: Any) -> None:
    entry = {"type": "integer", "minimum": limit, "maximum": limit}
    found = draw_inputs.read_schema(schema("Input", {"seed": entry}))
    assert found == {"seed": {"type": "integer"}}
    properties = trainer_schema.training_properties(schema("TrainingInput", {"steps": entry}))
    steps = trainer_schema.inputs_of(properties or {})["steps"]
    assert (steps.minimum, steps.maximum) == (3, 6000), "the bundled table's"


def test_a_schema_of_a_thousand_inputs_is_not_a_trainers() -> None:
    many = {f"input{n}": {"type": "string"} for n in range(1000)}
    assert trainer_schema.training_properties(schema("TrainingInput", many)) is None
    found = draw_inputs.read_schema(schema("Input", many))
    assert found is not None
    assert len(found) == draw_inputs.MOST_INPUTS


def test_choices_are_bounded() -> None:
    entry = {"type": "string", "enum": [str(n) for n in range(10_000)]}
    found = draw_inputs.read_schema(schema("Input", {"model": entry}))
    assert found is not None
    assert len(found["model"]["choices"]) == draw_inputs.MOST_CHOICES
