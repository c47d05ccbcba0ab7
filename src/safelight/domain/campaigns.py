"""What a campaign may be, whom it leaves out and why, and what it will cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from safelight.domain.money import H100_MICRO_USD_PER_SECOND
from safelight.domain.nouns import SubjectKind
from safelight.domain.profiles import Profile, StepRule

Json = dict[str, Any]


class CampaignKind(StrEnum):
    """What is done with each subject."""

    REINSPECT = "reinspect"
    """Judge its photos anew, under a profile's thresholds."""
    RETRAIN = "retrain"
    """Train it again, with a profile."""
    PURGE = "purge"
    """Delete what was made of it: versions, their images, drawings' trackers, zips (R-11)."""
    RESET = "reset"
    """Purge, then train again (R-105)."""

    @property
    def purges(self) -> bool:
        """Whether it deletes what cannot be had back."""
        return self in (CampaignKind.PURGE, CampaignKind.RESET)

    @property
    def trains(self) -> bool:
        """Whether it costs money."""
        return self in (CampaignKind.RETRAIN, CampaignKind.RESET)


SECONDS_A_STEP = 1674.9 / 1500
"""Where none of the owner's trainings is on record: 1,500 steps took 1,674.9 s (replicate.md 4.5)."""
PREVIEW_SECONDS = 10.0
"""An image of 28 to 35 steps."""

NOT_CONSENTED = "consent is not on record"
NO_PHOTOS = "it has no photos"
IN_TRAINING = "a training is open"
HELD = "a hold keeps it"
NOTHING_TO_PURGE = "there is nothing to purge"
FIRST_BATCH = "the first batch is done: look at the report, then resume or stop"
STOPPED = "the campaign was stopped"
ERASED = "the subject was erased"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which subjects, and which of their versions. All that is given must hold."""

    kind: str | None = None
    made_by: str | None = None
    """The profile of the trainings."""
    since: datetime | None = None
    until: datetime | None = None
    """Trained within [since, until)."""
    named: int | None = None
    """So many subjects were named one by one; which, the items know, and an erasure can take them out."""

    def to_dict(self) -> Json:
        """As JSON, without what is not given."""
        given = {
            "kind": self.kind,
            "made_by": self.made_by,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "named": self.named,
        }
        return {key: value for key, value in given.items() if value is not None}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Selection:
        """As it was kept."""
        times = {
            key: datetime.fromisoformat(given[key]) for key in ("since", "until") if key in given
        }
        return cls(
            kind=given.get("kind"),
            made_by=given.get("made_by"),
            named=given.get("named"),
            **times,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject that is selected, as the dry run counts it: `versions` and what follows are what would be
    purged, `bytes` those of the versions' weights."""

    id: UUID
    kind: str
    consented: bool
    in_training: bool
    held: bool
    photos: int
    versions: int
    bytes: int
    images: int
    trackers: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The items of a campaign that are in one state. `bound_micro_usd`: spent, or set aside for them."""

    state: str
    items: int
    started: int
    estimate_micro_usd: int
    cost_micro_usd: int
    bound_micro_usd: int


def why_not(kind: CampaignKind, subject: Candidate) -> str | None:
    """What keeps a subject out of it, in words; None: nothing."""
    if kind.purges and subject.held:
        return HELD
    if kind is not CampaignKind.REINSPECT and subject.in_training:
        return IN_TRAINING
    if kind.trains and subject.kind == SubjectKind.PERSON and not subject.consented:
        return NOT_CONSENTED
    if kind is not CampaignKind.PURGE and not subject.photos:
        return NO_PHOTOS
    if kind is CampaignKind.PURGE and not subject.versions:
        return NOTHING_TO_PURGE
    return None


def planned(kind: CampaignKind, subject: Candidate) -> Json:
    """What will be done with a subject, in numbers."""
    what: Json = {}
    if kind is CampaignKind.REINSPECT:
        what["photos"] = subject.photos
    if kind.purges:
        what |= {
            "versions": subject.versions,
            "images": subject.images,
            "trackers": subject.trackers,
            "bytes": subject.bytes,
        }
    if kind.trains:
        what["trainings"] = 1
    return what


def estimate(profile: Profile, photos: int, seconds_a_step: float | None) -> int:
    """What training a subject will cost with its previews, in micro-dollars."""
    rule = profile.steps
    steps = rule.steps(photos) if isinstance(rule, StepRule) else rule
    seconds = steps * (seconds_a_step or SECONDS_A_STEP) + len(profile.previews) * PREVIEW_SECONDS
    return round(seconds * H100_MICRO_USD_PER_SECOND)
