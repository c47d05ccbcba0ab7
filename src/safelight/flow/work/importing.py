"""The rows around an import that a producer asked for: fetched and verified with no transaction open."""

from __future__ import annotations

from dataclasses import dataclass

from safelight import scratch
from safelight.db import imports, temporary
from safelight.db.transaction import Tx
from safelight.domain.errors import (
    BadArchive,
    Conflict,
    ConsentMissing,
    Invalid,
    NotFound,
    ProviderRefused,
    TokenRefused,
)
from safelight.domain.ids import new_id
from safelight.domain.nouns import Job, StoredWeights, Version
from safelight.domain.operations import Import
from safelight.domain.outcome import Done, Outcome
from safelight.flow.commands import Actor, importing
from safelight.flow.commands.jobs import CANCELLED
from safelight.flow.context import Context
from safelight.flow.ownership import refuse_anothers
from safelight.flow.perform import Work
from safelight.flow.work.common import target
from safelight.stages import importing as stage
from safelight.stages.tools import Pulse

REFUSALS = (BadArchive, Conflict, ConsentMissing, Invalid, NotFound, ProviderRefused)
"""Endings that no retry mends: the import has failed, and says why."""


@dataclass(frozen=True, slots=True)
class _Order:
    asked: Import
    model: str
    version: str | None
    key: str
    """Where its weights go."""


@dataclass(frozen=True, slots=True)
class _Taken:
    found: stage.Found
    stored: StoredWeights | None
    trigger: str


@dataclass(frozen=True, slots=True)
class _Refused:
    why: str


def _begin(tx: Tx, job: Job, _cx: Context) -> _Order | Outcome:
    asked = imports.get(tx, target(job))
    if asked is None or asked.state != "waiting":
        return Done("nobody waits for it")
    model, version = importing.named(asked.model)
    key = f"weights/{asked.subject_id}/{new_id()}.safetensors"
    temporary.note(
        tx,
        key,
        purpose="import",
        seconds=importing.UNUSED_SECONDS,
        subject_id=asked.subject_id,
    )
    return _Order(asked, model, version, key)


def _do(order: _Order, cx: Context, pulse: Pulse) -> _Taken | _Refused | Version:
    asked = order.asked
    provider = cx.tools.provider
    try:
        # Which account is ours is known for sure only now, and which version is the newest.
        account = provider.account()
        version = order.version or provider.latest_version(order.model)
        with cx.db.transaction() as tx:
            refuse_anothers(tx, asked.owner_id, order.model, version, account=account)
            there = importing.there_is(tx, asked.owner_id, asked.subject_id, version, None)
        if there is not None:
            return there  # before gigabytes of it are fetched again
        pulse.check()
        with scratch.folder() as work:
            found = stage.look(provider, work, model=order.model, version=version, file=None)
            trigger = importing.trigger_of(found, asked.trigger_word)
            pulse.check()
            return _Taken(found, stage.store(found, cx.tools.store, order.key), trigger)
    except TokenRefused:
        raise  # about us, and not about what was asked for
    except REFUSALS as error:
        return _Refused(str(error))


def _settle(
    tx: Tx, _job: Job, order: _Order, result: _Taken | _Refused | Version, cx: Context
) -> Outcome:
    asked = order.asked
    if isinstance(result, _Refused):
        imports.finish(tx, asked.id, error=result.why, actor=cx.worker)
        return Done(f"not imported: {result.why}")
    if isinstance(result, Version):
        imports.finish(tx, asked.id, version_id=result.id, actor=cx.worker)
        return Done(f"version {result.number}, imported before")
    try:
        with tx.savepoint():
            version, new = importing.keep(
                tx,
                Actor(asked.owner_id, asked.asked_by),
                asked.subject_id,
                result.found,
                result.stored,
                trigger=result.trigger,
                scale=asked.lora_scale,
            )
    except REFUSALS as error:
        imports.finish(tx, asked.id, error=str(error), actor=cx.worker)
        return Done(f"not imported: {error}")
    imports.finish(tx, asked.id, version_id=version.id, actor=cx.worker)
    return Done(f"version {version.number}" + ("" if new else ", imported before"))


def _cancel(tx: Tx, job: Job, cx: Context) -> None:
    imports.finish(tx, target(job), error=CANCELLED, actor=cx.worker)


IMPORT = Work(_begin, _do, _settle, _cancel)
