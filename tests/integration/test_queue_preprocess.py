"""The `preprocess` queue: bad photos are found and named, a set that will not do is stopped."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from safelight.db import subjects
from safelight.domain.errors import ConsentMissing, Invalid
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import add_photo, remove_photo
from safelight.flow.commands.subjects import create_subject
from safelight.flow.commands.trainings import cancel_training, retry_training, start_training
from safelight.flow.context import Context
from tests.support.photos import (
    animated_gif,
    cmyk_jpeg,
    distinct_photos,
    huge_png,
    odd_name,
    sixteen_bit_png,
    text_named_jpg,
    tiny,
    truncated_jpeg,
    turned_jpeg,
)
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    history,
    row,
    subject_with_photos,
    train,
    training_row,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


def test_a_good_set_becomes_a_dataset_with_a_manifest_and_a_zip(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """R-8, R-9: the images used, their count and their hashes are on record."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    training = train(cx, who, subject.id)
    drain(cx)
    with cx.db.transaction() as tx:
        (dataset,) = subjects.datasets(tx, subject.id, who.owner_id)
        photos = subjects.photos(tx, subject.id, who.owner_id)
    assert training_row(cx, training.id)["dataset_id"] == dataset.id
    assert dataset.photos == 12
    assert {p.state for p in photos} == {"accepted"}
    data = cx.tools.store.get_bytes(dataset.key)
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        names = zipped.namelist()
        captions = [zipped.read(n).decode() for n in names if n.endswith(".txt")]
    assert len(names) == 24
    assert all(subject.trigger_word in caption for caption in captions)
    assert [p["sha256"] for p in dataset.manifest["photos"]]
    used = row(
        cx, "SELECT count(*) AS n FROM dataset_photos WHERE dataset_id = %(id)s", id=dataset.id
    )
    assert used["n"] == 12


def test_bad_photos_are_named_and_the_training_goes_on_without_them(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    photos = [*distinct_photos(tmp_path, 12), text_named_jpg(tmp_path), truncated_jpeg(tmp_path)]
    subject = subject_with_photos(cx, who, photos)
    training = train(cx, who, subject.id)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    with cx.db.transaction() as tx:
        found = {p.name: p for p in subjects.photos(tx, subject.id, who.owner_id)}
    rejected = {
        name: [f["kind"] for f in p.findings] for name, p in found.items() if p.state == "rejected"
    }
    assert rejected == {
        text_named_jpg(tmp_path).name: ["not-an-image"],
        truncated_jpeg(tmp_path).name: ["truncated"],
    }


def test_every_kind_of_bad_input_is_a_finding_on_its_photo_and_the_training_goes_on(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """The whole list: what cannot be used is left out, what can be mended is mended and said."""
    bad = {
        text_named_jpg(tmp_path): {"not-an-image"},
        truncated_jpeg(tmp_path): {"truncated"},
        huge_png(tmp_path): {"too-many-pixels"},
        tiny(tmp_path): {"too-small"},
    }
    mended = {
        turned_jpeg(tmp_path, seed=41): {"turned"},
        animated_gif(tmp_path): {"animated"},
        cmyk_jpeg(tmp_path): {"cmyk"},
        sixteen_bit_png(tmp_path): {"sixteen-bit"},
        odd_name(tmp_path): set(),
    }
    good = distinct_photos(tmp_path, 12, first=60)
    subject = subject_with_photos(cx, who, [*good, *bad, *mended])
    training = train(cx, who, subject.id)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    with cx.db.transaction() as tx:
        found = {p.name: p for p in subjects.photos(tx, subject.id, who.owner_id)}
    for path, kinds in {**bad, **mended}.items():
        photo = found[path.name]
        seen = {f["kind"] for f in photo.findings}
        assert kinds <= seen, path.name
        assert photo.state == ("rejected" if path in bad else "accepted"), (path.name, seen)
        for finding in photo.findings:
            assert finding["photo"] == path.name
            assert finding["message"].endswith(".")


def test_four_photos_are_blocked_under_the_profiles_minimum_and_no_money_is_spent(
    cx: Context, who: Actor, provider: ScriptedProvider, tmp_path: Path
) -> None:
    """R-25, K6, A-X: likeness@v1 blocks under 8."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 4))
    training = train(cx, who, subject.id)
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "blocked"
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'build_dataset'")
    assert job["state"] == "parked"
    assert "4" in job["error"]
    assert "8" in job["error"]
    assert provider.creates == []


def test_a_blocked_training_goes_on_once_photos_are_added_and_it_is_retried(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    photos = distinct_photos(tmp_path, 12)
    subject = subject_with_photos(cx, who, photos[:4])
    training = train(cx, who, subject.id)
    drain(cx)
    for path in photos[4:]:
        add_photo(cx.db, cx.tools.store, who, subject.id, path)
    with cx.db.transaction() as tx:
        retry_training(tx, who, training.id)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    assert history(cx, training.id)[:5] == [
        "queued",
        "preparing",
        "blocked",
        "preparing",
        "ready",
    ]


def test_a_blocked_training_can_be_cancelled(cx: Context, who: Actor, tmp_path: Path) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 4))
    training = train(cx, who, subject.id)
    drain(cx)
    with cx.db.transaction() as tx:
        cancel_training(tx, who, training.id)
    assert training_row(cx, training.id)["state"] == "canceled"
    assert train(cx, who, subject.id).number == 2, "the subject is free for another"


def test_the_same_file_sent_twice_is_one_photo(cx: Context, who: Actor, tmp_path: Path) -> None:
    (path,) = distinct_photos(tmp_path, 1)
    subject = subject_with_photos(cx, who, [path])
    photo, made = add_photo(cx.db, cx.tools.store, who, subject.id, path)
    assert not made
    with cx.db.transaction() as tx:
        assert [p.id for p in subjects.photos(tx, subject.id, who.owner_id)] == [photo.id]


def test_a_photo_that_was_removed_is_not_trained_on(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """R-111: remove or replace a single photo."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 12))
    with cx.db.transaction() as tx:
        gone = subjects.photos(tx, subject.id, who.owner_id)[0]
        remove_photo(tx, who, gone.id)
    train(cx, who, subject.id)
    drain(cx)
    with cx.db.transaction() as tx:
        (dataset,) = subjects.datasets(tx, subject.id, who.owner_id)
    assert str(gone.id) not in str(dataset.manifest)
    assert dataset.photos == 11


def test_a_person_is_not_trained_before_consent_is_on_record(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 8), kind="person")
    with pytest.raises(ConsentMissing), cx.db.transaction() as tx:
        start_training(tx, who, subject.id)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("num_repeats", 20, "num_repeats"), ("lora_rank", 500, "128"), ("steps", 2, "3")],
)
def test_an_input_the_trainer_does_not_take_is_refused_before_any_work(
    cx: Context, who: Actor, tmp_path: Path, key: str, value: int, says: str
) -> None:
    """R-77, K4; replicate.md 4.1."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 8))
    with pytest.raises(Invalid, match=says), cx.db.transaction() as tx:
        start_training(tx, who, subject.id, overrides={key: value})
    assert row(cx, "SELECT count(*) AS n FROM trainings")["n"] == 0


def test_a_subject_without_photos_is_refused_with_the_way_out(cx: Context, who: Actor) -> None:
    with cx.db.transaction() as tx:
        subject = create_subject(tx, who, name="Empty", kind="character")
    with pytest.raises(Invalid, match="Add at least 8"), cx.db.transaction() as tx:
        start_training(tx, who, subject.id)
