"""Paying once: what a training and a generation have in common as requests that cost money.

The intent is committed, one POST is sent, and each of its endings has one place here. A request whose
reply was lost is `unknown`: it is looked for in the provider's list and never sent again by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from safelight.db import generations, jobs, trainings
from safelight.db.transaction import Tx
from safelight.domain.nouns import Generation, Job, Training
from safelight.domain.outcome import Done, Outcome, Park, Wait, passing_fault
from safelight.domain.provider import (
    Accepted,
    NotSent,
    Refused,
    RemoteRun,
    RunInFlight,
    Submission,
    Unknown,
)
from safelight.domain.queues import Kind
from safelight.domain.states import GenerationState, TrainingState

THROTTLED = 429
OUR_FAULT = frozenset({401, 402, 403, 404})
"""Refusals that are about our account or its set-up, not about this request: a person mends them
and sends it again, so it must not be lost."""
NOT_SENT_SECONDS = 5.0
THROTTLED_SECONDS = 30.0
"""Where the provider throttles and does not say for how long: its own text says ~30 s."""
LOOK_AGAIN_SECONDS = 15.0
"""How often the provider's list is searched for a request whose reply was lost."""
FIRST_LOOK_SECONDS = 1.0
"""When the watch begins, where nothing else is in flight."""

PaidRequest = Training | Generation


@dataclass(frozen=True, slots=True)
class Paid:
    """One kind of paid request: its states, its jobs, and how its rows are written."""

    waiting: StrEnum
    submitting: StrEnum
    unknown: StrEnum
    running: StrEnum
    failed: StrEnum
    canceled: StrEnum
    send: Kind
    search: Kind
    watch: Kind
    look: Kind
    cancel: Kind | None
    move: Callable[..., Any]
    set_accepted: Callable[[Tx, UUID, RemoteRun], None]


TRAINING = Paid(
    waiting=TrainingState.READY,
    submitting=TrainingState.SUBMITTING,
    unknown=TrainingState.UNKNOWN,
    running=TrainingState.TRAINING,
    failed=TrainingState.FAILED,
    canceled=TrainingState.CANCELED,
    # A new intent has a new input, so that its evidence is its own: prepare comes first.
    send=Kind.PREPARE_SUBMISSION,
    search=Kind.SETTLE_TRAINING,
    watch=Kind.WATCH_TRAININGS,
    look=Kind.LOOK_AT_TRAINING,
    cancel=Kind.CANCEL_TRAINING,
    move=trainings.move,
    set_accepted=lambda tx, row_id, run: trainings.set_accepted(
        tx, row_id, provider_id=run.id, status=run.status, version=run.version
    ),
)
GENERATION = Paid(
    waiting=GenerationState.QUEUED,
    submitting=GenerationState.SUBMITTING,
    unknown=GenerationState.UNKNOWN,
    running=GenerationState.DRAWING,
    failed=GenerationState.FAILED,
    canceled=GenerationState.CANCELED,
    send=Kind.SUBMIT_GENERATION,
    search=Kind.SETTLE_GENERATION,
    watch=Kind.WATCH_GENERATIONS,
    look=Kind.LOOK_AT_GENERATION,
    cancel=None,
    move=generations.move,
    set_accepted=lambda tx, row_id, run: generations.set_accepted(
        tx, row_id, provider_id=run.id, status=run.status
    ),
)


def follow(
    tx: Tx, row: PaidRequest | RunInFlight, kind: Kind, by: str, *, delay: float = 0.0
) -> None:
    """The row's next job; asked for twice it is one job."""
    jobs.add_for(
        tx,
        kind,
        row.id,
        actor=by,
        owner_id=row.owner_id,
        subject_id=row.subject_id,
        delay=delay,
    )


def watch(tx: Tx, kind: Kind, by: str) -> None:
    """See to it that what is in flight is watched: one open job a kind, for everything.

    One that is open is left alone: with thousands in flight something is accepted every second, and
    each turn costs a hundred list calls. One that stands parked goes on.
    """
    jobs.add(tx, kind, actor=by, unique_key=str(kind), delay=FIRST_LOOK_SECONDS, hurry=False)


def settle(tx: Tx, paid: Paid, row: PaidRequest, reply: Submission, job: Job, by: str) -> Outcome:
    """What follows from each ending of the one POST, which *job* sent."""
    match reply:
        case Accepted(run):
            return adopt(tx, paid, row, paid.submitting, run, by)
        case Unknown(detail):
            return to_unknown(tx, paid, row, detail, by)
        case NotSent(detail):
            _back(tx, paid, row, detail, by)
            return passing_fault(
                detail, job.faulty_since, job.due_at, reason="not sent", least=NOT_SENT_SECONDS
            )
        case Refused(status, detail, retry_after) if status == THROTTLED:
            _back(tx, paid, row, detail, by)
            return Wait(
                retry_after or THROTTLED_SECONDS, reason="the provider is throttling", error=detail
            )
        case Refused(status, detail):
            said = f"The provider refused it ({status}): {detail}"
            if status in OUR_FAULT:
                _back(tx, paid, row, detail, by)
                return Park(said, reason="our account or set-up")
            paid.move(tx, row.id, paid.submitting, paid.failed, actor=by, error=said)
            return Done("refused; nothing was paid")


def _back(tx: Tx, paid: Paid, row: PaidRequest, why: str, by: str) -> None:
    """It is known not to have been accepted: the same intent may be sent again."""
    paid.move(tx, row.id, paid.submitting, paid.waiting, actor=by, detail={"why": why})


def adopt(
    tx: Tx, paid: Paid, row: PaidRequest, before: StrEnum, run: RemoteRun, by: str, **why: str
) -> Outcome:  # fmt: skip
    """The provider has it: record its id, see that it is watched, and that a cancel asked for
    meanwhile reaches it. *why*: more for the event."""
    paid.set_accepted(tx, row.id, run)
    detail = {"provider_id": run.id, **why}
    paid.move(tx, row.id, before, paid.running, actor=by, detail=detail)
    if row.cancel_requested_at is not None and paid.cancel is not None:
        follow(tx, row, paid.cancel, by)
    watch(tx, paid.watch, by)
    return Done(f"accepted as {run.id}")


def to_unknown(tx: Tx, paid: Paid, row: PaidRequest, why: str, by: str) -> Outcome:
    """It may have been accepted, and paid: from here on it is looked for, not sent."""
    paid.move(tx, row.id, paid.submitting, paid.unknown, actor=by, detail={"why": why})
    follow(tx, row, paid.search, by)
    return Done(f"unknown whether it was accepted: {why}")


def settle_search(
    tx: Tx,
    paid: Paid,
    row: PaidRequest,
    found: RemoteRun | None,
    *,
    waited: float,
    wait_seconds: float,
    by: str,
) -> Outcome:
    """The provider's list was searched, *waited* seconds after the request left: adopt what bears our
    mark, else look again, and after *wait_seconds* ask a person."""
    if row.state != paid.unknown:
        return Done(f"it is {row.state}")
    if found is not None:
        return adopt(tx, paid, row, paid.unknown, found, by)
    if waited < wait_seconds:
        pause = min(LOOK_AGAIN_SECONDS, wait_seconds / 4)
        return Wait(pause, reason="not in the provider's list yet")
    return Park(
        f"The request's reply was lost, and {waited:.0f} s later the provider's list "
        "does not show it: it was most likely never accepted. It is not sent again by itself, since "
        "that could be paid twice. Look at the provider, then `safelight resolve`.",
        reason="unknown whether it was accepted",
    )
