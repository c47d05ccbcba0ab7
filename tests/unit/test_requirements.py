"""The numbers of the field notes, as the profiles carry them. Each row cites its requirement."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.domain.profiles import get_profile, load_profiles
from safelight.domain.trainer_inputs import INPUTS, TRAINER

RESET, DETAIL = "selfie-reset@2025-07-22", "selfie-detail@2025-12-14"
CAREFUL, FASHION = "selfie-conservative@2025-12-rca", "fashion-fullbody@2026-01-19"
OURS = "likeness@v1"


@pytest.mark.parametrize(
    ("requirement", "profile", "name", "value"),
    [
        ("R-65", RESET, "autocaption", True),
        ("R-66", RESET, "caption_dropout_rate", 0.05),
        ("R-75", RESET, "lora_rank", 32),
        ("R-75", DETAIL, "lora_rank", 48),
        ("R-75", CAREFUL, "lora_rank", 16),
        ("R-75", FASHION, "lora_rank", 16),
        ("R-75, K1", OURS, "lora_rank", 16),
        ("R-76", RESET, "learning_rate", 1e-4),
        ("R-76", DETAIL, "learning_rate", 8e-5),
        ("R-76", CAREFUL, "learning_rate", 1e-4),
        ("R-76", FASHION, "learning_rate", 4e-4),
        ("R-76, K3", OURS, "learning_rate", 4e-4),
        ("R-83", RESET, "optimizer", "adamw8bit"),
        ("R-83", FASHION, "optimizer", "adamw8bit"),
        ("R-84", RESET, "batch_size", 1),
        ("R-85", RESET, "gradient_checkpointing", True),
        ("R-86", RESET, "cache_latents_to_disk", False),
        ("R-87, K11", RESET, "resolution", "1024"),
        ("R-87, K11", DETAIL, "resolution", "1024"),
        ("R-87, K11", FASHION, "resolution", "768,1024"),
    ],
)
def test_what_a_profile_sends_is_what_its_note_says(
    requirement: str, profile: str, name: str, value: Any
) -> None:
    assert get_profile(profile).sent[name] == value, requirement


@pytest.mark.parametrize(
    ("requirement", "profile", "name"),
    [
        ("R-77, K4", DETAIL, "num_repeats"),
        ("R-78, K5", DETAIL, "network_alpha"),
        ("R-79, K14", CAREFUL, "dropout"),
        ("R-80", CAREFUL, "weight_decay"),
        ("R-81", RESET, "prior_loss_weight"),
        ("R-82, K22", RESET, "mixed_precision"),
    ],
)
def test_what_the_trainer_never_took_is_on_record_and_not_sent(
    requirement: str, profile: str, name: str
) -> None:
    """Requirements 0.1, 0.2 and R-148: old parameters stay visible on old profiles."""
    found = get_profile(profile)
    assert name in found.ignored, requirement
    assert name not in found.sent
    assert name not in INPUTS
    assert found.ignored[name].why


@pytest.mark.parametrize(
    ("requirement", "profile", "steps"),
    [
        ("R-74", RESET, 1200),
        ("R-74", DETAIL, 1400),
        ("R-74", CAREFUL, 1000),
        ("R-74", FASHION, 1000),
    ],
)
def test_the_notes_give_steps_as_a_number(requirement: str, profile: str, steps: int) -> None:
    assert get_profile(profile).steps == steps, requirement


@pytest.mark.parametrize(
    ("requirement", "profile", "count"),
    [
        ("R-22, R-21, K6", FASHION, (8, 12)),
        ("R-19, K6", DETAIL, (15, 25)),
        ("R-20, R-23, K6", RESET, (15, 27)),
        ("R-19, R-24, K6", CAREFUL, (15, 25)),
        ("K6", OURS, (15, 25)),
    ],
)
def test_how_many_photos_a_profile_asks_for(
    requirement: str, profile: str, count: tuple[int, int]
) -> None:
    gates = get_profile(profile).gates
    assert (gates.ideal_min, gates.ideal_max) == count, requirement
    assert gates.block <= gates.warn <= gates.ideal_max <= gates.soft_max


def test_every_profile_is_for_the_trainer_of_the_notes() -> None:
    """R-73."""
    assert (
        {p.trainer for p in load_profiles().values()}
        == {TRAINER}
        == {"ostris/flux-dev-lora-trainer"}
    )


@pytest.mark.parametrize(
    ("requirement", "name", "value"),
    [
        ("R-94", "aspect_ratio", "3:4"),
        ("R-95", "output_quality", 95),
        ("R-96, K13", "lora_scale", 1.0),
        ("R-97, K12", "guidance", 2.5),
        ("R-98", "steps", 35),
        ("R-99", "num_outputs", 4),
        ("R-100", "model", "dev"),
    ],
)
def test_how_the_reset_notes_generate(requirement: str, name: str, value: Any) -> None:
    assert getattr(get_profile(RESET).generation, name) == value, requirement


def test_no_profile_guides_above_what_looks_real() -> None:
    """R-97, K12: 2 to 3.5; R-98: 28 steps or more."""
    for profile in load_profiles().values():
        assert 2.0 <= profile.generation.guidance <= 3.5
        assert profile.generation.steps >= 28
