"""What the provider tells us, as values: a run it carries, a page of runs, and what came of a request.

A *run* is one paid piece of work at the provider: a training or a prediction. The four endings of a
paid request are values and not exceptions, because the whole of "paying once" rests on telling them
apart (DESIGN, 'Paying once').
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeGuard
from uuid import UUID

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The provider's are 26 lower-case letters and digits (replicate.md 2.2)."""
MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
VERSION_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""64 hex digits, and for some that are hidden other words."""


def is_version_name(text: Any) -> TypeGuard[str]:
    """Whether *text* is ``owner/name:version``."""
    if not isinstance(text, str):
        return False
    model, _, version = text.partition(":")
    return bool(MODEL.fullmatch(model) and VERSION_ID.fullmatch(version))


class RemoteStatus(StrEnum):
    """The provider's own words for where a run stands."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        """True once the provider will not change the run any more."""
        return self not in (RemoteStatus.STARTING, RemoteStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class RemoteRun:
    """A training or a prediction as the provider shows it; what is absent is None."""

    id: str
    status: RemoteStatus
    model: str | None = None
    version: str | None = None
    """The trainer's (or the drawing model's) version: 64 hex characters."""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Any = None
    """Training: ``{"version": "owner/name:<64hex>", "weights": url}``. Prediction: a list of URLs."""
    logs: str | None = None
    """None: not told (lists may leave logs out). Empty: told, and empty."""
    error: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    predict_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunInFlight:
    """A training or a generation that the provider has accepted and, as far as we know, not ended."""

    id: UUID
    subject_id: UUID
    owner_id: UUID
    provider_id: str
    provider_status: str | None
    age_seconds: float
    """Since it was accepted."""
    watched_seconds: float | None
    """Since anything was seen of it; None: nothing was yet."""
    log_age: float
    """As `stages.poll.InFlight` has it."""
    step: int | None
    steps: int | None
    cancel_reason: str | None

    @property
    def left(self) -> float | None:
        """Seconds until the last step at the pace it had so far."""
        if not self.step or not self.steps:
            return None
        return max(0.0, self.age_seconds * (self.steps / self.step - 1.0))

    @property
    def unseen_seconds(self) -> float:
        """Since anything was seen of it, its acceptance included."""
        return self.age_seconds if self.watched_seconds is None else self.watched_seconds


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of a list, newest first; `next` is None on the last page. `unread`: how many runs of it
    could not be read."""

    runs: tuple[RemoteRun, ...]
    next: str | None = None
    unread: int = 0


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One page of a model's versions, newest first: their ids; `next` is None on the last page."""

    versions: tuple[str, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the request and told us its id; it may cost money from here on."""

    run: RemoteRun


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider answered 4xx: nothing was started. `retry_after` is seconds, where it said so."""

    status: int
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was made, so nothing can have been started: safe to try again."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and no answer that can be trusted came back: it may be running, and paid."""

    detail: str


Submission = Accepted | Refused | NotSent | Unknown
