"""The rows around an erasure: stop, delete, check, sign; and once more when nothing can arrive late.

Each phase is a turn of the one job. What a phase needs after the rows are gone stands in the
erasure's plan, which goes when the statement is signed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from safelight.db import erasures, jobs
from safelight.db.transaction import Tx
from safelight.domain import erasure as proof
from safelight.domain.erasure import Checks, Plan
from safelight.domain.errors import NotFound
from safelight.domain.nouns import Job
from safelight.domain.operations import Erasure
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.states import ErasureState, JobState
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work import erasure_check, erasure_of_owner
from safelight.flow.work.common import target
from safelight.stages import erasure as stage
from safelight.stages.tools import Pulse

LOOK_SECONDS = 2.0
"""How often it is looked whether what runs has stopped."""
LATE_SECONDS = 2 * 3600.0
"""A presigned upload is open for an hour, and may take its time: then its folder is looked at again."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Runs the provider is to stop, and what was stopped here."""

    runs: tuple[stage.Run, ...]
    waiting_for: int
    not_found: int


@dataclass(frozen=True, slots=True)
class List:
    """What is to be found in the store before any of it goes."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Delete:
    """What is to be deleted in the store and at the provider."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class Check:
    """What is to be looked for, and whose it was."""

    erasure: Erasure
    plan: Plan


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Folders into which an upload that was under way may have put something."""

    plan: Plan


Order = Stop | List | Delete | Check | LookAgain


def _begin(tx: Tx, job: Job, cx: Context) -> Order | Outcome:
    erasure = _locked(tx, job)
    if erasure.state == ErasureState.STOPPING:
        if erasure.subject_id is None:
            return erasure_of_owner.gather(tx, erasure, cx.worker)
        return _begin_stop(tx, erasure.subject_id, erasure, cx)
    if erasure.state == ErasureState.DONE:
        if erasure.looked_again_at is not None or erasure.subject_id is None:
            return Done("the statement stands")
        return LookAgain(_folders(erasure))
    plan = Plan.from_dict(erasure.plan or {})
    if erasure.state == ErasureState.CHECKING:
        return Check(erasure, plan)
    return Delete(plan) if plan.listed else List(plan)


def _locked(tx: Tx, job: Job) -> Erasure:
    erasure = erasures.lock(tx, target(job))
    if erasure is None:
        raise NotFound(f"Job {job.id}: there is no erasure {job.target_id}.")
    return erasure


# Stop what runs.


def _begin_stop(tx: Tx, subject_id: UUID, erasure: Erasure, cx: Context) -> Stop:
    """Cancel what may be cancelled; a request that may be paid is let come to its end."""
    busy = _stop_jobs(tx, subject_id, cx.worker)
    lost = erasures.give_up_unknown(tx, subject_id, actor=cx.worker)
    before = (erasure.plan or {}).get("stopped", {}).get("not_found", 0)
    if lost:
        keep = Plan(stopped={"not_found": before + lost}).to_dict()
        erasures.remember(tx, erasure.id, keep)
    paid = erasures.paid_in_flight(tx, subject_id)
    runs = [stage.Run(run.kind, run.provider_id) for run in paid if run.provider_id]
    unsettled = sum(run.provider_id is None for run in paid)
    return Stop(tuple(runs), busy + unsettled, before + lost)


def _stop_jobs(tx: Tx, subject_id: UUID, by: str) -> int:
    """Cancel the subject's jobs but those that settle a paid request; how many still run."""
    busy = 0
    for job in erasures.open_jobs(tx, subject_id):
        if job.settles:
            # Parked, it has been looked for long enough; `give_up_unknown` follows.
            busy += job.state != JobState.PARKED
        else:
            busy += jobs.cancel(tx, job_id=job.id, actor=by, reason="the subject is erased")
    return busy


def _settle_stop(tx: Tx, job: Job, order: Stop, stopped: stage.StoppedRuns, cx: Context) -> Outcome:
    erasure = _locked(tx, job)
    assert erasure.subject_id is not None
    if order.waiting_for or stopped.running:
        return Wait(
            LOOK_SECONDS,
            reason=f"{order.waiting_for} of its jobs and {stopped.running} of its runs have not stopped yet",
        )
    plan = proof.plan_of(
        erasure.subject_id,
        erasures.rows_of(tx, subject_id=erasure.subject_id, owner_id=erasure.owner_id),
        stopped.outputs,
        {
            "runs_cancelled": [run.provider_id for run in order.runs],
            "not_found": order.not_found,
        },
    )
    shared = erasures.shared_models(tx, plan.models, erasure.subject_id)
    plan = replace(
        plan,
        models=tuple(m for m in plan.models if m not in shared),
        models_kept=tuple(sorted({*plan.models_kept, *shared})),
    )
    erasures.move(
        tx,
        erasure.id,
        ErasureState.STOPPING,
        ErasureState.DELETING,
        actor=cx.worker,
        plan=plan.to_dict(),
    )
    return Wait(0.0, reason="nothing of it runs any more")


# Delete: listed first, so that the statement is whole whenever a worker dies; the store before the
# provider, which may take its time; the rows last, since they know of both.


def _settle_listed(tx: Tx, job: Job, order: List, found: tuple[str, ...], cx: Context) -> Outcome:
    plan = replace(order.plan, objects=found, listed=True)
    _keep(tx, _locked(tx, job), plan, ErasureState.DELETING, cx)
    return Wait(0.0, reason=f"{len(found)} objects to delete")


def _do_delete(order: Delete, cx: Context, pulse: Pulse) -> tuple[str, ...]:
    late = stage.delete_objects(order.plan, cx.tools.store, pulse)
    stage.delete_at_provider(order.plan, cx.tools.provider, pulse)
    return late


def _settle_delete(
    tx: Tx, job: Job, order: Delete, deleted: tuple[str, ...], cx: Context
) -> Outcome:
    erasure = _locked(tx, job)
    if erasure.subject_id is not None and _runs_again(tx, erasure.subject_id):
        erasures.move(tx, erasure.id, ErasureState.DELETING, ErasureState.STOPPING, actor=cx.worker)
        return Wait(0.0, reason="something had started meanwhile")
    rows = erasures.delete_rows(tx, subject_id=erasure.subject_id, owner_id=erasure.owner_id)
    if erasure.subject_id is None:
        erasure_of_owner.forget(tx, order.plan, rows)
    plan = replace(order.plan, rows=rows, objects=tuple(sorted({*order.plan.objects, *deleted})))
    _keep(tx, erasure, plan, ErasureState.CHECKING, cx)
    return Wait(0.0, reason=f"{sum(rows.values())} rows deleted")


def _runs_again(tx: Tx, subject_id: UUID) -> bool:
    leased = any(job.state == JobState.LEASED for job in erasures.open_jobs(tx, subject_id))
    return leased or bool(erasures.paid_in_flight(tx, subject_id))


def _keep(tx: Tx, erasure: Erasure, plan: Plan, after: ErasureState, cx: Context) -> None:
    if erasure.state == after:
        erasures.remember(tx, erasure.id, plan.to_dict())
    else:
        erasures.move(tx, erasure.id, erasure.state, after, actor=cx.worker, plan=plan.to_dict())


# Check, and sign.


def _settle_check(tx: Tx, job: Job, order: Check, checks: Checks, cx: Context) -> Outcome:
    erasure = _locked(tx, job)
    about = {
        "erasure": str(erasure.id),
        "scope": "subject" if erasure.subject_id else "owner",
        "owner": str(erasure.owner_id),
        "subject": str(erasure.subject_id) if erasure.subject_id else None,
        "reason": erasure.reason,
        "asked_by": erasure.asked_by,
        "asked_at": erasure.asked_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    statement = proof.statement_of(about, order.plan, checks, finished_at=erasures.clock(tx))
    signature, public_key = _sign(tx, statement, cx)
    erasures.finish(
        tx,
        erasure.id,
        statement=statement,
        signature=signature,
        public_key=public_key,
        actor=cx.worker,
    )
    if erasure.subject_id is None:
        return Done("erased")
    return Wait(LATE_SECONDS, reason="erased; looked at again once no upload can arrive any more")


def _sign(tx: Tx, statement: Any, cx: Context) -> tuple[str, str]:
    return proof.sign(cx.settings.statement_seed or erasures.statement_key(tx), statement)


# Once more.


def _folders(erasure: Erasure) -> Plan:
    assert erasure.statement is not None  # a CHECK ties it to the state
    return Plan(prefixes=tuple(erasure.statement["checks"]["object_store"]["folders_listed"]))


def _settle_later(tx: Tx, job: Job, late: tuple[str, ...], cx: Context) -> Outcome:
    erasure = _locked(tx, job)
    assert erasure.statement is not None
    statement = proof.with_later_look(erasure.statement, late, erasures.clock(tx))
    signature, public_key = _sign(tx, statement, cx)
    erasures.amend(tx, erasure.id, statement=statement, signature=signature, public_key=public_key)
    return Done(f"{len(late)} objects had arrived late, and are deleted")


# The job: a turn a phase.


def _do(order: Order, cx: Context, pulse: Pulse) -> Any:
    tools = cx.tools
    match order:
        case Stop(runs):
            return stage.stop_runs(runs, tools.provider, pulse)
        case List(plan):
            return stage.list_objects(plan, tools.store, pulse)
        case Delete():
            return _do_delete(order, cx, pulse)
        case Check(erasure, plan):
            return erasure_check.check(erasure, plan, cx, pulse)
        case LookAgain(plan):
            return stage.delete_objects(plan, tools.store, pulse)


def _settle(tx: Tx, job: Job, order: Order, result: Any, cx: Context) -> Outcome:
    match order:
        case Stop():
            return _settle_stop(tx, job, order, result, cx)
        case List():
            return _settle_listed(tx, job, order, result, cx)
        case Delete():
            return _settle_delete(tx, job, order, result, cx)
        case Check():
            return _settle_check(tx, job, order, result, cx)
        case LookAgain():
            return _settle_later(tx, job, result, cx)


ERASE: Work[Order, Any] = Work(_begin, _do, _settle)
