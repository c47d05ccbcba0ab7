"""The spine: what happens around every piece of work, once, for all five queues.

claim and begin (one transaction) → the stage (no transaction open) → settle (one transaction, fenced).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from safelight import logging
from safelight.db import jobs
from safelight.db.transaction import DatabaseAway, Tx
from safelight.domain.errors import CancelAsked, LeaseLost, Retryable, SafelightError
from safelight.domain.nouns import Job
from safelight.domain.outcome import Canceled, Done, Outcome, Park, Wait, backoff
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.stages.tools import Pulse

log = logging.get(__name__)


def _nothing(*_: Any) -> None:
    """For work that is all in its rows."""


def _done(*_: Any) -> Outcome:
    return Done()


@dataclass(frozen=True, slots=True)
class Work:
    """What one kind of work reads, does and writes.

    `begin(tx, job, cx)` runs in the transaction of the claim: it reads the rows the stage needs and
    commits what must be on record before the stage acts. It returns the stage's order, or an
    `Outcome` where there is nothing to do. `do(order, cx, pulse)` is the stage, with no
    transaction open. `settle(tx, job, order, result, cx)` writes what came of it, in the
    transaction that settles the job. `cancel(tx, job, cx)` writes what follows from a cancel.
    """

    begin: Callable[[Tx, Job, Context], Any]
    do: Callable[[Any, Context, Pulse], Any] = _nothing
    settle: Callable[[Tx, Job, Any, Any, Context], Outcome] = _done
    cancel: Callable[[Tx, Job, Context], None] = _nothing


Works = dict[Kind, Work]


def perform(job_id: UUID, queue: Queue, works: Works, cx: Context) -> None:
    """Carry out the job that a hint named, if it is there to be had."""
    with logging.bound(job_id=str(job_id), queue=str(queue)):
        started = time.monotonic()
        try:
            claimed = _claim(job_id, queue, works, cx)
            if claimed is None:
                log.debug("job.not_claimed")
                return
            job, order = claimed
            with logging.bound(kind=str(job.kind), target_id=str(job.target_id)):
                outcome = _carry_out(job, order, works[job.kind], cx)
                _canonical_line(job, outcome, time.monotonic() - started)
        except LeaseLost as lost:
            log.warning("job.lease_lost", error=str(lost))
        except DatabaseAway as away:
            # Nothing was settled: the lease runs out and the sweep hints again.
            log.warning("job.left_to_the_sweep", error=str(away))


def _claim(job_id: UUID, queue: Queue, works: Works, cx: Context) -> tuple[Job, Any] | None:
    """The job and its order, or its outcome in the order's place; None: not to be had."""
    try:
        with cx.db.transaction() as tx:
            job = jobs.claim(tx, job_id, queue, cx.worker, cx.settings.lease_seconds)
            if job is None:
                return None
            order = _begin(tx, job, works[job.kind], cx)
            if isinstance(order, Outcome):
                jobs.settle(tx, job, order, cx.worker)
            return job, order
    except (DatabaseAway, LeaseLost):
        raise
    except Exception as error:  # noqa: BLE001 (a surprise ends as an outcome, never in the void)
        # `begin` failed and took the claim with it. Claim again, so that the attempt is counted
        # and a job that can never begin ends parked and not in a loop.
        with cx.db.transaction() as tx:
            job = jobs.claim(tx, job_id, queue, cx.worker, cx.settings.lease_seconds)
            if job is None:
                return None
            outcome = _outcome_of(error, job)
            jobs.settle(tx, job, outcome, cx.worker)
            return job, outcome


def _begin(tx: Tx, job: Job, work: Work, cx: Context) -> Any:
    if job.attempts > job.max_attempts:
        # Checked before the stage: a job that kills its process never reaches settle.
        return Park(
            f"{job.max_attempts} attempts were begun and none came to an end"
            + (f"; the last error: {job.error}" if job.error else "."),
            reason="attempts spent",
        )
    if job.cancel_requested_at is not None:
        work.cancel(tx, job, cx)
        return Canceled()
    return work.begin(tx, job, cx)


def _carry_out(job: Job, order: Any, work: Work, cx: Context) -> Outcome:
    if isinstance(order, Outcome):
        return order
    try:
        with cx.heartbeat.hold(job) as pulse:
            result = work.do(order, cx, pulse)
        with cx.db.transaction() as tx:
            jobs.hold(tx, job)
            outcome = work.settle(tx, job, order, result, cx)
            jobs.settle(tx, job, outcome, cx.worker)
    except CancelAsked:
        outcome = Canceled()
        with cx.db.transaction() as tx:
            jobs.hold(tx, job)
            work.cancel(tx, job, cx)
            jobs.settle(tx, job, outcome, cx.worker)
    except (LeaseLost, DatabaseAway):
        raise
    except Exception as error:  # noqa: BLE001 (as above)
        outcome = _outcome_of(error, job)
        with cx.db.transaction() as tx:
            jobs.settle(tx, job, outcome, cx.worker)
    return outcome


def _outcome_of(error: Exception, job: Job) -> Outcome:
    """A named error that no retry mends parks the job; all else is tried again, up to the cap."""
    text = str(error) or type(error).__name__
    if isinstance(error, SafelightError) and not isinstance(error, Retryable):
        return Park(text, reason=error.code)
    if not isinstance(error, SafelightError):
        text = f"{type(error).__name__}: {text}"
        log.error("job.surprise", exc_info=error)
    if job.attempts >= job.max_attempts:
        return Park(text, reason="attempts spent")
    pause = backoff(job.attempts)
    if isinstance(error, Retryable) and error.after is not None:
        pause = max(pause, error.after)
    return Wait(pause, reason="failed, will be tried again", fresh=False, error=text)


def _canonical_line(job: Job, outcome: Outcome, seconds: float) -> None:
    """The one line that says what became of a job's turn."""
    say = log.info if isinstance(outcome, Done | Wait | Canceled) else log.warning
    if isinstance(outcome, Wait) and outcome.error:
        say = log.warning
    told = {
        "attempt": job.attempts,
        "fence": job.fence,
        "seconds": round(seconds, 3),
        "reason": outcome.reason,
        "error": getattr(outcome, "error", None),
        "again_in": round(outcome.seconds, 1) if isinstance(outcome, Wait) else None,
    }
    say(
        f"job.{type(outcome).__name__.lower()}",
        **{key: value for key, value in told.items() if value is not None},
    )
