"""The `submit` queue burns money: paid requests, one POST each. Threads that wait.

No time limit: none may cut a paid request short.
"""

from __future__ import annotations

from safelight.domain.queues import Queue
from workers.app import serve

app = serve(Queue.SUBMIT, pool="threads", concurrency=4)
