"""The heartbeat: one thread a process renews the leases of every job the process holds.

It also brings back news: that someone asked for the job to be cancelled, or that the lease has
passed to another worker. Stages hear of both at `Pulse.check`, between their steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from safelight import logging
from safelight.db import jobs
from safelight.db.transaction import Database
from safelight.domain.errors import CancelAsked, LeaseLost, SafelightError
from safelight.domain.nouns import Job

log = logging.get(__name__)

BEATS_A_LEASE = 3
"""A lease lasts three beats, so that one lost beat costs nothing."""


class Held:
    """A job this process holds: the pulse its stage feels."""

    def __init__(self, job: Job, lease: float) -> None:
        self.job = job
        self.lease = lease
        self.renewed_at = time.monotonic()
        self.cancel_requested = job.cancel_requested_at is not None
        self.lost = False

    def check(self) -> None:
        """Raise `CancelAsked` or `LeaseLost` if the job is not ours to go on with."""
        if self.lost or time.monotonic() - self.renewed_at > self.lease:
            raise LeaseLost(f"The lease on job {self.job.id} was not renewed in {self.lease:g} s.")
        if self.cancel_requested:
            raise CancelAsked


class Heartbeat:
    """Renews leases. Make one a process, after fork; its thread starts with the first job."""

    def __init__(self, db: Database, lease: float | None = None) -> None:
        self._db = db
        self._lease = lease
        self._held: dict[UUID, Held] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, jobs: Sequence[Job]) -> Iterator[list[Held]]:
        """While the block runs, the leases on *jobs* are kept alive."""
        held = [Held(job, self._lease or job.kind.policy.lease) for job in jobs]
        with self._lock:
            was_idle = not self._held
            self._held |= {one.job.id: one for one in held}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
                self._thread.start()
            elif was_idle:
                self._wake.set()  # it sleeps without end while nothing is held
        try:
            yield held
        finally:
            with self._lock:
                for one in held:
                    if self._held.get(one.job.id) is one:
                        del self._held[one.job.id]

    def close(self) -> None:
        """End the thread."""
        self._stop = True
        self._wake.set()

    def _run(self) -> None:
        while not self._stop:
            with self._lock:
                leases = [held.lease for held in self._held.values()]
            self._wake.wait(min(leases) / BEATS_A_LEASE if leases else None)
            if self._wake.is_set():
                self._wake.clear()
                continue  # a job has just come: its first beat is a third of a lease away
            self._beat()

    def _beat(self) -> None:
        with self._lock:
            beaten = dict(self._held)
        if not beaten:
            return
        at = time.monotonic()
        try:
            with self._db.transaction() as tx:
                ours = jobs.renew(
                    tx, {id: held.job.fence for id, held in beaten.items()}, self._lease
                )
        except SafelightError as error:
            log.warning("heartbeat.missed", jobs=len(beaten), error=str(error))
            return
        except Exception:
            log.exception("heartbeat.missed", jobs=len(beaten))
            return
        for id, held in beaten.items():
            if id in ours:
                held.renewed_at = at
                held.cancel_requested = held.cancel_requested or ours[id]
            else:
                held.lost = True
