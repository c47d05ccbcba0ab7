"""What came straight into the store: whether its bytes are those on record, and whether it came twice."""

from __future__ import annotations

from safelight.domain.findings import Finding, Level, shown
from safelight.domain.photos import changed
from safelight.domain.stored import StoredObject


def swapped(
    name: str,
    photo_id: str | None,
    found: StoredObject,
    *,
    bytes: int | None,
    sha256: str | None,
    etag: str | None,
) -> Finding | None:
    """The finding for a photo whose object is not the one that was sent, announced or confirmed; None:
    as far as can be told it is that one, or what we made of it. The hash decides where there is one: a
    store gives the same bytes another mark when they are moved."""
    mark = sha256 if sha256 is not None else etag
    if mark is not None and mark in found.before:
        return None  # replaced by a worker that was stopped before that was on record
    if sha256 is not None:
        if found.sha256 == sha256:
            return None
        return changed(
            name, photo_id, sha256, found.sha256, since="sent", source="its sha256 by then"
        )
    if bytes is not None and found.bytes != bytes:
        return changed(
            name, photo_id, bytes, found.bytes, since="confirmed", source="its size by then"
        )
    if etag is not None and found.etag is not None and found.etag != etag:
        return changed(
            name, photo_id, etag, found.etag, since="confirmed", source="the store's mark (ETag)"
        )
    return None


def twice(name: str, photo_id: str) -> Finding:
    """The finding for a photo of which another is the same file, under the same name."""
    remedy = "Remove one of the two."
    return Finding(
        kind="same-file",
        level=Level.BLOCK,
        message=f"{shown(name)} is there twice: another photo of this name is the same file. {remedy}",
        photo=name,
        photo_id=photo_id,
        remedy=remedy,
    )
