from typing import Any

import pytest

from safelight.domain.errors import Invalid
from safelight.domain.trainer_inputs import (
    INPUTS,
    NOT_TAKEN,
    check_input,
    expected_bytes,
    modules,
    settable,
)


def test_there_are_494_modules_and_a_rank_costs_10_739_712_bytes() -> None:
    """R-120, K15: the size of the weights is a formula; 988 tensors are two a module."""
    assert len(modules()) == 494
    assert sum(sum(shape) for shape in modules().values()) == 5_369_856
    assert expected_bytes(1) == 10_739_712


@pytest.mark.parametrize(
    ("rank", "megabytes"), [(16, 172), (24, 258), (32, 344), (48, 515), (64, 687)]
)
def test_weights_of_a_rank_have_the_sizes_seen_in_the_field(rank: int, megabytes: int) -> None:
    """Section 0.5: rank 16 is 172 MB, so '50-200 MB is good' (R-120) would refuse a right rank 48."""
    assert expected_bytes(rank) / 1e6 == pytest.approx(megabytes, abs=1)


def test_a_subset_of_the_layers_weighs_its_own_share() -> None:
    """R-120, K15: the note's 6 to 8 MB are four proj_out layers at rank 48, not rank 16."""
    blocks = (7, 12, 16, 20)
    four = [f"transformer.single_transformer_blocks.{block}.proj_out" for block in blocks]
    assert expected_bytes(16, four) / 1e6 == pytest.approx(2.4, abs=0.1)
    assert expected_bytes(48, four) / 1e6 == pytest.approx(7.1, abs=0.1)


@pytest.mark.parametrize("name", ["num_repeats", "network_alpha", "dropout", "weight_decay",
                                  "mixed_precision", "prior_loss_weight", "seed"])  # fmt: skip
def test_what_the_trainer_would_drop_is_refused_with_the_way_out(name: str) -> None:
    """Section 0.1 and 0.2; R-77 to R-82, K4, K5, K14."""
    assert name in NOT_TAKEN
    with pytest.raises(Invalid) as caught:
        check_input(name, 1)
    assert name in str(caught.value)
    assert NOT_TAKEN[name] in str(caught.value)
    assert "lora_rank" in str(caught.value)


def test_a_slip_of_the_pen_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(Invalid, match=r"'stepps'.*It takes: .*steps"):
        check_input("stepps", 1000)


def test_what_is_listed_as_not_taken_is_no_input() -> None:
    assert not NOT_TAKEN.keys() & INPUTS.keys()


@pytest.mark.parametrize(
    "name", ["input_images", "trigger_word", "hf_token", "wandb_api_key", "hf_repo_id"]
)
def test_what_would_leak_or_break_the_record_cannot_be_set(name: str) -> None:
    """R-5: the trigger is never retyped."""
    assert name not in settable()
    with pytest.raises(Invalid, match="cannot be set"):
        check_input(name, "x")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("steps", 2, "at least 3; 2 was given"),
        ("steps", 6001, "at most 6000; 6001 was given"),
        ("lora_rank", 0, "at least 1"),
        ("lora_rank", 129, "at most 128"),
        ("caption_dropout_rate", 1.01, "at most 1"),
        ("learning_rate", 0, "at least 1e-07"),
        ("learning_rate", float("nan"), "must be a number"),
        ("steps", 1000.0, "must be a whole number"),
        ("steps", True, "must be a whole number"),
        ("autocaption", 1, "true or false"),
        ("optimizer", "adamw9bit", "must be one of"),
        ("resolution", "512,big", "list of at most 8 whole numbers"),
        ("resolution", "", "list of at most 8 whole numbers"),
        ("resolution", "512,64", "256 to 2048"),
        ("resolution", "9" * 5000, "at most 1,000 characters"),
        ("resolution", "9" * 500, "256 to 2048 a side"),
        ("resolution", ",".join(["512"] * 9), "at most 8"),
        ("resolution", "²", "list of at most"),
        ("layers_to_optimize_regex", "a" * 201, "has 201"),
        ("layers_to_optimize_regex", "proj\x00out", "none of them invisible"),
        ("steps", 10**400, "a number past 64 bits was given"),
        ("learning_rate", -(10**400), "a number past 64 bits was given"),
        ("steps", [1] * 100_000, "a list was given"),
        ("resolution", {"a": 1}, "an object was given"),
        ("autocaption_prefix", "x" * 1001, "(1,001 characters) was given"),
    ],
)
def test_a_value_out_of_range_is_refused_with_limit_and_value(
    name: str, value: Any, says: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_input(name, value)
    assert says in str(caught.value)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_input_whose_name_is_a_megabyte_is_named_in_short() -> None:
    with pytest.raises(Invalid) as caught:
        check_input("x\x1b[2J" * 100_000, 1)
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 3), ("steps", 6000), ("lora_rank", 1), ("lora_rank", 128), ("learning_rate", 1),
        ("caption_dropout_rate", 0.0), ("resolution", "768, 1024"), ("optimizer", "prodigy"),
        ("autocaption", False), ("layers_to_optimize_regex", "proj_out$"),
    ],
)  # fmt: skip
def test_a_value_at_the_limit_is_taken(name: str, value: Any) -> None:
    assert check_input(name, value) == value


def test_every_default_of_the_trainer_is_a_value_it_takes() -> None:
    for name in settable():
        if (default := INPUTS[name].default) is not None:
            assert check_input(name, default) == default
