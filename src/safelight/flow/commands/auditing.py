"""Audits that read every object: asked for here, done by a job."""

from __future__ import annotations

from uuid import UUID

from safelight.db import audits, jobs, subjects
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.operations import Audit
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor


def request_audit(tx: Tx, actor: Actor, subject_id: UUID) -> tuple[Audit, bool]:
    """Have every object of the subject read and hashed. False: that is under way already, and is this one.

    Raises:
        NotFound: no such subject of this owner.
    """
    if subjects.lock(tx, subject_id, actor.owner_id) is None:
        raise NotFound(f"There is no subject {subject_id}.")
    if there := audits.waiting(tx, subject_id):
        return there, False
    made = audits.add(tx, owner_id=actor.owner_id, subject_id=subject_id, actor=actor.name)
    jobs.add(
        tx,
        Kind.AUDIT_SUBJECT,
        actor=actor.name,
        target_id=made.id,
        owner_id=made.owner_id,
        subject_id=made.subject_id,
        unique_key=f"{Kind.AUDIT_SUBJECT}:{made.id}",
    )
    return made, True


def get_audit(tx: Tx, actor: Actor, subject_id: UUID, audit_id: UUID) -> Audit:
    """The subject's audit. Raises NotFound if it is not there or another owner's."""
    found = audits.get(tx, audit_id, actor.owner_id)
    if found is None or found.subject_id != subject_id:
        raise NotFound(f"There is no audit {audit_id}.")
    return found
