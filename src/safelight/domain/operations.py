"""The nouns of what is done to subjects: an erasure, a campaign and its items, an import, an audit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from safelight.domain.nouns import Json


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of a subject (or, without one, of an owner), and the statement that proves it."""

    id: UUID
    owner_id: UUID
    subject_id: UUID | None
    parent_id: UUID | None
    state: str
    reason: str
    asked_by: str
    plan: Json | None
    statement: Json | None
    signature: str | None
    public_key: str | None
    asked_at: datetime
    finished_at: datetime | None
    looked_again_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job of the subject that has not ended. `settles`: of a paid request that must come to its end."""

    id: UUID
    state: str
    settles: bool


@dataclass(frozen=True, slots=True)
class PaidInFlight:
    """A `training` or a `generation` that the provider may be running; without an id no reply is known."""

    kind: str
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """An operation over many subjects, as data."""

    id: UUID
    owner_id: UUID
    name: str
    kind: str
    state: str
    selection: Json
    profile: str | None
    first_batch: int
    at_once: int
    budget_micro_usd: int | None
    asked_by: str
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    resumed_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class CampaignItem:
    """One subject's turn in a campaign; the subject is None once it is erased."""

    campaign_id: UUID
    position: int
    subject_id: UUID | None
    state: str
    step: str | None
    training_id: UUID | None
    planned: Json
    result: Json
    estimate_micro_usd: int
    cost_micro_usd: int
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemProgress:
    """Where a subject's turn that has begun has got to: its training, its previews, its re-inspection."""

    training_state: str | None
    training_error: str | None
    drawing: bool
    """Whether previews of what was trained are in flight."""
    inspect_error: str | None
    """Why its re-inspection stands parked."""


@dataclass(frozen=True, slots=True)
class Import:
    """A version trained elsewhere, as somebody asked for it: `waiting`, `done` or `failed`."""

    id: UUID
    owner_id: UUID
    subject_id: UUID
    model: str
    """``owner/name`` at the provider, with a version or not."""
    trigger_word: str | None
    lora_scale: float
    state: str
    version_id: UUID | None
    error: str | None
    asked_by: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit that reads and hashes every object of a subject: `waiting`, `done` or `failed`."""

    id: UUID
    owner_id: UUID
    subject_id: UUID
    state: str
    result: Json | None
    error: str | None
    asked_by: str
    created_at: datetime
    finished_at: datetime | None
