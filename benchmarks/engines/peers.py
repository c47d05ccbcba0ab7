"""The durable peers. They are not among our requirements: `make bench NAME=engine` installs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import procrastinate
import psycopg
from dbos import DBOS, DBOSClient

from benchmarks.engines import dbos_worker
from benchmarks.engines.base import Engine
from safelight.domain.queues import Queue


def _database(url: str, name: str) -> str:
    """A database of its own on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return url.rsplit("/", 1)[0] + f"/{name}"


def _counter(url: str, query: bytes) -> Callable[[], int]:
    connection: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)

    def count() -> int:
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    return count


class Procrastinate(Engine):
    """Five durable jobs a training, each deferring the next; a worker process a queue."""

    def prepare(self) -> None:
        self.mine = _database(self.url, "procrastinate")
        self._app = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector(conninfo=self.mine)
        )
        self._app.open()
        self._app.schema_manager.apply_schema()
        self._first = self._app.configure_task("stage.0", queue=str(next(iter(Queue))))
        self._count = _counter(
            self.mine,
            b"SELECT count(*) FROM procrastinate_jobs "
            b"WHERE task_name = 'stage.4' AND status = 'succeeded'",
        )

    def commands(self) -> list[tuple[list[str], dict[str, str]]]:
        env = {"BENCH_DATABASE_URL": self.mine}
        return [(["-m", "benchmarks.engines.procrastinate_worker", str(q)], env) for q in Queue]

    def enqueue(self) -> None:
        self._first.defer(training=str(uuid4()))

    def done(self) -> int:
        return self._count()


class Dbos(Engine):
    """A workflow of five durable steps a training; two worker processes, one a core."""

    def prepare(self) -> None:
        self.mine = _database(self.url, "dbos")
        os.environ["BENCH_DATABASE_URL"] = self.mine
        dbos_worker.launch()  # makes the schema
        DBOS.destroy()
        self._client = DBOSClient(system_database_url=self.mine)
        self._count = _counter(
            self.mine, b"SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'"
        )

    def commands(self) -> list[tuple[list[str], dict[str, str]]]:
        env = {"BENCH_DATABASE_URL": self.mine}
        return [(["-m", "benchmarks.engines.dbos_worker"], env)] * 2

    def enqueue(self) -> None:
        dbos_worker.enqueue(self._client, str(uuid4()))

    def done(self) -> int:
        return self._count()
