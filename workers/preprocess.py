"""The `preprocess` queue burns CPU and disk: photos are inspected, datasets built. Processes, one a core."""

from __future__ import annotations

from safelight import config
from safelight.domain.queues import Queue
from workers.app import serve

app = serve(
    Queue.PREPROCESS,
    pool="prefork",
    concurrency=config.cores(),
    task_time_limit=900,
    worker_max_tasks_per_child=200,
)
