"""The spine: what happens around every piece of work, once, for all five queues.

take → begin (one transaction) → do (the stage, with none open) → settle (a transaction, fenced) → report.
The transaction that settles also takes and begins what is due next: under load a job costs one commit, and
less in a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from safelight import logging, scratch
from safelight.db import jobs
from safelight.db.faults import DatabaseAway, DatabaseUnfit
from safelight.db.transaction import Tx
from safelight.domain.errors import CancelAsked, LeaseLost, Retryable, SafelightError, Unfinished
from safelight.domain.nouns import Job
from safelight.domain.outcome import Canceled, Done, Outcome, Park, Wait, backoff, passing_fault
from safelight.domain.queues import Kind, Queue
from safelight.domain.texts import keepable
from safelight.flow.context import Context
from safelight.flow.drain import PACE
from safelight.flow.taken import Taken, report
from safelight.stages.tools import Pulse

log = logging.get(__name__)


Order = TypeVar("Order")
Result = TypeVar("Result")


def _nothing(*_: Any) -> Any:
    """For work that is all in its rows."""


def _done(*_: Any) -> Outcome:
    return Done()


@dataclass(frozen=True, slots=True)
class Work(Generic[Order, Result]):
    """What one kind of work reads, does and writes: three steps that fit each other, or mypy says so.

    `begin(tx, job, cx)` runs in the transaction of the claim: it reads the rows the stage needs and
    commits what must be on record before the stage acts. It returns the stage's order, or an
    `Outcome` where there is nothing to do. `do(order, cx, pulse)` is the stage, with no
    transaction open. `settle(tx, job, order, result, cx)` writes what came of it, in the
    transaction that settles the job. `cancel(tx, job, cx)` writes what follows from a cancel.
    """

    begin: Callable[[Tx, Job, Context], Order | Outcome]
    do: Callable[[Order, Context, Pulse], Result] = _nothing
    settle: Callable[[Tx, Job, Order, Result, Context], Outcome] = _done
    cancel: Callable[[Tx, Job, Context], None] = _nothing


Works = dict[Kind, Work[Any, Any]]

SECONDS = 1.0
"""How long one hint keeps a slot at work. Then it hands over to another hint, so that the pool can do
its own housekeeping (a warm shutdown waits so long at most, and for one stage)."""
ERROR_CHARS = 8_000
"""So much of an error's text is kept: it may hold a foreign answer."""
MOST = 32
"""Jobs a batch: past that the commits they share weigh nothing."""


def perform(queue: Queue, works: Works, cx: Context, *, seconds: float = SECONDS) -> int:
    """Work off what is due in *queue*, in fair turns, until nothing is or *seconds* are over.

    Jobs are taken in batches: one at first, more while they go quickly. What a batch came to is
    written in one transaction, and the same one takes the next batch. Returns how many jobs had a turn.
    """
    deadline = time.monotonic() + seconds
    drain = cx.drains[queue]
    done = 0
    drain.wait()
    with logging.bound(queue=str(queue)):
        try:
            batch = _take(queue, works, cx)
            while batch:
                done += len(batch)
                batch = _work_off(batch, queue, works, cx, deadline)
                if not batch and time.monotonic() < deadline:
                    drain.pace()
                    batch = _take(queue, works, cx)
            if time.monotonic() >= deadline:
                with cx.db.transaction() as tx:
                    for job_id in jobs.due(tx, queue, 1, known=True):
                        tx.hint(queue, job_id)
        except (DatabaseAway, DatabaseUnfit, LeaseLost) as away:
            # Nothing was settled: the lease runs out, and the sweep makes the job due again.
            log.warning("job.left_to_the_sweep", error=str(away))
        finally:
            drain.end()
    return done


def _take(queue: Queue, works: Works, cx: Context) -> list[Taken]:
    """Take and begin the next due job, if there is one, in a transaction of its own."""
    with cx.db.transaction() as tx:
        taken = []
        for job in jobs.claim(tx, queue, cx.worker, cx.settings.lease_seconds):
            try:
                with tx.savepoint():
                    begun = _begin(tx, job, works, cx)
                taken.append(begun)  # what was put off is refused at the savepoint's end
            except (DatabaseAway, LeaseLost):
                raise
            except Exception as error:  # noqa: BLE001 (a surprise ends as an outcome, never in the void)
                taken.append(_settle_unbegun(tx, job, _outcome_of(error, job), cx))
        return taken


def _begin(tx: Tx, job: Job, works: Works, cx: Context) -> Taken:
    """Get the job's order from its rows; where there is nothing to do, the job is settled here."""
    work = works[job.kind]
    if job.attempts > job.max_attempts:
        # Checked before the stage: a job that kills its process never reaches settle.
        order: Any = Park(
            f"{job.max_attempts} attempts were begun and none came to an end"
            + (f"; the last error: {job.error}" if job.error else "."),
            reason="attempts spent",
        )
    elif job.cancel_requested_at is not None:
        work.cancel(tx, job, cx)
        order = Canceled()
    else:
        order = work.begin(tx, job, cx)
    if isinstance(order, Outcome):
        return _settle_unbegun(tx, job, order, cx)
    return Taken(job, order)


def _settle_unbegun(tx: Tx, job: Job, outcome: Outcome, cx: Context) -> Taken:
    jobs.settle(tx, [(job, outcome)], cx.worker)
    return Taken(job, None, outcome=outcome)


def _work_off(
    batch: list[Taken], queue: Queue, works: Works, cx: Context, deadline: float
) -> list[Taken]:
    """Do, settle and report a batch; the next one, or nothing."""
    started = time.monotonic()
    open = [taken for taken in batch if taken.outcome is None]
    unsettled: list[Taken] = []
    quick = True
    with cx.heartbeat.hold([taken.job for taken in open]) as pulses:
        for taken, pulse in zip(open, pulses, strict=True):
            _do(taken, works[taken.job.kind], cx, pulse)
            unsettled.append(taken)
            late = time.monotonic() - started > PACE
            # What was paid for is on record before anything else is begun.
            quick = quick and not late and not taken.job.kind.policy.paid
            if not quick and taken is not open[-1]:
                _settle_singly(unsettled, works, cx)
                unsettled = []
        if quick and len(batch) < MOST:
            cx.drains[queue].pace()
        limit = 0
        if time.monotonic() < deadline and cx.drains[queue].proceed(quick=quick):
            limit = min(MOST, 2 * len(batch)) if quick else 1
        following = _settle_and_take(unsettled, queue, works, cx, limit)
    for taken in batch:
        report(taken)
    return following


def _do(taken: Taken, work: Work[Any, Any], cx: Context, pulse: Pulse) -> None:
    """The stage, with no transaction open."""
    started = time.monotonic()
    job = taken.job
    with logging.bound(job_id=str(job.id), kind=str(job.kind), target_id=str(job.target_id or "")):
        try:
            taken.result = work.do(taken.order, cx, pulse)
        except Exception as error:  # noqa: BLE001 (as above)
            taken.error = error
    taken.seconds = time.monotonic() - started


def _settle_and_take(
    done: list[Taken], queue: Queue, works: Works, cx: Context, limit: int
) -> list[Taken]:
    """Settle a batch, and take and begin the next one, in one transaction.

    Where it cannot be done so, the batch is settled job by job, and nothing is taken.
    """
    if any(taken.error for taken in done):
        _settle_singly(done, works, cx)
        return []
    try:
        with cx.db.transaction() as tx:
            _settle(tx, done, works, cx)
            if not limit:
                return []
            claimed = jobs.claim(tx, queue, cx.worker, cx.settings.lease_seconds, limit=limit)
            return [_begin(tx, job, works, cx) for job in claimed]
    except Exception as error:  # noqa: BLE001 (told apart one by one, below)
        # All of it was undone, or, if the connection broke at the commit, done: the fence tells.
        log.info("job.written_singly", jobs=len(done), error=f"{type(error).__name__}: {error}")
        _settle_singly(done, works, cx)
        return []


def _settle_singly(done: list[Taken], works: Works, cx: Context) -> None:
    """Settle each job in a transaction of its own, so that none spoils another's."""
    for taken in done:
        try:
            try:
                with cx.db.transaction() as tx:
                    _settle(tx, [taken], works, cx)
            except (LeaseLost, DatabaseAway):
                raise
            except Exception as error:  # noqa: BLE001 (as above)
                taken.error = error
                with cx.db.transaction() as tx:
                    _settle(tx, [taken], works, cx)
        except LeaseLost as lost:
            taken.outcome = None
            log.warning("job.lease_lost", job_id=str(taken.job.id), error=str(lost))
        except DatabaseAway as away:
            taken.outcome = None
            log.warning("job.left_to_the_sweep", job_id=str(taken.job.id), error=str(away))


def _settle(tx: Tx, done: list[Taken], works: Works, cx: Context) -> None:
    """Write what came of the jobs, and their ends, under their fences."""
    if not done:
        return
    jobs.hold(tx, [taken.job for taken in done])
    ended = []
    for taken in done:
        taken.outcome = _conclude(tx, taken, works[taken.job.kind], cx)
        ended.append((taken.job, taken.outcome))
    jobs.settle(tx, ended, cx.worker)


def _conclude(tx: Tx, taken: Taken, work: Work[Any, Any], cx: Context) -> Outcome:
    """Write what came of one job, and say how its turn ends."""
    match taken.error:
        case None:
            return work.settle(tx, taken.job, taken.order, taken.result, cx)
        case LeaseLost() | DatabaseAway():
            raise taken.error
        case CancelAsked():
            work.cancel(tx, taken.job, cx)
            return Canceled()
        case error:
            return _outcome_of(error, taken.job)


def _outcome_of(error: Exception, job: Job) -> Outcome:
    """A named error that no retry mends parks the job; what passes by itself is tried again for a day;
    all else is tried again, up to the cap."""
    if isinstance(error, OSError) and scratch.is_own(error):
        error = scratch.own(error)  # whatever it was for, it passes once there is room
    text = keepable(str(error) or type(error).__name__)[:ERROR_CHARS]
    if isinstance(error, Retryable) and not isinstance(error, Unfinished):
        return passing_fault(text, job.faulty_since, job.due_at, least=error.after or 0.0)
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
