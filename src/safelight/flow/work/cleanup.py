"""The rows around the `cleanup` stages: what is chosen, and what is written once it is gone."""

from __future__ import annotations

from safelight.db import jobs, subjects, temporary, versions
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.nouns import Job, Version
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.queues import Kind
from safelight.domain.states import VersionState
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import folder, target
from safelight.stages import cleanup
from safelight.stages.tools import Pulse

BATCH = 100
"""What one turn chooses or purges: cleanup never competes with work."""
LOOK_AGAIN_SECONDS = 20.0
"""A deletion at the provider is asynchronous: processed within minutes (replicate.md 2.1)."""


# Choose the versions beyond the newest N of their subject.


def _begin_choose(tx: Tx, _job: Job, cx: Context) -> Outcome:
    old = versions.to_archive(tx, keep=cx.settings.keep_versions, limit=BATCH)
    for row in old:
        jobs.add(
            tx,
            Kind.ARCHIVE_VERSION,
            actor=cx.worker,
            target_id=row["id"],
            subject_id=row["subject_id"],
            unique_key=f"{Kind.ARCHIVE_VERSION}:{row['id']}",
        )
    return Done(f"{len(old)} versions to archive")


CHOOSE = Work(_begin_choose)


# Archive one: ours is read back and hashed before the provider's copy may go.


def _version_of(tx: Tx, job: Job) -> Version:
    found = versions.get(tx, target(job))
    if found is None:
        raise NotFound(f"Job {job.id}: there is no version {job.target_id}.")
    return found


def _begin_archive(tx: Tx, job: Job, _cx: Context) -> cleanup.ArchiveOrder | Outcome:
    version = _version_of(tx, job)
    if version.state != VersionState.CANDIDATE:
        return Done(f"the version is {version.state}")
    return cleanup.ArchiveOrder(version.weights_key, version.weights_bytes, version.weights_sha256)


def _do_archive(order: cleanup.ArchiveOrder, cx: Context, pulse: Pulse) -> None:
    with folder() as work:
        cleanup.verify_archive(order, cx.tools.store, pulse, work)


def _settle_archive(
    tx: Tx, job: Job, _order: cleanup.ArchiveOrder, _result: None, cx: Context
) -> Outcome:
    version = _version_of(tx, job)
    if versions.archive(tx, version.id, actor=cx.worker) is None:
        return Done("it is needed again")
    jobs.add(
        tx,
        Kind.DELETE_REMOTE_VERSION,
        actor=cx.worker,
        target_id=version.id,
        owner_id=version.owner_id,
        subject_id=version.subject_id,
        unique_key=f"{Kind.DELETE_REMOTE_VERSION}:{version.id}",
    )
    return Done(f"version {version.number} is archived")


ARCHIVE = Work(_begin_archive, _do_archive, _settle_archive)


# Delete the provider's copy, and look until it is gone.


def _begin_delete(tx: Tx, job: Job, _cx: Context) -> cleanup.RemoteVersion | Outcome:
    version = _version_of(tx, job)
    if version.state not in (VersionState.ARCHIVED, VersionState.DELETED):
        return Done(f"the version is {version.state}: its copy is needed")
    if version.provider_deleted_at is not None:
        return Done("it is gone already")
    versions.ask_provider_delete(tx, version.id)
    return cleanup.RemoteVersion(version.provider_model, version.provider_version)


def _do_delete(order: cleanup.RemoteVersion, cx: Context, _pulse: Pulse) -> bool:
    return cleanup.delete_remote(order, cx.tools.provider)


def _settle_delete(
    tx: Tx, job: Job, order: cleanup.RemoteVersion, gone: bool, _cx: Context
) -> Outcome:
    if not gone:
        return Wait(LOOK_AGAIN_SECONDS, reason="the provider still lists it", fresh=False)
    versions.provider_deleted(tx, target(job))
    return Done(f"{order.model}:{order.version[:12]} is gone at the provider")


DELETE_REMOTE = Work(_begin_delete, _do_delete, _settle_delete)


# Purge what is temporary and past its age.


def _begin_purge(tx: Tx, _job: Job, cx: Context) -> list[str] | Outcome:
    due = temporary.due(tx, limit=BATCH)
    if not due:
        return Done("nothing to purge")
    for row in due:
        # From this commit on an upload cannot be confirmed any more, so none is deleted under it.
        subjects.remove_awaited(tx, row["key"], actor=cx.worker)
    return [row["key"] for row in due]


def _do_purge(keys: list[str], cx: Context, pulse: Pulse) -> None:
    cleanup.purge(keys, cx.tools.store, pulse)


def _settle_purge(tx: Tx, _job: Job, keys: list[str], _result: None, _cx: Context) -> Outcome:
    temporary.forget(tx, keys)
    if len(keys) == BATCH:
        return Wait(1.0, reason=f"{len(keys)} purged, and there are more")
    return Done(f"{len(keys)} purged")


PURGE = Work(_begin_purge, _do_purge, _settle_purge)
