"""The rows around the `submit` stages: the intent is committed before the one request that may cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from safelight.db import jobs, subjects, temporary, trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import Job, Training
from safelight.domain.outcome import Done, Outcome, Park, Wait
from safelight.domain.provider import Accepted, NotSent, Refused, RemoteRun, Submission, Unknown
from safelight.domain.queues import Kind
from safelight.domain.states import TrainingState
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import (
    OUR_FAULT,
    THROTTLED,
    cancel_open_training,
    follow,
    pause_after,
    training_of,
    webhook,
)
from safelight.stages import submit
from safelight.stages.tools import Pulse

INPUT_KEPT_SECONDS = 7 * 24 * 3600
"""The training's own copy of its dataset; cleanup deletes it after a week, once it has ended."""
LOOK_AGAIN_SECONDS = 15.0
"""How often the provider's list is searched for a request whose reply was lost."""


def watch(tx: Tx, kind: Kind, cx: Context, *, delay: float = 1.0) -> None:
    """See to it that what is in flight is watched: one open job a kind, for everything."""
    jobs.add(tx, kind, actor=cx.worker, unique_key=str(kind), delay=delay)


# Prepare: the destination, the trainer's version, the training's own copy of its input.


def _model_name(template: str, training: Training) -> str:
    """The destination's name; the last 12 hex digits of a UUIDv7 are random."""
    return template.format(
        owner=str(training.owner_id)[-12:], subject=str(training.subject_id)[-12:]
    )


def _begin_prepare(tx: Tx, job: Job, cx: Context) -> submit.PrepareOrder | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.READY:
        return Done(f"the training is {training.state}")
    assert training.dataset_id is not None  # a CHECK ties it to the state that comes next
    dataset = subjects.get_dataset(tx, training.dataset_id, training.owner_id)
    if dataset is None:
        raise NotFound(f"Training {training.id} has no dataset.")
    intent_id = new_id()
    temporary.note(
        tx,
        submit.input_key(intent_id),
        purpose="submission",
        seconds=INPUT_KEPT_SECONDS,
        subject_id=training.subject_id,
        training_id=training.id,
    )
    return submit.PrepareOrder(
        intent_id=intent_id,
        trainer=training.trainer,
        model_name=_model_name(cx.settings.destination, training),
        dataset_key=dataset.key,
    )


def _do_prepare(order: submit.PrepareOrder, cx: Context, pulse: Pulse) -> submit.Prepared:
    return submit.prepare(order, cx.tools.store, cx.tools.provider, pulse)


def _settle_prepare(
    tx: Tx, job: Job, _order: submit.PrepareOrder, prepared: submit.Prepared, cx: Context
) -> Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.READY:
        return Done(f"the training is {training.state}")
    trainings.set_destination(
        tx,
        training.id,
        destination=prepared.destination,
        trainer_version=prepared.trainer_version,
        sent={**(training.sent or {}), "input_images": prepared.input_key},
        intent_id=prepared.intent_id,
    )
    follow(tx, training, Kind.SUBMIT_TRAINING, cx)
    return Done(f"to {prepared.destination}")


PREPARE = Work(_begin_prepare, _do_prepare, _settle_prepare, cancel_open_training)


# Submit: the paid request.


def _begin_submit(tx: Tx, job: Job, cx: Context) -> submit.TrainingRequest | Outcome:
    training = training_of(tx, job)
    if training.state == TrainingState.SUBMITTING:
        # A worker committed the intent and was not heard of again: the request may have been sent.
        return _to_unknown(tx, training, "the worker died while it sent the request", cx)
    if training.state != TrainingState.READY:
        return Done(f"the training is {training.state}")
    if training.cancel_requested_at is not None:
        cancel_open_training(tx, job, cx)
        return Done("cancelled before it was sent")
    sent = training.sent or {}
    assert training.intent_id is not None
    assert training.trainer_version is not None
    assert training.destination is not None
    trainings.move(
        tx,
        training.id,
        TrainingState.READY,
        TrainingState.SUBMITTING,
        actor=cx.worker,
        detail={"intent": str(training.intent_id)},
    )
    return submit.TrainingRequest(
        trainer=training.trainer,
        version=training.trainer_version,
        destination=training.destination,
        input=sent["input"],
        input_key=sent["input_images"],
        webhook=webhook(cx, training.intent_id),
    )


def _do_submit(request: submit.TrainingRequest, cx: Context, _pulse: Pulse) -> Submission:
    return submit.submit(request, cx.tools.store, cx.tools.provider)


def _settle_submit(
    tx: Tx, job: Job, _request: submit.TrainingRequest, reply: Submission, cx: Context
) -> Outcome:
    training = training_of(tx, job)
    match reply:
        case Accepted(run):
            return _adopt(tx, training, TrainingState.SUBMITTING, run, cx)
        case Unknown(detail):
            return _to_unknown(tx, training, detail, cx)
        case NotSent(detail):
            _back_to_ready(tx, training, detail, cx)
            return Wait(pause_after(reply), reason="not sent", error=detail, fresh=False)
        case Refused(status, detail) if status == THROTTLED:
            _back_to_ready(tx, training, detail, cx)
            return Wait(pause_after(reply), reason="the provider is throttling", error=detail)
        case Refused(status, detail) if status in OUR_FAULT:
            _back_to_ready(tx, training, detail, cx)
            return Park(
                f"The provider refused it ({status}): {detail}", reason="our account or set-up"
            )
        case Refused(status, detail):
            text = f"The provider refused it ({status}): {detail}"
            trainings.move(
                tx,
                training.id,
                TrainingState.SUBMITTING,
                TrainingState.FAILED,
                actor=cx.worker,
                error=text,
            )
            return Done("refused; nothing was paid")


def _back_to_ready(tx: Tx, training: Training, why: str, cx: Context) -> None:
    trainings.move(
        tx,
        training.id,
        TrainingState.SUBMITTING,
        TrainingState.READY,
        actor=cx.worker,
        detail={"why": why},
    )


def _adopt(
    tx: Tx, training: Training, before: TrainingState, run: RemoteRun, cx: Context
) -> Outcome:
    """The provider has it: record its id and see that it is watched."""
    trainings.set_accepted(
        tx, training.id, provider_id=run.id, status=run.status, version=run.version
    )
    trainings.move(
        tx,
        training.id,
        before,
        TrainingState.TRAINING,
        actor=cx.worker,
        detail={"provider_id": run.id},
    )
    if training.cancel_requested_at is not None:
        follow(tx, training, Kind.CANCEL_TRAINING, cx)
    watch(tx, Kind.WATCH_TRAININGS, cx)
    return Done(f"accepted as {run.id}")


def _to_unknown(tx: Tx, training: Training, why: str, cx: Context) -> Outcome:
    trainings.move(
        tx,
        training.id,
        TrainingState.SUBMITTING,
        TrainingState.UNKNOWN,
        actor=cx.worker,
        detail={"why": why},
    )
    follow(tx, training, Kind.SETTLE_TRAINING, cx)
    return Done(f"unknown whether it was accepted: {why}")


SUBMIT = Work(_begin_submit, _do_submit, _settle_submit, cancel_open_training)


# Settle: a request whose reply was lost is looked for in the provider's list, and never sent again.


@dataclass(frozen=True, slots=True)
class _Search:
    intent_id: UUID
    since: datetime


def _begin_settle(tx: Tx, job: Job, _cx: Context) -> _Search | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.UNKNOWN:
        return Done(f"the training is {training.state}")
    assert training.intent_id is not None
    assert training.intent_at is not None
    return _Search(training.intent_id, training.intent_at)


def _do_settle(search: _Search, cx: Context, pulse: Pulse) -> RemoteRun | None:
    return submit.find_run(
        cx.tools.provider.list_trainings,
        submit.bears_intent(search.intent_id),
        since=search.since,
        pulse=pulse,
    )


def _settle_settle(
    tx: Tx, job: Job, search: _Search, found: RemoteRun | None, cx: Context
) -> Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.UNKNOWN:
        return Done(f"the training is {training.state}")
    if found is not None:
        return _adopt(tx, training, TrainingState.UNKNOWN, found, cx)
    return look_again(search.since, cx)


def look_again(since: datetime, cx: Context) -> Outcome:
    """Not in the provider's list: look again until the stated wait is over, then ask a person."""
    waited = datetime.now(UTC) - since
    wait = timedelta(seconds=cx.settings.unknown_wait_seconds)
    if waited < wait:
        return Wait(
            min(LOOK_AGAIN_SECONDS, cx.settings.unknown_wait_seconds / 4),
            reason="not in the provider's list yet",
        )
    return Park(
        f"The request's reply was lost, and {waited.total_seconds():.0f} s later the provider's list "
        "does not show it: it was most likely never accepted. It is not sent again by itself, "
        "since that could be paid twice. Look at the provider, then `safelight resolve`.",
        reason="unknown whether it was accepted",
    )


SETTLE = Work(_begin_settle, _do_settle, _settle_settle)


# Cancel: asked for at the provider; the watch sees what came of it.


def _begin_cancel(tx: Tx, job: Job, _cx: Context) -> str | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.TRAINING or training.provider_id is None:
        return Done(f"the training is {training.state}")
    return training.provider_id


def _do_cancel(provider_id: str, cx: Context, _pulse: Pulse) -> None:
    cx.tools.provider.cancel_training(provider_id)


def _settle_cancel(tx: Tx, _job: Job, provider_id: str, _result: None, cx: Context) -> Outcome:
    watch(tx, Kind.WATCH_TRAININGS, cx, delay=0.0)
    return Done(f"asked the provider to stop {provider_id}")


CANCEL = Work(_begin_cancel, _do_cancel, _settle_cancel)
