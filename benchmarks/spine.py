"""What the spine costs: a no-op job through claim, begin, settle, against two bare commits.

Two commits a job are the least that a fenced ledger can do with fsync on; the ratio says how near the
spine comes to that limit. The last line is JSON. `make bench NAME=spine`.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

from benchmarks.manners import say, stores_in, workplace
from safelight import config
from safelight.db import jobs
from safelight.db.migrate import migrate
from safelight.db.transaction import Database
from safelight.domain.outcome import Done
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.perform import Work, perform

JOBS = 1_000
ROUNDS = 5
NOTHING: Any = None
WORKS = {Kind.PURGE_TEMPORARY: Work(lambda *_: "order", lambda *_: None, lambda *_: Done())}


def rate(run: Callable[[], None]) -> float:
    """Jobs a second of one round."""
    started = time.perf_counter()
    run()
    return JOBS / (time.perf_counter() - started)


def spine(cx: Context) -> None:
    """Every job through the spine, one after another."""
    with cx.db.transaction() as tx:
        for _ in range(JOBS):
            jobs.add(tx, Kind.PURGE_TEMPORARY, actor="bench")
    while perform(Queue.CLEANUP, WORKS, cx):
        pass


def bare(url: str) -> None:
    """The same number of jobs as two commits each: a row is taken, a row is done."""
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(JOBS):
            connection.execute(
                "INSERT INTO ticks (name, slot) VALUES (%s, clock_timestamp())", (str(number),)
            )
            connection.execute(
                "UPDATE ticks SET slot = clock_timestamp() WHERE name = %s", (str(number),)
            )
        connection.execute("DELETE FROM ticks")


def main() -> None:
    """Rounds in turn, so that a slow minute of the machine hits both."""
    with workplace() as folder, stores_in(folder) as stores:
        migrate(stores.database_url)
        db = Database(stores.database_url, lambda _hints: None)
        settings = config.load(
            {
                "DATABASE_URL": stores.database_url,
                "BROKER_URL": stores.broker_url,
                "REPLICATE_API_TOKEN": "r8_none",
            }
        )
        cx = Context(settings, db, NOTHING, NOTHING, Heartbeat(db), "bench")
        pairs = []
        for number in range(ROUNDS):
            pairs.append((rate(lambda: spine(cx)), rate(lambda: bare(stores.database_url))))
            say(
                f"round {number + 1} of {ROUNDS}: spine {pairs[-1][0]:7.0f} jobs/s   "
                f"two bare commits {pairs[-1][1]:7.0f} /s"
            )
        db.close()
    print(
        json.dumps(
            {
                "jobs_per_second": round(statistics.median(s for s, _ in pairs)),
                "vs_two_commits": round(statistics.median(s / b for s, b in pairs), 3),
                "rounds": ROUNDS,
                "jobs": JOBS,
            }
        )
    )


if __name__ == "__main__":
    main()
