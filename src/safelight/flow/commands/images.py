"""Images drawn with a version: ask for them, cancel."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from safelight.db import generations, jobs, owners, trainings, versions
from safelight.db.transaction import Tx
from safelight.domain import draw_inputs
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.nouns import Generation, Version
from safelight.domain.presets import Preset, get_preset
from safelight.domain.profiles import DEFAULT, GenerationPreset
from safelight.domain.prompts import (
    MAX_PROMPT,
    CleanedPrompt,
    banned_words,
    clean_prompt,
    with_trigger,
)
from safelight.domain.queues import Kind
from safelight.domain.states import TERMINAL_GENERATION, GenerationState, VersionState
from safelight.flow import paid, used
from safelight.flow.commands import Actor
from safelight.flow.commands.subjects import get_subject
from safelight.flow.commands.versions import get_version
from safelight.flow.ownership import refuse_anothers_adapter

ASPECT_RATIOS = draw_inputs.ASPECT_RATIOS
FORMATS = draw_inputs.FORMATS
MAX_SEED = 2**31 - 1


def request_generation(
    tx: Tx,
    actor: Actor,
    *,
    prompt: str,
    subject_id: UUID | None = None,
    version_id: UUID | None = None,
    preset: str | None = None,
    count: int | None = None,
    seed: int | None = None,
    aspect_ratio: str | None = None,
    format: str | None = None,
    scale: float | None = None,
    guidance: float | None = None,
    extra_lora: str | None = None,
    extra_lora_scale: float | None = None,
    unapproved: bool = False,
) -> Generation:
    """Ask for images: with the subject's active version, or with the version named.

    The prompt is cleaned and carries the version's own trigger word (R-5, R-69, R-70); scale and
    guidance are the version's unless given (R-14); the rest is the preset's, or its profile's. An
    extra adapter is sent only where one is named (R-71).

    Raises:
        NotFound; Conflict: no active version, or one that cannot draw, or (unless *unapproved*) that
        nobody approved; Invalid: out of the range of this version's drawing model.
    """
    version = _drawing_version(tx, actor, subject_id, version_id, unapproved=unapproved)
    chosen = get_preset(preset) if preset is not None else None
    subject = get_subject(tx, actor, version.subject_id)
    if len(prompt) > MAX_PROMPT:
        raise Invalid(
            f"A prompt has at most {MAX_PROMPT:,} characters; this one has {len(prompt):,}.",
            hint="The drawing model reads about 512 words of it.",
        )
    cleaned = clean_prompt(
        prompt,
        banned=banned_words(subject.kind, chosen.banned if chosen else ()),
        add=chosen.add if chosen else (),
    )
    if not cleaned.text:
        taken = (
            ", ".join(sorted({change.kind for change in cleaned.changes})) or "nothing was in it"
        )
        raise Invalid(
            f"The prompt says nothing once what does not belong in it is taken out ({taken}).",
            hint="Say in plain words what the picture shows.",
        )
    if extra_lora is not None:
        refuse_anothers_adapter(tx, actor.owner_id, extra_lora)
    asked = {
        "num_outputs": count,
        "aspect_ratio": aspect_ratio,
        "output_format": format,
        "lora_scale": scale,
        "guidance_scale": guidance,
        **_extra_lora(chosen, extra_lora, extra_lora_scale),
    }
    input = {**preset_input(_preset(tx, version), version), **_drawn(chosen, version)}
    input |= {name: value for name, value in asked.items() if value is not None}
    if seed is not None:
        draw_inputs.check(
            {"seed": seed}, {"seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED}}
        )
    draw_inputs.check(input, version.draw_inputs)
    return ask(
        tx,
        version,
        purpose="request",
        prompt=cleaned,
        asked_prompt=prompt,
        preset=chosen.id if chosen else None,
        seed=seed,
        input=input,
        by=actor.name,
    )


def _extra_lora(preset: Preset | None, name: str | None, scale: float | None) -> dict[str, Any]:
    if name is None:
        if scale is not None:
            raise Invalid("extra_lora_scale is the strength of an extra_lora, and none is named.")
        return {}
    if preset is not None and preset.extra_lora == "off":
        raise Invalid(
            f"The preset {preset.id} keeps extra adapters off: they pull towards the polished "
            "look.",
            hint="Leave out extra_lora, or take another preset: `safelight presets`.",
        )
    return {"extra_lora": name, "extra_lora_scale": scale}


def _drawn(preset: Preset | None, version: Version) -> dict[str, Any]:
    """What the preset sets, but for what was tuned for this very version (K13)."""
    if preset is None:
        return {}
    tuned = {"lora_scale"} | ({"guidance_scale"} if version.guidance is not None else set())
    return {name: value for name, value in preset.draw.items() if name not in tuned}


def preset_input(preset: GenerationPreset, version: Version) -> dict[str, Any]:
    """The generator's input as the profile and the version have it, without prompt and seed."""
    guidance = preset.guidance if version.guidance is None else version.guidance
    wanted = {**preset.as_input(), "lora_scale": version.lora_scale, "guidance_scale": guidance}
    return draw_inputs.taken(wanted, version.draw_inputs)


def ask(
    tx: Tx,
    version: Version,
    *,
    purpose: str,
    prompt: CleanedPrompt,
    seed: int | None,
    input: Mapping[str, Any],
    by: str,
    asked_prompt: str | None = None,
    preset: str | None = None,
) -> Generation:
    """Write the generation and the job that submits it. The seed is always ours, so that the same
    image can be asked for again, and a request be known in the provider's list."""
    final = with_trigger(prompt.text, version.trigger_word)
    generation = generations.add(
        tx,
        version,
        purpose=purpose,
        prompt=prompt.text,
        asked_prompt=asked_prompt,
        changes=[change.to_dict() for change in (*prompt.changes, *final.changes)],
        preset=preset,
        input={
            **input,
            "prompt": final.text,
            "seed": secrets.randbelow(MAX_SEED) if seed is None else seed,
        },
        actor=by,
    )
    paid.follow(tx, generation, Kind.SUBMIT_GENERATION, by)
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
    if found is None:  # its subject is being erased since a moment ago
        raise NotFound(f"There is no generation {generation_id}.")
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
    tx: Tx, actor: Actor, subject_id: UUID | None, version_id: UUID | None, *, unapproved: bool
) -> Version:
    if version_id is not None:
        version = get_version(tx, actor, version_id)
        if version.state not in (VersionState.ACTIVE, VersionState.CANDIDATE):
            raise Conflict(f"Version {version.number} is {version.state}: it draws no more.")
        if version.removed_at is not None:
            raise Conflict(
                f"Version {version.number} was removed: it draws no more.",
                hint=f"Have it back with `safelight restore version {version.id}`.",
            )
        if not version.approved and not unapproved and not _owner_says_so(tx, actor):
            why = (
                f"was rejected by {version.rejected_by} ({version.rejected_why})"
                if version.rejected_at
                else "was never approved"
            )
            raise Conflict(
                f"Version {version.number} {why}, so it does not draw for users.",
                hint=f"Look at its previews and `safelight approve {version.id}`; or ask with "
                "--unapproved (unapproved=true) to try it.",
            )
        _require_drawer(version)
        return version
    if subject_id is None:
        raise Invalid("Say which subject, or which version, is to draw.")
    subject = get_subject(tx, actor, subject_id)
    active = versions.active(tx, subject_id)
    if active is None:
        raise Conflict(
            f"{subject.name} has no active version.",
            hint="Train one, or make a candidate active: `safelight activate VERSION`.",
        )
    return active


def _owner_says_so(tx: Tx, actor: Actor) -> bool:
    return owners.get(tx, actor.owner_id).draw_unapproved


def _require_drawer(version: Version) -> None:
    if version.provider_version is None:
        raise Conflict(
            f"Version {version.number} is a weights file alone: nothing at the provider draws with it.",
            hint="Import it again with --model owner/name:version, once the provider has it.",
        )


def _preset(tx: Tx, version: Version) -> GenerationPreset:
    """Its profile's preset; one that was trained elsewhere draws as the default profile does."""
    training = trainings.get(tx, version.training_id) if version.training_id else None
    return used.profile_of(tx, training.profile if training else DEFAULT).generation
