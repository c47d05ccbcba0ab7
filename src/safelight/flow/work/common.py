"""What the rows of several queues have in common."""

from __future__ import annotations

from uuid import UUID

from safelight.db import trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.nouns import Job, Training
from safelight.domain.states import TERMINAL_TRAINING, TrainingState
from safelight.flow.context import Context

WORKER_DIED = "the worker died while it sent the request"


def target(job: Job) -> UUID:
    """The id of what the job works for."""
    if job.target_id is None:
        raise NotFound(f"Job {job.id} ({job.kind}) names nothing to work for.")
    return job.target_id


def training_of(tx: Tx, job: Job) -> Training:
    """The job's training, locked until the transaction ends."""
    training = trainings.lock(tx, target(job))
    if training is None:
        raise NotFound(f"Job {job.id}: there is no training {job.target_id}.")
    return training


def cancel_open_training(tx: Tx, job: Job, cx: Context) -> None:
    """The job was cancelled before anything was sent: so is its training."""
    training = training_of(tx, job)
    state = TrainingState(training.state)
    if state not in TERMINAL_TRAINING:
        trainings.move(tx, training.id, state, TrainingState.CANCELED, actor=cx.worker)


def webhook(cx: Context, intent_id: UUID) -> str | None:
    """Where the provider tells us of changes; the intent's id in it is our mark."""
    base = cx.settings.webhook_base_url
    return f"{base.rstrip('/')}/webhooks/replicate?intent={intent_id}" if base else None
