"""How a queue is run: one Celery app a worker, one task a queue, the spine behind it.

The app that `celery -A workers.<queue> worker` finds knows its own queue, pool and limits, so the
command line needs no flags to be right.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

from celery import Celery, signals

from safelight import config, deps, logging, scratch
from safelight.clients import broker
from safelight.domain.queues import Queue
from safelight.flow.context import Context
from safelight.flow.perform import Works, perform
from safelight.flow.work import WORKS
from workers.starting import await_database, stop

log = logging.get(__name__)


class _PerProcess:
    """The context of this process: opened by the first task in it, so always after a fork."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._context: Context | None = None

    def get(self) -> Context:
        with self._lock:
            if self._context is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._context = deps.open_context(config.load(), str(self._queue))
            return self._context

    def close(self, **_: Any) -> None:
        with self._lock:
            if self._context is not None and self._pid == os.getpid():
                deps.close_context(self._context)
            self._context = None


def serve(
    queue: Queue, *, pool: str, concurrency: int, works: Works = WORKS, **limits: Any
) -> Celery:
    """The Celery app of *queue*: its one task takes a job's id and hands it to the spine."""
    app = Celery(f"safelight-{queue}")
    per_process = _PerProcess(queue)

    def configure(**_: Any) -> None:
        try:
            settings = broker.celery_settings(config.load().broker_url.get_secret_value(), [queue])
        except Exception as error:  # noqa: BLE001 (whatever it is, this worker cannot work)
            logging.setup(component=str(queue))
            stop("worker.stopped", error)
        app.config_from_object(
            {
                **settings,
                "worker_consumer": "workers.consumer:LastingConsumer",
                "worker_pool": pool,
                "worker_concurrency": concurrency,
                **limits,
            }
        )

    @app.task(name=str(queue), ignore_result=True)  # type: ignore[untyped-decorator]
    def task(_job_id: object) -> None:
        # The id says which job the hint was sent for. Whoever takes a hint works off what is due, in
        # fair turns, so that job may have been done already, or be another slot's.
        perform(queue, works, per_process.get())

    app.on_configure.connect(configure, weak=False)
    signals.setup_logging.connect(partial(_setup_logging, queue), weak=False)
    signals.worker_init.connect(partial(_stop_unless_fit, queue), weak=False)
    signals.worker_init.connect(_tidy, weak=False)
    signals.worker_ready.connect(_say_ready, weak=False)
    signals.worker_process_shutdown.connect(per_process.close, weak=False)
    signals.worker_shutdown.connect(per_process.close, weak=False)
    return app


def _setup_logging(queue: Queue, **_: Any) -> None:
    settings = config.load()
    logging.setup(settings.log_format, settings.log_level, component=str(queue))


def _stop_unless_fit(queue: Queue, **_: Any) -> None:
    """A worker that cannot work says so and stops (SystemExit passes Celery's signals)."""
    try:
        _setup_logging(queue)  # Celery's own turn for it comes later
        await_database(config.load())
    except Exception as error:  # noqa: BLE001 (Celery would swallow it, and the worker would do nothing)
        stop("worker.stopped", error)


def _tidy(**_: Any) -> None:
    """What the worker before us left, if it was killed; its successor may have nothing to do."""
    scratch.sweep()


def _say_ready(**_: Any) -> None:
    log.info("worker.ready")
    if ready_file := config.load().ready_file:
        ready_file.touch()
