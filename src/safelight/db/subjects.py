"""Subjects and their photos and datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Tx, into, jsonb
from safelight.domain.ids import new_id
from safelight.domain.nouns import Dataset, Json, Photo, Subject
from safelight.domain.retrain import GoodDataset

sql = statements("subjects")
photos_sql = statements("photos")
datasets_sql = statements("datasets")


def add(tx: Tx, *, id: UUID, owner_id: UUID, name: str, kind: str, trigger_word: str,
        consent_note: str | None, actor: str) -> Subject | None:  # fmt: skip
    """A new subject; None: the trigger word is taken. Violated: the owner has one of this name."""
    row = tx.row(
        sql.insert_subject,
        {
            "id": id,
            "owner_id": owner_id,
            "name": name,
            "kind": kind,
            "trigger_word": trigger_word,
            "consent_note": consent_note,
            "actor": actor,
        },
    )
    return into(Subject, row) if row else None


def record_consent(tx: Tx, id: UUID, owner_id: UUID, note: str, *, actor: str) -> Subject | None:
    """Put consent on record; None: it was, or there is no such subject."""
    row = tx.row(
        sql.record_consent, {"id": id, "owner_id": owner_id, "consent_note": note, "actor": actor}
    )
    return into(Subject, row) if row else None


def get(tx: Tx, id: UUID, owner_id: UUID) -> Subject | None:
    """One subject of an owner."""
    row = tx.row(sql.get_subject, {"id": id, "owner_id": owner_id})
    return into(Subject, row) if row else None


def lock(tx: Tx, id: UUID, owner_id: UUID) -> Subject | None:
    """One subject, locked until the transaction ends."""
    row = tx.row(sql.lock_subject, {"id": id, "owner_id": owner_id})
    return into(Subject, row) if row else None


def named(tx: Tx, owner_id: UUID, name: str) -> Subject | None:
    """The owner's subject of this name."""
    row = tx.row(sql.find_subject, {"owner_id": owner_id, "name": name})
    return into(Subject, row) if row else None


def find(tx: Tx, owner_id: UUID, *, after: UUID | None = None, limit: int = 50) -> list[Subject]:
    """The owner's subjects, newest first, a page."""
    rows = tx.rows(sql.list_subjects, {"owner_id": owner_id, "after": after, "limit": limit})
    return [into(Subject, row) for row in rows]


def add_photo(tx: Tx, *, id: UUID, subject_id: UUID, name: str, key: str, state: str,
              caption: str | None, bytes: int | None, sha256: str | None, actor: str,
              said_bytes: int | None = None, said_sha256: str | None = None,
              location_removed: Json | None = None) -> Photo | None:  # fmt: skip
    """A photo, `awaited` (what was said of it is) or `stored`; None: this subject has the same file
    under this name."""
    row = tx.row(
        photos_sql.insert_photo,
        {
            "id": id,
            "subject_id": subject_id,
            "name": name,
            "key": key,
            "state": state,
            "caption": caption,
            "bytes": bytes,
            "sha256": sha256,
            "said_bytes": said_bytes,
            "said_sha256": said_sha256,
            "location_removed": jsonb(location_removed),
            "actor": actor,
        },
    )
    return into(Photo, row) if row else None


def same_photo(tx: Tx, subject_id: UUID, name: str, sha256s: Iterable[str]) -> Photo | None:
    """The photo of this name and one of these contents: the file as it came, and without its location."""
    row = tx.row(
        photos_sql.find_photo, {"subject_id": subject_id, "name": name, "sha256s": list(sha256s)}
    )
    return into(Photo, row) if row else None


def twin_of(tx: Tx, id: UUID, sha256: str) -> str | None:
    """The photo's name, if another of its subject is this file under this name already."""
    row = tx.row(photos_sql.find_twin, {"id": id, "sha256": sha256})
    return row["name"] if row else None


def recaption(tx: Tx, id: UUID, caption: str) -> Photo | None:
    """Give a photo another caption; None: it has this one."""
    row = tx.row(photos_sql.recaption, {"id": id, "caption": caption})
    return into(Photo, row) if row else None


def confirm_upload(tx: Tx, id: UUID, bytes: int, etag: str | None, *, actor: str) -> Photo | None:
    """An awaited photo has arrived, with the store's mark of it; None: it is not awaited."""
    row = tx.row(
        photos_sql.confirm_upload, {"id": id, "bytes": bytes, "etag": etag, "actor": actor}
    )
    return into(Photo, row) if row else None


def get_photo(tx: Tx, id: UUID, owner_id: UUID) -> Photo | None:
    """One photo of an owner."""
    row = tx.row(photos_sql.get_photo, {"id": id, "owner_id": owner_id})
    return into(Photo, row) if row else None


def photos(
    tx: Tx, subject_id: UUID, owner_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> list[Photo]:
    """The photos of a subject in the order they came, a page."""
    rows = tx.rows(
        photos_sql.list_photos,
        {"subject_id": subject_id, "owner_id": owner_id, "after": after, "limit": limit},
    )
    return [into(Photo, row) for row in rows]


def photos_to_train_on(tx: Tx, subject_id: UUID) -> list[Photo]:
    """Every photo of the subject that has arrived and was not removed."""
    rows = tx.rows(photos_sql.photos_to_train_on, {"subject_id": subject_id})
    return [into(Photo, row) for row in rows]


def record_inspection(tx: Tx, id: UUID, *, state: str, facts: Json | None, findings: Sequence[Json],
                      sha256: str | None, bytes: int | None, actor: str,
                      location_removed: Json | None = None, location_now: Json | None = None,
                      sha256_before: str | None = None) -> None:  # fmt: skip
    """What was measured of a photo, and whether it can be used. *location_removed* is all that was taken out
    of it so far, *location_now* what was just now, from a file whose hash was *sha256_before*."""
    tx.run(
        photos_sql.record_inspection,
        {
            "id": id,
            "state": state,
            "facts": jsonb(facts),
            "findings": jsonb(list(findings)),
            "sha256": sha256,
            "bytes": bytes,
            "location_removed": jsonb(location_removed),
            "location_now": jsonb(location_now),
            "sha256_before": sha256_before,
            "actor": actor,
        },
    )


def remove_photo(tx: Tx, id: UUID, owner_id: UUID, *, actor: str) -> bool:
    """Take a photo out; False: there is none, or it was."""
    row = tx.row(photos_sql.remove_photo, {"id": id, "owner_id": owner_id, "actor": actor})
    return row is not None


def remove_awaited(tx: Tx, keys: Sequence[str], *, actor: str) -> None:
    """Uploads that never came: those of these objects that are still awaited."""
    tx.run(photos_sql.remove_awaited, {"keys": list(keys), "actor": actor})


def next_dataset_number(tx: Tx, subject_id: UUID) -> int:
    """The number the subject's next dataset gets."""
    row = tx.row(datasets_sql.next_number, {"subject_id": subject_id})
    assert row is not None
    number: int = row["number"]
    return number


def add_dataset(tx: Tx, *, subject_id: UUID, number: int, profile: str, key: str, bytes: int, sha256: str,
                manifest_key: str, manifest: Json, report: Json, photos: Sequence[Json],
                actor: str) -> Dataset:  # fmt: skip
    """A dataset as it was built; *photos*: photo_id, file, sha256, caption of each."""
    row = tx.row(
        datasets_sql.insert_dataset,
        {
            "id": new_id(),
            "subject_id": subject_id,
            "number": number,
            "profile": profile,
            "key": key,
            "bytes": bytes,
            "sha256": sha256,
            "manifest_key": manifest_key,
            "manifest": jsonb(manifest),
            "report": jsonb(report),
            "photos": len(photos),
            "actor": actor,
        },
    )
    assert row is not None
    dataset = into(Dataset, row)
    tx.many(
        datasets_sql.insert_dataset_photo, [{**photo, "dataset_id": dataset.id} for photo in photos]
    )
    return dataset


def get_dataset(tx: Tx, id: UUID, owner_id: UUID) -> Dataset | None:
    """One dataset of an owner."""
    row = tx.row(datasets_sql.get_dataset, {"id": id, "owner_id": owner_id})
    return into(Dataset, row) if row else None


def datasets(tx: Tx, subject_id: UUID, owner_id: UUID) -> list[Dataset]:
    """The datasets of a subject, newest first."""
    rows = tx.rows(datasets_sql.list_datasets, {"subject_id": subject_id, "owner_id": owner_id})
    return [into(Dataset, row) for row in rows]


def last_good(tx: Tx, subject_id: UUID) -> GoodDataset | None:
    """The dataset of the subject's last good version."""
    row = tx.row(datasets_sql.last_good, {"subject_id": subject_id})
    return into(GoodDataset, row) if row else None


def photos_of_dataset(tx: Tx, dataset_id: UUID) -> list[Photo]:
    """The photos a dataset was built of, removed ones among them."""
    rows = tx.rows(datasets_sql.photos_of_dataset, {"dataset_id": dataset_id})
    return [into(Photo, row) for row in rows]
