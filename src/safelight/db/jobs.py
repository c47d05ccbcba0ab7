"""The job ledger: insert, claim, renew, settle. Every write after a claim carries its fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into
from safelight.domain.errors import LeaseLost
from safelight.domain.ids import new_id
from safelight.domain.masking import mask
from safelight.domain.nouns import Job
from safelight.domain.outcome import Canceled, Done, Outcome, Park, Wait
from safelight.domain.queues import Kind, Queue

sql = statements("jobs")

QUANTUM_SECONDS = 10.0
"""How far behind an owner's last due job the owner's next one stands in the queue. Others' jobs that
come within that time go between: an owner gets at least a turn every ten seconds whatever else
waits, and a single job of another owner stands behind one or two of a thousand."""

_ALONE = f"{{{','.join(kind for kind in Kind if kind.policy.alone or kind.policy.paid)}}}"
_KNOWN = f"{{{','.join(Kind)}}}"
"""As Postgres writes an array: they go out with every claim."""


def _job(row: Row) -> Job:
    kind = Kind(row["kind"])  # type: ignore[call-arg]  # finds the member; mypy takes it for the maker
    return into(Job, {**row, "queue": Queue(row["queue"]), "kind": kind})


def _hint(tx: Tx, row: Mapping[str, Any] | None) -> None:
    if row and row["due"]:
        tx.hint(Queue(row["queue"]), row["id"])


def add(
    tx: Tx,
    kind: Kind,
    *,
    actor: str,
    target_id: UUID | None = None,
    owner_id: UUID | None = None,
    subject_id: UUID | None = None,
    unique_key: str | None = None,
    delay: float = 0.0,
    hurry: bool = True,
) -> UUID:
    """Add a job of *kind*, due in *delay* seconds; its hint goes out after the commit.

    With a *unique_key* that an open job bears already, that job is made due instead, and no job has the
    returned id. Without *hurry* it is left as it is, and only one that stands parked is made due. Jobs
    that are added one after the other go to the database as one.
    """
    policy = kind.policy
    job_id = new_id()
    tx.soon(
        sql.insert_job,
        {
            "id": job_id,
            "queue": str(policy.queue),
            "kind": str(kind),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "target_id": target_id,
            "delay": float(delay),
            "max_attempts": policy.attempts,
            "lease_seconds": policy.lease,
            "unique_key": unique_key,
            "actor": actor,
            "hurry": hurry,
            "quantum": QUANTUM_SECONDS,
        },
        lambda row: _hint(tx, row),
    )
    return job_id


def add_for(
    tx: Tx,
    kind: Kind,
    target_id: UUID,
    *,
    actor: str,
    owner_id: UUID | None = None,
    subject_id: UUID | None = None,
    delay: float = 0.0,
) -> UUID:
    """Add a job of *kind* about *target_id*, as `add` does: asked for twice while it is open, it is one."""
    return add(
        tx,
        kind,
        actor=actor,
        target_id=target_id,
        owner_id=owner_id,
        subject_id=subject_id,
        unique_key=f"{kind}:{target_id}",
        delay=delay,
    )


def claim(
    tx: Tx, queue: Queue, worker: str, lease: float | None = None, *, limit: int = 1
) -> list[Job]:
    """Take up to *limit* due jobs of *queue*, in fair turns, a slow or paid one alone; none: nothing is
    due that this release knows how to do, or the queue is paused."""
    asked = {
        "queue": str(queue),
        "worker": worker,
        "lease": lease,
        "limit": limit,
        "alone": _ALONE,
        "known": _KNOWN,
    }
    return [_job(row) for row in tx.rows(sql.claim_jobs, asked)]


def renew(tx: Tx, held: Mapping[UUID, int], lease: float | None = None) -> dict[UUID, bool]:
    """Renew the leases of *held* (id → fence). Returns those still ours → is cancel asked for?"""
    rows = tx.rows(
        sql.renew_leases, {"ids": list(held), "fences": list(held.values()), "lease": lease}
    )
    return {row["id"]: row["cancel_requested"] for row in rows}


def hold(tx: Tx, held: Sequence[Job]) -> None:
    """Lock the jobs' rows before any other. Raises LeaseLost if another worker has one of them."""
    ours = {"ids": [job.id for job in held], "fences": [job.fence for job in held]}
    found = {row["id"] for row in tx.rows(sql.hold_jobs, ours)}
    for job in held:
        if job.id not in found:
            raise _lost(job)


def _lost(job: Job) -> LeaseLost:
    return LeaseLost(f"The lease on job {job.id} (fence {job.fence}) has passed to another.")


def settle(tx: Tx, ended: Sequence[tuple[Job, Outcome]], worker: str) -> None:
    """Write the ends of jobs' turns. Raises LeaseLost, and with it nothing is written."""
    _finish(tx, [(job, o.reason) for job, o in ended if isinstance(o, Done)], worker)
    for job, outcome in ended:
        ours: dict[str, Any] = {"id": job.id, "fence": job.fence, "worker": worker}
        match outcome:
            case Done():
                continue
            case Wait():
                more = {"quantum": QUANTUM_SECONDS}
                said = {"error": outcome.error and mask(outcome.error)}
                row = tx.row(sql.wait_job, {**asdict(outcome), **said, **ours, **more})
            case Park(error, reason):
                row = tx.row(sql.park_job, {**ours, "reason": reason, "error": mask(error)})
            case Canceled(reason):
                row = tx.row(sql.cancel_leased_job, {**ours, "reason": reason})
        if row is None:
            raise _lost(job)
        if "due" in row:
            _hint(tx, row)


def _finish(tx: Tx, done: Sequence[tuple[Job, str | None]], worker: str) -> None:
    """Most turns end so, and all of a batch's in one statement."""
    if not done:
        return
    held = {
        "ids": [job.id for job, _ in done],
        "fences": [job.fence for job, _ in done],
        "reasons": [reason for _, reason in done],
    }
    found = {
        row["id"]: row
        for row in tx.rows(sql.finish_jobs, {**held, "worker": worker, "quantum": QUANTUM_SECONDS})
    }
    for job, _ in done:
        if job.id not in found:
            raise _lost(job)
        _hint(tx, found[job.id])


def due(tx: Tx, queue: Queue, limit: int, *, known: bool = False) -> list[UUID]:
    """The next jobs that are due in *queue*, in fair turns, up to *limit*; *known*: of a kind that this
    release knows how to do."""
    asked = {"queue": str(queue), "limit": limit, "known": _KNOWN if known else None}
    rows = tx.rows(sql.next_due, asked)
    return [row["id"] for row in rows]


def release_expired(tx: Tx, limit: int) -> int:
    """Make jobs due whose lease ran out, on any queue; how many."""
    return len(tx.rows(sql.release_expired, {"limit": limit}))


def cancel(tx: Tx, *, actor: str, target_id: UUID | None = None, job_id: UUID | None = None,
           reason: str = "cancelled") -> int:  # fmt: skip
    """Cancel a job, or every open job of a target: idle ones at once, leased ones are asked to stop.

    Returns how many are still running and were asked.
    """
    which = {"target_id": target_id, "job_id": job_id}
    tx.rows(sql.cancel_idle_jobs, {**which, "reason": reason, "actor": actor})
    return len(tx.rows(sql.ask_leased_jobs_to_cancel, which))


def retry(tx: Tx, id: UUID, *, actor: str, reason: str = "retried") -> bool:
    """Make a parked job due again with its attempts counted anew; False: it is not parked."""
    row = tx.row(
        sql.retry_job, {"id": id, "actor": actor, "reason": reason, "quantum": QUANTUM_SECONDS}
    )
    _hint(tx, row)
    return row is not None


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Job | None:
    """One job; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_job, {"id": id, "owner_id": owner_id})
    return _job(row) if row else None


def find(
    tx: Tx,
    *,
    owner_id: UUID | None = None,
    queue: Queue | None = None,
    state: str | None = None,
    subject_id: UUID | None = None,
    target_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs, newest first, a page."""
    rows = tx.rows(
        sql.list_jobs,
        {
            "owner_id": owner_id,
            "queue": queue,
            "state": state,
            "subject_id": subject_id,
            "target_id": target_id,
            "after": after,
            "limit": limit,
        },
    )
    return [_job(row) for row in rows]


def open_of(tx: Tx, target_id: UUID) -> list[Job]:
    """The jobs of a target that have not ended, locked. Call it before the target is locked: workers
    lock in that order, and two orders make a deadlock."""
    return [_job(r) for r in tx.rows(sql.open_jobs_of_target, {"target_id": target_id})]


def counts(tx: Tx, owner_id: UUID | None = None) -> list[Row]:
    """Per queue: due, waiting, leased, parked, paused, oldest_due_seconds; of all, or of one owner."""
    return tx.rows(sql.count_jobs, {"owner_id": owner_id})


def set_paused(tx: Tx, queue: Queue, paused: bool, *, reason: str | None, actor: str) -> bool:
    """Pause or resume a queue; False: it was so already."""
    row = tx.row(
        sql.set_queue_paused,
        {"queue": str(queue), "paused": paused, "reason": reason, "actor": actor},
    )
    return row is not None


def count_open(tx: Tx, kind: Kind) -> int:
    """How many jobs of *kind* are on their way."""
    row = tx.row(sql.count_open, {"queue": str(kind.policy.queue), "kind": str(kind)})
    assert row is not None
    found: int = row["n"]
    return found
