"""A subject's set: looked at again, and reported on as it would be trained now."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from safelight import scratch
from safelight.db import subjects
from safelight.db.transaction import Database, Tx
from safelight.domain.nouns import Photo
from safelight.domain.profiles import DEFAULT, get_profile
from safelight.domain.states import PhotoState
from safelight.flow import sets
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import get_subject
from safelight.flow.commands.trainings import check_answer
from safelight.stages.preprocess import inspect_photos
from safelight.stages.tools import Eye, Pulse, Store


def report(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    *,
    profile: str = DEFAULT,
    retrain: str | None = None,
) -> tuple[dict[str, Any], list[Photo]]:
    """The report on the subject's set under *profile*, by what is on record of its photos, and them.

    Photos that were never inspected are told as such; `reinspect` looks at them.

    Raises:
        NotFound, Invalid: no such subject, profile or answer.
    """
    check_answer(retrain)
    subject = get_subject(tx, actor, subject_id)
    found, photos = sets.report_on(tx, subject, get_profile(profile), answer=retrain)
    return found, list(photos)


def reinspect(
    db: Database,
    store: Store,
    eye: Eye,
    actor: Actor,
    subject_id: UUID,
    *,
    profile: str = DEFAULT,
    pulse: Pulse | None = None,
) -> dict[str, int]:
    """Judge every photo of the subject anew under *profile*, and look again at those that need it
    (`stages.preprocess.is_stale`), as a training does.

    How many photos there are, were looked at, and changed between usable and not.
    """
    gates = get_profile(profile).gates
    with db.transaction() as tx:
        subject = get_subject(tx, actor, subject_id)
        photos = subjects.photos_to_train_on(tx, subject_id)
        keeps = sets.keeps_of(tx, subject)
    members = [sets.photo_of(photo) for photo in photos]
    with scratch.folder() as work:
        found = inspect_photos(
            members,
            gates,
            store,
            eye,
            pulse or _NoPulse(),
            work,
            kind=subject.kind,
            keeps=keeps,
        )
    with db.transaction() as tx:
        sets.record(tx, subject, found, by=actor.name)
    before = {member.id: member.facts for member in members}
    states = {str(photo.id): photo.state for photo in photos}
    turned = {(PhotoState.ACCEPTED, False), (PhotoState.REJECTED, True)}
    return {
        "photos": len(found),
        "looked_at": sum(item.facts is not before[item.id] for item in found),
        "changed": sum((states[item.id], item.accepted) in turned for item in found),
    }


class _NoPulse:
    """A person waits for it: nobody else has a claim on the work."""

    def check(self) -> None:
        return None
