"""The rows around the `submit` stages: the intent is committed before the one request that may cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from safelight.db import provenance, subjects, temporary, trainings
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import Job, Training
from safelight.domain.outcome import Done, Outcome
from safelight.domain.provider import RemoteRun, Submission
from safelight.domain.queues import Kind
from safelight.domain.states import TrainingState
from safelight.domain.trainer_schema import BUNDLED
from safelight.flow import paid, used
from safelight.flow.admission import admit_training
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import WORKER_DIED, cancel_open_training, training_of, webhook
from safelight.stages import submit

INPUT_KEPT_SECONDS = 7 * 24 * 3600
"""The training's own copy of its dataset; cleanup deletes it after a week, once it has ended."""

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
        profile=used.profile_of(tx, training.profile),
        overrides=training.overrides,
        sent=(training.sent or {})["input"],
        known=provenance.schemas(tx, training.trainer),
        link_seconds=cx.settings.input_link_seconds,
    )


def _settle_prepare(
    tx: Tx, job: Job, _order: submit.PrepareOrder, prepared: submit.Prepared, cx: Context
) -> Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.READY:
        return Done(f"the training is {training.state}")
    if prepared.properties:
        version = prepared.trainer_version
        provenance.keep_schema(tx, training.trainer, version, prepared.properties)
    trainings.set_destination(
        tx,
        training.id,
        destination=prepared.destination,
        trainer_version=prepared.trainer_version,
        sent={**(training.sent or {}), "input_images": prepared.input_key},
        intent_id=prepared.intent_id,
        inputs_source=prepared.trainer_version if prepared.properties else BUNDLED,
    )
    paid.follow(tx, training, Kind.SUBMIT_TRAINING, cx.worker)
    return Done(f"to {prepared.destination}")


PREPARE = Work(
    _begin_prepare,
    lambda order, cx, pulse: submit.prepare(order, cx.tools.store, cx.tools.provider, pulse),
    _settle_prepare,
    cancel_open_training,
)


# Submit: the paid request.


def _begin_submit(tx: Tx, job: Job, cx: Context) -> submit.TrainingRequest | Outcome:
    training = training_of(tx, job)
    if training.state == TrainingState.SUBMITTING:
        # A worker committed the intent and was not heard of again: the request may have been sent.
        return paid.to_unknown(tx, paid.TRAINING, training, WORKER_DIED, cx.worker)
    if training.state != TrainingState.READY:
        return Done(f"the training is {training.state}")
    if training.cancel_requested_at is not None:
        cancel_open_training(tx, job, cx)
        return Done("cancelled before it was sent")
    if (why := admit_training(tx, training)) is not None:
        return why
    sent = training.sent or {}
    assert training.intent_id is not None
    assert training.trainer_version is not None
    assert training.destination is not None
    trainings.set_sending(tx, training.id)
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
        link_seconds=cx.settings.input_link_seconds,
        webhook=webhook(cx, training.intent_id),
    )


def _settle_submit(
    tx: Tx, job: Job, _request: submit.TrainingRequest, reply: Submission, cx: Context
) -> Outcome:
    return paid.settle(tx, paid.TRAINING, training_of(tx, job), reply, job, cx.worker)


SUBMIT = Work(
    _begin_submit,
    lambda request, cx, pulse: submit.submit(request, cx.tools.store, cx.tools.provider, pulse),
    _settle_submit,
    cancel_open_training,
)


# Settle: a request whose reply was lost is looked for in the provider's list, and never sent again.


@dataclass(frozen=True, slots=True)
class _Search:
    intent_id: UUID
    since: datetime
    waited: float
    """Seconds from the request to the search: by how much the list may lag, if it does not show it."""


def _begin_search(tx: Tx, job: Job, _cx: Context) -> _Search | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.UNKNOWN:
        return Done(f"the training is {training.state}")
    assert training.intent_id is not None
    assert training.intent_at is not None
    waited = trainings.sent_seconds(tx, training.id)
    return _Search(training.intent_id, training.intent_at, waited)


def _settle_search(
    tx: Tx, job: Job, search: _Search, found: RemoteRun | None, cx: Context
) -> Outcome:
    return paid.settle_search(
        tx,
        paid.TRAINING,
        training_of(tx, job),
        found,
        waited=search.waited,
        wait_seconds=cx.settings.unknown_wait_seconds,
        by=cx.worker,
    )


SETTLE = Work(
    _begin_search,
    lambda search, cx, pulse: submit.find_run(
        cx.tools.provider.list_trainings,
        submit.bears_intent(search.intent_id),
        since=search.since,
        pulse=pulse,
    ),
    _settle_search,
)


# Cancel: asked for at the provider; a look at it, and then the watch, see what came of it.


def _begin_cancel(tx: Tx, job: Job, _cx: Context) -> str | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.TRAINING or training.provider_id is None:
        return Done(f"the training is {training.state}")
    return training.provider_id


def _settle_cancel(tx: Tx, job: Job, provider_id: str, _result: None, cx: Context) -> Outcome:
    paid.follow(tx, training_of(tx, job), Kind.LOOK_AT_TRAINING, cx.worker)
    return Done(f"asked the provider to stop {provider_id}")


CANCEL = Work(
    _begin_cancel,
    lambda provider_id, cx, _pulse: cx.tools.provider.cancel_training(provider_id),
    _settle_cancel,
)
