"""The rows around the `generate` stages: a version once its weights are ours, images once they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from safelight import scratch
from safelight.db import generations, owners, subjects, trainings, versions
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import Generation, Job, Training, Version
from safelight.domain.outcome import Done, Outcome
from safelight.domain.prompts import CleanedPrompt, fill
from safelight.domain.provider import RemoteRun, Submission
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, TrainingState
from safelight.domain.trainer_inputs import INPUTS
from safelight.flow import paid, used
from safelight.flow.admission import admit_generation
from safelight.flow.commands.images import ask, preset_input
from safelight.flow.commands.subjects import lock_subject
from safelight.flow.commands.versions import FIRST_VERSION
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.what_ran import keep_what_ran
from safelight.flow.work.common import WORKER_DIED, target, training_of, webhook
from safelight.stages import generate, submit
from safelight.stages.tools import Pulse

# Weights.


def _begin_weights(tx: Tx, job: Job, _cx: Context) -> generate.WeightsOrder | Outcome:
    training = training_of(tx, job)
    if training.state != TrainingState.STORING:
        return Done(f"the training is {training.state}")
    output, sent = training.output or {}, training.sent or {}
    return generate.WeightsOrder(
        url=output["weights"],
        key=f"weights/{training.subject_id}/{training.id}.safetensors",
        rank=int(sent["input"].get("lora_rank", INPUTS["lora_rank"].default)),
        provider_id=training.provider_id or "",
        version=str(output["version"]),
        layers=sent["input"].get("layers_to_optimize_regex"),
    )


def _do_weights(
    order: generate.WeightsOrder, cx: Context, pulse: Pulse
) -> generate.WeightsStored | generate.WeightsUnusable:
    with scratch.folder() as work:
        return generate.fetch_weights(order, cx.tools.store, cx.tools.provider, pulse, work)


def _settle_weights(
    tx: Tx,
    job: Job,
    _order: generate.WeightsOrder,
    result: generate.WeightsStored | generate.WeightsUnusable,
    cx: Context,
) -> Outcome:
    training = training_of(tx, job)
    if isinstance(result, generate.WeightsUnusable):
        trainings.move(
            tx,
            training.id,
            TrainingState.STORING,
            TrainingState.FAILED,
            actor=cx.worker,
            error=result.reason,
        )
        return Done("the weights are not what was asked for")
    version = _add_version(tx, training, result, cx)
    keep_what_ran(tx, training, version, result)
    trainings.move(
        tx,
        training.id,
        TrainingState.STORING,
        TrainingState.SUCCEEDED,
        actor=cx.worker,
        detail={
            "version": str(version.id),
            **({"config": result.config_fault} if result.config_fault else {}),
        },
    )
    _ask_previews(tx, training, version, cx)
    return Done(f"version {version.number}: {result.facts.bytes:,} bytes, rank {result.facts.rank}")


def _add_version(
    tx: Tx, training: Training, stored: generate.WeightsStored, cx: Context
) -> Version:
    subject = lock_subject(tx, training.subject_id, training.owner_id)
    model, _, provider_version = (training.output or {})["version"].partition(":")
    version = versions.add(
        tx,
        training,
        trigger_word=subject.trigger_word,
        lora_scale=used.profile_of(tx, training.profile).generation.lora_scale,
        weights_key=stored.key,
        weights_bytes=stored.facts.bytes,
        weights_sha256=stored.facts.sha256,
        rank=stored.facts.rank,
        tensors=stored.facts.tensors,
        provider_model=model,
        provider_version=provider_version,
        draw_inputs=stored.draw_inputs,
        actor=cx.worker,
    )
    if version.number == 1 and owners.get(tx, training.owner_id).approval == FIRST_VERSION:
        # The stated rule: a subject's first version draws at once, later ones wait for approval.
        versions.activate(tx, version, why=f"rule: {FIRST_VERSION}", actor=cx.worker)
    return version


def _ask_previews(tx: Tx, training: Training, version: Version, cx: Context) -> None:
    """Each new version draws the same prompts with the same seeds (R-113), and the first of them once
    more without the LoRA: what is wrong there too is not the training's fault (C8)."""
    profile = used.profile_of(tx, training.profile)
    subject = subjects.get(tx, training.subject_id, training.owner_id)
    assert subject is not None  # locked above, in this transaction
    previews = [(preview, "preview", version.lora_scale) for preview in profile.previews]
    for preview, purpose, scale in (*previews, (profile.previews[0], "control", 0.0)):
        prompt = fill(preview.prompt, trigger=version.trigger_word, kind=subject.kind)
        ask(
            tx,
            version,
            purpose=purpose,
            prompt=CleanedPrompt(prompt),
            seed=preview.seed,
            input={
                **preset_input(profile.generation, version),
                "num_outputs": 1,
                "lora_scale": scale,
            },
            by=cx.worker,
        )


WEIGHTS = Work(_begin_weights, _do_weights, _settle_weights)


# A request for images: the intent first, one POST.


def _generation_of(tx: Tx, job: Job) -> Generation:
    found = generations.lock(tx, target(job))
    if found is None:
        raise NotFound(f"Job {job.id}: there is no generation {job.target_id}.")
    return found


def _begin_submit(tx: Tx, job: Job, cx: Context) -> generate.GenerationRequest | Outcome:
    generation = _generation_of(tx, job)
    if generation.state == GenerationState.SUBMITTING:
        return paid.to_unknown(tx, paid.GENERATION, generation, WORKER_DIED, cx.worker)
    if generation.state != GenerationState.QUEUED:
        return Done(f"the generation is {generation.state}")
    if (why := admit_generation(tx, generation)) is not None:
        return why
    version = versions.get(tx, generation.version_id)
    assert version is not None  # a foreign key
    assert version.provider_version is not None  # looked at when the images were asked for
    intent_id = generation.intent_id or new_id()
    generations.set_intent(tx, generation.id, intent_id)
    generations.move(
        tx,
        generation.id,
        GenerationState.QUEUED,
        GenerationState.SUBMITTING,
        actor=cx.worker,
        detail={"intent": str(intent_id)},
    )
    return generate.GenerationRequest(
        version.provider_version, generation.input, webhook(cx, intent_id)
    )


def _settle_submit(
    tx: Tx, job: Job, _request: generate.GenerationRequest, reply: Submission, cx: Context
) -> Outcome:
    return paid.settle(tx, paid.GENERATION, _generation_of(tx, job), reply, job, cx.worker)


def _cancel_submit(tx: Tx, job: Job, cx: Context) -> None:
    generation = _generation_of(tx, job)
    state = GenerationState(generation.state)
    if state not in TERMINAL_GENERATION:
        generations.move(tx, generation.id, state, GenerationState.CANCELED, actor=cx.worker)


SUBMIT = Work(
    _begin_submit,
    lambda request, cx, pulse: generate.submit(request, cx.tools.provider, pulse),
    _settle_submit,
    _cancel_submit,
)


# A request whose reply was lost.


@dataclass(frozen=True, slots=True)
class _Search:
    input: dict[str, Any]
    since: datetime
    waited: float
    others: frozenset[str]


def _begin_search(tx: Tx, job: Job, _cx: Context) -> _Search | Outcome:
    generation = _generation_of(tx, job)
    if generation.state != GenerationState.UNKNOWN:
        return Done(f"the generation is {generation.state}")
    assert generation.intent_at is not None
    others = generations.accepted_since(tx, generation.intent_at)
    waited = generations.sent_seconds(tx, generation.id)
    return _Search(generation.input, generation.intent_at, waited, frozenset(others))


def _settle_search(
    tx: Tx, job: Job, search: _Search, found: RemoteRun | None, cx: Context
) -> Outcome:
    if found is not None and generations.is_known(tx, found.id):
        found = None  # another request has adopted it meanwhile
    return paid.settle_search(
        tx,
        paid.GENERATION,
        _generation_of(tx, job),
        found,
        waited=search.waited,
        wait_seconds=cx.settings.unknown_wait_seconds,
        by=cx.worker,
    )


SETTLE = Work(
    _begin_search,
    lambda search, cx, pulse: submit.find_run(
        cx.tools.provider.list_predictions,
        generate.is_this_request(search.input, search.others),
        since=search.since,
        pulse=pulse,
    ),
    _settle_search,
)


# Images.


def _begin_images(tx: Tx, job: Job, _cx: Context) -> generate.ImagesOrder | Outcome:
    generation = _generation_of(tx, job)
    if generation.state != GenerationState.STORING:
        return Done(f"the generation is {generation.state}")
    return generate.ImagesOrder(generation.id, generation.output or [])


def _do_images(
    order: generate.ImagesOrder, cx: Context, pulse: Pulse
) -> tuple[generate.ImageStored, ...] | generate.ImagesUnusable:
    with scratch.folder() as work:
        tools = cx.tools
        return generate.fetch_images(order, tools.store, tools.provider, tools.eye, pulse, work)


def _settle_images(
    tx: Tx,
    job: Job,
    _order: generate.ImagesOrder,
    result: tuple[generate.ImageStored, ...] | generate.ImagesUnusable,
    cx: Context,
) -> Outcome:
    generation = _generation_of(tx, job)
    if isinstance(result, generate.ImagesUnusable):
        generations.move(
            tx,
            generation.id,
            GenerationState.STORING,
            GenerationState.FAILED,
            actor=cx.worker,
            error=result.reason,
        )
        return Done("what came are no images")
    generations.add_images(tx, generation.id, [asdict(image) for image in result])
    generations.move(
        tx, generation.id, GenerationState.STORING, GenerationState.SUCCEEDED, actor=cx.worker
    )
    return Done(f"{len(result)} images stored")


IMAGES = Work(_begin_images, _do_images, _settle_images)
