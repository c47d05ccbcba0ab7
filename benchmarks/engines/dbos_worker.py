"""The peer: DBOS, a workflow of five durable steps a training, taken from a queue.

`python -m benchmarks.engines.dbos_worker`, with BENCH_DATABASE_URL set. Two processes run it, one a core.
"""

from __future__ import annotations

import os
import signal
import threading

from dbos import DBOS, DBOSClient, EnqueueOptions

QUEUE = "trainings"
SLOTS = 14
"""Workflows a process: as many as our five workers have slots together."""


def launch() -> None:
    """DBOS with its workflow, taking from its queue."""
    url = os.environ["BENCH_DATABASE_URL"]
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "run_admin_server": False,
            "log_level": "WARNING",
        }
    )

    @DBOS.step()
    def stage(training: str) -> str:
        return training

    @DBOS.workflow(name="five")
    def five(training: str) -> str:
        for _ in range(5):
            training = stage(training)
        return training

    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=SLOTS, polling_interval_sec=0.05)


def enqueue(client: DBOSClient, training: str) -> None:
    """One workflow."""
    options: EnqueueOptions = {"workflow_name": "five", "queue_name": QUEUE}
    client.enqueue(options, training)


if __name__ == "__main__":
    launch()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    print("ready", flush=True)
    done.wait()
    DBOS.destroy()
