"""What watching trainings and watching generations have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from safelight.db import jobs
from safelight.db.transaction import Row, Tx
from safelight.domain.errors import Retryable
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.provider import RemoteRun, RemoteStatus
from safelight.domain.queues import Kind
from safelight.flow.context import Context
from safelight.stages import poll

SEEN_SECONDS = 60.0
"""How often it is noted of a run without news that it was seen."""
VANISHED = "The provider knows it no more (404, long after it was accepted)."


@dataclass(slots=True)
class Watch:
    """What is in flight, and how far this turn has come."""

    job: Job
    in_flight: tuple[poll.InFlight, ...]
    rows: dict[Any, Row]
    seen: int = 0
    ended: int = 0


def order(job: Job, rows: list[Row]) -> Watch | Outcome:
    """What to look at, from the rows in flight."""
    if not rows:
        return Done("nothing is in flight")
    return Watch(
        job,
        tuple(
            poll.InFlight(r["id"], r["provider_id"], r["age_seconds"], r["log_age"], left(r))
            for r in rows
        ),
        {r["id"]: r for r in rows},
    )


def left(row: Row) -> float | None:
    """Seconds until the last step at the pace it had so far."""
    step, steps = row.get("step"), row.get("steps")
    if not step or not steps:
        return None
    left: float = row["age_seconds"] * (steps / step - 1.0)
    return max(0.0, left)


def writer(
    watch: Watch, cx: Context, record: Callable[[Tx, list[tuple[Row, RemoteRun | None]]], int]
) -> poll.Write:
    """Writes what was seen under our fence, in a transaction of its own, where there is news."""

    def write(seen: Sequence[poll.Seen]) -> None:
        news = [(watch.rows[s.id], s.run) for s in seen if is_news(watch.rows[s.id], s.run)]
        watch.seen += len(seen)
        if news:
            with cx.db.transaction() as tx:
                jobs.hold(tx, [watch.job])
                ended = record(tx, news)
            watch.ended += ended

    return write


def is_news(row: Row, run: RemoteRun | None) -> bool:
    """Whether there is anything to write of it; that it was seen is noted once a minute."""
    if run is None or run.logs or run.status.ended or str(run.status) != row["provider_status"]:
        return True
    return row["watched_seconds"] is None or row["watched_seconds"] > SEEN_SECONDS


def again(watch: Watch, problem: Retryable | None, seconds: float) -> Outcome:
    """When to look again, and what this turn came to."""
    left = len(watch.in_flight) - watch.ended
    said = f"{watch.seen} of {len(watch.in_flight)} seen, {watch.ended} ended"
    if problem is not None:
        return Wait(max(seconds, problem.after or 0.0), reason=said, error=problem.message)
    return Wait(seconds, reason=said) if left else Done(said)


def settle_look(
    _tx: Tx, _job: Job, watch: Watch, problem: Retryable | None, _cx: Context
) -> Outcome:
    """A webhook had one run looked at; whatever it did not show, the watch will."""
    if problem is not None:
        return Done(f"left to the watch: {problem.message}")
    return Done("it has ended" if watch.ended else "it goes on")


def ending(run: RemoteRun | None, usable: Any) -> tuple[RemoteStatus, str | None]:
    """How a run ended, and why where it did not succeed."""
    if run is None:
        return RemoteStatus.FAILED, VANISHED
    if run.status is RemoteStatus.SUCCEEDED and not usable(run.output):
        return RemoteStatus.FAILED, f"It succeeded and has no output to fetch: {run.output!r}."
    if run.status is RemoteStatus.SUCCEEDED:
        return run.status, None
    if run.status in (RemoteStatus.CANCELED, RemoteStatus.ABORTED):
        return RemoteStatus.CANCELED, f"{run.status} at the provider"
    return RemoteStatus.FAILED, run.error or "The provider says failed, and not why."


def fetch(tx: Tx, kind: Kind, row: Row, cx: Context) -> None:
    """The run succeeded: its output is fetched next."""
    jobs.add(
        tx,
        kind,
        actor=cx.worker,
        target_id=row["id"],
        owner_id=row["owner_id"],
        subject_id=row["subject_id"],
        unique_key=f"{kind}:{row['id']}",
    )
