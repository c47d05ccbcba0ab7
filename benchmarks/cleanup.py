"""What cleanup costs: 20,000 temporary objects through the `cleanup` queue, against a bare loop.

The bare loop knows its keys and sends DeleteObjects, 1,000 keys a request: the least a client can
do. Cleanup chooses them in Postgres (age, live trainings, jobs, holds), deletes and forgets them, by
the rules as shipped. Both delete objects of the same kind from the same store, in turns. The last
line is JSON. `make bench NAME=cleanup`.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from benchmarks.manners import say, stores_in, threads, workplace
from safelight import config
from safelight.clients.s3 import S3Store
from safelight.db import jobs
from safelight.db.migrate import migrate
from safelight.db.transaction import Database
from safelight.deps import open_store
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.perform import perform
from safelight.flow.work import WORKS
from safelight.stages.tools import Tools

OBJECTS = 20_000
ROUNDS = 3
NOTHING: Any = None


def fill(store: S3Store, name: str) -> list[str]:
    """So many small objects; their keys."""
    keys = [f"temporary/{name}/{number:05d}.zip" for number in range(OBJECTS)]

    def put(key: str) -> None:
        store.put_bytes(key, b"zip", "application/zip")

    with threads(8) as pool:
        for _ in pool.map(put, keys):
            pass
    return keys


def note(url: str, keys: list[str]) -> None:
    """They are temporary, and past their time."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY temporary_objects (key, purpose, expires_at) FROM STDIN") as copy:
            for key in keys:
                copy.write_row((key, "submission", "2020-01-01"))
        cursor.execute("ANALYZE temporary_objects")


def timed(run: Callable[[], None]) -> float:
    """Objects a second."""
    started = time.perf_counter()
    run()
    return OBJECTS / (time.perf_counter() - started)


def cleanup(cx: Context) -> None:
    """The job the clock starts, and its next turns as they fall due: waits and all."""
    with cx.db.transaction() as tx:
        id = jobs.add(tx, Kind.PURGE_TEMPORARY, actor="bench", unique_key="purge_temporary")
    while True:
        perform(Queue.CLEANUP, WORKS, cx)
        with cx.db.transaction() as tx:
            job = jobs.get(tx, id)
        if job is None or job.state != "ready":
            return
        time.sleep(0.02)


def bare(store: S3Store, keys: list[str]) -> None:
    """DeleteObjects and nothing else."""
    for start in range(0, len(keys), 1000):
        store.at.s3.delete_objects(
            Bucket=store.bucket,
            Delete={"Objects": [{"Key": key} for key in keys[start : start + 1000]], "Quiet": True},
        )


def main() -> None:
    """Rounds in turn, so that a slow minute of the machine hits both."""
    with workplace() as folder, stores_in(folder) as stores:
        migrate(stores.database_url)
        settings = config.load({**stores.environment, "REPLICATE_API_TOKEN": "r8_none"})
        store = open_store(settings)
        db = Database(stores.database_url, lambda _hints: None)
        tools = Tools(store, NOTHING, NOTHING)
        cx = Context(settings, db, tools, NOTHING, Heartbeat(db), "bench")
        pairs = []
        for number in range(ROUNDS):
            say(f"round {number + 1} of {ROUNDS}: {OBJECTS:,} objects are put, twice")
            keys = fill(store, f"bare{number}")
            plain = timed(partial(bare, store, keys))
            keys = fill(store, f"ours{number}")
            note(stores.database_url, keys)
            ours = timed(lambda: cleanup(cx))
            left = sum(1 for _ in store.list("temporary/"))
            assert left == 0, f"{left} objects are left"
            pairs.append((ours, plain))
            say(f"cleanup {ours:7.0f} objects/s   bare DeleteObjects {plain:7.0f} /s")
        db.close()
        store.close()
    print(
        json.dumps(
            {
                "objects_per_second": round(statistics.median(ours for ours, _ in pairs)),
                "vs_bare_delete_objects": round(statistics.median(o / p for o, p in pairs), 3),
                "rounds": ROUNDS,
                "objects": OBJECTS,
            }
        )
    )


if __name__ == "__main__":
    main()
