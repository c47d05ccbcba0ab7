import hashlib
from importlib.resources import files

import pytest

from safelight.domain.errors import Invalid, NotFound
from safelight.domain.gates import Gates
from safelight.domain.profiles import (
    DEFAULT,
    StepRule,
    get_profile,
    load_profiles,
    parse_profile,
    training_input,
)
from safelight.domain.trainer_inputs import INPUTS

SHIPPED = {
    "likeness@v2": "d13f0cd6976da111d476c3b2b2f574a9e7c5ed7fcbb13a56d9874b1999df5a20",
    "fashion-fullbody@v2": "acaf4182a88bfb7d40f523ec4edfdecee42dd48c17fa808ca4e8b6a3a85088f9",
    "character@v1": "f39e4f0afbf5d69f17825d8a86155907dfe2d54ee3594b889c5f175347164c6e",
    "fashion-fullbody@2026-01-19": "350c80bba4d88834e8429c49f712f7edf54a5d6c247584a996779f16598ed216",
    "likeness@v1": "7827bbf098b40456e5400999dd6771e77fc42049e92fbfce3d8ae36316bec5cf",
    "selfie-conservative@2025-12-rca": "f00364b3ba2eccb67a7b04784e89806216a2aaa0580b9de10441e910f618ef8b",
    "selfie-detail@2025-12-14": "2e512777d03690485b584e9d80da945ce782cda1943af7e8ccf2412adda5c887",
    "selfie-reset@2025-07-22": "01662fa2674b1481a08400c14d031f5488a2f2e20fe847cf139e75ef5aaff648",
}
"""sha256 of each file. A profile that was shipped is never changed: write a new one."""


def text_of(id: str) -> str:
    return files("safelight").joinpath("profiles", f"{id}.toml").read_text("utf-8")


def test_the_profiles_of_the_requirements_are_shipped_and_unchanged() -> None:
    """A-X; a profile is immutable."""
    assert {
        id: hashlib.sha256(text_of(id).encode()).hexdigest() for id in load_profiles()
    } == SHIPPED


@pytest.mark.parametrize("id", SHIPPED)
def test_a_profile_sends_only_what_the_trainer_takes_and_names_its_sources(id: str) -> None:
    profile = get_profile(id)
    assert profile.id == id
    assert profile.sent.keys() <= INPUTS.keys()
    assert not profile.ignored.keys() & INPUTS.keys()
    assert profile.sent.keys() - profile.sources.keys() <= {"cache_latents_to_disk"}
    assert {"steps", "block", "ideal", "soft_max"} <= profile.sources.keys()
    assert profile.gates.min_side == 512
    assert profile.gates.min_bytes == 10 * 1024
    assert 3 <= len(profile.previews) <= 5
    assert all("{trigger} {noun}" in preview.prompt for preview in profile.previews)


@pytest.mark.parametrize(
    ("id", "steps", "rank", "rate", "resolution", "gates"),
    [
        ("selfie-reset@2025-07-22", 1200, 32, 1e-4, "1024", (15, 15, 15, 27)),
        ("selfie-detail@2025-12-14", 1400, 48, 8e-5, "1024", (10, 15, 15, 25)),
        ("selfie-conservative@2025-12-rca", 1000, 16, 1e-4, None, (8, 15, 15, 25)),
        ("fashion-fullbody@2026-01-19", 1000, 16, 4e-4, "768,1024", (8, 8, 8, 12)),
        ("likeness@v1", 800, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
        ("likeness@v2", 800, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
        ("fashion-fullbody@v2", 1000, 16, 4e-4, "768,1024", (8, 8, 8, 12)),
        ("character@v1", 800, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
    ],
)
def test_each_profile_has_the_numbers_of_its_note(
    id: str, steps: int, rank: int, rate: float, resolution: str | None, gates: tuple[int, ...]
) -> None:
    """A-X; R-19 to R-25, R-74 to R-76, R-87; 20 images."""
    profile = get_profile(id)
    plan = training_input(profile, images=20, trigger="slx")
    assert (plan.steps, plan.rank, plan.sent["learning_rate"]) == (steps, rank, rate)
    assert plan.sent.get("resolution") == resolution
    found = profile.gates
    assert (found.block, found.warn, found.ideal_min, found.ideal_max) == gates
    assert found.soft_max == 30


@pytest.mark.parametrize(
    ("images", "steps"), [(1, 500), (8, 500), (13, 520), (20, 800), (30, 1200), (40, 1500)]
)
def test_steps_follow_from_exposures_per_image_within_limits(images: int, steps: int) -> None:
    """K2, A-X: clamp(40 × images, 500, 1500)."""
    assert training_input(get_profile(DEFAULT), images=images, trigger="slx").steps == steps


def test_steps_count_batches_so_two_images_a_step_need_half_the_steps() -> None:
    """Section 0.4: exposures are steps × batch ÷ images."""
    plan = training_input(
        get_profile(DEFAULT), images=30, trigger="slx", overrides={"batch_size": 2}
    )
    assert (plan.steps, plan.exposures) == (600, 40.0)
    assert StepRule(40, 1, 10_000).steps(7, 3) == 94  # rounded up


def test_few_images_under_fixed_steps_show_as_many_exposures() -> None:
    """Section 0.4: 1400 steps on 5 images are 280 exposures, on 20 they are 70."""
    profile = get_profile("selfie-detail@2025-12-14")
    assert training_input(profile, images=5, trigger="slx").exposures == 280
    assert training_input(profile, images=20, trigger="slx").exposures == 70


def test_what_a_note_asked_for_in_vain_is_in_asked_and_not_in_sent() -> None:
    """R-77, R-78, K4, K5, K22."""
    plan = training_input(get_profile("selfie-detail@2025-12-14"), images=20, trigger="slx")
    assert plan.asked["parameters"]["num_repeats"] == 20
    assert plan.asked["parameters"]["network_alpha"] == 48
    assert not {"num_repeats", "network_alpha"} & plan.sent.keys()
    assert plan.sent["trigger_word"] == "slx"


def test_an_override_is_sent_and_on_record() -> None:
    plan = training_input(
        get_profile(DEFAULT), images=20, trigger="slx", overrides={"steps": 1000, "lora_rank": 32}
    )
    assert (plan.steps, plan.rank) == (1000, 32)
    assert plan.asked["overrides"] == {"steps": 1000, "lora_rank": 32}
    assert plan.sent["lora_rank"] == 32


def test_an_override_that_would_be_dropped_stops_the_training() -> None:
    with pytest.raises(Invalid, match="num_repeats"):
        training_input(get_profile(DEFAULT), images=20, trigger="s", overrides={"num_repeats": 20})


def test_the_plan_never_changes_the_profile() -> None:
    profile = get_profile(DEFAULT)
    before = dict(profile.sent)
    training_input(profile, images=20, trigger="slx", overrides={"lora_rank": 64})
    assert dict(profile.sent) == before
    with pytest.raises(TypeError):
        profile.sent["lora_rank"] = 64  # type: ignore[index]


def test_no_images_is_no_training() -> None:
    with pytest.raises(Invalid, match="at least one image"):
        training_input(get_profile(DEFAULT), images=0, trigger="slx")


def test_a_profile_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(NotFound, match=r"likeness@v9.*likeness@v1"):
        get_profile("likeness@v9")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("lora_rank = 16", "num_repeats = 20"),
        ("lora_rank = 16", "lora_rank = 160"),
        ("block = 8", "block = 13"),
        ("block = 8", "blok = 8"),
        ('title = "', 'tittle = "'),
        ("[gates]", "[gates"),
        ('model = "dev"\n', ""),
    ],
)
def test_a_profile_with_a_mistake_in_it_is_not_read(before: str, after: str) -> None:
    text = text_of(DEFAULT)
    assert before in text
    with pytest.raises(Invalid):
        parse_profile(text.replace(before, after, 1))


def test_the_generation_preset_speaks_the_drawing_models_own_names() -> None:
    """R-94 to R-100."""
    assert get_profile("selfie-reset@2025-07-22").generation.as_input() == {
        "model": "dev",
        "guidance_scale": 2.5,
        "num_inference_steps": 35,
        "aspect_ratio": "3:4",
        "output_format": "jpg",
        "output_quality": 95,
        "num_outputs": 4,
        "lora_scale": 1.0,
    }


def test_gates_must_rise() -> None:
    with pytest.raises(Invalid):
        Gates(block=8, warn=7, ideal_min=15, ideal_max=25, soft_max=30)
