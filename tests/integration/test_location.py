"""Photos are stored without where they were taken, however they come, unless their owner wants it."""

from __future__ import annotations

import hashlib
import io
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from safelight.db import subjects
from safelight.domain.nouns import Photo
from safelight.domain.profiles import DEFAULT, get_profile
from safelight.flow import sets
from safelight.flow.audit import audit_subject
from safelight.flow.commands import Actor
from safelight.flow.commands.datasets import reinspect
from safelight.flow.commands.photos import (
    add_photo,
    confirm_upload,
    remove_photo,
    request_upload,
    upload_link,
)
from safelight.flow.commands.subjects import create_subject, get_subject
from safelight.flow.commands.versions import set_policy
from safelight.flow.context import Context
from safelight.stages.preprocess import InspectedPhoto, inspect_photos
from safelight.vision.location.removal import count_location, remove_location
from tests.support import located, photos
from tests.support.api import Door
from tests.support.past import add_version
from tests.support.pipeline import ScriptedProvider, drain, row, train


@pytest.fixture
def cx(cx: Context) -> Context:
    return replace(cx, tools=replace(cx.tools, provider=ScriptedProvider()))


def with_place(folder: Path, seed: int = 1, name: str | None = None) -> Path:
    """A photo that says where it was taken, in EXIF and in XMP."""
    path = folder / (name or f"place-{seed:02d}.jpg")
    held = io.BytesIO()
    photos.picture(seed, (900, 1100)).save(held, "JPEG", quality=90)
    data = held.getvalue()
    more = located.exif_segment(located.block()) + located.xmp_segment()
    path.write_bytes(data[:2] + more + data[2:])
    return path


def without_place(path: Path) -> bytes:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    remove_location(copy)
    return copy.read_bytes()


def subject_of(cx: Context, who: Actor, name: str = "Luca") -> UUID:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name=name, kind="character").id


def put_past_us(cx: Context, who: Actor, subject: UUID, path: Path) -> Photo:
    """A photo that is put straight into the store."""
    with cx.db.transaction() as tx:
        photo = request_upload(tx, who, subject, name=path.name, bytes=path.stat().st_size)
    link = upload_link(cx.tools.store, photo, "image/jpeg")
    assert link is not None
    request = urllib.request.Request(link.url, path.read_bytes(), link.headers, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    return confirm_upload(cx.db, cx.tools.store, who, photo.id)


def stored(cx: Context, photo: Photo) -> bytes:
    return cx.tools.store.get_bytes(photo.key)


def photos_of(cx: Context, subject: UUID) -> list[Photo]:
    with cx.db.transaction() as tx:
        return subjects.photos_to_train_on(tx, subject)


def look(cx: Context, who: Actor, subject: UUID) -> None:
    reinspect(cx.db, cx.tools.store, cx.tools.eye, who, subject)


def details(cx: Context, photo: Photo) -> list[dict[str, Any]]:
    with cx.db.transaction() as tx:
        rows = tx.rows(
            "SELECT detail FROM events WHERE noun_id = %(id)s ORDER BY id", {"id": photo.id}
        )
    return [found["detail"] for found in rows if found["detail"]]


def test_a_photo_is_stored_without_its_location_and_the_senders_file_stays_as_it_is(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject, path = subject_of(cx, who), with_place(tmp_path)
    before = path.read_bytes()
    photo, new = add_photo(cx.db, cx.tools.store, who, subject, path)
    assert new
    assert path.read_bytes() == before
    data = stored(cx, photo)
    assert data == without_place(path)
    assert not any(secret in data for secret in located.SECRETS)
    assert located.KEPT in data
    assert (photo.bytes, photo.sha256) == (len(before), hashlib.sha256(data).hexdigest())
    assert photo.location_removed == {"exif": 6, "xmp": 7}
    assert details(cx, photo) == [{"location_removed": {"exif": 6, "xmp": 7}}]


def test_the_same_file_sent_again_is_still_one_photo_with_its_location_or_without(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject, path = subject_of(cx, who), with_place(tmp_path)
    first, _ = add_photo(cx.db, cx.tools.store, who, subject, path)
    assert add_photo(cx.db, cx.tools.store, who, subject, path) == (first, False)
    cleaned = tmp_path / "cleaned" / path.name
    cleaned.parent.mkdir()
    cleaned.write_bytes(without_place(path))
    assert add_photo(cx.db, cx.tools.store, who, subject, cleaned) == (first, False)
    with cx.db.transaction() as tx:
        set_policy(tx, who, keep_location=True)
    assert add_photo(cx.db, cx.tools.store, who, subject, path) == (first, False)


def test_an_owner_who_wants_it_keeps_the_location_and_it_goes_once_they_do_not(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    with cx.db.transaction() as tx:
        assert set_policy(tx, who, keep_location=True).keep_location
    subject, path = subject_of(cx, who), with_place(tmp_path)
    photo, _ = add_photo(cx.db, cx.tools.store, who, subject, path)
    other = put_past_us(cx, who, subject, with_place(tmp_path, 2))
    assert stored(cx, photo) == path.read_bytes()
    assert photo.location_removed is None
    look(cx, who, subject)
    assert stored(cx, photo) == path.read_bytes()
    for found in photos_of(cx, subject):
        assert found.facts
        assert found.facts["location_kept"] == {"exif": 6, "xmp": 7}
        assert "location-removed" not in [f["kind"] for f in found.findings]
    with cx.db.transaction() as tx:
        set_policy(tx, who, keep_location=False)
    look(cx, who, subject)
    for found in photos_of(cx, subject):
        assert "location-removed" in [f["kind"] for f in found.findings]
        assert not any(secret in stored(cx, found) for secret in located.SECRETS)
    assert {photo.id, other.id} == {found.id for found in photos_of(cx, subject)}


def test_a_photo_that_was_put_past_us_is_replaced_when_a_worker_first_fetches_it(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject, path = subject_of(cx, who), with_place(tmp_path)
    photo = put_past_us(cx, who, subject, path)
    assert stored(cx, photo) == path.read_bytes()
    look(cx, who, subject)
    (found,) = photos_of(cx, subject)
    data = stored(cx, found)
    assert data == without_place(path)
    assert (found.bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert found.location_removed == {"exif": 6, "xmp": 7}
    (finding,) = [f for f in found.findings if f["kind"] == "location-removed"]
    assert (finding["level"], finding["measured"]) == ("note", 13)
    assert "6 EXIF tags, 7 XMP properties" in finding["message"]
    assert {"location_removed": {"exif": 6, "xmp": 7}} in details(cx, found)
    # What it said is told no more by the next look, and what was taken out of it still is.
    with cx.db.transaction() as tx:
        tx.run("UPDATE photos SET facts = NULL, state = 'stored'")
    look(cx, who, subject)
    (again,) = photos_of(cx, subject)
    assert again.location_removed == {"exif": 6, "xmp": 7}
    assert "location-removed" in [f["kind"] for f in again.findings]


def test_the_same_file_put_past_us_twice_is_kept_once(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """Two uploads under one name, and one through us: their content is known when they are looked at."""
    subject, path = subject_of(cx, who), with_place(tmp_path)
    first = put_past_us(cx, who, subject, path)
    second = put_past_us(cx, who, subject, path)
    look(cx, who, subject)
    look(cx, who, subject)  # the second one is clean by now, and still the same
    by_id = {photo.id: photo for photo in photos_of(cx, subject)}
    assert by_id[first.id].state == "accepted"
    assert by_id[second.id].state == "rejected"
    assert [finding["kind"] for finding in by_id[second.id].findings] == ["same-file"]
    third, new = add_photo(cx.db, cx.tools.store, who, subject, path)
    assert (third.id, new) == (first.id, False)


def test_nothing_of_a_location_is_in_what_is_made_of_a_photo(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    """The zip, its captions, the manifest, the report, facts, findings and events."""
    subject = subject_of(cx, who)
    for seed in range(1, 7):
        add_photo(cx.db, cx.tools.store, who, subject, with_place(tmp_path, seed))
    for seed in range(7, 13):
        put_past_us(cx, who, subject, with_place(tmp_path, seed))
    train(cx, who, subject)
    drain(cx)
    dataset = row(cx, "SELECT * FROM datasets WHERE subject_id = %(id)s", id=subject)
    zipped = cx.tools.store.get_bytes(dataset["key"])
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        members = b"\0".join(archive.read(name) for name in archive.namelist())
        with Image.open(archive.open("001.jpg")) as image:
            assert not {"exif", "xmp", "icc_profile", "photoshop", "comment"} & image.info.keys()
    manifest = cx.tools.store.get_bytes(dataset["manifest_key"])
    for photo in photos_of(cx, subject):
        assert count_location(_saved(tmp_path, stored(cx, photo))) == {}
    with cx.db.transaction() as tx:
        told = str(tx.rows("SELECT * FROM photos")) + str(tx.rows("SELECT * FROM events"))
        told += str(tx.rows("SELECT report, manifest FROM datasets"))
    for secret in (*located.SECRETS, located.KEPT, b"GPS", b"ns.adobe.com"):
        assert secret not in members
        assert secret not in manifest
    for words in ("SECRET", "52.52", "31.2057", "13.41", "CELLID"):
        assert words not in told


def _saved(folder: Path, data: bytes) -> Path:
    path = folder / "fetched"
    path.write_bytes(data)
    return path


def trained_before(cx: Context, who: Actor, folder: Path) -> UUID:
    """A subject of an older release: its photos stored, measured and trained on with their location, which
    may be kept no more."""
    with cx.db.transaction() as tx:
        set_policy(tx, who, keep_location=True)
    subject = subject_of(cx, who)
    for seed in range(1, 9):
        add_photo(cx.db, cx.tools.store, who, subject, with_place(folder, seed))
    look(cx, who, subject)
    add_version(cx, subject, 1, state="active")
    with cx.db.transaction() as tx:
        set_policy(tx, who, keep_location=False)
        tx.run(
            "INSERT INTO dataset_photos (dataset_id, photo_id, file, sha256, caption) "
            "SELECT d.id, p.id, p.name, p.sha256, 'x' FROM datasets d, photos p "
            "WHERE d.subject_id = %(id)s AND p.subject_id = %(id)s",
            {"id": subject},
        )
        tx.run(
            "UPDATE datasets SET manifest = jsonb_build_object('photos', (SELECT jsonb_agg("
            "jsonb_build_object('photo_id', p.id, 'sha256', p.sha256, 'source_sha256', p.sha256, "
            "'caption', 'x')) "
            "FROM photos p WHERE p.subject_id = %(id)s)) WHERE subject_id = %(id)s",
            {"id": subject},
        )
    return subject


def photo_links(cx: Context, who: Actor, subject: UUID) -> list[str]:
    """What the audit says of the photos of the subject's version."""
    links = audit_subject(cx, who, subject).versions[0].links
    return [link.state for link in links if link.name == "photos"]


def test_what_was_stored_before_is_cleaned_at_the_next_look_and_old_versions_still_verify(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = trained_before(cx, who, tmp_path)
    before = photo_links(cx, who, subject)
    look(cx, who, subject)
    assert all(photo.location_removed for photo in photos_of(cx, subject))
    assert photo_links(cx, who, subject) == before
    # A swapped file is still found out: only the location's going is excused.
    key = photos_of(cx, subject)[0].key
    cx.tools.store.put_bytes(key, b"another picture", "image/jpeg")
    assert photo_links(cx, who, subject) != before


class Quiet:
    """Nobody asks this work to stop."""

    def check(self) -> None:
        pass


def looked_at(cx: Context, subject: UUID, folder: Path) -> tuple[InspectedPhoto, ...]:
    """The set that is trained on again, with what was removed of it since; nothing is put on record."""
    with cx.db.transaction() as tx:
        refs = [sets.photo_of(photo) for photo in sets.photos_for(tx, subject, "union")]
    gates = get_profile(DEFAULT).gates
    return inspect_photos(refs, gates, cx.tools.store, cx.tools.eye, Quiet(), folder)


def test_a_photo_that_was_removed_and_is_trained_on_again_is_cleaned_on_record_too(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = trained_before(cx, who, tmp_path)
    gone = photos_of(cx, subject)[0]
    before = photo_links(cx, who, subject)
    with cx.db.transaction() as tx:
        remove_photo(tx, who, gone.id)
    found = looked_at(cx, subject, tmp_path)
    assert str(gone.id) in [photo.id for photo in found]
    with cx.db.transaction() as tx:
        sets.record(tx, get_subject(tx, who, subject), found, by="test")
    kept = row(cx, "SELECT * FROM photos WHERE id = %(id)s", id=gone.id)
    data = cx.tools.store.get_bytes(gone.key)
    assert (kept["state"], kept["sha256"]) == ("removed", hashlib.sha256(data).hexdigest())
    assert kept["sha256_before"] == gone.sha256
    assert not any(secret in data for secret in located.SECRETS)
    assert photo_links(cx, who, subject) == before


def test_a_worker_that_is_stopped_before_the_rows_are_written_leaves_what_still_verifies(
    cx: Context, who: Actor, tmp_path: Path
) -> None:
    subject = trained_before(cx, who, tmp_path)
    before = photo_links(cx, who, subject)
    assert all(photo.location for photo in looked_at(cx, subject, tmp_path))
    assert photo_links(cx, who, subject) == before
    look(cx, who, subject)
    assert photo_links(cx, who, subject) == before
    assert {photo.state for photo in photos_of(cx, subject)} == {"accepted"}
    # What anybody else puts there, though it says that it was ours, is not taken for it.
    photo = photos_of(cx, subject)[0]
    path = tmp_path / "other"
    path.write_bytes(cx.tools.store.get_bytes(photo.key)[::-1])
    cx.tools.store.put_file(photo.key, path, "image/jpeg")
    assert photo_links(cx, who, subject) != before


def test_through_the_api_it_is_said_and_the_policy_is_shown_and_changed(
    cx: Context, acme: Door, tmp_path: Path
) -> None:
    subject, path = acme.subject(), with_place(tmp_path)
    files = [("file", (path.name, path.read_bytes(), "image/jpeg"))]
    answer = acme.request("POST", f"/v1/subjects/{subject['id']}/photos", files=files)
    (sent,) = answer.json()["items"]
    assert sent["location_removed"] == {"exif": 6, "xmp": 7}
    again = acme.request("POST", f"/v1/subjects/{subject['id']}/photos", files=files).json()[
        "items"
    ][0]
    assert (again["id"], again["new"]) == (sent["id"], False)
    assert acme.get(f"/v1/photos/{sent['id']}").json()["location_removed"] == {"exif": 6, "xmp": 7}
    assert acme.get("/v1/policy").json()["keep_location"] is False
    policy = {"approval": "first-version", "draw_unapproved": False}
    put = acme.request("PUT", "/v1/policy", json={**policy, "keep_location": True})
    assert put.json() == {**policy, "keep_location": True}
    # Who says nothing of it changes nothing of it.
    assert acme.request("PUT", "/v1/policy", json=policy).json()["keep_location"] is True
    other = with_place(tmp_path, 2)
    files = [("file", (other.name, other.read_bytes(), "image/jpeg"))]
    (kept,) = acme.request("POST", f"/v1/subjects/{subject['id']}/photos", files=files).json()[
        "items"
    ]
    assert kept["location_removed"] is None
    assert cx.tools.store.get_bytes(f"photos/{subject['id']}/{kept['id']}") == other.read_bytes()
