"""What every door and every worker works with: opened once a process, passed in, never patched."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from safelight.clients.broker import Broker
from safelight.db.transaction import Database
from safelight.domain.queues import Kind, Queue
from safelight.flow.drain import Drain
from safelight.flow.heartbeat import Heartbeat
from safelight.settings import Settings
from safelight.stages import poll
from safelight.stages.tools import Tools


@dataclass(frozen=True, slots=True)
class Context:
    """The open connections of one process, and its name (`worker`: who events say it was)."""

    settings: Settings
    db: Database
    tools: Tools
    broker: Broker
    heartbeat: Heartbeat
    worker: str
    drains: dict[Queue, Drain] = field(default_factory=lambda: {queue: Drain() for queue in Queue})
    watched: dict[Kind, poll.Memory] = field(default_factory=lambda: defaultdict(poll.Memory))
