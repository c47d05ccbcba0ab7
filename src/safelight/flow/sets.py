"""A subject's set as the rows tell it: its photos, the last good version's set, and the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from safelight.db import owners, subjects
from safelight.db.transaction import Tx
from safelight.domain.captions import caption_for
from safelight.domain.findings import Finding, blocked
from safelight.domain.members import SetPhoto
from safelight.domain.nouns import Photo, Subject
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import Profile
from safelight.domain.report import report_of, rules_of
from safelight.domain.retrain import LastGood
from safelight.domain.sets import SetRules, judge_by
from safelight.domain.states import PhotoState
from safelight.domain.swaps import twice
from safelight.stages.preprocess import NOTHING, InspectedPhoto, Keeps


def photo_of(photo: Photo) -> SetPhoto:
    """A photo's row as a photo of a set. What its facts tell is judged anew."""
    facts = PhotoFacts.from_dict(photo.facts) if photo.facts else None
    return SetPhoto(
        id=str(photo.id),
        name=photo.name,
        facts=facts,
        findings=() if facts else tuple(Finding.from_dict(item) for item in photo.findings),
        caption=photo.caption,
        key=photo.key,
        bytes=photo.bytes,
        sha256=photo.sha256 or photo.said_sha256,
        etag=photo.etag,
        location_removed=photo.location_removed,
    )


def keeps_of(tx: Tx, subject: Subject | None) -> Keeps:
    """What may be kept of a subject's photos: identity vectors (see `keeps_identity`), and where they were
    taken if the owner's policy says so."""
    if subject is None:
        return NOTHING
    return Keeps(keeps_identity(subject), owners.get(tx, subject.owner_id).keep_location)


def keeps_identity(subject: Subject | None) -> bool:
    """Whether identity vectors may be kept: biometric data, so with consent on record, whatever the
    subject's kind. That a subject is called a character does not make its photos drawings."""
    return subject is not None and subject.consented_at is not None


def record(
    tx: Tx, subject: Subject | None, inspected: Iterable[InspectedPhoto], *, by: str
) -> None:
    """Put on record what was found of each photo, identity vectors only where they may be kept.

    A file that came twice straight into the store, under one name, is used once."""
    keeps = keeps_identity(subject)
    for photo in inspected:
        id, facts, findings = UUID(photo.id), photo.facts, photo.findings
        removed = _counts(facts.location_removed) if facts else None
        if facts is not None and facts.sha256 is not None:
            name = subjects.twin_of(tx, id, facts.sha256)
            if name is not None:
                facts, findings = None, (twice(name, photo.id),)
        if facts is not None and facts.measured is not None and not keeps:
            facts = replace(facts, measured=facts.measured.without_consent())
        subjects.record_inspection(
            tx,
            id,
            state=PhotoState.REJECTED if blocked(findings) else PhotoState.ACCEPTED,
            facts=facts.to_dict() if facts else None,
            findings=[finding.to_dict() for finding in findings],
            sha256=facts.sha256 if facts else None,
            bytes=facts.bytes if facts else None,
            location_removed=removed,
            location_now=_counts(photo.location),
            sha256_before=photo.sha256_before,
            actor=by,
        )


def _counts(found: Mapping[str, int] | None) -> dict[str, int] | None:
    return dict(found) if found else None


def last_good_of(tx: Tx, subject_id: UUID) -> LastGood | None:
    """The set of the subject's last good version; None without one, or where its facts are gone."""
    good = subjects.last_good(tx, subject_id)
    if good is None:
        return None
    photos = subjects.photos_of_dataset(tx, good.dataset_id)
    return LastGood(
        version=good.version,
        dataset=good.dataset,
        photos=tuple(photo_of(photo) for photo in photos if photo.facts),
        gone=frozenset(str(photo.id) for photo in photos if photo.purged_at),
        exposures=good.exposures,
    )


def photos_for(tx: Tx, subject_id: UUID, answer: str | None) -> list[Photo]:
    """The photos to train on; with the answer `union` those of the last good set that are not
    purged as well."""
    photos = subjects.photos_to_train_on(tx, subject_id)
    good = subjects.last_good(tx, subject_id) if answer == "union" else None
    if good is None:
        return photos
    there = {photo.id for photo in photos}
    before = subjects.photos_of_dataset(tx, good.dataset_id)
    old = [photo for photo in before if photo.id not in there and not photo.purged_at]
    return sorted([*photos, *old], key=lambda photo: photo.id)


def rules_for(
    tx: Tx,
    subject: Subject,
    profile: Profile,
    *,
    overrides: Mapping[str, Any] | None = None,
    answer: str | None = None,
) -> SetRules:
    """What the subject's set is judged by as it is now, its last good version's set among it."""
    return rules_of(
        profile,
        overrides,
        kind=subject.kind,
        trigger=subject.trigger_word,
        before=last_good_of(tx, subject.id),
        answer=answer,
    )


def report_on(
    tx: Tx,
    subject: Subject,
    profile: Profile,
    *,
    overrides: Mapping[str, Any] | None = None,
    answer: str | None = None,
) -> tuple[dict[str, Any], Sequence[Photo]]:
    """The report on the subject's set as it would be trained now, by what is on record of its photos.

    Nothing is fetched and nothing is changed.
    """
    photos = photos_for(tx, subject.id, answer)
    members = [photo_of(photo) for photo in photos]
    rules = rules_for(tx, subject, profile, overrides=overrides, answer=answer)
    judged = judge_by(rules, members)
    captions = {
        member.id: caption_for(rules.trigger, rules.kind, member.caption, member.facts.measured)
        for member in members
        if member.facts
    }
    return report_of(judged, members, profile, captions=captions), photos
