"""The five queues, the kinds of work, and which queue carries which kind.

A queue is a resource: a kind of work goes to the queue whose resource it burns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """The five queues. The name is the same in seven places; a test holds them together."""

    PREPROCESS = "preprocess"
    SUBMIT = "submit"
    POLL = "poll"
    GENERATE = "generate"
    CLEANUP = "cleanup"


class Kind(StrEnum):
    """A kind of work: what one job does."""

    INSPECT_PHOTOS = "inspect_photos"
    BUILD_DATASET = "build_dataset"
    PREPARE_SUBMISSION = "prepare_submission"
    SUBMIT_TRAINING = "submit_training"
    SETTLE_TRAINING = "settle_training"
    CANCEL_TRAINING = "cancel_training"
    WATCH_TRAININGS = "watch_trainings"
    WATCH_GENERATIONS = "watch_generations"
    LOOK_AT_TRAINING = "look_at_training"
    LOOK_AT_GENERATION = "look_at_generation"
    FETCH_WEIGHTS = "fetch_weights"
    SUBMIT_GENERATION = "submit_generation"
    SETTLE_GENERATION = "settle_generation"
    FETCH_IMAGES = "fetch_images"
    IMPORT_VERSION = "import_version"
    AUDIT_SUBJECT = "audit_subject"
    ARCHIVE_VERSIONS = "archive_versions"
    ARCHIVE_VERSION = "archive_version"
    DELETE_REMOTE_VERSION = "delete_remote_version"
    PURGE_TEMPORARY = "purge_temporary"
    APPLY_RETENTION = "apply_retention"
    ERASE = "erase"
    WALK_STORE = "walk_store"
    WALK_PROVIDER = "walk_provider"
    RUN_CAMPAIGN = "run_campaign"
    REINSPECT = "reinspect"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a kind of work is run: on which queue, how often, and for how long one claim lasts.

    `lease` is in seconds and renewed by the heartbeat while the worker lives, so it bounds how long
    a dead worker's job waits and not how long a job may take. `paid`: it sends a request that may
    cost money, and what came of it is written before anything else is begun. `alone`: its stage is
    slow by nature (it walks, downloads, measures, copies), so that no batch takes it along: jobs
    behind it in one slot would wait for it while others idle. What is paid is taken alone too.
    """

    queue: Queue
    attempts: int = 8
    lease: float = 30.0
    paid: bool = False
    alone: bool = False


POLICIES: dict[Kind, Policy] = {
    Kind.INSPECT_PHOTOS: Policy(Queue.PREPROCESS, alone=True),
    Kind.BUILD_DATASET: Policy(Queue.PREPROCESS, alone=True),
    Kind.PREPARE_SUBMISSION: Policy(Queue.SUBMIT),
    Kind.SUBMIT_TRAINING: Policy(Queue.SUBMIT, paid=True),
    Kind.SETTLE_TRAINING: Policy(Queue.SUBMIT),
    Kind.CANCEL_TRAINING: Policy(Queue.SUBMIT),
    Kind.WATCH_TRAININGS: Policy(Queue.POLL, attempts=1_000, alone=True),
    Kind.WATCH_GENERATIONS: Policy(Queue.POLL, attempts=1_000, alone=True),
    Kind.LOOK_AT_TRAINING: Policy(Queue.POLL),
    Kind.LOOK_AT_GENERATION: Policy(Queue.POLL),
    Kind.FETCH_WEIGHTS: Policy(Queue.GENERATE, alone=True),
    Kind.SUBMIT_GENERATION: Policy(Queue.GENERATE, paid=True),
    Kind.SETTLE_GENERATION: Policy(Queue.GENERATE),
    Kind.FETCH_IMAGES: Policy(Queue.GENERATE, alone=True),
    Kind.IMPORT_VERSION: Policy(Queue.GENERATE, alone=True),
    Kind.AUDIT_SUBJECT: Policy(Queue.CLEANUP, alone=True),
    Kind.ARCHIVE_VERSIONS: Policy(Queue.CLEANUP),
    Kind.ARCHIVE_VERSION: Policy(Queue.CLEANUP, alone=True),
    Kind.DELETE_REMOTE_VERSION: Policy(Queue.CLEANUP, attempts=12),
    Kind.PURGE_TEMPORARY: Policy(Queue.CLEANUP, alone=True),
    Kind.APPLY_RETENTION: Policy(Queue.CLEANUP, alone=True),
    Kind.ERASE: Policy(Queue.CLEANUP, attempts=20, alone=True),
    Kind.WALK_STORE: Policy(Queue.CLEANUP, alone=True),
    Kind.WALK_PROVIDER: Policy(Queue.CLEANUP, alone=True),
    Kind.RUN_CAMPAIGN: Policy(Queue.CLEANUP, attempts=20, alone=True),
    Kind.REINSPECT: Policy(Queue.PREPROCESS),
}
