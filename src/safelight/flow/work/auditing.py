"""The rows around an audit that reads: traced in one transaction, read with none open, kept in another."""

from __future__ import annotations

from dataclasses import dataclass

from safelight.db import audits
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.links import Seen
from safelight.domain.nouns import Job
from safelight.domain.operations import Audit
from safelight.domain.outcome import Done, Outcome
from safelight.flow.audit import Traced, conclude, read_objects, trace
from safelight.flow.commands import Actor
from safelight.flow.commands.jobs import CANCELLED
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import target


@dataclass(frozen=True, slots=True)
class _Order:
    audit: Audit
    traced: Traced


def _begin(tx: Tx, job: Job, _cx: Context) -> _Order | Outcome:
    audit = audits.get(tx, target(job))
    if audit is None or audit.state != "waiting":
        return Done("nobody waits for it")
    try:
        return _Order(audit, trace(tx, Actor(audit.owner_id, audit.asked_by), audit.subject_id))
    except NotFound:
        return Done("the subject is being erased")


def _settle(tx: Tx, _job: Job, order: _Order, seen: dict[str, Seen], cx: Context) -> Outcome:
    found = conclude(order.traced, seen)
    audits.finish(tx, order.audit.id, result=found.to_dict(), actor=cx.worker)
    return Done(f"{len(found.versions)} versions: {found.verdict}")


def _cancel(tx: Tx, job: Job, cx: Context) -> None:
    audits.finish(tx, target(job), error=CANCELLED, actor=cx.worker)


AUDIT = Work(
    _begin,
    lambda order, cx, pulse: read_objects(order.traced, cx.tools.store, pulse),
    _settle,
    _cancel,
)
