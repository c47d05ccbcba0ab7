"""Presets, and what a drawing model takes."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.domain import draw_inputs
from safelight.domain.errors import Invalid, NotFound
from safelight.domain.presets import get_preset, load_presets, parse_preset
from safelight.local.emulator.schemas import drawing_schema

TEXT = """
name = "x"
version = "v1"
title = "t"
source = "s"
extra_lora = "off"
[draw]
guidance_scale = 2.5
[prompt]
banned = []
add = []
"""


def test_every_preset_lies_within_what_both_drawing_models_take() -> None:
    """R-94 to R-100: 3:4 or another ratio they have, quality 95, 28 steps or more, guidance 2.0 to 3.5."""
    assert len(load_presets()) >= 4
    for preset in load_presets().values():
        draw_inputs.check(preset.draw, None)
        assert 2.0 <= preset.draw["guidance_scale"] <= 3.5
        assert preset.draw["num_inference_steps"] >= 28
        assert preset.draw["output_quality"] == 95
        assert preset.draw.get("num_outputs", 1) <= 4
        assert "lora_scale" not in preset.draw, "R-14: the scale is the version's"
        assert preset.source


def test_no_preset_brings_an_extra_adapter_of_its_own() -> None:
    """R-71."""
    assert all("extra_lora" not in preset.draw for preset in load_presets().values())
    assert get_preset("authentic").extra_lora == "off"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("2.5", "5.0"), "guidance_scale is 2.0 to 3.5; 5 was given"),
        (('"off"', '"on"'), "extra_lora is 'off' or 'allowed'"),
        (("guidance_scale = 2.5", "num_outputs = 5"), "num_outputs is 1 to 4; 5 was given"),
        (("guidance_scale = 2.5", "prompt = 'x'"), "cannot set prompt"),
        (("guidance_scale = 2.5", "output_quality = 101"), "output_quality is 0 to 100"),
        (("banned = []", ""), "cannot be read"),
    ],
)
def test_a_preset_that_cannot_hold_is_refused_when_it_is_read(
    change: tuple[str, str], why: str
) -> None:
    parse_preset(TEXT)
    with pytest.raises(Invalid, match=why):
        parse_preset(TEXT.replace(*change))


def test_a_preset_is_asked_for_by_its_name_or_its_id() -> None:
    assert get_preset("authentic") is get_preset("authentic@v1")
    with pytest.raises(NotFound, match="no preset 'vivid'"):
        get_preset("vivid")


def test_a_versions_inputs_are_read_out_of_its_own_schema() -> None:
    found = draw_inputs.read_schema(drawing_schema())
    assert found is not None
    assert found["lora_scale"] == {"type": "number", "minimum": -1, "maximum": 3}
    assert "3:4" in found["aspect_ratio"]["choices"]


def test_choices_that_stand_in_a_schema_of_their_own_are_found() -> None:
    """As cog writes them: allOf with a $ref."""
    ref = {"allOf": [{"$ref": "#/components/schemas/aspect_ratio"}], "default": "1:1"}
    schemas = {
        "Input": {"properties": {"aspect_ratio": ref, "seed": {"type": "integer"}}},
        "aspect_ratio": {"type": "string", "enum": ["1:1", "3:4"]},
    }
    found = draw_inputs.read_schema({"components": {"schemas": schemas}})
    assert found == {
        "aspect_ratio": {"type": "string", "choices": ["1:1", "3:4"]},
        "seed": {"type": "integer"},
    }


@pytest.mark.parametrize("schema", [None, {}, {"components": 3}, {"components": {"schemas": []}}])
def test_a_schema_that_says_nothing_leaves_the_bundled_copy(schema: Any) -> None:
    assert draw_inputs.read_schema(schema) is None


@pytest.mark.parametrize(
    ("input", "why"),
    [
        ({"lora_scale": 2.5}, "scale is -1 to 2; 2.5 was given"),
        ({"num_outputs": 1.5}, "count must be a whole number"),
        ({"guidance_scale": True}, "guidance must be a number"),
        ({"guidance_scale": float("nan")}, "guidance must be a number"),
        ({"aspect_ratio": "7:5"}, "aspect_ratio is one of"),
        ({"go_faster": 1}, "no input 'go_faster'"),
    ],
)
def test_what_the_drawing_model_does_not_take_is_an_error_that_names_it(
    input: dict[str, Any], why: str
) -> None:
    with pytest.raises(Invalid, match=why):
        draw_inputs.check(input, None)


def test_what_only_the_profile_set_is_left_out_where_the_model_has_no_such_input() -> None:
    known = {"prompt": {"type": "string"}, "guidance_scale": {"type": "number"}}
    assert draw_inputs.taken({"guidance_scale": 2.5, "model": "dev"}, known) == {
        "guidance_scale": 2.5
    }


def test_the_versions_own_schema_goes_before_the_bundled_copy() -> None:
    draw_inputs.check({"lora_scale": 2.5}, {"lora_scale": {"type": "number", "maximum": 3}})
    draw_inputs.check({"seed": None}, {})
