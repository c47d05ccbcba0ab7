"""Crash points: where a process is gone at once if the nemesis has put a file of that name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from safelight import config, deps
from safelight.clients.broker import Broker
from safelight.clients.replicate import ReplicateProvider
from safelight.db import invariants, jobs
from safelight.db.faults import DatabaseAway
from safelight.db.transaction import Database, Tx

PHANTOMS = "phantoms"
"""The file that lists hints which were sent before their job was committed."""


def install(folder: Path) -> None:
    """Wrap claims, commits, hints and paid requests of this process."""

    def point(name: str) -> None:
        if taken(folder, name):
            os.kill(os.getpid(), signal.SIGKILL)

    _wrap_claim(point)
    _wrap_send(folder, point)
    _wrap_commit(folder, point)
    _wrap_paid(point)


@cache
def _onlooker(_pid: int) -> Database:
    """A second session, opened after fork: it sees what is committed."""
    return deps.open_database(config.load(), _nowhere, 1)


def _nowhere(_hints: Sequence[Any]) -> None:
    """The onlooker sends no hints."""


def taken(folder: Path, name: str) -> bool:
    """Whether the file was there; one process alone takes it."""
    path = folder / name
    if not path.exists():
        return False
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _wrap_claim(point: Callable[[str], None]) -> None:
    claim = jobs.claim

    def claim_and_crash(*arguments: Any, **more: Any) -> Any:
        claimed = claim(*arguments, **more)
        if claimed:
            point("after_claim")
        return claimed

    jobs.claim = claim_and_crash


def _wrap_commit(folder: Path, point: Callable[[str], None]) -> None:
    transaction = Database.transaction

    @contextmanager
    def transaction_and_crash(self: Database) -> Iterator[Tx]:
        with transaction(self) as tx:
            yield tx
            point("before_commit")
        point("after_commit")
        if taken(folder, "exit_in_commit"):
            # What a signal's SystemExit inside COMMIT does: applied, and the code does not know.
            raise SystemExit(1)

    Database.transaction = transaction_and_crash  # type: ignore[method-assign]


def _wrap_paid(point: Callable[[str], None]) -> None:
    for name in ("create_training", "create_prediction"):
        create = getattr(ReplicateProvider, name)

        def create_and_crash(self: Any, _create: Any = create, **request: Any) -> Any:
            point("before_post")
            reply = _create(self, **request)
            point("after_post")
            return reply

        setattr(ReplicateProvider, name, create_and_crash)


def _wrap_send(folder: Path, point: Callable[[str], None]) -> None:
    send, look = Broker.send, Database.transaction

    def send_and_crash(self: Broker, hints: Sequence[Any]) -> None:
        point("before_hint")
        try:
            with look(_onlooker(os.getpid())) as tx:
                missing = invariants.uncommitted(tx, [hint.job_id for hint in hints])
        except DatabaseAway:
            missing = []
        if missing:
            with (folder / PHANTOMS).open("a") as file:
                file.writelines(f"{id}\n" for id in missing)
        send(self, hints)

    Broker.send = send_and_crash  # type: ignore[method-assign]
