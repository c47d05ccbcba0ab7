"""What a person removes is soft for a stated time; what is on hold is kept by everything."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from safelight.db import generations, recycling, versions
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.nouns import Subject
from safelight.flow.commands import Actor
from safelight.flow.commands.cleaning import run_cleanup
from safelight.flow.commands.erasing import erase_subject
from safelight.flow.commands.images import request_generation
from safelight.flow.commands.recycling import place_hold, release_hold, remove, restore
from safelight.flow.commands.versions import activate_version
from safelight.flow.context import Context
from tests.support.past import add_drawing, add_version
from tests.support.photos import distinct_photos
from tests.support.pipeline import (
    ScriptedProvider,
    actor,
    drain,
    history,
    hurry,
    row,
    subject_with_photos,
)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def who(cx: Context) -> Actor:
    return actor(cx)


@pytest.fixture
def subject(cx: Context, who: Actor, tmp_path: Path) -> Subject:
    return subject_with_photos(cx, who, distinct_photos(tmp_path, 2))


def clean(cx: Context, who: Actor) -> None:
    with cx.db.transaction() as tx:
        run_cleanup(tx, who)
    drain(cx)
    for _ in range(10):
        hurry(cx, kinds=["apply_retention", "purge_temporary", "archive_versions"])
        if not drain(cx):
            break


def days_pass(cx: Context, table: str) -> None:
    with cx.db.transaction() as tx:
        tx.run(f"UPDATE {table} SET removed_at = removed_at - interval '8 days'")


def taken_out(cx: Context, who: Actor, noun: str, id: UUID) -> None:
    with cx.db.transaction() as tx:
        remove(tx, who, noun, id)


def had_back(cx: Context, who: Actor, noun: str, id: UUID) -> None:
    with cx.db.transaction() as tx:
        restore(tx, who, noun, id)


def in_the_bin(cx: Context, who: Actor) -> list[tuple[str, UUID]]:
    with cx.db.transaction() as tx:
        return [(f.noun, f.id) for f in recycling.recycled(tx, who.owner_id)]


def test_a_photo_can_be_had_back_until_the_sweep_and_not_after(
    cx: Context, who: Actor, subject: Subject
) -> None:
    photo = row(cx, "SELECT id, key FROM photos ORDER BY id LIMIT 1")
    taken_out(cx, who, "photo", photo["id"])
    clean(cx, who)
    assert in_the_bin(cx, who) == [("photo", photo["id"])]
    had_back(cx, who, "photo", photo["id"])
    assert history(cx, photo["id"]) == ["stored", "removed", "stored"]
    taken_out(cx, who, "photo", photo["id"])
    days_pass(cx, "photos")
    clean(cx, who)
    assert cx.tools.store.head(photo["key"]) is None
    assert in_the_bin(cx, who) == []
    with pytest.raises(Conflict, match="window is over"):
        had_back(cx, who, "photo", photo["id"])


def test_a_photo_that_was_sent_again_meanwhile_is_not_had_back_twice(
    cx: Context, who: Actor, subject: Subject
) -> None:
    photo = row(cx, "SELECT id FROM photos ORDER BY id LIMIT 1")["id"]
    taken_out(cx, who, "photo", photo)
    with cx.db.transaction() as tx:
        tx.run(
            "INSERT INTO photos (id, subject_id, name, key, state, bytes, sha256) "
            "SELECT gen_random_uuid(), subject_id, name, 'photos/again', 'stored', bytes, sha256 "
            "FROM photos WHERE id = %(id)s",
            {"id": photo},
        )
    with pytest.raises(Conflict, match="sent again"):
        had_back(cx, who, "photo", photo)


def test_an_image_is_hidden_at_once_and_deleted_after_its_window(
    cx: Context, who: Actor, subject: Subject
) -> None:
    version = add_version(cx, subject.id, 1, state="active")
    image = add_drawing(cx, version, purpose="request", days=1)
    found = row(cx, "SELECT generation_id, key FROM images")
    taken_out(cx, who, "image", image)
    with cx.db.transaction() as tx:
        assert generations.images(tx, [found["generation_id"]]) == []
    had_back(cx, who, "image", image)
    with cx.db.transaction() as tx:
        assert len(generations.images(tx, [found["generation_id"]])) == 1
    taken_out(cx, who, "image", image)
    days_pass(cx, "images")
    clean(cx, who)
    assert cx.tools.store.head(found["key"]) is None


def test_a_removed_version_draws_no_more_and_goes_with_its_weights_after_its_window(
    cx: Context, who: Actor, subject: Subject, provider: ScriptedProvider
) -> None:
    active = add_version(cx, subject.id, 1, state="active")
    old = add_version(cx, subject.id, 2)
    with pytest.raises(Conflict, match="the version that draws"):
        taken_out(cx, who, "version", active)
    taken_out(cx, who, "version", old)
    with cx.db.transaction() as tx:
        assert [v.id for v, _ in versions.find(tx, who.owner_id)] == [active]
        with pytest.raises(Conflict, match="was removed"):
            request_generation(tx, who, version_id=old, prompt="x")
        with pytest.raises(Conflict, match="was removed"):
            activate_version(tx, who, old)
    had_back(cx, who, "version", old)
    taken_out(cx, who, "version", old)
    found = row(cx, "SELECT * FROM versions WHERE id = %(id)s", id=old)
    provider.versions.add(found["provider_version"])
    days_pass(cx, "versions")
    clean(cx, who)
    assert cx.tools.store.head(found["weights_key"]) is None
    assert provider.deleted == [found["provider_version"]]
    assert history(cx, old) == ["archived", "deleted"]
    with pytest.raises(Conflict, match="window is over"):
        had_back(cx, who, "version", old)


def test_a_hold_keeps_a_removed_thing_past_its_window_and_refuses_its_erasure(
    cx: Context, who: Actor, subject: Subject
) -> None:
    photo = row(cx, "SELECT id, key FROM photos ORDER BY id LIMIT 1")
    with cx.db.transaction() as tx:
        held = place_hold(tx, who, subject.id, "a dispute, case 12")
    assert held.noun == "subject"
    taken_out(cx, who, "photo", photo["id"])
    days_pass(cx, "photos")
    clean(cx, who)
    assert cx.tools.store.head(photo["key"])
    with cx.db.transaction() as tx, pytest.raises(Conflict, match="case 12"):
        erase_subject(tx, who, subject.id, reason="asked for")
    with cx.db.transaction() as tx:
        release_hold(tx, who, subject.id)
        assert recycling.holds(tx, who.owner_id) == []
    clean(cx, who)
    assert cx.tools.store.head(photo["key"]) is None
    assert history(cx, subject.id)[-2:] == ["held", "released"]


def test_a_hold_has_a_reason_and_holds_what_is_ours_once(
    cx: Context, who: Actor, subject: Subject
) -> None:
    stranger = actor(cx, "other")
    with cx.db.transaction() as tx:
        with pytest.raises(Invalid, match="reason"):
            place_hold(tx, who, subject.id, "  ")
        with pytest.raises(NotFound):
            place_hold(tx, stranger, subject.id, "mine now")
        with pytest.raises(NotFound):
            place_hold(tx, who, uuid4(), "nothing")
        made = place_hold(tx, who, subject.id, "one")
        with pytest.raises(Conflict, match="already"):
            place_hold(tx, who, subject.id, "two")
        with pytest.raises(NotFound):
            release_hold(tx, stranger, made.id)


def test_what_is_another_owners_can_be_neither_removed_nor_had_back(
    cx: Context, who: Actor, subject: Subject
) -> None:
    photo = row(cx, "SELECT id FROM photos ORDER BY id LIMIT 1")["id"]
    stranger = actor(cx, "other")
    with pytest.raises(NotFound):
        taken_out(cx, stranger, "photo", photo)
    taken_out(cx, who, "photo", photo)
    with pytest.raises(NotFound):
        had_back(cx, stranger, "photo", photo)
    assert in_the_bin(cx, stranger) == []
    with pytest.raises(Invalid, match="cannot be removed"):
        taken_out(cx, who, "subject", subject.id)
