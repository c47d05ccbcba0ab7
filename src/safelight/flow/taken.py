"""A job in the works: its order, what its stage made of it, and the line that the log has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safelight import logging
from safelight.domain.nouns import Job
from safelight.domain.outcome import Canceled, Done, Outcome, Wait

log = logging.get(__name__)


@dataclass(slots=True)
class Taken:
    """A job that is ours, its order, and what the stage made of it."""

    job: Job
    order: Any
    result: Any = None
    error: Exception | None = None
    outcome: Outcome | None = None
    seconds: float = 0.0


def report(taken: Taken) -> None:
    """Log what became of a job's turn, in one line."""
    job, outcome = taken.job, taken.outcome
    if outcome is None:  # said already: the lease was lost, or the database
        return
    line = log.info if isinstance(outcome, Done | Wait | Canceled) else log.warning
    if isinstance(outcome, Wait) and outcome.error:
        line = log.warning
    told = {
        "job_id": str(job.id),
        "kind": str(job.kind),
        "target_id": str(job.target_id) if job.target_id else None,
        "attempt": job.attempts,
        "fence": job.fence,
        "seconds": round(taken.seconds, 3),
        "reason": outcome.reason,
        "error": getattr(outcome, "error", None),
        "again_in": round(outcome.seconds, 1) if isinstance(outcome, Wait) else None,
    }
    line(
        f"job.{type(outcome).__name__.lower()}",
        **{key: value for key, value in told.items() if value is not None},
    )
