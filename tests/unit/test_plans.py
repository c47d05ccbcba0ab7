"""What would be dropped or refused is an error before a cent is spent, with the place it came from."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.domain.errors import Invalid
from safelight.domain.plans import check_sent, training_input
from safelight.domain.profiles import get_profile
from safelight.domain.trainer_inputs import INPUTS
from safelight.domain.trainer_schema import inputs_of, training_properties
from safelight.local.emulator.schemas import trainer_schema

COG = {
    "openapi": "3.0.2",
    "components": {
        "schemas": {
            "Optimizer": {"enum": ["adamw8bit", "prodigy"], "type": "string", "title": "optimizer"},
            "TrainingInput": {
                "type": "object",
                "properties": {
                    "input_images": {"type": "string", "format": "uri", "x-order": 0},
                    "steps": {"type": "integer", "minimum": 10, "maximum": 4000, "default": 900},
                    "learning_rate": {"type": "number", "default": 4e-4},
                    "lora_rank": {"type": "integer", "minimum": 1, "maximum": 256},
                    "trigger_word": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "optimizer": {
                        "allOf": [{"$ref": "#/components/schemas/Optimizer"}],
                        "default": "prodigy",
                    },
                    "hf_token": {"type": "string", "nullable": True},
                    "masks": {"type": "array", "items": {"type": "string"}},
                },
            },
        }
    },
}


def test_a_versions_inputs_are_read_out_of_its_own_schema() -> None:
    properties = training_properties(COG)
    assert properties is not None
    inputs = inputs_of(properties)
    assert (inputs["steps"].minimum, inputs["steps"].maximum) == (10, 4000)
    assert inputs["lora_rank"].maximum == 256, "the version's own limit, and not the bundled one"
    assert inputs["optimizer"].choices == ("adamw8bit", "prodigy")
    assert inputs["trigger_word"].withheld
    assert inputs["hf_token"].withheld
    assert inputs["learning_rate"].maximum == 1.0, "ours, where the trainer has none"
    assert "array" in str(inputs["masks"].withheld)


def test_the_bundled_inputs_are_those_of_the_schema_that_the_emulator_shows() -> None:
    properties = training_properties(trainer_schema())
    assert properties is not None
    assert dict(inputs_of(properties)) == dict(INPUTS)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        [],
        {"components": {"schemas": {}}},
        {"components": {"schemas": {"TrainingInput": 3}}},
    ],
)
def test_a_schema_that_cannot_be_understood_is_none(schema: Any) -> None:
    assert training_properties(schema) is None


def test_num_repeats_is_refused_with_the_exposures_it_was_meant_to_change() -> None:
    """R-77, K4, 0.4: repeats do nothing on this trainer; exposures per image do."""
    with pytest.raises(Invalid) as told:
        training_input(
            get_profile("selfie-detail@2025-12-14"),
            images=5,
            trigger="slx",
            overrides={"num_repeats": 20},
        )
    message = told.value.message
    assert message.startswith("The trainer has no input 'num_repeats': raise steps instead")
    assert "5 images get 1400 steps: each is seen 280 times" in message
    assert "2800 would show each 560 times" in message
    assert "It takes: autocaption" in str(told.value.hint)


def test_what_a_profile_only_records_is_kept_apart() -> None:
    """R-77, R-79, R-80: on record, never sent."""
    plan = training_input(get_profile("selfie-conservative@2025-12-rca"), images=20, trigger="slx")
    assert plan.asked["recorded_only"] == [
        "dropout",
        "network_alpha",
        "num_repeats",
        "weight_decay",
    ]
    assert not set(plan.asked["recorded_only"]) & plan.sent.keys()
    assert len(plan.asked["profile_sha256"]) == 64


def test_an_input_that_this_version_of_the_trainer_lacks_is_named_with_the_profiles_line() -> None:
    """R-85: gradient_checkpointing is taken since January 2025 only; before, it is dropped."""
    older = {name: spec for name, spec in INPUTS.items() if name != "gradient_checkpointing"}
    profile = get_profile("selfie-reset@2025-07-22")
    with pytest.raises(
        Invalid,
        match=r"selfie-reset@2025-07-22\.toml, line \d+ \(gradient_checkpointing = true\): The trainer "
        r"has no input 'gradient_checkpointing': this version of it does not take it",
    ):
        training_input(profile, images=20, trigger="slx", inputs=older)


def test_an_override_is_named_as_the_requests() -> None:
    narrow = inputs_of(training_properties(COG) or {})
    sent = {"steps": 5000, "trigger_word": "slx"}
    with pytest.raises(Invalid, match=r"^The request: steps must be at most 4000; 5000 was given"):
        check_sent(get_profile("likeness@v2"), sent, {"steps": 5000}, narrow)


def test_a_version_that_takes_no_trigger_is_refused() -> None:
    inputs = {name: spec for name, spec in INPUTS.items() if name != "trigger_word"}
    with pytest.raises(Invalid, match="no input 'trigger_word'"):
        training_input(get_profile("likeness@v2"), images=20, trigger="slx", inputs=inputs)
