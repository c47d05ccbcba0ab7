"""A webhook came: what it is about is looked at now."""

from __future__ import annotations

from uuid import UUID

from safelight.db import generations, jobs, trainings, webhooks
from safelight.db.transaction import Tx
from safelight.domain.states import JobState
from safelight.flow import paid

ANSWER_SECONDS = 2.0
"""The answer to our own request may come after the webhook it led to, by about as much."""


def nudge(tx: Tx, intent: str | None) -> str:
    """See that the run with this mark is looked at now. Returns what follows, in words.

    In flight, it is looked at; unknown, it is searched for, even where that had been given up, since
    now the provider says that it has it. A run that has ended is left alone: late webhooks are many.
    """
    id = _id(intent)
    found = _run(tx, id) if id is not None else None
    if found is None:
        return "nothing: no run of ours bears its mark"
    what, run = found
    if run.state == what.unknown:
        for job in jobs.open_of(tx, run.id):
            if job.kind is what.search and job.state == JobState.PARKED:
                jobs.retry(tx, job.id, actor="webhook", reason="a webhook came for it")
        paid.follow(tx, run, what.search, "webhook")
        return f"{what.search} {run.id}"
    if run.state in (what.running, what.submitting):
        delay = ANSWER_SECONDS if run.state == what.submitting else 0.0
        paid.follow(tx, run, what.look, "webhook", delay=delay)
        return f"{what.look} {run.id}"
    return f"nothing: {run.id} is {run.state}"


def _run(tx: Tx, intent: UUID) -> tuple[paid.Paid, paid.PaidRequest] | None:
    run_id = webhooks.run_of_intent(tx, intent)
    if run_id is None:
        return None
    training = trainings.get(tx, run_id)
    if training is not None:
        return paid.TRAINING, training
    generation = generations.get(tx, run_id)
    return (paid.GENERATION, generation) if generation is not None else None


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
