"""Jobs and queues: retry what is parked, cancel what is open, pause and resume."""

from __future__ import annotations

from uuid import UUID

from safelight.db import audits, generations, imports, jobs, trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, NotFound
from safelight.domain.nouns import Job
from safelight.domain.queues import Queue
from safelight.domain.states import TERMINAL_JOB
from safelight.flow.commands import Actor
from safelight.flow.commands.images import cancel_generation
from safelight.flow.commands.trainings import cancel_training

CANCELLED = "It was cancelled."


def get_job(tx: Tx, actor: Actor, job_id: UUID) -> Job:
    """The job. Raises NotFound if it is not there or another owner's."""
    found = jobs.get(tx, job_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no job {job_id}.")
    return found


def retry_job(tx: Tx, actor: Actor, job_id: UUID, *, reason: str = "retried") -> Job:
    """Make a parked job due again, its attempts counted anew."""
    job = get_job(tx, actor, job_id)
    if not jobs.retry(tx, job_id, actor=actor.name, reason=reason):
        raise Conflict(f"Job {job_id} is not parked: it is {job.state}.")
    return get_job(tx, actor, job_id)


def cancel_job(tx: Tx, actor: Actor, job_id: UUID) -> Job:
    """Cancel a job together with what it works for: a training, a generation, an import, an audit."""
    job = get_job(tx, actor, job_id)
    if job.state in TERMINAL_JOB:
        raise Conflict(f"Job {job_id} has ended already: {job.state}.")
    if job.target_id and trainings.get(tx, job.target_id, actor.owner_id):
        cancel_training(tx, actor, job.target_id)
    elif job.target_id and generations.get(tx, job.target_id, actor.owner_id):
        cancel_generation(tx, actor, job.target_id)
    elif jobs.cancel(tx, job_id=job_id, actor=actor.name) == 0 and job.target_id:
        # Its worker would say so; it had none.
        imports.finish(tx, job.target_id, error=CANCELLED, actor=actor.name)
        audits.finish(tx, job.target_id, error=CANCELLED, actor=actor.name)
    return get_job(tx, actor, job_id)


def pause_queue(tx: Tx, actor: Actor, queue: Queue, *, reason: str | None = None) -> bool:
    """From now on no worker claims from the queue; what runs, ends. False: it was paused."""
    return jobs.set_paused(tx, queue, True, reason=reason, actor=actor.name)


def resume_queue(tx: Tx, actor: Actor, queue: Queue) -> bool:
    """Workers claim again; the sweep hints at what is due. False: it was not paused."""
    return jobs.set_paused(tx, queue, False, reason=None, actor=actor.name)
