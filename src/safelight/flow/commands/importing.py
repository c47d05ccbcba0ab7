"""Import: versions trained elsewhere come in with what can be known, the rest marked as not verifiable."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

from safelight import scratch
from safelight.db import subjects, temporary, versions
from safelight.db.transaction import Tx
from safelight.domain import draw_inputs
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import StoredWeights, Version
from safelight.flow.commands import Actor, consent
from safelight.flow.commands.subjects import get_subject
from safelight.flow.context import Context
from safelight.stages import importing
from safelight.stages.importing import Found

_MODEL = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([0-9a-f]{64}))?")
_TRIGGER = re.compile(r"\S(?:.{0,98}\S)?")
UNUSED_SECONDS = 24 * 3600
"""Weights that were put and not kept (a crash in between) are purged after a day."""


def import_version(
    cx: Context,
    actor: Actor,
    subject_id: UUID,
    *,
    model: str | None = None,
    file: Path | None = None,
    trigger: str | None = None,
    scale: float = 1.0,
) -> tuple[Version, bool]:
    """Take in a Replicate model's version (``owner/name:<64hex>``), a LoRA file, or both as one.

    It comes in as a candidate: a person approves it. Its trigger is that of its training or its file;
    *trigger* is needed where neither tells. False: it was imported before, and nothing changed.

    Raises:
        NotFound; Invalid: nothing to import, no trigger, or another than it was trained with;
        BadArchive: the file is no whole LoRA; ConsentMissing: as for a training.
    """
    if model is None and file is None:
        raise Invalid("Say a model at the provider, a weights file, or both.")
    if file is not None and not file.is_file():
        raise NotFound(f"There is no file {file}.")
    draw_inputs.check({"lora_scale": scale}, None)
    name, version = _named(cx, model)
    with cx.db.transaction() as tx:
        subject = get_subject(tx, actor, subject_id)
        consent.require_for_training(subject)
        if there := _there(tx, actor, subject_id, version, None):
            return there, False
    with scratch.folder() as work:
        found = importing.look(cx.tools.provider, work, model=name, version=version, file=file)
        word = _trigger_of(found, trigger)
        stored = _store(cx, subject_id, found)
    with cx.db.transaction() as tx:
        locked = subjects.lock(tx, subject_id, actor.owner_id)
        if locked is None:
            raise NotFound(f"There is no subject {subject_id}.")
        sha256 = stored.sha256 if stored else None
        if there := _there(tx, actor, subject_id, version, sha256):
            return there, False  # what was stored for it is left to cleanup
        made = versions.add_imported(
            tx,
            owner_id=actor.owner_id,
            subject_id=subject_id,
            trigger_word=word,
            lora_scale=scale,
            weights=stored,
            rank=found.facts.rank if found.facts else None,
            tensors=found.facts.tensors if found.facts else None,
            provider_model=name,
            provider_version=version,
            draw_inputs=found.draw_inputs,
            known=importing.known(found, given=file.name if file else None),
            actor=actor.name,
        )
        if made is None:
            raise Conflict(f"{model} has just been imported by somebody else.")
        if stored is not None:
            temporary.keep(tx, stored.key)
    return made, True


def _named(cx: Context, model: str | None) -> tuple[str | None, str | None]:
    """The model and its version; without one, the model's newest."""
    if model is None:
        return None, None
    fits = _MODEL.fullmatch(model)
    if fits is None:
        raise Invalid(
            f"A model is owner/name:version, the version 64 hex digits; {model[:120]!r} is not.",
            hint="Copy it from the model's page; owner/name alone means its newest version.",
        )
    return fits[1], fits[2] or cx.tools.provider.latest_version(fits[1])


def _there(
    tx: Tx, actor: Actor, subject_id: UUID, version: str | None, sha256: str | None
) -> Version | None:
    """The same version, or the same file where it is a file alone, if it is here already."""
    found = versions.find(tx, actor.owner_id, subject_id=subject_id, limit=1000)
    for one, _ in found:
        same = one.provider_version == version if version else one.weights_sha256 == sha256
        if one.state != "deleted" and same and (version or sha256):
            return one
    return None


def _trigger_of(found: Found, given: str | None) -> str:
    """The trigger it was trained with (R-5): never another one."""
    told = found.trigger
    if given is not None and told is not None and given != told:
        raise Invalid(
            f"It was trained with the trigger {told!r}, and {given!r} was given.",
            hint="Leave the trigger away: another one would draw a stranger.",
        )
    word = told or given
    if word is None:
        raise Invalid(
            "Neither a training nor the file tells its trigger.",
            hint="Say the word it was trained with: --trigger WORD.",
        )
    if not _TRIGGER.fullmatch(word):
        raise Invalid(f"A trigger has 1 to 100 characters on one line; {word[:40]!r} does not.")
    return word


def _store(cx: Context, subject_id: UUID, found: Found) -> StoredWeights | None:
    """Put the weights into our store; noted first, so that a crash leaves nothing unknown."""
    if found.file is None or found.facts is None:
        return None
    key = f"weights/{subject_id}/{new_id()}.safetensors"
    with cx.db.transaction() as tx:
        temporary.note(tx, key, purpose="import", seconds=UNUSED_SECONDS, subject_id=subject_id)
    put = cx.tools.store.put_file(key, found.file, "application/octet-stream")
    if put.sha256 != found.facts.sha256:
        raise Conflict("The file changed while it was read.", hint="Import it again.")
    return StoredWeights(key, put.bytes, found.facts.sha256)
