"""The `cleanup` queue burns nothing in a hurry: old versions are archived, temporary objects purged."""

from __future__ import annotations

from safelight.domain.queues import Queue
from workers.app import serve

app = serve(Queue.CLEANUP, pool="threads", concurrency=2)
