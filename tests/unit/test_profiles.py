import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from safelight.domain.errors import Invalid, NotFound
from safelight.domain.gates import Gates
from safelight.domain.plans import training_input
from safelight.domain.profiles import (
    DEFAULT,
    StepRule,
    get_profile,
    load_profiles,
    own_profiles,
    parse_profile,
    use_folder,
)
from safelight.domain.trainer_inputs import INPUTS

SHIPPED = {
    "likeness-ladder@v1-30": "72eedf95f64920f94b6b1de8b165eacf467695a5d48f49be2e672498e43ca9ee",
    "likeness-ladder@v1-45": "6b3fbcdf08ce77eb9a4c310e79a596ce3bcd9c62b6104b1d7ac5d9789cdb9595",
    "likeness-ladder@v1-60": "64238ca21ffab28f482fe5e8362d6d0cf6437c6230e6048f392771028b2c75cf",
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
        ("likeness-ladder@v1-30", 600, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
        ("likeness-ladder@v1-45", 900, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
        ("likeness-ladder@v1-60", 1200, 16, 4e-4, "512,768,1024", (8, 12, 15, 25)),
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
    ("exposures", "minimum", "maximum", "images", "batch", "steps"),
    [
        # likeness: clamp(40 x images, 500, 1500)
        (40, 500, 1500, 1, 1, 500),
        (40, 500, 1500, 8, 1, 500),
        (40, 500, 1500, 12, 1, 500),
        (40, 500, 1500, 13, 1, 520),
        (40, 500, 1500, 20, 1, 800),
        (40, 500, 1500, 30, 1, 1200),
        (40, 500, 1500, 37, 1, 1480),
        (40, 500, 1500, 38, 1, 1500),
        (40, 500, 1500, 400, 1, 1500),
        # two images a step need half the steps, rounded up
        (40, 500, 1500, 30, 2, 600),
        (40, 1, 10_000, 7, 3, 94),
        (40, 500, 1500, 30, 4, 500),
        # the ladder: three step counts for every set that may be trained
        (30, 200, 3000, 8, 1, 240),
        (45, 200, 3000, 8, 1, 360),
        (60, 200, 3000, 8, 1, 480),
        (60, 200, 3000, 50, 1, 3000),
    ],
)
def test_steps_follow_from_exposures_per_image_within_limits(
    exposures: int, minimum: int, maximum: int, images: int, batch: int, steps: int
) -> None:
    """K2, A-X, R-143; section 0.4: exposures are steps × batch ÷ images. One pure function."""
    assert StepRule(exposures, minimum, maximum).steps(images, batch) == steps


def test_the_default_profile_goes_by_the_rule() -> None:
    plan = training_input(
        get_profile(DEFAULT), images=30, trigger="slx", overrides={"batch_size": 2}
    )
    assert (plan.steps, plan.exposures) == (600, 40.0)


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


WRONG = {
    "num_repeats = 20": (
        "lora_rank = 16",
        (
            r"The trainer has no input 'num_repeats'.*how often each image is seen: its \[steps\] rule .*"
            r"40 times.*under \[ignored\]\. It takes: .*steps"
        ),
    ),
    "lora_rank = 160": (
        "lora_rank = 16",
        (
            r"lora_rank must be at most 128; 160 was given\. The trainer takes lora_rank as: a whole "
            r"number, at least 1, at most 128, by default 16"
        ),
    ),
    'learning_rate = "4e-4"': (
        "learning_rate = 4e-4",
        r"learning_rate must be a number; '4e-4' was given",
    ),
    "steps = 9000": ("[steps]\nexposures = 40\nminimum = 500\nmaximum = 1500", "at most 6000"),
    "[ignored.optimizer]": (
        "[gates]",
        "'optimizer' is listed as ignored, but the trainer takes it",
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_mistake_in_a_profile_is_named_by_its_line(line: str) -> None:
    """What the trainer does not take: the key, what it takes, and where it came from."""
    before, says = WRONG[line]
    after = f"{line}\nvalue = 1\nwhy = 'x'\n{before}" if line.startswith("[") else line
    text = text_of("likeness@v1").replace(before, after, 1)
    number = text.splitlines().index(line) + 1
    with pytest.raises(
        Invalid, match=rf"^mine\.toml, line {number} \({re.escape(line)}\): .*{says}"
    ):
        parse_profile(text, "mine.toml")


def test_repeats_in_a_profile_with_fixed_steps_are_told_by_the_exposures_it_has() -> None:
    """R-77, 0.4."""
    text = text_of("selfie-detail@2025-12-14").replace("[sent]", "[sent]\nnum_repeats = 20", 1)
    with pytest.raises(
        Invalid, match="1400 steps show each of 25 images 56 times, and each of 15 images 93 times"
    ):
        parse_profile(text, "mine.toml")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("maximum = 1500", "maximum = 9000", "steps must be at most 6000; 9000 was given"),
        ('backend = "replicate"', 'backend = "kohya"', "the backend 'kohya' is not run here"),
    ],
)
def test_a_profile_that_cannot_run_here_is_not_read(before: str, after: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse_profile(text_of("likeness@v1").replace(before, after, 1), "mine.toml")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    use_folder(tmp_path)
    yield tmp_path
    use_folder(None)


def test_a_projects_own_folder_is_read_too(folder: Path) -> None:
    text = text_of(DEFAULT).replace('name = "likeness"', 'name = "ours"')
    (folder / "ours@v2.toml").write_text(text)
    assert get_profile("ours@v2").own
    assert get_profile("ours@v2").sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert set(load_profiles()) == {*SHIPPED, "ours@v2"}


def test_an_own_profile_that_cannot_be_read_hides_no_other_and_says_why_when_named(
    folder: Path,
) -> None:
    text = text_of(DEFAULT).replace('name = "likeness"', 'name = "ours"')
    (folder / "ours@v2.toml").write_text(text)
    (folder / "bad@v1.toml").write_text(text.replace("lora_rank = 16", "num_repeats = 20"))
    (folder / "likeness@v2.toml").write_text(text_of(DEFAULT))
    (folder / "misnamed@v9.toml").write_text(text)
    found, wrong = own_profiles()
    assert (set(found), set(wrong)) == (
        {"ours@v2"},
        {"bad@v1", "likeness@v2", "misnamed@v9"},
    )
    assert "ships a profile of this id" in wrong["likeness@v2"].message
    with pytest.raises(Invalid, match=r"bad@v1\.toml, line \d+ .*num_repeats"):
        get_profile("bad@v1")
    with pytest.raises(Invalid, match=r"holds the profile ours@v2\. .* call it ours@v2\.toml"):
        get_profile("misnamed@v9")


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    use_folder(tmp_path / "nowhere")
    try:
        with pytest.raises(Invalid, match="which is no folder"):
            load_profiles()
    finally:
        use_folder(None)
