"""The broker: it carries hints and nothing else.

A hint that is lost costs one sweep, one that comes twice costs a claim that finds nothing; so a
publish that fails is logged and let go.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import uuid4

import redis
from celery import Celery
from kombu.entity import Queue as KombuQueue
from kombu.exceptions import OperationalError
from kombu.pools import producers
from redis.backoff import NoBackoff
from redis.retry import Retry

from safelight import logging
from safelight.clients import redis_url
from safelight.clients.redis_url import is_redis
from safelight.domain.errors import Unavailable
from safelight.domain.queues import Queue

log = logging.get(__name__)


ENOUGH = 16
"""Hints that wait in a queue, enough to wake every slot of a few workers; the sweep tops it up."""

IMPATIENT = {"socket_timeout": 2, "socket_connect_timeout": 2, "retry_on_timeout": False}


IMPATIENT_AMQP = {"read_timeout": 2, "write_timeout": 2}


PASSING_ANSWERS: tuple[type[Exception], ...] = (redis.ResponseError,)
"""What a broker answers for a while and not for good: a replica that takes over, a server that is full."""


class BrokerUnusable(Unavailable):
    """The broker does not take hints."""

    code = "broker-unusable"


class HintLike(Protocol):
    """A queue and the id of a job on it."""

    @property
    def queue(self) -> Queue: ...
    @property
    def job_id(self) -> Any: ...


def transport_options(url: str) -> dict[str, Any]:
    """The transport's settings (reference: celery.md section 8, measured in its section 0)."""
    kind = redis_url.read(url).kind
    if kind == "amqp":
        # No confirms: a broker that hangs would hold up whoever publishes, Celery's own events
        # included, without an end. A hint that is lost is swept.
        return {}
    options: dict[str, Any] = {
        # Not renewed while a task runs; the sweep is the real recovery.
        "visibility_timeout": 300,
        # The default sweep of unacked messages is every 100 s (experiment B).
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # Unset, a half-open connection hangs the worker (experiment H).
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        # Without it a popped message is lost (H+st against H+rot); a doubled hint is harmless.
        "retry_on_timeout": True,
        "health_check_interval": 10,
        # Hints have no priorities: one list a queue, where the default asks four for every length.
        "priority_steps": [0],
    }
    if kind != "socket":
        options["socket_keepalive"] = True
    return options


def celery_settings(url: str, queues: Sequence[Queue]) -> dict[str, Any]:
    """The settings every Celery app of ours shares; *queues* are those it may know.

    Raises:
        UnusableBroker: hints would not get anywhere by *url*.
    """
    for_kombu, more = redis_url.for_kombu(url)
    options = {**transport_options(url), **more.pop("broker_transport_options", {})}
    return {
        **more,
        "broker_url": for_kombu,
        "broker_transport_options": options,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 10,
        "task_publish_retry_policy": {
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.5,
            "interval_max": 1,
        },
        "task_queues": [
            KombuQueue(str(q), routing_key=str(q))  # type: ignore[no-untyped-call]
            for q in queues
        ],
        "task_default_queue": str(queues[0]),
        "task_create_missing_queues": False,
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": is_redis(url),
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_eta_task_limit": 100,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": False,
    }


class Broker:
    """Sends hints. Make one a process, after fork."""

    def __init__(self, url: str, *, lengths: redis.Redis | None = None) -> None:
        """*lengths*: a connection that tells how long the queues are, in place of one made by *url*."""
        self._app = Celery("safelight-hints", set_as_current=False)
        settings = celery_settings(url, tuple(Queue))
        # Whoever sends a hint does not wait for a broker that hangs: the sweep sends it again.
        settings["task_publish_retry"] = False
        settings["broker_transport_options"] |= IMPATIENT if is_redis(url) else IMPATIENT_AMQP
        settings["broker_connection_timeout"] = 2
        self._app.config_from_object(settings)
        with self._app.connection_for_write() as connection:
            # What kombu wraps, and what the transport raises where it does not.
            self._faults: tuple[type[BaseException], ...] = (
                *(OperationalError, OSError, redis.RedisError),
                *connection.connection_errors,
                *connection.channel_errors,
            )
        # kombu makes a client anew for each length it asks: half of what a small job costs us.
        self._lengths: Any = lengths
        if lengths is None and is_redis(url):
            self._lengths = redis_url.client(
                url,
                socket_timeout=IMPATIENT["socket_timeout"],
                socket_connect_timeout=IMPATIENT["socket_connect_timeout"],
                # A connection that went stale is made anew; one that hangs is not waited for twice.
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )

    def send(self, hints: Sequence[HintLike]) -> None:
        """Publish hints, as far as their queues do not hold `ENOUGH` that nobody has taken yet.

        Whoever takes a hint works off what is due, and looks after our commit: a hint that still
        waits is as good as another. A failure is logged, and the sweep sends what is missing.
        """
        by_queue: dict[Queue, list[HintLike]] = {}
        for hint in hints:
            by_queue.setdefault(hint.queue, []).append(hint)
        try:
            for queue, some in by_queue.items():
                self._send(queue, some[: max(0, ENOUGH - self._waiting(queue))])
        except self._faults as error:
            log.warning(
                "hints.not_sent", count=len(hints), error=f"{type(error).__name__}: {error}"
            )

    def _send(self, queue: Queue, hints: Sequence[HintLike]) -> None:
        if not hints:
            return
        with self._producer() as producer:
            for hint in hints:
                self._app.send_task(
                    str(queue),
                    (str(hint.job_id),),
                    queue=str(queue),
                    producer=producer,
                    ignore_result=True,
                )

    def _waiting(self, queue: Queue) -> int:
        if self._lengths is not None:
            return int(self._lengths.llen(str(queue)))
        with self._producer() as producer:
            declared = producer.channel.queue_declare(
                queue=str(queue), durable=True, auto_delete=False
            )
            return int(declared.message_count)

    def depths(self) -> dict[Queue, int]:
        """How many hints wait in each queue. Raises what the transport raises if it is away.

        A connection of its own for each call: one that went stale would be wrong for ever.
        """
        with self._app.connection_for_write() as connection:
            return {queue: self._depth(connection, queue) for queue in Queue}

    @staticmethod
    def _depth(connection: Any, queue: Queue) -> int:
        with connection.channel() as channel:
            try:
                return int(channel.queue_declare(queue=str(queue), passive=True).message_count)
            except connection.channel_errors:  # Redis knows no list that is empty
                return 0

    def ping(self) -> None:
        """Raise OperationalError unless the broker answers."""
        with self._app.connection_for_write(connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=3)

    def try_out(self) -> float:
        """Send a hint the way every hint goes, through a queue of its own; the seconds it took.

        Raises:
            BrokerUnusable: it was not taken, or did not come out.
        """
        name = f"safelight-doctor-{uuid4()}"
        started = time.monotonic()
        try:
            self.ping()
            with self._producer() as producer:
                queue: Any = KombuQueue(name, routing_key=name)(  # type: ignore[no-untyped-call]
                    producer.channel
                )
                queue.declare()
                try:
                    producer.publish(name, routing_key=name, serializer="json", retry=False)
                    came = queue.get(no_ack=True)
                finally:
                    queue.delete()
        except self._faults as error:
            raise BrokerUnusable(f"The broker does not take hints: {_words(error)}.") from error
        if came is None or came.payload != name:
            raise BrokerUnusable("The broker took a hint, and it did not come out again.")
        return time.monotonic() - started

    @contextmanager
    def _producer(self) -> Iterator[Any]:
        connection = self._app.connection_for_write()
        with producers[connection].acquire(block=True, timeout=10) as producer:
            yield producer

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        if self._lengths is not None:
            self._lengths.close()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(" .:")
