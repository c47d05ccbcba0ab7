"""Trainings: from the wish to the version."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from safelight.db import events, jobs, trainings, versions
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.domain.profiles import DEFAULT
from safelight.domain.states import JobState, TrainingState
from safelight.flow.commands import Actor
from safelight.flow.commands import trainings as commands
from safelight.stages import layers
from safelight.web.access import Cx, Who, v1
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.photos import Finding
from safelight.web.problems import documented
from safelight.web.text import Object, Ref

router = APIRouter(
    prefix="/v1/trainings", tags=["trainings"], responses=documented(401, 403, 422, 429, 503)
)


def usd(micro_usd: int | None) -> float | None:
    """Dollars out of micro-dollars."""
    return None if micro_usd is None else micro_usd / 1_000_000


class NewTraining(BaseModel):
    """A training to be started."""

    subject_id: UUID
    profile: Ref = Field(
        DEFAULT,
        description="How to judge, train and preview: see GET /v1/profiles.",
        examples=[DEFAULT],
    )
    overrides: Object = Field(
        default_factory=dict,
        description="Inputs of the trainer to set by hand. One that it does not take is refused "
        "with the reason: it would be dropped without a word.",
        examples=[{"lora_rank": 32}],
    )
    retrain: Literal["smaller", "union"] | None = Field(
        None,
        description="Where the set is worse than the last good version's: `smaller` takes it as it "
        "is, `union` adds that version's photos; null asks (the training is `blocked`).",
    )


class Progress(BaseModel):
    """How far the trainer is."""

    step: int | None
    steps: int | None
    loss: float | None = Field(description="As last reported; noisy from step to step.")


class Training(BaseModel):
    """A training."""

    id: UUID
    subject_id: UUID
    number: int = Field(description="Counted within the subject.")
    state: TrainingState = Field(
        description="`blocked`: the set does not meet the profile; `report` says why. `unknown`: a "
        "paid request whose reply never came; it is looked for at the provider."
    )
    profile: str
    overrides: dict[str, Any]
    progress: Progress
    cost_usd: float | None = Field(description="What the provider charges for it; null: not yet.")
    error: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    accepted_at: datetime | None = Field(description="When the provider took it.")
    finished_at: datetime | None

    @classmethod
    def of(cls, training: nouns.Training) -> Training:
        """As the door shows it."""
        return cls(**_shown(training))


def _shown(training: nouns.Training) -> dict[str, Any]:
    names = (
        *("id", "subject_id", "number", "state", "profile", "overrides", "error"),
        *("cancel_requested_at", "created_at", "accepted_at", "finished_at"),
    )
    return {
        **{name: getattr(training, name) for name in names},
        "progress": Progress(step=training.step, steps=training.steps, loss=training.loss),
        "cost_usd": usd(training.cost_micro_usd),
    }


class TrainingReport(BaseModel):
    """What was found in the photos and the set."""

    verdict: str
    findings: list[Finding]
    kept: list[str] = Field(description="Ids of the photos that are trained on.")
    dropped: dict[str, str] = Field(description="Id of a photo that is not: why.")
    counts: dict[str, int]
    details: dict[str, Any] = Field(
        default_factory=dict,
        description="Composition against the profile's target, what to add, exposures an image, and "
        "what the retrain guard saw, with the union it offers.",
    )


class Parked(BaseModel):
    """A job that stands still until a person retries or cancels it."""

    id: UUID
    kind: str
    reason: str | None
    error: str | None


class TrainingDetail(Training):
    """A training with all that is known of it."""

    report: TrainingReport | None = Field(description="Null until the photos are inspected.")
    dataset_id: UUID | None
    trainer: str
    trainer_version: str | None = Field(description="The trainer's version that was asked for.")
    trainer_version_observed: str | None = Field(description="The one that ran.")
    asked: dict[str, Any] | None = Field(description="The parameters as asked for.")
    sent: dict[str, Any] | None = Field(
        description="The trainer's input as sent, but for the URL of the photos."
    )
    effective: dict[str, Any] | None = Field(description="As used, out of the trainer's archive.")
    differences: list[dict[str, Any]] | None = Field(
        description="Parameters whose three columns do not agree: `verdict` is `changed` (the trainer "
        "used something else) or `not taken` (it has no such input). Null until it has succeeded."
    )
    inputs_source: str | None = Field(
        description="What the inputs were checked against: the trainer's version, or `bundled`."
    )
    profile_sha256: str | None = Field(description="Of the profile's file, as it was used.")
    images: int | None = Field(description="Photos that the trainer says it found.")
    provider_id: str | None
    predict_seconds: float | None
    log_tail: str | None
    version_id: UUID | None = Field(description="What came of it.")
    parked: list[Parked] = Field(description="Its jobs that stand still, with the reason.")


class Event(BaseModel):
    """One thing that happened."""

    id: int
    at: datetime
    noun: str = Field(examples=["training"])
    noun_id: UUID | None
    before: str | None
    after: str
    actor: str
    detail: dict[str, Any] | None


class Events(BaseModel):
    """What happened, in order."""

    items: list[Event]


def _detail(tx: Tx, who: Actor, training: nouns.Training) -> TrainingDetail:
    version = versions.of_training(tx, training.id)
    parked = jobs.find(
        tx, owner_id=who.owner_id, target_id=training.id, state=JobState.PARKED, limit=20
    )
    return TrainingDetail(
        **_shown(training),
        report=TrainingReport.model_validate(training.report) if training.report else None,
        dataset_id=training.dataset_id,
        trainer=training.trainer,
        trainer_version=training.trainer_version,
        trainer_version_observed=training.trainer_version_observed,
        asked=training.asked,
        # Beside the input stands where the photos' zip lies in our store: that is for us.
        sent=training.sent["input"] if training.sent else None,
        effective=training.effective,
        differences=training.differences,
        inputs_source=training.inputs_source,
        profile_sha256=training.profile_sha256,
        images=training.images,
        provider_id=training.provider_id,
        predict_seconds=training.predict_seconds,
        log_tail=training.log_tail,
        version_id=version.id if version else None,
        parked=[Parked.model_validate(job, from_attributes=True) for job in parked],
    )


@router.post("", status_code=202, response_model=Training, responses=documented(404, 409))
def start_training(asked: NewTraining, who: Who, once: Creates) -> Response:
    """Train a subject on the photos it has.

    202: it is accepted and goes on without you; `Location` is where to look. What can be refused
    before any work is: an unknown profile or input, missing consent, no photos, a training that is
    open already. Honours `Idempotency-Key`.
    """

    layers.check(asked.overrides)

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = commands.start_training(
            tx,
            who,
            asked.subject_id,
            profile=asked.profile,
            overrides=asked.overrides,
            retrain=asked.retrain,
        )
        return Training.of(made), v1("trainings", made.id)

    return once(asked, make, status=202)


@router.get("", response_model=Page[Training])
def list_trainings(
    cx: Cx,
    who: Who,
    page: Paged,
    subject_id: UUID | None = None,
    state: TrainingState | None = None,
) -> object:
    """Your trainings, newest first."""
    with cx.db.transaction() as tx:
        found = trainings.find(
            tx,
            who.owner_id,
            subject_id=subject_id,
            state=state,
            after=page.after,
            limit=page.one_more,
        )
    return page.of([t for t, _ in found], Training.of, lambda training: training.id)


@router.get("/{training_id}", responses=documented(404))
def get_training(training_id: UUID, cx: Cx, who: Who) -> TrainingDetail:
    """One training: how far it is, what was found, what it costs, and where it stands still."""
    with cx.db.transaction() as tx:
        training = commands.look_at_training(tx, who, training_id)
        return _detail(tx, who, training)


@router.post("/{training_id}/cancel", status_code=202, responses=documented(404, 409))
def cancel_training(training_id: UUID, cx: Cx, who: Who) -> TrainingDetail:
    """Stop it as far as that is possible; what it has run at the provider is paid."""
    with cx.db.transaction() as tx:
        return _detail(tx, who, commands.cancel_training(tx, who, training_id))


@router.post("/{training_id}/retry", status_code=202, responses=documented(404, 409))
def retry_training(
    training_id: UUID, cx: Cx, who: Who, retrain: Literal["smaller", "union"] | None = None
) -> TrainingDetail:
    """Take up a training that stands still. A blocked one judges its photos anew; *retrain* answers
    where it asks whether the set may be worse than the last good version's."""
    with cx.db.transaction() as tx:
        again = commands.retry_training(tx, who, training_id, retrain=retrain)
        return _detail(tx, who, again)


@router.get("/{training_id}/events", responses=documented(404))
def list_events(
    training_id: UUID,
    cx: Cx,
    who: Who,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Events:
    """What happened to the training, its jobs, its version and its previews, from the start."""
    with cx.db.transaction() as tx:
        commands.get_training(tx, who, training_id)
        found = events.of_training(tx, training_id, limit=limit)
    return Events(items=[Event.model_validate(event, from_attributes=True) for event in found])
