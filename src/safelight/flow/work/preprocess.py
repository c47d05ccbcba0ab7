"""The rows around the `preprocess` stages: photos and findings in, a dataset and its plan out."""

from __future__ import annotations

from dataclasses import dataclass

from safelight import scratch
from safelight.db import subjects, trainings
from safelight.db.transaction import Tx
from safelight.domain.gates import Gates
from safelight.domain.members import SetPhoto
from safelight.domain.nouns import Job, SubjectKind
from safelight.domain.outcome import Done, Outcome, Park
from safelight.domain.plans import training_input
from safelight.domain.queues import Kind
from safelight.domain.states import TrainingState
from safelight.flow import paid, sets, used
from safelight.flow.commands.subjects import lock_subject
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import cancel_open_training, training_of
from safelight.stages import building, preprocess
from safelight.stages.tools import Pulse


@dataclass(frozen=True, slots=True)
class InspectOrder:
    """Photos to inspect, and what they are judged by."""

    photos: tuple[SetPhoto, ...]
    gates: Gates
    kind: str
    keeps: preprocess.Keeps


def _begin_inspect(tx: Tx, job: Job, cx: Context) -> InspectOrder | Outcome:
    training = training_of(tx, job)
    state = TrainingState(training.state)
    if state in (TrainingState.QUEUED, TrainingState.BLOCKED):
        trainings.move(tx, training.id, state, TrainingState.PREPARING, actor=cx.worker)
    elif state is not TrainingState.PREPARING:
        return Done(f"the training is {state}")
    photos = sets.photos_for(tx, training.subject_id, training.retrain)
    gates = used.profile_of(tx, training.profile).gates
    subject = subjects.get(tx, training.subject_id, training.owner_id)
    kind = subject.kind if subject else SubjectKind.PERSON
    members = tuple(sets.photo_of(photo) for photo in photos)
    return InspectOrder(members, gates, kind, sets.keeps_of(tx, subject))


def inspect(
    order: InspectOrder, cx: Context, pulse: Pulse
) -> tuple[preprocess.InspectedPhoto, ...]:
    """The stage, with a folder of its own."""
    with scratch.folder() as work:
        return preprocess.inspect_photos(
            order.photos,
            order.gates,
            cx.tools.store,
            cx.tools.eye,
            pulse,
            work,
            kind=order.kind,
            keeps=order.keeps,
        )


def _settle_inspect(
    tx: Tx,
    job: Job,
    _order: InspectOrder,
    result: tuple[preprocess.InspectedPhoto, ...],
    cx: Context,
) -> Outcome:
    training = training_of(tx, job)
    subject = subjects.get(tx, training.subject_id, training.owner_id)
    sets.record(tx, subject, result, by=cx.worker)
    paid.follow(tx, training, Kind.BUILD_DATASET, cx.worker)
    accepted = sum(photo.accepted for photo in result)
    return Done(f"{accepted} of {len(result)} photos can be used")


INSPECT = Work(_begin_inspect, inspect, _settle_inspect, cancel_open_training)


def _begin_build(tx: Tx, job: Job, cx: Context) -> building.BuildOrder | Outcome:
    training = training_of(tx, job)
    state = TrainingState(training.state)
    if state is TrainingState.BLOCKED:  # retried: the photos may be others by now
        trainings.move(tx, training.id, state, TrainingState.PREPARING, actor=cx.worker)
        paid.follow(tx, training, Kind.INSPECT_PHOTOS, cx.worker)
        return Done("the photos are inspected anew")
    if state is not TrainingState.PREPARING:
        return Done(f"the training is {state}")
    subject = lock_subject(tx, training.subject_id, training.owner_id)
    profile = used.profile_of(tx, training.profile)
    photos = sets.photos_for(tx, subject.id, training.retrain)
    return building.BuildOrder(
        number=subjects.next_dataset_number(tx, subject.id),
        profile=profile,
        prefix=f"datasets/{subject.id}/{training.id}",
        photos=tuple(sets.photo_of(photo) for photo in photos),
        rules=sets.rules_for(
            tx, subject, profile, overrides=training.overrides, answer=training.retrain
        ),
        overrides=training.overrides,
    )


def _do_build(
    order: building.BuildOrder, cx: Context, pulse: Pulse
) -> building.DatasetBuilt | building.SetBlocked:
    with scratch.folder() as work:
        return building.build_dataset(order, cx.tools.store, cx.tools.eye, pulse, work)


def _settle_build(
    tx: Tx,
    job: Job,
    order: building.BuildOrder,
    result: building.DatasetBuilt | building.SetBlocked,
    cx: Context,
) -> Outcome:
    training = training_of(tx, job)
    report = result.report.to_dict()
    if isinstance(result, building.SetBlocked):
        trainings.set_report(tx, training.id, report)
        trainings.move(
            tx, training.id, TrainingState.PREPARING, TrainingState.BLOCKED, actor=cx.worker
        )
        return Park(_why_blocked(result), reason="the set does not meet the profile")
    manifest = result.manifest.to_dict()
    dataset = subjects.add_dataset(
        tx,
        subject_id=training.subject_id,
        number=order.number,
        profile=order.profile.id,
        key=result.key,
        bytes=result.bytes,
        sha256=result.sha256,
        manifest_key=result.manifest_key,
        manifest=manifest,
        report=report,
        photos=[
            {key: photo[key] for key in ("photo_id", "file", "sha256", "caption")}
            for photo in manifest["photos"]
            if not photo["derived"]
        ],
        actor=cx.worker,
    )
    plan = training_input(
        order.profile,
        images=len(manifest["photos"]),  # a part cut out is an image to the trainer
        trigger=order.rules.trigger,
        overrides=order.overrides,
        inputs=used.known_inputs(tx, training.trainer),
    )
    trainings.set_dataset(
        tx,
        training.id,
        dataset_id=dataset.id,
        report=report,
        asked=dict(plan.asked),
        sent={"input": dict(plan.sent)},
        steps=plan.steps,
    )
    trainings.move(
        tx,
        training.id,
        TrainingState.PREPARING,
        TrainingState.READY,
        actor=cx.worker,
        detail={"dataset": dataset.number, "photos": dataset.photos, "steps": plan.steps},
    )
    paid.follow(tx, training, Kind.PREPARE_SUBMISSION, cx.worker)
    return Done(f"dataset {dataset.number}: {dataset.photos} photos, {plan.steps} steps")


def _why_blocked(result: building.SetBlocked) -> str:
    blocking = [f.message for f in result.report.findings if f.level == "block" and not f.photo]
    return " ".join(blocking) or "The set does not meet the profile."


BUILD = Work(_begin_build, _do_build, _settle_build, cancel_open_training)
