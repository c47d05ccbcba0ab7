"""The states of every noun and the moves between them: the one place that says what may follow what.

The tables in Postgres refuse states that are not here, every move writes an event, and
`docs/architecture.md` carries the diagram that `diagram()` draws (a test holds the two together).
"""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where one job stands. `ready` with a `due_at` to come is a job that waits."""

    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    PARKED = "parked"
    CANCELED = "canceled"


class PhotoState(StrEnum):
    """Where one photo stands."""

    AWAITED = "awaited"
    STORED = "stored"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REMOVED = "removed"


class TrainingState(StrEnum):
    """Where one training stands; `unknown` is a paid request whose reply never came."""

    QUEUED = "queued"
    PREPARING = "preparing"
    BLOCKED = "blocked"
    READY = "ready"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    TRAINING = "training"
    STORING = "storing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class VersionState(StrEnum):
    """Where one version stands; one version of a subject is active."""

    CANDIDATE = "candidate"
    ACTIVE = "active"
    ARCHIVED = "archived"
    DELETED = "deleted"


class GenerationState(StrEnum):
    """Where one request for images stands."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    DRAWING = "drawing"
    STORING = "storing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class ErasureState(StrEnum):
    """Where the erasure of a subject or an owner stands."""

    STOPPING = "stopping"
    DELETING = "deleting"
    CHECKING = "checking"
    DONE = "done"


class CampaignState(StrEnum):
    """Where a campaign stands; `stopped` and `finished` are its ends."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"


TERMINAL_TRAINING = frozenset(
    {TrainingState.SUCCEEDED, TrainingState.FAILED, TrainingState.CANCELED}
)
TERMINAL_GENERATION = frozenset(
    {GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELED}
)
TERMINAL_JOB = frozenset({JobState.DONE, JobState.CANCELED})

Moves = dict[str, dict[str, str]]
"""from state → {to state: what makes it move}"""

JOB_MOVES: Moves = {
    "ready": {"leased": "a worker claims it", "canceled": "a person cancels"},
    "leased": {
        "leased": "the lease ran out and another worker claims it",
        "ready": "not done yet, or failed and worth another try",
        "done": "the stage ended",
        "parked": "attempts spent, or an error that no retry fixes",
        "canceled": "cancel seen between steps",
    },
    "parked": {"ready": "a person retries", "canceled": "a person cancels"},
}

PHOTO_MOVES: Moves = {
    "awaited": {"stored": "the upload is confirmed", "removed": "never uploaded"},
    "stored": {
        "accepted": "inspected, usable",
        "rejected": "inspected, not usable",
        "removed": "a person removes it",
    },
    "accepted": {"rejected": "judged again", "removed": "a person removes it"},
    "rejected": {"accepted": "judged again", "removed": "a person removes it"},
    "removed": {"stored": "a person restores it within its recycle window"},
}

TRAINING_MOVES: Moves = {
    "queued": {"preparing": "photos are inspected", "canceled": "a person cancels"},
    "preparing": {
        "ready": "the dataset is stored",
        "blocked": "the set does not meet the profile",
        "failed": "it cannot be prepared",
        "canceled": "a person cancels",
    },
    "blocked": {"preparing": "a person retries", "canceled": "a person cancels"},
    "ready": {
        "submitting": "the intent is committed",
        "failed": "refused before submission",
        "canceled": "a person cancels",
    },
    "submitting": {
        "training": "accepted by the provider",
        "ready": "not sent, or to be sent later",
        "failed": "refused by the provider",
        "unknown": "no answer that can be trusted",
    },
    "unknown": {
        "training": "found in the provider's list and adopted",
        "ready": "a person says it was not sent",
        "canceled": "a person gives it up",
    },
    "training": {
        "storing": "the provider says succeeded",
        "failed": "the provider says failed, or it vanished",
        "canceled": "the provider says canceled",
    },
    "storing": {
        "succeeded": "weights stored and verified",
        "failed": "the archive is not what was asked for",
    },
}

VERSION_MOVES: Moves = {
    "candidate": {
        "candidate": "approved, rejected or tuned, and it draws as before",
        "active": "approved, and it draws from now on",
        "archived": "older than the newest N",
    },
    "active": {
        "active": "tuned: its scale or guidance is set",
        "candidate": "another version is made active, or it is rolled back",
    },
    "archived": {"deleted": "its weights are deleted"},
}

GENERATION_MOVES: Moves = {
    "queued": {"submitting": "the intent is committed", "canceled": "a person cancels"},
    "submitting": {
        "drawing": "accepted by the provider",
        "queued": "not sent, or to be sent later",
        "failed": "refused by the provider",
        "unknown": "no answer that can be trusted",
    },
    "unknown": {
        "drawing": "found in the provider's list and adopted",
        "queued": "a person says it was not sent",
        "canceled": "a person gives it up",
    },
    "drawing": {
        "storing": "the provider says succeeded",
        "failed": "the provider says failed, or it vanished",
        "canceled": "the provider says canceled",
    },
    "storing": {"succeeded": "images stored", "failed": "the images cannot be fetched"},
}

ERASURE_MOVES: Moves = {
    "stopping": {"deleting": "nothing of it runs any more"},
    "deleting": {
        "checking": "objects, the provider's copies and rows are deleted",
        "stopping": "something had started meanwhile",
    },
    "checking": {"done": "nothing is found; the statement is signed"},
}

CAMPAIGN_MOVES: Moves = {
    "planned": {"running": "a person starts it", "stopped": "a person drops it"},
    "running": {
        "paused": "the first batch or the budget is done, or a person pauses it",
        "stopped": "a person stops it",
        "finished": "every subject has had its turn",
    },
    "paused": {"running": "a person resumes it", "stopped": "a person stops it"},
}

MOVES: dict[str, Moves] = {
    "training": TRAINING_MOVES,
    "generation": GENERATION_MOVES,
    "version": VERSION_MOVES,
    "photo": PHOTO_MOVES,
    "job": JOB_MOVES,
    "erasure": ERASURE_MOVES,
    "campaign": CAMPAIGN_MOVES,
}

STATES: dict[str, type[StrEnum]] = {
    "training": TrainingState,
    "generation": GenerationState,
    "version": VersionState,
    "photo": PhotoState,
    "job": JobState,
    "erasure": ErasureState,
    "campaign": CampaignState,
}

FIRST: dict[str, str] = {
    "training": "queued",
    "generation": "queued",
    "version": "candidate",
    "photo": "awaited",
    "job": "ready",
    "erasure": "stopping",
    "campaign": "planned",
}


def may_move(noun: str, before: str | None, after: str) -> bool:
    """True if *noun* may go from *before* (None: it is being made) to *after*."""
    if before is None:
        return after == FIRST[noun] or (noun == "photo" and after == PhotoState.STORED)
    return after in MOVES[noun].get(before, {})


def diagram(noun: str) -> str:
    """The state diagram of *noun* as a Mermaid ``stateDiagram-v2`` block."""
    moves = MOVES[noun]
    lines = ["stateDiagram-v2", f"    [*] --> {FIRST[noun]}"]
    lines += [
        f"    {before} --> {after}: {why}"
        for before, targets in moves.items()
        for after, why in targets.items()
    ]
    lines += [f"    {state} --> [*]" for state in STATES[noun] if state.value not in moves]
    return "\n".join(lines)
