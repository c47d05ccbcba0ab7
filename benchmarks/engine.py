"""The engine's speed: durable trainings of five stages that do nothing, through five queues, against a
bare Celery chain of five (no durable state) and against Procrastinate and DBOS (durable).

All in one run on one machine, in turns, with fsync on, told as it goes. The last line is JSON.
`make bench NAME=engine` (seven minutes on two cores).
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import statistics
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import psycopg
import redis

from benchmarks.engines import probes, safelight_worker
from benchmarks.engines.base import Engine
from benchmarks.manners import say, stores_in, workplace
from safelight.db.migrate import migrate
from safelight.domain.queues import Queue


def celery(module: str) -> list[str]:
    """A Celery worker, with the flags of the Procfile."""
    return ["-m", "celery", "-A", module, "worker", "--without-mingle", "--without-gossip",
            "--loglevel", "WARNING"]  # fmt: skip


class Safelight(Engine):
    """Ours: the spine, five workers and the clock."""

    def prepare(self) -> None:
        migrate(self.url)
        self.cx = probes.context(self.url, self.broker)
        with self.cx.db.transaction() as tx:
            self._people = itertools.cycle(safelight_worker.people(tx))
        self._count = psycopg.connect(self.url, autocommit=True)

    def commands(self) -> list[tuple[list[str], dict[str, str]]]:
        env = {
            "DATABASE_URL": self.url,
            "BROKER_URL": self.broker,
            "REPLICATE_API_TOKEN": "r8_none",
            "S3_BUCKET": "bench",
            "LOG_LEVEL": "WARNING",
        }
        worker = celery("benchmarks.engines.safelight_worker")
        workers = [([*worker, "-n", str(q)], {**env, "BENCH_QUEUE": str(q)}) for q in Queue]
        return [*workers, (["-m", "workers.beat"], env)]

    def enqueue(self) -> None:
        probes.enqueue(self.cx, next(self._people))

    def done(self) -> int:
        row = self._count.execute(
            "SELECT count(*) FROM jobs WHERE kind = %s AND state = 'done'",
            (str(safelight_worker.STAGES[-1]),),
        ).fetchone()
        assert row is not None
        return int(row[0])


class BareCelery(Engine):
    """A chain of five tasks; nothing is durable."""

    def prepare(self) -> None:
        # A database of its own on the same server, so that the queues' lists do not meet ours.
        self.bare = f"{self.broker}?virtual_host=9"
        counter = self.broker.replace("redis+socket", "unix") + "?db=9"
        os.environ |= {"BENCH_CELERY_URL": self.bare, "BENCH_COUNTER_URL": counter}
        self._redis = redis.Redis.from_url(counter)
        # Its app reads where the broker is when it is imported, as Celery's apps do.
        self._module = importlib.import_module("benchmarks.engines.celery_worker")

    def commands(self) -> list[tuple[list[str], dict[str, str]]]:
        worker = celery("benchmarks.engines.celery_worker")
        return [
            ([*worker, "-n", f"bare-{q}", "-Q", str(q)],
             {"BENCH_QUEUE": str(q)})
            for q in Queue
        ]  # fmt: skip

    def enqueue(self) -> None:
        self._module.five(self._module.app, str(uuid4())).apply_async()

    def done(self) -> int:
        return int(self._redis.get(self._module.DONE) or 0)


KEYS = {
    "BareCelery": "vs_bare_celery",
    "Procrastinate": "vs_procrastinate",
    "Dbos": "vs_dbos",
}
"""The JSON key of our rate by each peer's."""


def durable_peers() -> list[Callable[..., Engine]]:
    """Procrastinate and DBOS, where they are installed."""
    if not (find_spec("procrastinate") and find_spec("dbos")):
        say("Procrastinate and DBOS are not installed: `make bench NAME=engine` installs them.")
        return []
    peers = importlib.import_module("benchmarks.engines.peers")
    return [peers.Procrastinate, peers.Dbos]


def rounds(engines: list[Engine], trainings: int, times: int) -> dict[str, list[float]]:
    """Trainings a second of each engine, in turns, so that a slow minute hits all alike."""
    rates: dict[str, list[float]] = {type(e).__name__: [] for e in engines}
    for number in range(times):
        for engine in engines:
            name = type(engine).__name__
            say(f"round {number + 1} of {times}  {name:14} starts")
            with engine.running():
                rate = trainings / engine.take(trainings)
            rates[name].append(rate)
            say(f"round {number + 1} of {times}  {name:14} {rate:8.1f} trainings/s")
    return rates


def ratio(rates: dict[str, list[float]], peer: str) -> float | None:
    """Median over the rounds of ours by the peer's."""
    if peer not in rates:
        return None
    pairs = zip(rates["Safelight"], rates[peer], strict=True)
    return round(statistics.median(ours / theirs for ours, theirs in pairs), 2)


def main() -> None:
    """Run it; see --help."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trainings", type=int, default=800, help="a round and engine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="engines, by comma: Safelight,BareCelery,...")
    parser.add_argument("--no-probes", action="store_true", help="throughput and latency only")
    given = parser.parse_args()
    kinds: list[Callable[..., Engine]] = [Safelight, BareCelery, *durable_peers()]
    with workplace() as folder, stores_in(folder) as stores:
        engines = [
            kind(stores, folder)
            for kind in kinds
            if not given.only or kind.__name__ in given.only.split(",")
        ]
        result: dict[str, Any] = {"trainings": given.trainings, "rounds": given.rounds}
        rates = rounds(engines, given.trainings, given.rounds)
        result["trainings_per_second"] = {
            k: round(statistics.median(v), 1) for k, v in rates.items()
        }
        for peer, key in KEYS.items():
            if (value := ratio(rates, peer)) is not None:
                result[key] = value
        if engines and isinstance(engines[0], Safelight):
            say("60 trainings one by one, on an idle system")
            with engines[0].running():
                idle = engines[0].latencies(60)
            result["idle_latency_ms"] = round(1000 * statistics.median(idle), 1)
            if not given.no_probes:
                result |= probes.run(engines[0].cx)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
