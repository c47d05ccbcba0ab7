"""Photos: what a subject is drawn from, sent through us or straight into the store."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from uuid import UUID

from safelight import scratch
from safelight.db import owners, subjects, temporary
from safelight.db.transaction import Database, Tx
from safelight.domain.errors import Conflict, Invalid, NotFound, ObjectMissing
from safelight.domain.ids import new_id
from safelight.domain.nouns import Photo, Subject
from safelight.domain.photos import MAX_BYTES
from safelight.domain.states import PhotoState
from safelight.domain.stored import UploadLink
from safelight.domain.texts import shown, visible
from safelight.flow.commands import Actor
from safelight.flow.commands.consent import require_for_photos
from safelight.flow.commands.subjects import get_subject
from safelight.stages.tools import Store
from safelight.vision.hashing import sha256_file
from safelight.vision.location.removal import count_location, remove_location

MAX_PHOTO_BYTES = MAX_BYTES
UPLOAD_SECONDS = 3600
"""A presigned upload is open for an hour."""
UNUSED_UPLOAD_SECONDS = 24 * 3600
"""An upload that is never confirmed is purged after a day."""


def subject_for_photos(tx: Tx, actor: Actor, subject_id: UUID) -> Subject:
    """The subject, if photos of it may be taken.

    Raises:
        NotFound: it is not there or another owner's. ConsentMissing: it is a real person, and no consent
        is on record.
    """
    subject = get_subject(tx, actor, subject_id)
    require_for_photos(subject)
    return subject


def _file_name(name: str) -> str:
    """The last part of what the producer called it: shown, never used as a path. What no list or terminal
    can show (control and text-direction characters) is left out: it is the file that is meant."""
    plain = visible(PurePosixPath(name.replace("\\", "/")).name).strip()
    if not plain.strip(".") or len(plain.encode()) > 255:
        raise Invalid(
            f"A photo's name has 1 to 255 bytes, and not dots alone; {shown(name, most=40)!r} does not."
        )
    return plain


def _photo_key(subject_id: UUID, photo_id: UUID) -> str:
    return f"photos/{subject_id}/{photo_id}"


def add_photo(
    db: Database,
    store: Store,
    actor: Actor,
    subject_id: UUID,
    path: Path,
    *,
    name: str | None = None,
    caption: str | None = None,
) -> tuple[Photo, bool]:
    """Store the file at *path* as a photo of the subject; False: the same file was there already, and has
    *caption* from now on if one is given.

    Where it was taken is taken out of what is stored, unless the owner keeps it; the file at *path* stays
    as it is. The object is noted as temporary before it is put, so that a crash in between leaves nothing
    that cleanup does not know.

    Raises:
        ConsentMissing: it is a real person, and no consent is on record; nothing was stored.
        Invalid: the file is empty or over 50 MiB.
    """
    name = _file_name(name or path.name)
    size = path.stat().st_size
    if not 0 < size <= MAX_PHOTO_BYTES:
        raise Invalid(
            f"{name}: a photo has 1 to {MAX_PHOTO_BYTES:,} bytes; this file has {size:,}.",
            hint="Send the photo as the camera or phone made it.",
        )
    with db.transaction() as tx:
        get_subject(tx, actor, subject_id)
        keep = owners.get(tx, actor.owner_id).keep_location
    with scratch.folder() as folder:
        chosen, hashes, removed = _to_store(path, folder / "photo", keep=keep)
        return _stored(
            db,
            store,
            actor,
            subject_id,
            chosen,
            hashes,
            name=name,
            caption=caption,
            removed=removed,
        )


def _to_store(
    path: Path, copy: Path, *, keep: bool
) -> tuple[Path, tuple[str, ...], dict[str, int] | None]:
    """The file to store, its hash and then that of the other (with its location, or without), and what was
    taken out of it. The file at *path* is its sender's: what is changed is the *copy*."""
    own, _ = sha256_file(path)
    if not count_location(path):
        return path, (own,), None
    shutil.copyfile(path, copy)
    removed = remove_location(copy)
    without, _ = sha256_file(copy)
    return (path, (own, without), None) if keep else (copy, (without, own), removed)


def _stored(
    db: Database,
    store: Store,
    actor: Actor,
    subject_id: UUID,
    path: Path,
    hashes: tuple[str, ...],
    *,
    name: str,
    caption: str | None,
    removed: dict[str, int] | None,
) -> tuple[Photo, bool]:
    photo_id = new_id()
    key = _photo_key(subject_id, photo_id)
    with db.transaction() as tx:
        subject_for_photos(tx, actor, subject_id)
        if there := subjects.same_photo(tx, subject_id, name, hashes):
            return subjects.recaption(tx, there.id, caption) or there if caption else there, False
        temporary.note(
            tx, key, purpose="upload", seconds=UNUSED_UPLOAD_SECONDS, subject_id=subject_id
        )
    put = store.put_file(key, path, "application/octet-stream")
    with db.transaction() as tx:
        photo = subjects.add_photo(
            tx,
            id=photo_id,
            subject_id=subject_id,
            name=name,
            key=key,
            state=PhotoState.STORED,
            caption=caption,
            bytes=put.bytes,
            sha256=hashes[0],
            location_removed=removed,
            actor=actor.name,
        )
        if photo is not None:
            temporary.keep(tx, key)
            return photo, True
        # Someone sent the same file at the same time; ours is left to cleanup.
        there = subjects.same_photo(tx, subject_id, name, hashes)
    if there is None:
        raise Conflict(f"{name}: the photo was removed while it was sent.", hint="Send it again.")
    return there, False


def request_upload(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    *,
    name: str,
    bytes: int,
    sha256: str | None = None,
    caption: str | None = None,
) -> Photo:
    """A photo to come, of so many bytes (and this content, where *sha256* says it).

    Raises:
        Invalid: it would be empty or over 50 MiB. ConsentMissing: it is a real person, and no consent is on
        record.
    """
    subject_for_photos(tx, actor, subject_id)
    name = _file_name(name)
    if not 0 < bytes <= MAX_PHOTO_BYTES:
        raise Invalid(
            f"{name}: a photo has 1 to {MAX_PHOTO_BYTES:,} bytes; {bytes:,} were announced.",
            hint="Send the photo as the camera or phone made it.",
        )
    photo_id = new_id()
    key = _photo_key(subject_id, photo_id)
    temporary.note(tx, key, purpose="upload", seconds=UNUSED_UPLOAD_SECONDS, subject_id=subject_id)
    photo = subjects.add_photo(
        tx,
        id=photo_id,
        subject_id=subject_id,
        name=name,
        key=key,
        state=PhotoState.AWAITED,
        caption=caption,
        bytes=None,
        sha256=None,
        said_bytes=bytes,
        said_sha256=sha256,
        actor=actor.name,
    )
    assert photo is not None  # without a sha256 it is the same as no other
    return photo


def upload_link(store: Store, photo: Photo, content_type: str) -> UploadLink | None:
    """The link that takes an awaited photo, signed now; None: nothing is to be put any more.

    It asks the store, so no transaction is to be open.
    """
    if photo.state != PhotoState.AWAITED or photo.said_bytes is None:
        return None
    return store.upload_link(
        photo.key, UPLOAD_SECONDS, content_type, bytes=photo.said_bytes, sha256=photo.said_sha256
    )


def confirm_upload(db: Database, store: Store, actor: Actor, photo_id: UUID) -> Photo:
    """The upload has ended: the object is looked for, and the photo counts from now on.

    Raises:
        ObjectMissing: nothing was uploaded. Invalid: it is not of the size that was announced.
        ConsentMissing: as `request_upload`, for a URL that was given out before that was asked.
    """
    with db.transaction() as tx:
        photo = get_photo(tx, actor, photo_id)
        subject_for_photos(tx, actor, photo.subject_id)
    if photo.state != PhotoState.AWAITED:
        return photo
    found = store.head(photo.key)
    if found is None:
        raise ObjectMissing(
            f"{photo.name}: nothing was uploaded yet.", hint="PUT the file to its URL first."
        )
    if not 0 < found.bytes <= MAX_PHOTO_BYTES:
        raise Invalid(
            f"{photo.name}: a photo has 1 to {MAX_PHOTO_BYTES:,} bytes; {found.bytes:,} came."
        )
    if photo.said_bytes not in (None, found.bytes):
        raise Invalid(
            f"{photo.name}: {photo.said_bytes:,} bytes were announced, and {found.bytes:,} came.",
            hint="Ask for another upload, with the file's own size.",
        )
    with db.transaction() as tx:
        confirmed = subjects.confirm_upload(tx, photo_id, found.bytes, found.etag, actor=actor.name)
        if confirmed is not None:
            temporary.keep(tx, photo.key)
        return confirmed or get_photo(tx, actor, photo_id)


def get_photo(tx: Tx, actor: Actor, photo_id: UUID) -> Photo:
    """The photo. Raises NotFound if it is not there or another owner's."""
    photo = subjects.get_photo(tx, photo_id, actor.owner_id)
    if photo is None:
        raise NotFound(f"There is no photo {photo_id}.")
    return photo


def remove_photo(tx: Tx, actor: Actor, photo_id: UUID) -> None:
    """Take a photo out of the subject's set. Datasets that were built with it stay as they are."""
    photo = get_photo(tx, actor, photo_id)
    if not subjects.remove_photo(tx, photo_id, actor.owner_id, actor=actor.name):
        raise Conflict(f"The photo {photo.name} was removed already.")
