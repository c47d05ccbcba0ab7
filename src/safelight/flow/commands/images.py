"""Versions and the images they draw: approve one, ask for images, cancel."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import UUID

from safelight.db import generations, jobs, subjects, trainings, versions
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.nouns import Generation, Version
from safelight.domain.profiles import GenerationPreset, get_profile
from safelight.domain.prompts import clean_prompt, final_prompt
from safelight.domain.queues import Kind
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, VersionState
from safelight.flow import paid
from safelight.flow.commands import Actor

ASPECT_RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
FORMATS = ("webp", "jpg", "png")
MAX_SEED = 2**31 - 1


def activate_version(
    tx: Tx, actor: Actor, version_id: UUID, *, reason: str = "approved"
) -> Version:
    """From now on this version draws for its subject; the one before steps back, nothing is lost.

    Raises:
        NotFound; Conflict: it is archived or deleted.
    """
    version = get_version(tx, actor, version_id)
    subjects.lock(tx, version.subject_id, actor.owner_id)
    version = get_version(tx, actor, version_id)
    if version.state == VersionState.ACTIVE:
        return version
    if version.state != VersionState.CANDIDATE:
        raise Conflict(f"Version {version.number} is {version.state}: it cannot be made active.")
    changed = versions.activate(tx, version, actor=actor.name, detail={"reason": reason})
    if changed is None:
        raise Conflict(f"Version {version.number} has just been archived.")
    return changed


def get_version(tx: Tx, actor: Actor, version_id: UUID) -> Version:
    """The version. Raises NotFound if it is not there or another owner's."""
    found = versions.get(tx, version_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no version {version_id}.")
    return found


def request_generation(
    tx: Tx,
    actor: Actor,
    *,
    prompt: str,
    subject_id: UUID | None = None,
    version_id: UUID | None = None,
    count: int | None = None,
    seed: int | None = None,
    aspect_ratio: str | None = None,
    format: str | None = None,
    scale: float | None = None,
) -> Generation:
    """Ask for images: with the subject's active version, or with the version named.

    The prompt is cleaned and carries the version's own trigger word (R-5, R-69); the scale is the
    version's unless one is given (R-14); the rest is the preset of its profile.

    Raises:
        NotFound; Conflict: no active version, or one that cannot draw; Invalid: out of range.
    """
    version = _drawing_version(tx, actor, subject_id, version_id)
    cleaned = clean_prompt(prompt)
    if not cleaned.text:
        raise Invalid("The prompt says nothing once markdown and system text are taken out.")
    preset = _preset(tx, version)
    input = preset_input(preset, version)
    if count is not None:
        input["num_outputs"] = _within("count", count, 1, 4)
    if aspect_ratio is not None:
        input["aspect_ratio"] = _one_of("aspect_ratio", aspect_ratio, ASPECT_RATIOS)
    if format is not None:
        input["output_format"] = _one_of("format", format, FORMATS)
    if scale is not None:
        input["lora_scale"] = _within("scale", scale, -1, 3)
    return ask(
        tx,
        version,
        purpose="request",
        prompt=cleaned.text,
        seed=seed if seed is None else int(_within("seed", seed, 0, MAX_SEED)),
        input=input,
        actor=actor.name,
    )


def preset_input(preset: GenerationPreset, version: Version) -> dict[str, Any]:
    """The generator's input as the preset and the version have it, without prompt and seed."""
    return {
        "model": preset.model,
        "guidance_scale": preset.guidance,
        "num_inference_steps": preset.steps,
        "aspect_ratio": preset.aspect_ratio,
        "output_format": preset.output_format,
        "output_quality": preset.output_quality,
        "num_outputs": preset.num_outputs,
        "lora_scale": version.lora_scale,
    }


def ask(
    tx: Tx,
    version: Version,
    *,
    purpose: str,
    prompt: str,
    seed: int | None,
    input: dict[str, Any],
    actor: str,
) -> Generation:
    """Write the generation and the job that submits it. The seed is always ours, so that the same
    image can be asked for again, and a request be known in the provider's list."""
    generation = generations.add(
        tx,
        version,
        purpose=purpose,
        prompt=prompt,
        input={
            **input,
            "prompt": final_prompt(prompt, version.trigger_word),
            "seed": secrets.randbelow(MAX_SEED) if seed is None else seed,
        },
        actor=actor,
    )
    paid.follow(tx, generation, Kind.SUBMIT_GENERATION, actor)
    return generation


def get_generation(tx: Tx, actor: Actor, generation_id: UUID) -> Generation:
    """The generation. Raises NotFound if it is not there or another owner's."""
    found = generations.get(tx, generation_id, actor.owner_id)
    if found is None:
        raise NotFound(f"There is no generation {generation_id}.")
    return found


def cancel_generation(tx: Tx, actor: Actor, generation_id: UUID) -> Generation:
    """Stop it before it is submitted; afterwards it takes seconds, and is paid: Conflict."""
    get_generation(tx, actor, generation_id)
    jobs.open_of(tx, generation_id)
    found = generations.lock(tx, generation_id, actor.owner_id)
    assert found is not None  # seen above; generations are not deleted
    if found.state in TERMINAL_GENERATION:
        raise Conflict(f"Generation {generation_id} has ended already: {found.state}.")
    if found.state != GenerationState.QUEUED:
        raise Conflict(f"Generation {generation_id} is with the provider: {found.state}.")
    generations.ask_cancel(tx, generation_id)
    if jobs.cancel(tx, target_id=generation_id, actor=actor.name) == 0:
        generations.move(
            tx, generation_id, GenerationState.QUEUED, GenerationState.CANCELED, actor=actor.name
        )
    return get_generation(tx, actor, generation_id)


def _drawing_version(
    tx: Tx, actor: Actor, subject_id: UUID | None, version_id: UUID | None
) -> Version:
    if version_id is not None:
        version = get_version(tx, actor, version_id)
        if version.state not in (VersionState.ACTIVE, VersionState.CANDIDATE):
            raise Conflict(f"Version {version.number} is {version.state}: it draws no more.")
        return version
    if subject_id is None:
        raise Invalid("Say which subject, or which version, is to draw.")
    subject = subjects.get(tx, subject_id, actor.owner_id)
    if subject is None:
        raise NotFound(f"There is no subject {subject_id}.")
    active = versions.active(tx, subject_id)
    if active is None:
        raise Conflict(
            f"{subject.name} has no active version.",
            hint="Train one, or make a candidate active: `safelight activate VERSION`.",
        )
    return active


def _preset(tx: Tx, version: Version) -> GenerationPreset:
    training = trainings.get(tx, version.training_id)
    assert training is not None  # a version's training is a foreign key
    return get_profile(training.profile).generation


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise Invalid(f"{name} is {low:g} to {high:g}; {value:g} was given.")
    return value


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise Invalid(f"{name} is one of {', '.join(allowed)}; {value!r} was given.")
    return value
