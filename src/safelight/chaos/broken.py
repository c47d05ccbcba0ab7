"""Builds with one promise broken on purpose: a check that stays green on them proves nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from safelight.clients import replicate_http
from safelight.db import jobs
from safelight.db.statements import statements
from safelight.db.transaction import Database, Hint, Tx
from safelight.domain.provider import Unknown
from safelight.flow import heartbeat, sweep


def _replace(owner: Any, name: str, by: Any) -> None:
    setattr(owner, name, by)


def no_fence() -> None:
    """A worker whose lease has passed to another writes all the same."""
    texts = statements("jobs")._texts
    fence = re.compile(r"AND (jobs\.)?fence = \S+ AND (jobs\.)?lease_until IS NOT NULL")
    for name in ("finish_jobs", "wait_job", "park_job", "cancel_leased_job"):
        texts[name], found = fence.subn("", texts[name])
        if not found:
            raise LookupError(f"{name} has its fence in other words than the broken build knows.")
    jobs.hold = lambda *_: None
    _replace(heartbeat.Held, "check", lambda _held: None)


def early_hints() -> None:
    """A hint is sent when it is thought of, before the commit."""
    made = Database.__init__

    def make(self: Any, url: str, publish: Any, **more: Any) -> None:
        if getattr(publish, "__self__", None) is not None:  # a broker's, not an onlooker's
            _replace(Tx, "hint", lambda _tx, queue, job_id: publish([Hint(queue, job_id)]))
        made(self, url, lambda _hints: None, **more)

    _replace(Database, "__init__", make)


def retried_post() -> None:
    """A paid request whose answer is lost is sent again."""
    create = replicate_http.Http.create

    def create_again(self: Any, *arguments: Any, **more: Any) -> Any:
        for _ in range(4):
            reply = create(self, *arguments, **more)
            if not isinstance(reply, Unknown):
                break
            time.sleep(0.2)
        return reply

    replicate_http.Http.create = create_again  # type: ignore[method-assign]


def no_sweep() -> None:
    """What the broker loses stays lost."""
    sweep.sweep = lambda *_a, **_k: 0


BUILDS: dict[str, Callable[[], None]] = {
    "no-fence": no_fence,
    "early-hints": early_hints,
    "retried-post": retried_post,
    "no-sweep": no_sweep,
}
"""Name → what breaks it."""

BREAKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "no-fence": ("I3", ("stop past lease: preprocess",)),
    "early-hints": ("I6", ("link reset",)),
    "retried-post": ("I2", ("provider faults: create",)),
    "no-sweep": ("I6", ("kill worker: preprocess",)),
}
"""Name → the promise it must be seen to break, and the faults that bring it out."""
