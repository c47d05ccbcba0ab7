"""Single measurements of our engine: claim, sweep, hints, heartbeat."""

from __future__ import annotations

import statistics
import time
from typing import Any

import psycopg

from benchmarks.engines import safelight_worker
from benchmarks.manners import say
from safelight import config
from safelight.clients.broker import Broker
from safelight.db import jobs
from safelight.db.migrate import migrate
from safelight.db.statements import statements
from safelight.db.transaction import Database, Hint
from safelight.domain.ids import new_id
from safelight.domain.outcome import Done
from safelight.domain.queues import Kind, Queue
from safelight.flow.context import Context
from safelight.flow.heartbeat import Heartbeat
from safelight.flow.sweep import sweep

NOTHING: Any = None


def context(database_url: str, broker_url: str) -> Context:
    """What a producer has open."""
    settings = config.load(
        {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "REPLICATE_API_TOKEN": "r8_none",
            "S3_BUCKET": "bench",
        }
    )
    broker = Broker(broker_url)
    db = Database(database_url, broker.send)
    return Context(settings, db, NOTHING, broker, Heartbeat(db), "bench")


def enqueue(cx: Context, whose: safelight_worker.Whose) -> None:
    """One training: its first job."""
    with cx.db.transaction() as tx:
        safelight_worker.add(tx, 0, new_id(), whose, "bench")


FINISHED, DUE = 1_000_000, 100_000
AT_ONCE = 100_000
PASSES = 12
CLAIMS = 200
"""Claims a pass, each in the empty table and then in the full one: a machine has slow seconds."""


def run(cx: Context) -> dict[str, Any]:
    """Claims on an empty table and over a million finished rows, a sweep over a hundred thousand due
    ones, hints a second, and a heartbeat over a thousand leases."""
    say("hints, and a heartbeat over a thousand leases")
    found: dict[str, Any] = {"hints_a_second": _hints(cx), "heartbeat_of_1000_ms": _heartbeat(cx)}
    say("claims in an empty table and in one with a million finished jobs, which is filled first")
    found |= _claims(cx)
    say("sweeps over a hundred thousand due jobs")
    url = cx.settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO jobs (id, queue, kind, max_attempts, lease_seconds) "
            "SELECT ('01910000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'cleanup', "
            "'delete_remote_version', 8, 30 FROM generate_series(1, %s) AS n",
            (DUE,),
        )
        connection.execute("ANALYZE jobs")
    started = time.perf_counter()
    for _ in range(20):
        sweep(cx.db, lambda: dict.fromkeys(Queue, 10**6))
    found["sweep_of_100000_due_ms"] = round((time.perf_counter() - started) / 20 * 1000, 2)
    found["sweep_plan"] = _plan(cx)
    return found


def _claims(cx: Context) -> dict[str, Any]:
    """Of one claim, in a database that has nothing else and in one with a million finished jobs."""
    url = cx.settings.database_url.get_secret_value()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('CREATE DATABASE "nothing"')
    nothing = url.rsplit("/", 1)[0] + "/nothing"
    migrate(nothing)
    # Each with one session of its own: the one of the rounds has several, and takes them in turn.
    few, many = (context(at, cx.settings.broker_url.get_secret_value()) for at in (nothing, url))
    # Past our pool, whose statements end after a while: on a busy machine this takes a minute.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, events")
        for first in range(1, FINISHED, AT_ONCE):
            # As ids are made: in the order of time.
            connection.execute(
                "INSERT INTO jobs (id, queue, kind, state, max_attempts, lease_seconds, finished_at) "
                "SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'cleanup', "
                "'delete_remote_version', 'done', 8, 30, now() FROM generate_series(%s, %s) AS n",
                (first, first + AT_ONCE - 1),
            )
        say("filled; it is tidied as one that grew with time")
        # As it is in a table that grew with time, and else comes while the claims are timed.
        connection.execute("VACUUM (ANALYZE) jobs")
        connection.execute("CHECKPOINT")
    taken: dict[str, list[float]] = {"empty": [], "million_finished": []}
    for number in range(PASSES + 1):
        for own in (few, many):
            with own.db.transaction() as tx:
                for _ in range(CLAIMS):
                    jobs.add(tx, Kind.DELETE_REMOTE_VERSION, actor="bench")
        say(f"pass {number} of {PASSES}" if number else "a pass to warm up")
        for _ in range(CLAIMS):
            pair = _claim_ms(few), _claim_ms(many)
            if number:  # the first pass warms up
                for side, ms in zip(taken.values(), pair, strict=True):
                    side.append(ms)
    for own in (few, many):
        own.db.close()
        own.broker.close()
    medians = {name: statistics.median(side) for name, side in taken.items()}
    return {
        "claim_ms": {name: round(ms, 3) for name, ms in medians.items()},
        "claim_million_vs_empty": round(medians["million_finished"] / medians["empty"], 2),
    }


def _claim_ms(cx: Context) -> float:
    """Milliseconds of one claim, with a job there to be had."""
    with cx.db.transaction() as tx:
        started = time.perf_counter()
        claimed = jobs.claim(tx, Queue.CLEANUP, "bench")
        taken = time.perf_counter() - started
        jobs.settle(tx, [(claimed[0], Done())], "bench")
    return taken * 1000


def _plan(cx: Context) -> str:
    """How the sweep's statement is carried out; a test holds it to an index."""
    with cx.db.transaction() as tx:
        rows = tx.rows(
            "EXPLAIN " + statements("jobs").next_due, {"queue": str(Queue.CLEANUP), "limit": 64}
        )
    plan = " ".join(row["QUERY PLAN"] for row in rows)
    return "sequential scan" if "Seq Scan on jobs" in plan else "index"


def _hints(cx: Context, count: int = 2_000) -> int:
    """Hints a second, each after a commit of its own, to queues that take every one."""
    hints = [Hint(queue, new_id()) for queue in Queue for _ in range(count // len(Queue))]
    started = time.perf_counter()
    for hint in hints:
        cx.broker.send([hint])
    return round(count / (time.perf_counter() - started))


def _heartbeat(cx: Context) -> float:
    """Milliseconds to renew a thousand leases."""
    with cx.db.transaction() as tx:
        for _ in range(1_000):
            jobs.add(tx, Kind.DELETE_REMOTE_VERSION, actor="bench")
        held = {job.id: job.fence for job in jobs.claim(tx, Queue.CLEANUP, "bench", limit=1_000)}
    started = time.perf_counter()
    with cx.db.transaction() as tx:
        jobs.renew(tx, held)
    return round((time.perf_counter() - started) * 1000, 1)
