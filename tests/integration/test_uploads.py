"""Photos that are put straight into the store: what is put over them, and what comes twice, is found."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safelight.clients.s3 import S3Store
from safelight.db import subjects
from safelight.domain.nouns import Photo, Subject
from safelight.domain.stored import UploadLink
from safelight.flow.commands import Actor
from safelight.flow.commands.photos import add_photo, confirm_upload, request_upload, upload_link
from safelight.flow.commands.subjects import create_subject
from safelight.flow.context import Context
from tests.support.photos import distinct_photos
from tests.support.pipeline import ScriptedProvider, drain, train, training_row
from tests.support.strict_s3 import ACCESS, GCS, SECRET, Stored, StrictS3, strict_s3


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider()


@pytest.fixture
def gcs(tmp_path: Path) -> Iterator[StrictS3]:
    """A store that puts one object over another, whatever a link says of that."""
    with strict_s3(GCS, tmp_path / "tls") as server:
        yield server


@pytest.fixture
def there(cx: Context, gcs: StrictS3) -> Iterator[Context]:
    """The context, on that store."""
    store = S3Store(
        gcs.bucket, endpoint_url=gcs.url, access_key=ACCESS, secret_key=SECRET, ca_bundle=gcs.ca
    )
    yield replace(cx, tools=replace(cx.tools, store=store))
    store.close()


@pytest.fixture
def luca(cx: Context, who: Actor) -> Subject:
    with cx.db.transaction() as tx:
        return create_subject(tx, who, name="luca", kind="character")


def put(link: UploadLink | None, data: bytes, ca: Path) -> int:
    assert link is not None
    request = urllib.request.Request(link.url, data, link.headers, method="PUT")
    trust = ssl.create_default_context(cafile=str(ca))
    try:
        with urllib.request.urlopen(request, context=trust, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def photo_of(cx: Context, who: Actor, id: Any) -> Photo:
    with cx.db.transaction() as tx:
        found = subjects.get_photo(tx, id, who.owner_id)
    assert found is not None
    return found


def test_a_photo_that_is_swapped_after_it_was_confirmed_is_found_and_the_others_go_on(
    there: Context, gcs: StrictS3, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    paths = distinct_photos(tmp_path, 13)
    for path in paths[1:]:
        add_photo(there.db, there.tools.store, who, luca.id, path)
    data = paths[0].read_bytes()
    with there.db.transaction() as tx:
        photo = request_upload(tx, who, luca.id, name="swapped.jpg", bytes=len(data))
    link = upload_link(there.tools.store, photo, "image/jpeg")
    assert put(link, data + b"\0" * 100_000, gcs.ca) == 403  # bounded, here too
    assert put(link, data, gcs.ca) == 200
    confirmed = confirm_upload(there.db, there.tools.store, who, photo.id)
    assert confirmed.etag
    assert put(link, data[:-1] + b"\x00", gcs.ca) == 200  # of the same length
    training = train(there, who, luca.id)
    drain(there)
    found = photo_of(there, who, photo.id)
    assert (found.state, found.facts) == ("rejected", None)
    assert [(one["kind"], one["photo"]) for one in found.findings] == [("changed", "swapped.jpg")]
    assert training_row(there, training.id)["state"] == "training"
    with there.db.transaction() as tx:
        (dataset,) = subjects.datasets(tx, luca.id, who.owner_id)
    assert dataset.photos == 12
    assert str(photo.id) not in {one["photo_id"] for one in dataset.manifest["photos"]}


def test_an_object_of_other_content_than_was_said_is_found_where_the_store_does_not_look(
    there: Context, gcs: StrictS3, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    one, two = (path.read_bytes() for path in distinct_photos(tmp_path, 2))
    from hashlib import sha256

    with there.db.transaction() as tx:
        photo = request_upload(
            tx, who, luca.id, name="a.jpg", bytes=len(one), sha256=sha256(one).hexdigest()
        )
    link = upload_link(there.tools.store, photo, "image/jpeg")
    other = (two * 2)[: len(one)]
    assert put(link, other, gcs.ca) == 200
    confirm_upload(there.db, there.tools.store, who, photo.id)
    train(there, who, luca.id)
    drain(there)
    found = photo_of(there, who, photo.id)
    assert [item["kind"] for item in found.findings] == ["changed"]
    assert found.findings[0]["limit"] == sha256(one).hexdigest()
    assert found.findings[0]["measured"] == sha256(other).hexdigest()


def test_a_file_that_comes_twice_under_one_name_is_used_once(
    cx: Context, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    """It had no hash when it came, so nobody could see that it was there; the set goes on with one."""
    paths = distinct_photos(tmp_path, 12)
    for path in paths:
        add_photo(cx.db, cx.tools.store, who, luca.id, path)
    data = paths[0].read_bytes()
    twins = []
    for _ in range(2):
        with cx.db.transaction() as tx:
            photo = request_upload(tx, who, luca.id, name=paths[0].name, bytes=len(data))
        cx.tools.store.put_bytes(photo.key, data, "image/jpeg")
        twins.append(confirm_upload(cx.db, cx.tools.store, who, photo.id))
    training = train(cx, who, luca.id)
    drain(cx)
    assert training_row(cx, training.id)["state"] == "training"
    for twin in twins:
        found = photo_of(cx, who, twin.id)
        assert found.state == "rejected"
        assert [item["kind"] for item in found.findings] == ["same-file"]
    with cx.db.transaction() as tx:
        (dataset,) = subjects.datasets(tx, luca.id, who.owner_id)
    assert dataset.photos == 12


def test_nothing_that_is_put_late_comes_back_to_life(
    there: Context, gcs: StrictS3, who: Actor, luca: Subject, tmp_path: Path
) -> None:
    """After removal: the row stays removed, and the object is purged with the others."""
    from safelight.flow.commands.photos import remove_photo

    data = distinct_photos(tmp_path, 1)[0].read_bytes()
    with there.db.transaction() as tx:
        photo = request_upload(tx, who, luca.id, name="late.jpg", bytes=len(data))
    link = upload_link(there.tools.store, photo, "image/jpeg")
    with there.db.transaction() as tx:
        remove_photo(tx, who, photo.id)
    assert put(link, data, gcs.ca) == 200  # the link is still good
    assert confirm_upload(there.db, there.tools.store, who, photo.id).state == "removed"
    assert upload_link(there.tools.store, photo_of(there, who, photo.id), "image/jpeg") is None
    with there.db.transaction() as tx:
        kept = tx.row(
            "SELECT purpose FROM temporary_objects WHERE key = %(key)s", {"key": photo.key}
        )
    assert kept is not None  # cleanup knows of it, and deletes it within a day


def test_an_upload_that_was_taken_back_before_it_was_confirmed_cannot_be_had_back(
    there: Context, gcs: StrictS3, who: Actor, luca: Subject
) -> None:
    """Else it would be a photo whose size nobody has looked at."""
    from safelight.domain.errors import Conflict
    from safelight.flow.commands import recycling
    from safelight.flow.commands.photos import remove_photo

    with there.db.transaction() as tx:
        photo = request_upload(tx, who, luca.id, name="late.jpg", bytes=7)
        remove_photo(tx, who, photo.id)
    gcs.objects[photo.key] = Stored(b"larger than announced", "image/jpeg", {})
    with pytest.raises(Conflict), there.db.transaction() as tx:
        recycling.restore(tx, who, "photo", photo.id)
    assert photo_of(there, who, photo.id).state == "removed"
