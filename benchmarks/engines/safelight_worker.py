"""Ours: the spine, with five stages that do nothing. One process a queue, as in the Procfile.

Each job has its owner and its subject, as a real one has: its foreign keys are checked, and its turn is
reckoned among its owner's jobs. The second stage is the paid one, SUBMIT_TRAINING, which is taken alone.
The other four stand in for the real chain's INSPECT_PHOTOS, WATCH_TRAININGS, FETCH_WEIGHTS and
ARCHIVE_VERSION. Those take their time by nature; these do nothing, as the peers' stages do, so their
kinds are ones that are quick by nature and may be taken in batches.

`celery -A benchmarks.engines.safelight_worker worker`, with BENCH_QUEUE set.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from benchmarks.engines import CONCURRENCY
from safelight.db import jobs, owners, subjects
from safelight.db.transaction import Tx
from safelight.domain.ids import new_id
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.perform import Work
from workers.app import serve

STAGES = (
    Kind.REINSPECT,
    Kind.SUBMIT_TRAINING,
    Kind.LOOK_AT_TRAINING,
    Kind.SETTLE_GENERATION,
    Kind.DELETE_REMOTE_VERSION,
)
"""A kind a queue, in the order of `Queue`. Each is one that shares commits with others of its kind where the
queue has such a kind (not `alone`): the figure is that of quick jobs, as the peers' are."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whom a training is for: an owner, and one of the owner's subjects."""

    owner_id: UUID | None
    subject_id: UUID | None


OWNERS, SUBJECTS = 24, 20
"""Owners, and subjects of each."""


def people(tx: Tx) -> list[Whose]:
    """Make the owners and their subjects; those of one owner are not side by side."""
    made = []
    found = [owners.ensure(tx, f"bench {number}") for number in range(OWNERS)]
    for _ in range(SUBJECTS):
        for owner in found:
            id = new_id()
            subjects.add(
                tx,
                id=id,
                owner_id=owner.id,
                name=str(id),
                kind="character",
                trigger_word=f"bench{id.hex}",
                consent_note=None,
                actor="bench",
            )
            made.append(Whose(owner.id, id))
    return made


def add(tx: Tx, number: int, training: UUID | None, whose: Whose, actor: str) -> None:
    """The job of one stage of one training, with its key, as `flow.paid.follow` adds it."""
    kind = STAGES[number]
    jobs.add(
        tx,
        kind,
        actor=actor,
        target_id=training,
        owner_id=whose.owner_id,
        subject_id=whose.subject_id,
        unique_key=f"{kind}:{training}",
    )


def _begin(_tx: Tx, job: Job, _cx: Context) -> Any:
    return job.target_id


def _stage(number: int) -> Work[Any, Any]:
    def settle(tx: Tx, job: Job, _order: Any, _result: Any, cx: Context) -> Outcome:
        if number + 1 < len(STAGES):
            add(tx, number + 1, job.target_id, Whose(job.owner_id, job.subject_id), cx.worker)
        return Done()

    return Work(_begin, lambda *_: None, settle)


WORKS = {kind: _stage(number) for number, kind in enumerate(STAGES)}


def _queue() -> Queue:
    return Queue(os.environ["BENCH_QUEUE"])


if "BENCH_QUEUE" in os.environ:
    app = serve(_queue(), pool="threads", concurrency=CONCURRENCY[_queue()], works=WORKS)
