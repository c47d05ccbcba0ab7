"""The nouns, as their rows read. What each column means is said in `db/migrations`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from safelight.domain.queues import Kind, Queue

Json = dict[str, Any]
Fields = Mapping[str, Any]
"""What one query reads across nouns, or an object in its JSON, by name."""


class SubjectKind(StrEnum):
    """What a subject is: a real face, a real person's whole body, or drawn."""

    PERSON = "person"
    MODEL = "model"
    CHARACTER = "character"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns subjects: an app, a team."""

    id: UUID
    name: str
    approval: str
    """`first-version`: a subject's first version draws at once. `person`: none does by itself."""
    draw_unapproved: bool
    """Whether a version that nobody approved may draw for users."""
    keep_location: bool = False
    """Whether photos are stored with where they were taken."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what a LoRA draws."""

    id: UUID
    owner_id: UUID
    name: str
    kind: str
    trigger_word: str
    consented_at: datetime | None
    consent_note: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of a subject; `facts` and `findings` once it is inspected."""

    id: UUID
    subject_id: UUID
    name: str
    key: str
    state: str
    caption: str | None
    bytes: int | None
    sha256: str | None
    facts: Json | None
    findings: list[Json]
    created_at: datetime
    inspected_at: datetime | None
    purged_at: datetime | None = None
    said_bytes: int | None = None
    said_sha256: str | None = None
    etag: str | None = None
    location_removed: Json | None = None
    """How many properties of where it was taken were taken out of it, by where they were."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a training was given: immutable, numbered within its subject."""

    id: UUID
    subject_id: UUID
    number: int
    profile: str
    key: str
    bytes: int
    sha256: str
    manifest_key: str
    manifest: Json
    report: Json
    photos: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Training:
    """One run of the trainer, from the wish to its end."""

    id: UUID
    owner_id: UUID
    subject_id: UUID
    number: int
    state: str
    profile: str
    overrides: Json
    dataset_id: UUID | None
    report: Json | None
    trainer: str
    trainer_version: str | None
    trainer_version_observed: str | None
    destination: str | None
    asked: Json | None
    sent: Json | None
    effective: Json | None
    intent_id: UUID | None
    intent_at: datetime | None
    provider_id: str | None
    provider_status: str | None
    output: Json | None
    step: int | None
    steps: int | None
    loss: float | None
    log_tail: str | None
    predict_seconds: float | None
    cost_micro_usd: int | None
    error: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None
    finished_at: datetime | None
    profile_sha256: str | None = None
    inputs_source: str | None = None
    """What the inputs were checked against: the trainer's version, or 'bundled'."""
    images: int | None = None
    """Photos that the trainer says it found."""
    differences: list[Json] | None = None
    """`domain.differences`, where asked, sent and effective are not the same."""
    cancel_reason: str | None = None
    retrain: str | None = None
    """What a person answered to a set that is worse than the last good one (K21)."""


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """Weights that are in our store, as they were verified."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Version:
    """A LoRA of a subject: trained here (stored and verified), or imported with what is known of it."""

    id: UUID
    owner_id: UUID
    subject_id: UUID
    training_id: UUID | None
    number: int
    state: str
    origin: str
    trigger_word: str
    lora_scale: float
    guidance: float | None
    weights_key: str | None
    weights_bytes: int | None
    weights_sha256: str | None
    rank: int | None
    tensors: int | None
    provider_model: str | None
    provider_version: str | None
    draw_inputs: Json | None
    known: Json | None
    provider_delete_asked_at: datetime | None
    provider_deleted_at: datetime | None
    created_at: datetime
    approved_at: datetime | None
    approved_by: str | None
    approved_why: str | None
    rejected_at: datetime | None
    rejected_by: str | None
    rejected_why: str | None
    activated_at: datetime | None
    archived_at: datetime | None
    deleted_at: datetime | None
    weights: Json | None = None
    """Naming, types, and what each layer learnt (`lora.by_block`)."""
    marks: list[Json] = field(default_factory=list)
    """What the trainer did otherwise than it was told, where that matters."""
    removed_at: datetime | None = None

    @property
    def approved(self) -> bool:
        """True if it may draw for users: approved, and not rejected since."""
        return self.approved_at is not None and self.rejected_at is None

    @property
    def stored(self) -> StoredWeights | None:
        """The weights we hold; None: it was imported without."""
        if self.weights_key is None or self.weights_bytes is None or self.weights_sha256 is None:
            return None
        return StoredWeights(self.weights_key, self.weights_bytes, self.weights_sha256)


@dataclass(frozen=True, slots=True)
class Generation:
    """One request for images with a version."""

    id: UUID
    owner_id: UUID
    subject_id: UUID
    version_id: UUID
    purpose: str
    state: str
    prompt: str
    asked_prompt: str | None
    changes: list[Json]
    preset: str | None
    input: Json
    intent_id: UUID | None
    intent_at: datetime | None
    provider_id: str | None
    provider_status: str | None
    output: Any
    predict_seconds: float | None
    cost_micro_usd: int | None
    error: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was drawn, stored."""

    id: UUID
    generation_id: UUID
    number: int
    key: str
    bytes: int
    sha256: str
    width: int
    height: int
    format: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work in the ledger."""

    id: UUID
    queue: Queue
    kind: Kind
    owner_id: UUID | None
    subject_id: UUID | None
    target_id: UUID | None
    state: str
    due_at: datetime
    attempts: int
    max_attempts: int
    lease_owner: str | None
    lease_until: datetime | None
    fence: int
    unique_key: str | None
    cancel_requested_at: datetime | None
    reason: str | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
    faulty_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One transition, as it was written with it."""

    id: int
    at: datetime
    noun: str
    noun_id: UUID | None
    before: str | None
    after: str
    actor: str
    detail: Json | None
