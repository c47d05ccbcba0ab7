"""A subject's set on record: inspected without a training, reported on, and guarded at a retrain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from safelight.config import models_folder
from safelight.db import subjects
from safelight.domain.crops import Crop
from safelight.domain.errors import Invalid
from safelight.domain.measured import Measured
from safelight.domain.nouns import Photo, Subject
from safelight.domain.photos import Derived, Inspection, PhotoFacts
from safelight.flow.commands import Actor
from safelight.flow.commands.datasets import reinspect, report
from safelight.flow.commands.photos import remove_photo
from safelight.flow.commands.subjects import record_consent
from safelight.flow.commands.trainings import retry_training
from safelight.flow.context import Context
from safelight.vision.models import present
from tests.support.measured import measured
from tests.support.past import add_version
from tests.support.photos import distinct_photos, tiny
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
def cx(cx: Context) -> Context:
    return replace(cx, tools=replace(cx.tools, provider=ScriptedProvider()))


def photos_of(cx: Context, subject: Subject) -> list[Photo]:
    with cx.db.transaction() as tx:
        return subjects.photos_to_train_on(tx, subject.id)


def looked(cx: Context, who: Actor, subject: Subject) -> dict[str, int]:
    return reinspect(cx.db, cx.tools.store, cx.tools.eye, who, subject.id)


def trained_on_all(cx: Context, who: Actor, subject: Subject) -> None:
    """Give the subject a version that was made of all the photos it has, 50 exposures of each."""
    version = add_version(cx, subject.id, 1, state="active")
    photos = photos_of(cx, subject)
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO dataset_photos (dataset_id, photo_id, file, sha256, caption) "
            "SELECT d.id, p.id, p.name, p.sha256, 'x' FROM datasets d, photos p "
            "WHERE d.subject_id = %(id)s AND p.subject_id = %(id)s",
            {"id": subject.id},
        )
        tx.run(
            "UPDATE datasets SET manifest = jsonb_build_object('photos', %(files)s::jsonb) "
            "WHERE subject_id = %(id)s",
            {"id": subject.id, "files": "[" + ",".join(["{}"] * len(photos)) + "]"},
        )
        tx.run(
            "UPDATE trainings SET steps = %(steps)s WHERE id = "
            "(SELECT training_id FROM versions WHERE id = %(version)s)",
            {"version": version, "steps": 50 * len(photos)},
        )


@pytest.fixture
def half(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    """A subject whose last good version was made of 16 photos, and who has 8 of them left."""
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 16))
    looked(cx, who, subject)
    trained_on_all(cx, who, subject)
    for photo in photos_of(cx, subject)[8:]:
        with cx.db.transaction() as tx:
            remove_photo(tx, who, photo.id)
    return subject


def test_photos_are_inspected_without_a_training_and_judged_anew(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, [*distinct_photos(tmp_path, 3), tiny(tmp_path)])
    counts = looked(cx, who, subject)
    assert (counts["photos"], counts["looked_at"], counts["changed"]) == (4, 4, 0)
    states = sorted(photo.state for photo in photos_of(cx, subject))
    assert states == ["accepted", "accepted", "accepted", "rejected"]
    with cx.db.transaction() as tx:  # as by a judge of looser limits
        tx.run("UPDATE photos SET state = 'accepted' WHERE state = 'rejected'")
    assert looked(cx, who, subject)["changed"] == 1


def test_facts_of_another_eye_are_measured_anew_and_those_of_this_one_are_kept(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 2))
    looked(cx, who, subject)
    for photo, analyser in zip(photos_of(cx, subject), ("eye-0", Measured().analyser), strict=True):
        with cx.db.transaction() as tx:
            tx.run(
                "UPDATE photos SET facts = facts || jsonb_build_object('measured', "
                "jsonb_build_object('analyser', %(analyser)s::text)) WHERE id = %(id)s",
                {"id": photo.id, "analyser": analyser},
            )
    assert looked(cx, who, subject)["looked_at"] == 1


def test_photos_that_were_not_seen_for_want_of_a_reader_time_or_a_model_are_looked_at_again(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 4))
    looked(cx, who, subject)
    assert looked(cx, who, subject)["looked_at"] == 0
    faults = (
        {"decodable": False, "fault": "unsupported-format"},
        {"decodable": False, "fault": "overrun"},
        {"measured": {"analyser": Measured().analyser, "lacked": ["person"]}},
    )
    for photo, changes in zip(photos_of(cx, subject), faults, strict=False):
        with cx.db.transaction() as tx:
            tx.run(
                "UPDATE photos SET facts = facts || %(changes)s::jsonb WHERE id = %(id)s",
                {"id": photo.id, "changes": json.dumps(changes)},
            )
    counts = looked(cx, who, subject)
    assert counts["looked_at"] == (3 if present(models_folder()) else 2)
    assert {photo.state for photo in photos_of(cx, subject)} == {"accepted"}


class AllSeeing:
    """An eye that finds the same person in every photo, with an identity vector."""

    def models(self) -> frozenset[str]:
        return frozenset({"faces", "identity", "pose", "person"})

    def inspect(self, path: Path, name: str) -> Inspection:
        facts = PhotoFacts(path.stat().st_size, width=1200, height=1600, measured=measured())
        return Inspection(facts, ())

    def location(self, path: Path, *, remove: bool) -> dict[str, int]:
        return {}

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        raise NotImplementedError

    def close(self) -> None:
        pass


@pytest.mark.parametrize("kind", ["character", "model"])
def test_no_identity_is_kept_before_consent_whatever_the_kind_and_is_measured_after_it(
    cx: Context, who: Actor, tmp_path: Path, kind: str
) -> None:
    cx = replace(cx, tools=replace(cx.tools, eye=AllSeeing()))
    subject = subject_with_photos(cx, who, distinct_photos(tmp_path, 4), kind=kind)

    def kept() -> list[bool]:
        facts = [PhotoFacts.from_dict(photo.facts or {}) for photo in photos_of(cx, subject)]
        return [
            bool(one.measured and one.measured.face and one.measured.face.embedding)
            for one in facts
        ]

    assert looked(cx, who, subject)["looked_at"] == 4
    assert kept() == [False] * 4
    assert looked(cx, who, subject)["looked_at"] == 0
    with cx.db.transaction() as tx:
        found, _ = report(tx, who, subject.id)
        said = [item["message"] for item in found["findings"] if item["kind"] == "same-person"]
        assert len(said) == 1
        assert "no consent" in said[0]
        record_consent(tx, who, subject.id, "form 12")
    assert looked(cx, who, subject)["looked_at"] == 4
    assert kept() == [True] * 4
    assert looked(cx, who, subject)["looked_at"] == 0


def test_the_report_is_of_the_set_as_it_would_be_trained_now(
    cx: Context, who: Actor, half: Subject
) -> None:
    with cx.db.transaction() as tx:
        found, photos = report(tx, who, half.id)
    assert len(photos) == 8
    assert found["verdict"] == "block"
    guard = found["retrain"]
    assert guard["before"] == {"photos": 16, "exposures": 50.0}
    assert len(guard["union"]["add"]) == 8
    with cx.db.transaction() as tx:
        united, photos = report(tx, who, half.id, retrain="union")
    assert len(photos) == united["counts"]["kept"] == 16
    assert united["verdict"] != "block"
    with cx.db.transaction() as tx, pytest.raises(Invalid, match="smaller or union"):
        report(tx, who, half.id, retrain="whatever")


def test_the_union_does_not_offer_photos_that_were_purged(
    cx: Context, who: Actor, half: Subject
) -> None:
    with cx.db.transaction() as tx:
        tx.run(
            "UPDATE photos SET purged_at = now() WHERE state = 'removed' AND id IN "
            "(SELECT id FROM photos WHERE state = 'removed' ORDER BY id LIMIT 3)"
        )
        found, _ = report(tx, who, half.id)
        assert found["retrain"]["before"]["photos"] == 16
        assert len(found["retrain"]["union"]["add"]) == 5
        _, photos = report(tx, who, half.id, retrain="union")
        assert len(photos) == 13


def reason_of(cx: Context, id: UUID) -> str:
    found = row(cx, "SELECT error FROM jobs WHERE target_id = %(id)s AND state = 'parked'", id=id)
    return str(found["error"])


def test_a_retrain_on_half_of_the_photos_is_asked_about_before_money_is_spent(
    cx: Context, who: Actor, half: Subject
) -> None:
    """R-142, K21: 20 photos, then 5 to 10."""
    training = train(cx, who, half.id)
    drain(cx)
    found = training_row(cx, training.id)
    assert found["state"] == "blocked"
    assert found["sent"] is None
    why = reason_of(cx, training.id)
    assert "8 photos, where version 1 was made of 16" in why
    assert "--retrain smaller" in why


def test_the_answer_union_trains_on_both_sets(cx: Context, who: Actor, half: Subject) -> None:
    training = train(cx, who, half.id)
    drain(cx)
    with cx.db.transaction() as tx:
        retry_training(tx, who, training.id, retrain="union")
    drain(cx)
    dataset = row(
        cx,
        "SELECT d.* FROM datasets d JOIN trainings t ON t.dataset_id = d.id WHERE t.id = %(id)s",
        id=training.id,
    )
    assert dataset["photos"] == 16
    assert "ready" in history(cx, training.id)


@pytest.mark.parametrize("asked_at", ["start", "retry"])
def test_the_answer_smaller_takes_the_set_as_it_is(
    cx: Context, who: Actor, half: Subject, asked_at: str
) -> None:
    if asked_at == "start":
        training = train(cx, who, half.id, retrain="smaller")
    else:
        training = train(cx, who, half.id)
        drain(cx)
        with cx.db.transaction() as tx:
            retry_training(tx, who, training.id, retrain="smaller")
    drain(cx)
    found = training_row(cx, training.id)
    assert found["retrain"] == "smaller"
    assert "ready" in history(cx, training.id)
    levels = {item["kind"]: item["level"] for item in found["report"]["findings"]}
    assert levels["fewer-than-before"] == "warn"


def test_an_answer_that_is_none_is_refused(cx: Context, who: Actor, half: Subject) -> None:
    with pytest.raises(Invalid, match="smaller or union"):
        train(cx, who, half.id, retrain="yes")
