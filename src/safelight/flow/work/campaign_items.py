"""One subject's turn in a campaign: begun once, followed to its end, and its numbers kept."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from safelight.db import campaigns, jobs, retention, subjects
from safelight.db.transaction import Row, Tx
from safelight.domain.campaigns import (
    ERASED,
    HELD,
    IN_TRAINING,
    NOTHING_TO_PURGE,
    CampaignKind,
    Selection,
)
from safelight.domain.errors import SafelightError
from safelight.domain.nouns import Json
from safelight.domain.operations import Campaign, CampaignItem, ItemProgress
from safelight.domain.profiles import DEFAULT
from safelight.domain.queues import Kind
from safelight.domain.retention import Rule
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, TrainingState
from safelight.flow.commands import Actor
from safelight.flow.commands.images import cancel_generation
from safelight.flow.commands.trainings import start_training

PURGING, TRAINING, INSPECTING = "purging", "training", "inspecting"


def start(tx: Tx, campaign: Campaign, item: CampaignItem, by: str) -> None:
    """Begin with a subject; what has come in between since the dry run has it skipped, with the reason."""
    kind = CampaignKind(campaign.kind)
    subject_id = item.subject_id
    subject = subjects.lock(tx, subject_id, campaign.owner_id) if subject_id else None
    if subject is None:
        campaigns.change(tx, item, "skipped", reason=ERASED)
        return
    if kind is CampaignKind.REINSPECT:
        campaigns.change(tx, item, "running", step=INSPECTING)
        jobs.add_for(
            tx,
            Kind.REINSPECT,
            subject.id,
            actor=by,
            owner_id=campaign.owner_id,
            subject_id=subject.id,
        )
    elif not kind.purges:
        _train(tx, campaign, item, subject.id, by, begun=False)
    elif why := _kept_from_purging(tx, campaign, subject.id):
        campaigns.change(tx, item, "skipped", reason=why)
    else:
        _purge(tx, campaign, item, subject.id, by)


def go_on(tx: Tx, campaign: Campaign, item: CampaignItem, progress: ItemProgress, by: str) -> None:
    """Advance a subject whose turn has begun."""
    if item.subject_id is None:
        campaigns.change(tx, item, "failed", reason=ERASED)
    elif item.step == PURGING:
        if subjects.lock(tx, item.subject_id, campaign.owner_id) is None:
            campaigns.change(tx, item, "failed", reason=ERASED)
        else:
            _purge(tx, campaign, item, item.subject_id, by)
    elif item.step == INSPECTING:
        if progress.inspect_error is not None:
            campaigns.change(tx, item, "failed", reason=progress.inspect_error)
    elif progress.training_state == TrainingState.SUCCEEDED:
        if not progress.drawing:  # its previews are a part of what it costs
            campaigns.change(tx, item, "done", result={"trainings": 1})
    elif progress.training_state in (TrainingState.FAILED, TrainingState.CANCELED):
        why = progress.training_error or f"its training was {progress.training_state}"
        campaigns.change(tx, item, "failed", reason=why)
    elif progress.training_state == TrainingState.BLOCKED:
        campaigns.change(tx, item, "failed", reason="its photos do not meet the profile")


def _kept_from_purging(tx: Tx, campaign: Campaign, subject_id: UUID) -> str | None:
    found = campaigns.select(tx, campaign.owner_id, Selection(), [subject_id])
    if not found or found[0].held:
        return HELD
    return IN_TRAINING if found[0].in_training else None


def _purge(tx: Tx, campaign: Campaign, item: CampaignItem, subject_id: UUID, by: str) -> None:
    """Delete what was made of the subject, once nothing draws with it; then train, for a reset.

    Rows are decided on here; objects become the sweep's, and the provider's copies jobs of their own.
    """
    bad = campaigns.bad_versions(tx, subject_id, Selection.from_dict(campaign.selection), actor=by)
    ids = [version["id"] for version in bad]
    drawings = campaigns.drawings_of(tx, ids)
    in_flight = [d for d in drawings if d["state"] not in TERMINAL_GENERATION]
    for drawing in in_flight:
        if drawing["state"] == GenerationState.QUEUED:
            cancel_generation(tx, Actor(campaign.owner_id, by), drawing["id"])
    if in_flight:
        campaigns.change(tx, item, "running", step=PURGING)
        return
    trackers = [d for d in drawings if d["tracker"]]
    images = campaigns.images_of(tx, ids)
    made_by = [version["training_id"] for version in bad]
    retention.let_go(tx, Rule.IMAGES, images, actor=by)
    retention.let_go(tx, Rule.TRACKERS, trackers, actor=by)
    retention.let_go(tx, Rule.RECYCLED_VERSIONS, bad, actor=by)
    zips = campaigns.datasets_of(tx, subject_id, made_by)
    retention.let_go(tx, Rule.DATASETS, zips, actor=by)
    campaigns.expire_inputs(tx, made_by)
    jobs.add(tx, Kind.PURGE_TEMPORARY, actor=by, unique_key=str(Kind.PURGE_TEMPORARY))
    result = _purged(bad, images, trackers, zips)
    if CampaignKind(campaign.kind) is CampaignKind.RESET:
        campaigns.change(tx, item, "running", step=TRAINING, result=result)
        _train(tx, campaign, item, subject_id, by, begun=True)
    elif bad:
        campaigns.change(tx, item, "done", result=result)
    else:
        campaigns.change(tx, item, "skipped", reason=NOTHING_TO_PURGE)


def _purged(
    bad: Sequence[Row], images: Sequence[Row], trackers: Sequence[Row], zips: Sequence[Row]
) -> Json:
    return {
        "versions": len(bad),
        "bytes": sum(version["bytes"] or 0 for version in bad),
        "images": len(images),
        "trackers": len(trackers),
        "zips": len(zips),
    }


def _train(
    tx: Tx, campaign: Campaign, item: CampaignItem, subject_id: UUID, by: str, *, begun: bool
) -> None:
    """Ask for the training, as a person would; what refuses it has the subject skipped or failed."""
    try:
        training = start_training(
            tx,
            Actor(campaign.owner_id, by),
            subject_id,
            profile=campaign.profile or DEFAULT,
        )
    except SafelightError as error:
        # Raised before anything is written, so the transaction goes on.
        campaigns.change(tx, item, "failed" if begun else "skipped", reason=error.message)
        return
    campaigns.change(tx, item, "running", step=TRAINING, training_id=training.id)
