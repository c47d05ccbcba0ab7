"""Commands on cleanup: the clock's work, asked for by a person."""

from __future__ import annotations

from safelight.db import jobs
from safelight.db.transaction import Tx
from safelight.flow.commands import Actor
from safelight.flow.retention import PERIODIC, WALKS


def run_cleanup(tx: Tx, actor: Actor, *, walk: bool = False) -> None:
    """Make the plan due now; *walk*: the walks over store and provider too."""
    for kind in (*PERIODIC, *(WALKS if walk else ())):
        jobs.add(tx, kind, actor=actor.name, unique_key=str(kind))
