"""Ours: the spine, with five stages that do nothing. One process a queue, as in the Procfile.

`celery -A benchmarks.engines.safelight_worker worker`, with BENCH_QUEUE set.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID

from benchmarks.engines import CONCURRENCY
from safelight.db import jobs
from safelight.db.transaction import Tx
from safelight.domain.nouns import Job
from safelight.domain.outcome import Done, Outcome
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.perform import Work
from workers.app import serve

STAGES = (
    Kind.BUILD_DATASET,
    Kind.PREPARE_SUBMISSION,
    Kind.WATCH_TRAININGS,
    Kind.FETCH_WEIGHTS,
    Kind.ARCHIVE_VERSION,
)
"""A kind a queue, in the order of `Queue`."""


def add(tx: Tx, number: int, training: UUID | None, actor: str) -> None:
    """The job of one stage of one training, with its key, as `flow.paid.follow` adds it."""
    kind = STAGES[number]
    jobs.add(tx, kind, actor=actor, target_id=training, unique_key=f"{kind}:{training}")


def _begin(_tx: Tx, job: Job, _cx: Context) -> Any:
    return job.target_id


def _stage(number: int) -> Work:
    def settle(tx: Tx, job: Job, _order: Any, _result: Any, cx: Context) -> Outcome:
        if number + 1 < len(STAGES):
            add(tx, number + 1, job.target_id, cx.worker)
        return Done()

    return Work(_begin, lambda *_: None, settle)


WORKS = {kind: _stage(number) for number, kind in enumerate(STAGES)}


def _queue() -> Queue:
    return Queue(os.environ["BENCH_QUEUE"])


if "BENCH_QUEUE" in os.environ:
    app = serve(_queue(), pool="threads", concurrency=CONCURRENCY[_queue()], works=WORKS)
