"""What each kind of work reads and writes: the rows around a stage, one file a queue."""

from __future__ import annotations

from safelight.domain.queues import Kind
from safelight.flow.perform import Works
from safelight.flow.work import (
    auditing,
    campaign,
    cleanup,
    cleanup_versions,
    cleanup_walks,
    erasure,
    generate,
    importing,
    poll,
    preprocess,
    reinspect,
    submit,
)

WORKS: Works = {
    Kind.INSPECT_PHOTOS: preprocess.INSPECT,
    Kind.BUILD_DATASET: preprocess.BUILD,
    Kind.PREPARE_SUBMISSION: submit.PREPARE,
    Kind.SUBMIT_TRAINING: submit.SUBMIT,
    Kind.SETTLE_TRAINING: submit.SETTLE,
    Kind.CANCEL_TRAINING: submit.CANCEL,
    Kind.WATCH_TRAININGS: poll.TRAININGS,
    Kind.WATCH_GENERATIONS: poll.GENERATIONS,
    Kind.LOOK_AT_TRAINING: poll.TRAINING,
    Kind.LOOK_AT_GENERATION: poll.GENERATION,
    Kind.FETCH_WEIGHTS: generate.WEIGHTS,
    Kind.SUBMIT_GENERATION: generate.SUBMIT,
    Kind.SETTLE_GENERATION: generate.SETTLE,
    Kind.FETCH_IMAGES: generate.IMAGES,
    Kind.IMPORT_VERSION: importing.IMPORT,
    Kind.AUDIT_SUBJECT: auditing.AUDIT,
    Kind.ARCHIVE_VERSIONS: cleanup_versions.CHOOSE,
    Kind.ARCHIVE_VERSION: cleanup_versions.ARCHIVE,
    Kind.DELETE_REMOTE_VERSION: cleanup_versions.DELETE_REMOTE,
    Kind.APPLY_RETENTION: cleanup.RETAIN,
    Kind.PURGE_TEMPORARY: cleanup.PURGE,
    Kind.ERASE: erasure.ERASE,
    Kind.WALK_STORE: cleanup_walks.STORE,
    Kind.WALK_PROVIDER: cleanup_walks.PROVIDER,
    Kind.RUN_CAMPAIGN: campaign.RUN,
    Kind.REINSPECT: reinspect.REINSPECT,
}
