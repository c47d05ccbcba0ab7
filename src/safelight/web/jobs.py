"""Jobs and queues: the work behind trainings and generations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from safelight.db import jobs as rows
from safelight.domain import nouns
from safelight.domain.queues import Queue
from safelight.domain.states import JobState
from safelight.flow.commands import jobs as commands
from safelight.web.access import Cx, Who
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented

router = APIRouter(prefix="/v1", tags=["jobs"], responses=documented(401, 403, 422, 429, 503))


class Job(BaseModel):
    """A piece of work."""

    id: UUID
    queue: Queue
    kind: str
    subject_id: UUID | None
    target_id: UUID | None = Field(description="The training, generation or version it works for.")
    state: JobState = Field(
        description="`ready` with a `due_at` to come waits; `parked` stands still with its error "
        "until it is retried or cancelled."
    )
    due_at: datetime
    attempts: int
    max_attempts: int
    cancel_requested_at: datetime | None
    reason: str | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, job: nouns.Job) -> Job:
        """As the door shows it."""
        return cls.model_validate(job, from_attributes=True)


class QueueCounts(BaseModel):
    """How your jobs stand in one queue."""

    queue: Queue
    paused: bool = Field(description="Paused by an operator: nothing is taken from it for now.")
    due: int
    waiting: int
    leased: int = Field(description="Being worked on.")
    parked: int
    oldest_due_seconds: float = Field(description="How long the oldest due one has waited.")


class Queues(BaseModel):
    """The five queues."""

    items: list[QueueCounts]


@router.get("/jobs", response_model=Page[Job])
def list_jobs(
    cx: Cx,
    who: Who,
    page: Paged,
    queue: Queue | None = None,
    state: JobState | None = None,
    subject_id: UUID | None = None,
    target_id: UUID | None = None,
) -> object:
    """Your jobs, newest first."""
    with cx.db.transaction() as tx:
        found = rows.find(
            tx,
            owner_id=who.owner_id,
            queue=queue,
            state=state,
            subject_id=subject_id,
            target_id=target_id,
            after=page.after,
            limit=page.one_more,
        )
    return page.of(found, Job.of, lambda job: job.id)


@router.get("/jobs/{job_id}", responses=documented(404))
def get_job(job_id: UUID, cx: Cx, who: Who) -> Job:
    """One job."""
    with cx.db.transaction() as tx:
        return Job.of(commands.get_job(tx, who, job_id))


@router.post("/jobs/{job_id}/retry", status_code=202, responses=documented(404, 409))
def retry_job(job_id: UUID, cx: Cx, who: Who) -> Job:
    """Make a parked job due again, its attempts counted anew."""
    with cx.db.transaction() as tx:
        return Job.of(commands.retry_job(tx, who, job_id))


@router.post("/jobs/{job_id}/cancel", status_code=202, responses=documented(404, 409))
def cancel_job(job_id: UUID, cx: Cx, who: Who) -> Job:
    """Cancel a job together with the training or generation it works for."""
    with cx.db.transaction() as tx:
        return Job.of(commands.cancel_job(tx, who, job_id))


@router.get("/queues")
def list_queues(cx: Cx, who: Who) -> Queues:
    """How your jobs stand in each of the five queues."""
    with cx.db.transaction() as tx:
        found = rows.counts(tx, who.owner_id)
    return Queues(items=[QueueCounts.model_validate(row) for row in found])
