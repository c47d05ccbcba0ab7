"""An object that we replaced is the photo still; what anybody else puts there is not."""

from __future__ import annotations

from safelight.clients.s3_replies import stored
from safelight.domain.stored import StoredObject
from safelight.domain.swaps import swapped

SENT, CLEANED, FOREIGN = "a" * 64, "b" * 64, "f" * 64


def found(sha256: str, etag: str = "new") -> StoredObject:
    return StoredObject("photos/1", 10, sha256, etag=etag, before=(SENT, "first"))


def told(of: StoredObject, *, sha256: str | None, etag: str | None = "first") -> bool:
    return swapped("a.jpg", "1", of, bytes=10, sha256=sha256, etag=etag) is not None


def test_what_we_replaced_is_the_photo_by_whatever_its_row_knows_of_it() -> None:
    assert not told(found(CLEANED), sha256=SENT)
    assert not told(found(CLEANED), sha256=None)
    assert not told(found(CLEANED), sha256=CLEANED)


def test_once_the_row_has_the_hash_the_first_mark_excuses_nothing() -> None:
    assert told(found(FOREIGN), sha256=CLEANED)


def test_what_an_object_was_counts_for_the_bytes_alone_that_it_was_written_with() -> None:
    reply = {"Metadata": {"sha256": CLEANED, "before": f"{SENT} first"}, "ETag": '"new"'}
    assert stored("photos/1", 10, reply, sha256=CLEANED).before == (SENT, "first")
    assert stored("photos/1", 10, reply, sha256=FOREIGN).before == ()
    assert stored("photos/1", 10, reply).before == (SENT, "first")
