"""The `generate` queue burns bandwidth: weights and images are fetched, verified and stored."""

from __future__ import annotations

from safelight.domain.queues import Queue
from workers.app import serve

app = serve(Queue.GENERATE, pool="threads", concurrency=4)
