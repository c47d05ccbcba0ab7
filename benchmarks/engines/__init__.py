"""The engines that `benchmarks.engine` runs side by side, each in worker processes of its own."""

from __future__ import annotations

from safelight.domain.queues import Queue

CONCURRENCY = {
    Queue.PREPROCESS: 2,
    Queue.SUBMIT: 4,
    Queue.POLL: 2,
    Queue.GENERATE: 4,
    Queue.CLEANUP: 2,
}
"""Slots of a worker process, as in `workers/`; all engines get the same."""
