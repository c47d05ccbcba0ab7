"""The peer: a bare Celery chain of five tasks that do nothing, over the same broker, with the same safe
settings and pools as ours and no durable state.

`celery -A benchmarks.engines.celery_worker worker`, with BENCH_QUEUE set.
"""

from __future__ import annotations

import os
from typing import Any

import redis
from celery import Celery, chain

from benchmarks.engines import CONCURRENCY
from safelight.clients.broker import celery_settings
from safelight.domain.queues import Queue

DONE = "bench:celery:done"
URL = os.environ["BENCH_CELERY_URL"]


def make_app(queues: list[Queue]) -> Celery:
    """An app that knows *queues*, with a task a stage."""
    app = Celery("bare")
    app.config_from_object(celery_settings(URL, queues))
    counter = redis.Redis.from_url(os.environ["BENCH_COUNTER_URL"])
    for queue in Queue:
        _stage(app, queue, counter)
    return app


def _stage(app: Celery, queue: Queue, counter: Any) -> None:
    last = queue is tuple(Queue)[-1]

    @app.task(name=f"bare.{queue}", queue=str(queue), ignore_result=True)
    def stage(training: str) -> str:
        if last:
            counter.incr(DONE)
        return training


def five(app: Celery, training: str) -> Any:
    """The chain of one training."""
    (task, queue), *others = [(app.tasks[f"bare.{queue}"], str(queue)) for queue in Queue]
    return chain(
        task.s(training).set(queue=queue),
        *(later.s().set(queue=its_queue) for later, its_queue in others),
    )


def _worker() -> Celery:
    queue = Queue(os.environ["BENCH_QUEUE"])
    app = make_app([queue, *(q for q in Queue if q is not queue)])
    app.conf.update(worker_pool="threads", worker_concurrency=CONCURRENCY[queue])
    return app


app = _worker() if "BENCH_QUEUE" in os.environ else make_app(list(Queue))
