"""The `poll` queue burns the provider's rate limit: all that is in flight is watched in batches."""

from __future__ import annotations

from safelight.domain.queues import Queue
from workers.app import serve

app = serve(Queue.POLL, pool="threads", concurrency=2)
