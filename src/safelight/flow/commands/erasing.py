"""Erasure: a subject, or an owner with everything, goes for good, and a signed statement stays."""

from __future__ import annotations

from uuid import UUID

from safelight.db import erasures, jobs
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.operations import Erasure
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import lock_subject

CONSENT_WITHDRAWN = "consent withdrawn"


def erase_subject(
    tx: Tx, actor: Actor, subject_id: UUID, *, reason: str, parent_id: UUID | None = None
) -> Erasure:
    """Erase the subject and all that hangs on it: nothing of it can be asked for from now on.

    Its jobs are stopped, its trainings in flight cancelled (what they have run is paid), its photos,
    datasets, weights, images, rows, events and the provider's copies deleted, and all of it looked
    for again. Asked for twice it is one erasure; one that stands still is taken up again.

    Raises:
        NotFound; Conflict: a hold keeps it.
    """
    if there := erasures.open_of(tx, actor.owner_id, subject_id):
        _take_up(tx, actor, there)
        return there
    lock_subject(tx, subject_id, actor.owner_id)
    _refuse_held(tx, actor, subject_id)
    erasures.mark_subject(tx, subject_id, actor.owner_id)
    return _start(tx, actor, subject_id, reason, parent_id)


def withdraw_consent(tx: Tx, actor: Actor, subject_id: UUID) -> Erasure:
    """Consent is withdrawn: the subject is erased."""
    return erase_subject(tx, actor, subject_id, reason=CONSENT_WITHDRAWN)


def erase_owner(tx: Tx, actor: Actor, *, confirm: str, reason: str) -> Erasure:
    """Erase every subject of the owner, then the owner: its keys, kept answers, campaigns, events.

    Raises:
        Invalid: *confirm* is not the owner's name.
    """
    name = erasures.mark_owner(tx, actor.owner_id)
    if name is None:
        raise NotFound(f"There is no owner {actor.owner_id}.")
    if confirm != name:
        raise Invalid(
            "This erases the owner with every subject, and what was typed is not its name.",
            hint="Type the owner's name to confirm.",
        )
    if there := erasures.open_of(tx, actor.owner_id, None):
        _take_up(tx, actor, there)
        return there
    _refuse_held(tx, actor, None)
    return _start(tx, actor, None, reason, None)


def get_erasure(tx: Tx, actor: Actor, erasure_id: UUID) -> Erasure:
    """The erasure. Raises NotFound if it is not there or another owner's."""
    found = erasures.get(tx, erasure_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no erasure {erasure_id}.")
    return found


def _start(
    tx: Tx, actor: Actor, subject_id: UUID | None, reason: str, parent_id: UUID | None
) -> Erasure:
    if not reason.strip():
        raise Invalid("An erasure needs a reason; it stays in the statement, so name nobody in it.")
    made = erasures.add(
        tx,
        owner_id=actor.owner_id,
        subject_id=subject_id,
        reason=reason.strip(),
        asked_by=actor.name,
        parent_id=parent_id,
    )
    # The job names neither owner nor subject: it outlives both.
    jobs.add_for(tx, Kind.ERASE, made.id, actor=actor.name)
    return made


def _refuse_held(tx: Tx, actor: Actor, subject_id: UUID | None) -> None:
    held = erasures.holds_in_force(tx, actor.owner_id, subject_id)
    if held:
        kept = "; ".join(
            f"{h['noun']} {h['noun_id']}: {h['reason']} ({h['placed_by']})" for h in held
        )
        raise Conflict(f"A hold keeps it: {kept}.", hint="Release the hold first.")


def _take_up(tx: Tx, actor: Actor, erasure: Erasure) -> None:
    for job in jobs.open_of(tx, erasure.id):
        jobs.retry(tx, job.id, actor=actor.name)
