"""Audits that read every object: asked for here, done by a job."""

from __future__ import annotations

from uuid import UUID

from safelight.db import audits, jobs
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.operations import Audit
from safelight.domain.queues import Kind
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import lock_subject


def request_audit(tx: Tx, actor: Actor, subject_id: UUID) -> tuple[Audit, bool]:
    """Have every object of the subject read and hashed. False: that is under way already, and is this one.

    Raises:
        NotFound: no such subject of this owner.
    """
    lock_subject(tx, subject_id, actor.owner_id)
    if there := audits.waiting(tx, subject_id):
        return there, False
    made = audits.add(tx, owner_id=actor.owner_id, subject_id=subject_id, actor=actor.name)
    jobs.add_for(
        tx,
        Kind.AUDIT_SUBJECT,
        made.id,
        actor=actor.name,
        owner_id=made.owner_id,
        subject_id=made.subject_id,
    )
    return made, True


def get_audit(tx: Tx, actor: Actor, subject_id: UUID, audit_id: UUID) -> Audit:
    """The subject's audit. Raises NotFound if it is not there or another owner's."""
    found = audits.get(tx, audit_id, actor.owner_id)
    if found is None or found.subject_id != subject_id:
        raise NotFound(f"There is no audit {audit_id}.")
    return found
