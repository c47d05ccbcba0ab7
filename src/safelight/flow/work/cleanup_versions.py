"""The rows around archiving: chosen, verified, archived, and then gone at the provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Never

from safelight import scratch
from safelight.db import jobs, retention, versions
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.nouns import Job, Version
from safelight.domain.outcome import Done, Outcome, Park, Wait
from safelight.domain.queues import Kind
from safelight.domain.retention import Rule, spoken
from safelight.domain.states import VersionState
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.retention import policy_of
from safelight.flow.work.common import target
from safelight.stages import cleanup
from safelight.stages.tools import Pulse

LOOK_FIRST_SECONDS = 20.0
"""A deletion at the provider is asynchronous: processed within minutes (replicate.md 2.1)."""
LOOK_LAST_SECONDS = 3600.0
ASK_AGAIN_SECONDS = 600.0


# Choose the versions beyond the newest N of their subject.


def _begin_choose(tx: Tx, _job: Job, cx: Context) -> Outcome:
    policy = policy_of(cx.settings)
    room = policy.pace.archives - jobs.count_open(tx, Kind.ARCHIVE_VERSION)
    old = retention.choose(tx, policy, Rule.VERSIONS, room)
    retention.let_go(tx, Rule.VERSIONS, old, actor=cx.worker)
    if len(old) == room:
        return Wait(policy.pace.pause, reason=f"{len(old)} versions to archive, and there are more")
    return Done(f"{len(old)} versions to archive")


CHOOSE: Work[Never, Never] = Work(_begin_choose)


# Archive one: ours is read back and hashed before the provider's copy may go.


def _version_of(tx: Tx, job: Job) -> Version:
    found = versions.get(tx, target(job))
    if found is None:
        raise NotFound(f"Job {job.id}: there is no version {job.target_id}.")
    return found


def _begin_archive(tx: Tx, job: Job, cx: Context) -> cleanup.ArchiveOrder | Outcome:
    version = _version_of(tx, job)
    if version.state != VersionState.CANDIDATE:
        return Done(f"the version is {version.state}")
    if version.stored is None:
        return Done("it was imported without weights: there is nothing of ours to keep")
    return cleanup.ArchiveOrder(
        version.stored.key,
        version.stored.bytes,
        version.stored.sha256,
        policy_of(cx.settings).storage_class,
    )


def _do_archive(order: cleanup.ArchiveOrder, cx: Context, pulse: Pulse) -> str | None:
    with scratch.folder() as work:
        return cleanup.archive(order, cx.tools.store, pulse, work)


def _settle_archive(
    tx: Tx, job: Job, _order: cleanup.ArchiveOrder, storage_class: str | None, cx: Context
) -> Outcome:
    version = _version_of(tx, job)
    if versions.archive(tx, version.id, storage_class=storage_class, actor=cx.worker) is None:
        return Done("it is needed again, or on hold")
    age = policy_of(cx.settings).ages[Rule.PROVIDER]
    if age is not None:
        jobs.add_for(
            tx,
            Kind.DELETE_REMOTE_VERSION,
            version.id,
            actor=cx.worker,
            owner_id=version.owner_id,
            subject_id=version.subject_id,
            delay=age,
        )
    return Done(f"version {version.number} is archived")


ARCHIVE = Work(_begin_archive, _do_archive, _settle_archive)


# Delete the provider's copy, and look until it is gone.


@dataclass(frozen=True, slots=True)
class _Asked:
    remote: cleanup.RemoteVersion
    seconds: float
    """Since it was asked for the first time."""


def _begin_delete(tx: Tx, job: Job, _cx: Context) -> _Asked | Outcome:
    asked = versions.ask_provider_delete(tx, target(job), again=ASK_AGAIN_SECONDS)
    if asked is None:
        return Done("the copy is needed, on hold, or gone already")
    return _Asked(
        cleanup.RemoteVersion(asked["provider_model"], asked["provider_version"], asked["ask"]),
        asked["seconds"],
    )


def _settle_delete(
    tx: Tx, job: Job, order: _Asked, found: cleanup.Deletion, cx: Context
) -> Outcome:
    name = f"{order.remote.model}:{order.remote.version[:12]}"
    match found:
        case cleanup.Gone():
            versions.provider_deleted(tx, target(job))
            return Done(f"{name} is gone at the provider")
        case cleanup.Listed():
            reason, error, passing = "the provider still lists it", None, True
        case cleanup.Refused(detail, passing):
            reason, error = "the provider refuses to delete it", detail
    patience = policy_of(cx.settings).patience
    over = not passing or order.seconds > patience
    versions.provider_refused(
        tx, target(job), error or reason, refused=error is not None, over=over
    )
    if not over:
        pause = min(max(LOOK_FIRST_SECONDS, order.seconds / 4), LOOK_LAST_SECONDS)
        return Wait(pause, reason=reason, error=error)
    waited = f" It was asked for {spoken(round(order.seconds))}." if passing else ""
    return Park(
        f"{name}: {error or reason}{waited} Our own copy is whole; look at the model's page at the "
        "provider, then `safelight retry` asks again and `safelight cancel` leaves it there.",
        reason=reason,
    )


DELETE_REMOTE = Work(
    _begin_delete,
    lambda order, cx, _pulse: cleanup.delete_remote(order.remote, cx.tools.provider),
    _settle_delete,
)
