"""Trainings: ask for one, cancel it, take it up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from safelight.db import jobs, subjects, trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.gates import ANSWERS
from safelight.domain.nouns import Training
from safelight.domain.plans import training_input
from safelight.domain.profiles import DEFAULT, get_profile
from safelight.domain.queues import Kind
from safelight.domain.states import TERMINAL_TRAINING, JobState, TrainingState
from safelight.flow import paid, used
from safelight.flow.commands import Actor, consent
from safelight.flow.commands.subjects import lock_subject

DEFAULT_PROFILE = DEFAULT


def start_training(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    *,
    profile: str = DEFAULT_PROFILE,
    overrides: Mapping[str, Any] | None = None,
    retrain: str | None = None,
) -> Training:
    """Train the subject on the photos it has.

    *retrain*: what follows where the set is worse than the last good version's (K21): `smaller`
    takes it as it is, `union` adds that version's photos, None asks.

    Everything that can be refused before any work is: an unknown profile or trainer input, consent
    that is not on record, no photos at all, a training that is open already. A door calls
    `layers.check` on *overrides* first, with no transaction open; it is tried again before anything is sent.

    Raises:
        NotFound, Invalid, ConsentMissing, Conflict: as said.
    """
    check_answer(retrain)
    subject = lock_subject(tx, subject_id, actor.owner_id)
    chosen = get_profile(profile)
    photos = subjects.photos_to_train_on(tx, subject_id)
    if not photos:
        raise Invalid(
            f"{subject.name} has no photos.",
            hint=f"Add at least {chosen.gates.block}; the profile {chosen.id} asks for "
            f"{chosen.gates.ideal_min} to {chosen.gates.ideal_max}.",
        )
    # Refuses an input the trainer does not take now, before a worker lifts a hand (R-77..R-82).
    training_input(
        chosen,
        images=len(photos),
        trigger=subject.trigger_word,
        overrides=overrides or {},
        inputs=used.known_inputs(tx, chosen.trainer),
    )
    used.keep(tx, chosen)
    consent.require_for_training(subject)
    if there := trainings.open_of(tx, subject_id):
        raise Conflict(
            f"{subject.name} has an open training already: number {there.number}, {there.state}.",
            hint=f"Wait for it, or cancel it: `safelight cancel {there.id}`.",
        )
    training = trainings.add(
        tx,
        owner_id=actor.owner_id,
        subject_id=subject_id,
        profile=chosen.id,
        profile_sha256=chosen.sha256,
        overrides=overrides or {},
        trainer=chosen.trainer,
        retrain=retrain,
        actor=actor.name,
    )
    paid.follow(tx, training, Kind.INSPECT_PHOTOS, actor.name)
    return training


def check_answer(retrain: str | None) -> None:
    """Refuse an answer to the retrain guard that is none."""
    if retrain is not None and retrain not in ANSWERS:
        raise Invalid(
            f"A retrain is answered with {' or '.join(ANSWERS)}; not {retrain!r}.",
            hint="`smaller`: the set is meant as it is; `union`: the last good set's photos are added.",
        )


def get_training(tx: Tx, actor: Actor, training_id: UUID) -> Training:
    """The training. Raises NotFound if it is not there or another owner's."""
    found = trainings.get(tx, training_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no training {training_id}.")
    return found


def look_at_training(tx: Tx, actor: Actor, training_id: UUID) -> Training:
    """As `get_training`, for somebody who looks at it: the watch reads its log before others'."""
    found = get_training(tx, actor, training_id)
    trainings.look(tx, training_id)
    return found


def cancel_training(
    tx: Tx, actor: Actor, training_id: UUID, *, reason: str = "asked to"
) -> Training:
    """Stop it as far as that is possible.

    Before submission it ends at once, or as soon as the worker that has it looks up. At the
    provider it is asked to stop there (what it has run is paid); while its reply is unknown, as soon
    as its id is known. While its weights are being stored it cannot be: Conflict says why.
    """
    get_training(tx, actor, training_id)
    jobs.open_of(tx, training_id)
    training = trainings.lock(tx, training_id, actor.owner_id)
    if training is None:  # its subject is being erased since a moment ago
        raise NotFound(f"There is no training {training_id}.")
    state = TrainingState(training.state)
    if state in TERMINAL_TRAINING:
        raise Conflict(f"Training {training_id} has ended already: {state}.")
    if state is TrainingState.STORING:
        raise Conflict(
            "It is trained and paid; its weights are being stored.",
            hint="Wait for its version, and archive that if you do not want it.",
        )
    trainings.ask_cancel(tx, training_id)
    if state in (TrainingState.SUBMITTING, TrainingState.UNKNOWN):
        # The request may be under way or paid: it is cancelled once we know its id.
        return get_training(tx, actor, training_id)
    if state is TrainingState.TRAINING:
        paid.follow(tx, training, Kind.CANCEL_TRAINING, actor.name)
        return get_training(tx, actor, training_id)
    running = jobs.cancel(tx, target_id=training_id, actor=actor.name, reason=reason)
    if running == 0:
        trainings.move(
            tx,
            training_id,
            state,
            TrainingState.CANCELED,
            actor=actor.name,
            detail={"reason": reason},
        )
    return get_training(tx, actor, training_id)


def retry_training(
    tx: Tx,
    actor: Actor,
    training_id: UUID,
    *,
    reason: str = "retried",
    retrain: str | None = None,
) -> Training:
    """Take up a training that stands still: its parked jobs are due again.

    A blocked one has its photos inspected and judged anew, so add or remove photos first, or answer
    with *retrain* (as for `start_training`) where it asks.
    """
    check_answer(retrain)
    training = get_training(tx, actor, training_id)
    if retrain is not None:
        trainings.set_retrain(tx, training_id, retrain)
        reason = f"{reason}: retrain with {retrain}"
    parked = [job for job in jobs.open_of(tx, training_id) if job.state == JobState.PARKED]
    for job in parked:
        jobs.retry(tx, job.id, actor=actor.name, reason=reason)
    if not parked:
        raise Conflict(
            f"Training {training_id} does not stand still: it is {training.state}.",
            hint="`safelight status` shows what it is waiting for.",
        )
    return get_training(tx, actor, training_id)
