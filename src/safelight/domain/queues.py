"""The five queues, the kinds of work, and which queue carries which kind.

A queue is a resource: a kind of work goes to the queue whose resource it burns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Queue(StrEnum):
    """The five queues. The name is the same in seven places; a test holds them together."""

    PREPROCESS = "preprocess"
    SUBMIT = "submit"
    POLL = "poll"
    GENERATE = "generate"
    CLEANUP = "cleanup"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a kind of work is run: on which queue, how often, and for how long one claim lasts.

    `lease` is in seconds and renewed by the heartbeat while the worker lives, so it bounds how long
    a dead worker's job waits and not how long a job may take. `paid`: it sends a request that may
    cost money, and what came of it is written before anything else is begun. `alone`: its stage is
    slow by nature (it walks, downloads, measures, copies), so that no batch takes it along: jobs
    behind it in one slot would wait for it while others idle. What is paid is taken alone too.

    What is quick as a rule is not `alone`, even if it is slow at times: a re-inspection judges what is on
    record and measures only what is stale; a search for a lost reply reads the provider's list back to
    its own request, most often a page or two. Alone, each would cost a commit of its own; together, the batch
    after a slow one is of one job.
    """

    queue: Queue
    attempts: int = 8
    lease: float = 30.0
    paid: bool = False
    alone: bool = False


class Kind(StrEnum):
    """A kind of work: what one job does, and how it is run (`policy`).

    Named here and not beside what does it (`flow.work.WORKS`), since who adds a job and who claims it must
    know its queue, and neither may know the work.
    """

    policy: Policy

    def __new__(cls, name: str, policy: Policy) -> Self:
        """*name* is the member's value, as the database and the log have it."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.policy = policy
        return kind

    INSPECT_PHOTOS = "inspect_photos", Policy(Queue.PREPROCESS, alone=True)
    BUILD_DATASET = "build_dataset", Policy(Queue.PREPROCESS, alone=True)
    PREPARE_SUBMISSION = "prepare_submission", Policy(Queue.SUBMIT, alone=True)
    SUBMIT_TRAINING = "submit_training", Policy(Queue.SUBMIT, paid=True)
    SETTLE_TRAINING = "settle_training", Policy(Queue.SUBMIT)
    CANCEL_TRAINING = "cancel_training", Policy(Queue.SUBMIT)
    WATCH_TRAININGS = "watch_trainings", Policy(Queue.POLL, attempts=1_000, alone=True)
    WATCH_GENERATIONS = "watch_generations", Policy(Queue.POLL, attempts=1_000, alone=True)
    LOOK_AT_TRAINING = "look_at_training", Policy(Queue.POLL)
    LOOK_AT_GENERATION = "look_at_generation", Policy(Queue.POLL)
    FETCH_WEIGHTS = "fetch_weights", Policy(Queue.GENERATE, alone=True)
    SUBMIT_GENERATION = "submit_generation", Policy(Queue.GENERATE, paid=True)
    SETTLE_GENERATION = "settle_generation", Policy(Queue.GENERATE)
    FETCH_IMAGES = "fetch_images", Policy(Queue.GENERATE, alone=True)
    IMPORT_VERSION = "import_version", Policy(Queue.GENERATE, alone=True)
    AUDIT_SUBJECT = "audit_subject", Policy(Queue.CLEANUP, alone=True)
    ARCHIVE_VERSIONS = "archive_versions", Policy(Queue.CLEANUP)
    ARCHIVE_VERSION = "archive_version", Policy(Queue.CLEANUP, alone=True)
    DELETE_REMOTE_VERSION = "delete_remote_version", Policy(Queue.CLEANUP, attempts=12)
    PURGE_TEMPORARY = "purge_temporary", Policy(Queue.CLEANUP, alone=True)
    APPLY_RETENTION = "apply_retention", Policy(Queue.CLEANUP, alone=True)
    ERASE = "erase", Policy(Queue.CLEANUP, attempts=20, alone=True)
    WALK_STORE = "walk_store", Policy(Queue.CLEANUP, alone=True)
    WALK_PROVIDER = "walk_provider", Policy(Queue.CLEANUP, alone=True)
    RUN_CAMPAIGN = "run_campaign", Policy(Queue.CLEANUP, attempts=20, alone=True)
    REINSPECT = "reinspect", Policy(Queue.PREPROCESS)
