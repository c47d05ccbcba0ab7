"""What trainings rest on is kept as it was: the profile's text, and what the trainer's version takes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from safelight.domain.errors import Conflict, Invalid, ProviderRefused
from safelight.domain.profiles import get_profile, use_folder
from safelight.flow import used
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from safelight.local.emulator.schemas import trainer_schema
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    row,
    subject_with_photos,
    train,
    training_row,
)

VERSION = "a" * 64


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def subject_id(cx: Context, who: Actor, tmp_path: Path) -> Any:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 16)).id


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    own = tmp_path / "profiles"
    own.mkdir()
    use_folder(own)
    yield own
    use_folder(None)


def folder_in(path: Path) -> Path:
    (path / "other").mkdir()
    return path / "other"


def own_profile(folder: Path, name: str, before: str = "", after: str = "") -> Path:
    shipped = files("safelight").joinpath("profiles", "likeness@v2.toml").read_text("utf-8")
    path = folder / f"{name}@v2.toml"
    path.write_text(
        shipped.replace('name = "likeness"', f'name = "{name}"').replace(before, after, 1)
    )
    return path


def test_what_the_trainers_version_takes_is_read_once_and_the_training_says_so(
    cx: Context, who: Actor, subject_id: Any, provider: ScriptedProvider, tmp_path: Path
) -> None:
    training = train(cx, who, subject_id)
    drain(cx)
    assert training_row(cx, training.id)["inputs_source"] == VERSION
    other = subject_with_photos(cx, who, distinct_photos(folder_in(tmp_path), 16), name="Mia")
    drain_of = train(cx, who, other.id)
    drain(cx)
    assert training_row(cx, drain_of.id)["inputs_source"] == VERSION
    assert provider.schemas_read == [VERSION]


def test_an_input_the_trainers_version_would_drop_is_never_sent(
    cx: Context, who: Actor, subject_id: Any, provider: ScriptedProvider
) -> None:
    """Requirements 0.1, 0.2: an older version does not know gradient_checkpointing (R-85)."""
    older = trainer_schema()
    del older["components"]["schemas"]["TrainingInput"]["properties"]["gradient_checkpointing"]
    provider.schema = older
    training = train(cx, who, subject_id, profile="selfie-reset@2025-07-22")
    drain(cx)
    assert provider.creates == []
    found = training_row(cx, training.id)
    assert found["state"] == "ready", "it stands still before anything was paid"
    error = row(cx, "SELECT error FROM jobs WHERE state = 'parked'")["error"]
    assert "gradient_checkpointing = true" in error
    assert "selfie-reset@2025-07-22.toml, line" in error
    assert "nothing was sent" in error


@pytest.mark.parametrize("schema", [None, {"openapi": "3"}, ProviderRefused("no")])
def test_where_the_schema_cannot_be_read_the_bundled_one_stands_in_and_the_training_says_so(
    cx: Context, who: Actor, subject_id: Any, provider: ScriptedProvider, schema: Any
) -> None:
    provider.schema = schema
    training = train(cx, who, subject_id)
    drain(cx)
    assert training_row(cx, training.id)["inputs_source"] == "bundled"
    assert len(provider.creates) == 1


def test_a_request_is_held_against_what_the_trainer_took_last(
    cx: Context, who: Actor, subject_id: Any, provider: ScriptedProvider, tmp_path: Path
) -> None:
    narrow = trainer_schema()
    narrow["components"]["schemas"]["TrainingInput"]["properties"]["steps"]["maximum"] = 2000
    provider.schema = narrow
    train(cx, who, subject_id)
    drain(cx)
    other = subject_with_photos(cx, who, distinct_photos(folder_in(tmp_path), 16), name="Mia")
    with pytest.raises(Invalid, match="steps must be at most 2000; 3000 was given"):
        train(cx, who, other.id, overrides={"steps": 3000})


def test_num_repeats_in_a_request_or_a_profile_is_refused_and_nothing_is_written(
    cx: Context, who: Actor, subject_id: Any, folder: Path
) -> None:
    """R-77, K4: before a cent is spent, with the exposures it was meant to change."""
    with pytest.raises(Invalid, match=r"16 images get 640 steps: each is seen 40 times"):
        train(cx, who, subject_id, overrides={"num_repeats": 20})
    own_profile(folder, "ours", "lora_rank = 16", "num_repeats = 20")
    with pytest.raises(Invalid, match=r"ours@v2\.toml, line \d+ \(num_repeats = 20\).*40 times"):
        train(cx, who, subject_id, profile="ours@v2")
    assert row(cx, "SELECT count(*) AS n FROM trainings")["n"] == 0
    assert row(cx, "SELECT count(*) AS n FROM profiles")["n"] == 0


def test_a_training_goes_by_the_profile_as_it_was_asked_for_whatever_becomes_of_the_file(
    cx: Context, who: Actor, subject_id: Any, folder: Path
) -> None:
    path = own_profile(folder, "ours", "lora_rank = 16", "lora_rank = 24")
    training = train(cx, who, subject_id, profile="ours@v2")
    sha256 = get_profile("ours@v2").sha256
    path.unlink()
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "training"
    assert found["sent"]["input"]["lora_rank"] == 24
    assert found["profile_sha256"] == found["asked"]["profile_sha256"] == sha256


def test_a_profile_that_was_changed_after_it_was_used_is_refused(
    cx: Context, who: Actor, subject_id: Any, folder: Path
) -> None:
    """A profile is immutable: else two trainings of one profile could not be compared."""
    own_profile(folder, "ours")
    train(cx, who, subject_id, profile="ours@v2")
    own_profile(folder, "ours", "lora_rank = 16", "lora_rank = 24")
    changed = get_profile("ours@v2")
    with (
        pytest.raises(Conflict, match="not the one that was used under this name"),
        cx.db.transaction() as tx,
    ):
        used.keep(tx, changed)
