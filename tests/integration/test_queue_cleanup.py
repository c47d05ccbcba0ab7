"""The `cleanup` queue: nothing goes that is needed, and nothing of theirs before ours is whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from benchmarks.cleanup import bare
from safelight.clients.s3 import S3Store
from safelight.db import jobs, temporary
from safelight.domain.nouns import Subject
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import confirm_upload, request_upload
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    drain,
    history,
    hurry,
    row,
    subject_with_photos,
    train,
)

RULES = """
[versions]
keep = 3
rollback = "0 s"
[uploads]
age = "0 s"
[pace]
objects = 100
"""


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def cx(cx: Context, provider: ScriptedProvider, tmp_path: Path) -> Context:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    return replace(
        cx,
        tools=replace(cx.tools, provider=provider),
        settings=cx.settings.model_copy(update={"retention_file": rules}),
    )


@pytest.fixture
def subject(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 12))


def add_version(cx: Context, subject: Subject, provider: ScriptedProvider, number: int) -> UUID:
    """A finished training and its version, with real weights in the store."""
    put = cx.tools.store.put_bytes(f"weights/{number}", b"weights %d" % number, "x/y")
    provider.versions.add(f"{number:064x}")
    state = "active" if number == 1 else "candidate"
    found = row(
        cx,
        MADE,
        subject_id=subject.id,
        owner_id=subject.owner_id,
        number=number,
        key=put.key,
        bytes=put.bytes,
        sha256=put.sha256,
        version=f"{number:064x}",
        state=state,
    )
    id: UUID = found["id"]
    return id


MADE = """
WITH training AS (
    INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer, error,
                           finished_at)
    VALUES (gen_random_uuid(), %(owner_id)s, %(subject_id)s, %(number)s, 'failed', 'likeness@v1',
            't', 'x', now())
    RETURNING id
)
INSERT INTO versions (id, owner_id, subject_id, training_id, number, state, trigger_word,
                      weights_key, weights_bytes, weights_sha256, rank, tensors, provider_model,
                      provider_version, activated_at)
SELECT gen_random_uuid(), %(owner_id)s, %(subject_id)s, training.id, %(number)s, %(state)s, 'tok',
       %(key)s, %(bytes)s, %(sha256)s, 16, 4, 'emulated/x', %(version)s, now()
FROM training RETURNING id
"""


def clean(cx: Context, kind: Kind) -> None:
    with cx.db.transaction() as tx:
        jobs.add(tx, kind, actor="clock", unique_key=str(kind))
    drain(cx)


def state_of(cx: Context, id: UUID) -> dict[str, Any]:
    return row(cx, "SELECT * FROM versions WHERE id = %(id)s", id=id)


def test_versions_beyond_the_newest_n_are_archived_and_the_active_one_never(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    """R-12, R-13, K18."""
    ids = [add_version(cx, subject, provider, n) for n in range(1, 7)]
    clean(cx, Kind.ARCHIVE_VERSIONS)
    states = [state_of(cx, id)["state"] for id in ids]
    assert states == ["active", "archived", "archived", "candidate", "candidate", "candidate"]
    for id in ids:
        assert cx.tools.store.head(state_of(cx, id)["weights_key"]), "ours always stays"
    assert sorted(provider.deleted) == [f"{n:064x}" for n in (2, 3)]
    assert history(cx, ids[1]) == ["archived"]


def test_the_providers_copy_is_recorded_as_gone_once_it_is_seen_to_be(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    """A deletion there is asynchronous: 202, still listed for a while."""
    ids = [add_version(cx, subject, provider, n) for n in range(1, 6)]
    clean(cx, Kind.ARCHIVE_VERSIONS)
    assert state_of(cx, ids[1])["provider_deleted_at"] is None
    job = row(cx, "SELECT * FROM jobs WHERE kind = 'delete_remote_version'")
    assert (job["state"], job["reason"]) == ("ready", "the provider still lists it")
    provider.versions.clear()
    hurry(cx, kinds=["delete_remote_version"])
    drain(cx)
    assert state_of(cx, ids[1])["provider_deleted_at"] is not None


def test_weights_that_are_not_whole_are_not_archived_and_the_providers_copy_stays(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    ids = [add_version(cx, subject, provider, n) for n in range(1, 6)]
    cx.tools.store.put_bytes("weights/2", b"weights!2", "x/y")
    clean(cx, Kind.ARCHIVE_VERSIONS)
    job = row(cx, "SELECT * FROM jobs WHERE target_id = %(id)s", id=ids[1])
    assert job["state"] == "parked"
    assert "sha256" in job["error"]
    assert state_of(cx, ids[1])["state"] == "candidate"
    assert provider.deleted == []


def test_weights_that_are_missing_keep_the_providers_copy(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    ids = [add_version(cx, subject, provider, n) for n in range(1, 6)]
    cx.tools.store.delete(["weights/2"])
    clean(cx, Kind.ARCHIVE_VERSIONS)
    assert row(cx, "SELECT state FROM jobs WHERE target_id = %(id)s", id=ids[1]) == {
        "state": "parked"
    }
    assert provider.deleted == []


def test_a_version_that_something_in_flight_needs_is_left_alone(
    cx: Context, subject: Subject, provider: ScriptedProvider
) -> None:
    ids = [add_version(cx, subject, provider, n) for n in range(1, 6)]
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO generations (id, owner_id, subject_id, version_id, purpose, prompt, input) "
            "SELECT gen_random_uuid(), owner_id, subject_id, id, 'request', 'x', '{}' "
            "FROM versions WHERE id = %(id)s",
            {"id": ids[1]},
        )
    clean(cx, Kind.ARCHIVE_VERSIONS)
    assert state_of(cx, ids[1])["state"] == "candidate"


def note(cx: Context, key: str, *, old: bool, training_id: UUID | None = None) -> None:
    cx.tools.store.put_bytes(key, b"x", "x/y")
    with cx.db.transaction() as tx:
        temporary.note(tx, key, purpose="test", seconds=-1 if old else 60, training_id=training_id)


def test_temporary_objects_past_their_age_are_purged_and_younger_ones_kept(cx: Context) -> None:
    """R-11: training zips in temporary storage."""
    note(cx, "temporary/old", old=True)
    note(cx, "temporary/young", old=False)
    cx.tools.store.put_bytes("photos/not-temporary", b"x", "x/y")
    clean(cx, Kind.PURGE_TEMPORARY)
    assert cx.tools.store.head("temporary/old") is None
    assert cx.tools.store.head("temporary/young")
    assert cx.tools.store.head("photos/not-temporary")
    assert row(cx, "SELECT count(*) AS n FROM temporary_objects")["n"] == 1


def test_an_object_that_a_live_training_needs_outlives_its_age(
    cx: Context, who: Actor, subject: Subject
) -> None:
    """photoshot #31: a training failed on a 404 for its input zip."""
    training = train(cx, who, subject.id)
    note(cx, "temporary/needed", old=True, training_id=training.id)
    clean(cx, Kind.PURGE_TEMPORARY)
    assert cx.tools.store.head("temporary/needed")
    with cx.db.transaction() as tx:
        tx.run("DELETE FROM jobs WHERE state <> 'done'")
        tx.run(
            "UPDATE trainings SET state = 'failed', error = 'x', finished_at = now() "
            "WHERE id = %(id)s",
            {"id": training.id},
        )
    clean(cx, Kind.PURGE_TEMPORARY)
    assert cx.tools.store.head("temporary/needed") is None


def test_an_upload_that_never_came_is_forgotten_and_one_that_was_confirmed_is_kept(
    cx: Context, who: Actor, subject: Subject
) -> None:
    with cx.db.transaction() as tx:
        never = request_upload(tx, who, subject.id, name="never.jpg", bytes=7)
        came = request_upload(tx, who, subject.id, name="came.jpg", bytes=7)
    cx.tools.store.put_bytes(came.key, b"a photo", "image/jpeg")
    confirm_upload(cx.db, cx.tools.store, who, came.id)
    with cx.db.transaction() as tx:
        tx.run("UPDATE temporary_objects SET expires_at = now() - interval '1 s'")
    clean(cx, Kind.PURGE_TEMPORARY)
    assert cx.tools.store.head(came.key)
    states = {
        id: row(cx, "SELECT state FROM photos WHERE id = %(id)s", id=id)["state"]
        for id in (never.id, came.id)
    }
    assert states == {never.id: "removed", came.id: "stored"}


def test_more_than_a_batch_is_purged_in_turns(cx: Context) -> None:
    with cx.db.transaction() as tx:
        for number in range(120):
            temporary.note(tx, f"temporary/{number}", purpose="test", seconds=-1)
    clean(cx, Kind.PURGE_TEMPORARY)
    assert row(cx, "SELECT count(*) AS n FROM temporary_objects")["n"] == 0
    job = row(cx, "SELECT id FROM jobs WHERE kind = 'purge_temporary'")["id"]
    assert history(cx, job) == ["ready", "leased", "ready", "leased", "done"]


def test_what_cleanup_is_measured_against_deletes_what_it_is_given(store: S3Store) -> None:
    keys = [f"temporary/{uuid4()}.zip" for _ in range(2)]
    for key in keys:
        store.put_bytes(key, b"zip", "application/zip")
    bare(store, keys[:1])
    assert [store.head(key) is None for key in keys] == [True, False]
