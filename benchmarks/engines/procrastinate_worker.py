"""The peer: Procrastinate, five durable jobs a training, each deferring the next.

`python -m benchmarks.engines.procrastinate_worker QUEUE`, with BENCH_DATABASE_URL set.
"""

from __future__ import annotations

import asyncio
import os
import sys

import procrastinate

from benchmarks.engines import CONCURRENCY
from safelight.domain.queues import Queue

QUEUES = [str(queue) for queue in Queue]
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DATABASE_URL"])
)


def _stage(number: int) -> None:
    @app.task(name=f"stage.{number}", queue=QUEUES[number])
    async def stage(training: str) -> None:
        if number + 1 < len(QUEUES):
            await defer(number + 1, training)


async def defer(number: int, training: str) -> None:
    """The job of one stage."""
    await app.configure_task(f"stage.{number}").defer_async(training=training)


for index in range(len(QUEUES)):
    _stage(index)


async def main(queue: str) -> None:
    """Work on one queue until SIGTERM."""
    async with app.open_async():
        await app.run_worker_async(queues=[queue], concurrency=CONCURRENCY[Queue(queue)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
