"""Versions: which one draws, who approved it, what it draws with; approve, reject, roll back, retrain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from safelight.db import owners, subjects, trainings, versions
from safelight.db.transaction import Tx
from safelight.domain import draw_inputs
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.nouns import Owner, Training, Version
from safelight.domain.states import VersionState
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import lock_subject
from safelight.flow.commands.trainings import start_training

FIRST_VERSION = "first-version"
APPROVALS = (FIRST_VERSION, "person")
"""How a version comes to draw by itself: a subject's first one at once, or none without a person."""


def get_version(tx: Tx, actor: Actor, version_id: UUID) -> Version:
    """The version. Raises NotFound if it is not there or another owner's."""
    found = versions.get(tx, version_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no version {version_id}.")
    return found


def activate_version(
    tx: Tx, actor: Actor, version_id: UUID, *, reason: str = "approved"
) -> Version:
    """From now on this version draws for its subject; the one before steps back, nothing is archived.

    Raises:
        NotFound; Conflict: it is archived or deleted, or nothing at the provider draws with it.
    """
    version = _locked(tx, actor, version_id)
    if version.state == VersionState.ACTIVE:
        return version
    if version.state != VersionState.CANDIDATE:
        raise Conflict(f"Version {version.number} is {version.state}: it cannot be made active.")
    if version.removed_at is not None:
        raise Conflict(
            f"Version {version.number} was removed: it cannot be made active.",
            hint=f"Have it back with `safelight restore version {version.id}`.",
        )
    if version.provider_version is None:
        raise Conflict(
            f"Version {version.number} is a weights file alone: nothing at the provider draws with it.",
            hint="Import it again with --model owner/name:version, once the provider has it.",
        )
    changed = versions.activate(tx, version, why=reason, actor=actor.name)
    if changed is None:
        raise Conflict(f"Version {version.number} has just been archived.")
    return changed


def approve_version(
    tx: Tx, actor: Actor, version_id: UUID, *, reason: str, activate: bool = True
) -> Version:
    """A person has looked at it: it may draw for users, and (unless *activate* is false) it is the
    one that draws from now on (R-113). The same again changes nothing."""
    version = _locked(tx, actor, version_id)
    if version.state == VersionState.ACTIVE or (version.approved and not activate):
        return version
    changed = versions.approve(tx, version.id, why=_said(reason), actor=actor.name)
    if changed is None:
        raise Conflict(f"Version {version.number} is {version.state}: it draws no more.")
    return activate_version(tx, actor, version_id, reason=reason) if activate else changed


def reject_version(tx: Tx, actor: Actor, version_id: UUID, *, reason: str) -> Version:
    """A person has looked at it: it may not draw for users. It stays, and may be approved later."""
    version = _locked(tx, actor, version_id)
    if version.state == VersionState.ACTIVE:
        raise Conflict(
            f"Version {version.number} is the one that draws.",
            hint="`safelight rollback SUBJECT` goes back to the one before and rejects this one.",
        )
    if version.rejected_at is not None:
        return version
    changed = versions.reject(tx, version.id, why=_said(reason), actor=actor.name)
    if changed is None:
        raise Conflict(f"Version {version.number} is {version.state} already.")
    return changed


def roll_back(tx: Tx, actor: Actor, subject_id: UUID, *, reason: str) -> tuple[Version, Version]:
    """Go back to the version that drew before the active one, and reject the active one.

    What is asked for from the commit on is drawn by the old one. Again: one further back.
    """
    why = _said(reason)
    subject = lock_subject(tx, subject_id, actor.owner_id)
    left, before = versions.active(tx, subject_id), versions.before_it(tx, subject_id)
    if left is None:
        raise Conflict(f"{subject.name} has no active version to go back from.")
    if before is None:
        raise Conflict(
            f"{subject.name} has no approved version that drew before version {left.number}.",
            hint=f"`safelight versions {subject.name}` lists those there are; approve one of them.",
        )
    changed = versions.activate(
        tx, before, why=why, actor=actor.name, detail={"rolled_back_from": left.number}
    )
    rejected = versions.reject(tx, left.id, why=f"rolled back: {why}", actor=actor.name)
    assert changed is not None  # a candidate under the subject's lock
    assert rejected is not None  # it has just stepped back
    return changed, rejected


def retrain(
    tx: Tx,
    actor: Actor,
    version_id: UUID,
    *,
    reason: str,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Training:
    """Reject a version that does not draw, and train anew: as it was trained, but for what is given."""
    version = get_version(tx, actor, version_id)
    before = trainings.get(tx, version.training_id) if version.training_id else None
    if before is None and profile is None:
        raise Invalid(
            f"Version {version.number} was trained elsewhere: how is not known.",
            hint="Say with which profile: `safelight profiles`.",
        )
    if version.state == VersionState.CANDIDATE:
        reject_version(tx, actor, version_id, reason=reason)
    same = before is not None and profile in (None, before.profile)
    return start_training(
        tx,
        actor,
        version.subject_id,
        profile=profile or (before.profile if before else ""),
        overrides={**(before.overrides if before and same else {}), **(overrides or {})},
    )


def tune_version(
    tx: Tx,
    actor: Actor,
    version_id: UUID,
    *,
    scale: float | None = None,
    guidance: float | None = None,
    reason: str = "tuned",
) -> Version:
    """Set the LoRA scale and the guidance this version draws with (R-14, K13)."""
    version = get_version(tx, actor, version_id)
    if scale is None and guidance is None:
        raise Invalid("Say a scale, a guidance, or both.")
    wanted = {"lora_scale": scale, "guidance_scale": guidance}
    draw_inputs.check(wanted, version.draw_inputs)
    changed = versions.tune(
        tx, version.id, lora_scale=scale, guidance=guidance, why=reason, actor=actor.name
    )
    if changed is None:
        raise Conflict(f"Version {version.number} is {version.state}: it draws no more.")
    return changed


def get_policy(tx: Tx, actor: Actor) -> Owner:
    """How the owner's versions come to draw, and photos are stored."""
    return owners.get(tx, actor.owner_id)


def set_policy(
    tx: Tx,
    actor: Actor,
    *,
    approval: str | None = None,
    draw_unapproved: bool | None = None,
    keep_location: bool | None = None,
) -> Owner:
    """Say how the owner's versions come to draw (by whom, and whether unapproved ones may), and whether
    photos are stored with where they were taken. What is not said stays as it is."""
    if approval is not None and approval not in APPROVALS:
        raise Invalid(f"approval is one of {', '.join(APPROVALS)}; {approval!r} was given.")
    return owners.set_policy(
        tx,
        actor.owner_id,
        approval=approval,
        draw_unapproved=draw_unapproved,
        keep_location=keep_location,
        actor=actor.name,
    )


def _locked(tx: Tx, actor: Actor, version_id: UUID) -> Version:
    """The version, its subject locked: what draws is changed one at a time."""
    version = get_version(tx, actor, version_id)
    subjects.lock(tx, version.subject_id, actor.owner_id)
    return get_version(tx, actor, version_id)


def _said(reason: str) -> str:
    if not reason.strip():
        raise Invalid("A judgement needs its reason: what was seen in the previews.")
    return reason.strip()
