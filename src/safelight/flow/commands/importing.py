"""Import: versions trained elsewhere come in with what can be known, the rest marked as not verifiable."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

from safelight import scratch
from safelight.db import imports, jobs, temporary, versions
from safelight.db.transaction import Tx
from safelight.domain import draw_inputs
from safelight.domain.errors import Conflict, Invalid, NotFound
from safelight.domain.ids import new_id
from safelight.domain.nouns import StoredWeights, Version
from safelight.domain.operations import Import
from safelight.domain.queues import Kind
from safelight.domain.states import VersionState
from safelight.domain.texts import shown
from safelight.flow.commands import Actor, consent
from safelight.flow.commands.subjects import get_subject, lock_subject
from safelight.flow.context import Context
from safelight.flow.ownership import refuse_anothers
from safelight.stages import importing
from safelight.stages.importing import MAX_TRIGGER, Found, is_word

_MODEL = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?::([0-9a-f]{64}))?", re.ASCII)
UNUSED_SECONDS = 24 * 3600
"""Weights that were put and not kept (a crash in between) are purged after a day."""


def request_import(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    *,
    model: str,
    trigger: str | None = None,
    scale: float = 1.0,
) -> Import:
    """Have a version at the provider (``owner/name``, with ``:<64hex>`` or the newest) taken in by a job:
    it may download gigabytes. Asked for again while it waits, it is the same import.

    Raises:
        NotFound: no such subject, or the model is another owner's; Invalid; ConsentMissing; Conflict: it
        waits already, with another trigger or scale.
    """
    subject = lock_subject(tx, subject_id, actor.owner_id)
    consent.require_for_training(subject)
    draw_inputs.check({"lora_scale": scale}, None)
    name, version = named(model)
    refuse_anothers(tx, actor.owner_id, name, version)
    if trigger is not None:
        check_trigger(trigger)
    if there := imports.waiting(tx, subject_id, model):
        if (there.trigger_word, there.lora_scale) != (trigger, scale):
            raise Conflict(
                f"An import of {shown(model, most=120)} waits already, with another trigger or scale.",
                hint="Cancel its job first, or wait for its end.",
            )
        return there
    made = imports.add(
        tx,
        owner_id=actor.owner_id,
        subject_id=subject_id,
        model=model,
        trigger_word=trigger,
        lora_scale=scale,
        actor=actor.name,
    )
    jobs.add_for(
        tx,
        Kind.IMPORT_VERSION,
        made.id,
        actor=actor.name,
        owner_id=made.owner_id,
        subject_id=made.subject_id,
    )
    return made


def get_import(tx: Tx, actor: Actor, subject_id: UUID, import_id: UUID) -> Import:
    """The subject's import. Raises NotFound if it is not there or another owner's."""
    found = imports.get(tx, import_id, actor.owner_id)
    if found is None or found.subject_id != subject_id:
        raise NotFound(f"There is no import {import_id}.")
    return found


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
    """Take in a Replicate model's version (``owner/name:<64hex>``), a LoRA file, or both as one, here and
    now: for an operator at a terminal, who may take in whatever the account holds.

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
    with cx.db.transaction() as tx:
        subject = get_subject(tx, actor, subject_id)
    consent.require_for_training(subject)
    name, version = named(model) if model is not None else (None, None)
    if name is not None and version is None:
        version = cx.tools.provider.latest_version(name)
    key = f"weights/{subject_id}/{new_id()}.safetensors"
    with cx.db.transaction() as tx:
        if there := there_is(tx, actor.owner_id, subject_id, version, None):
            return there, False
        # Noted first, so that a crash leaves nothing unknown.
        temporary.note(tx, key, purpose="import", seconds=UNUSED_SECONDS, subject_id=subject_id)
    with scratch.folder() as work:
        found = importing.look(cx.tools.provider, work, model=name, version=version, file=file)
        word = trigger_of(found, trigger)
        stored = importing.store(found, cx.tools.store, key)
    given = file.name if file else None
    with cx.db.transaction() as tx:
        return keep(tx, actor, subject_id, found, stored, trigger=word, scale=scale, given=given)


def keep(
    tx: Tx,
    actor: Actor,
    subject_id: UUID,
    found: Found,
    stored: StoredWeights | None,
    *,
    trigger: str,
    scale: float,
    given: str | None = None,
) -> tuple[Version, bool]:
    """The version's row, with what is known of it. False: it came in meanwhile; what was stored for it is
    left to cleanup.

    Raises:
        NotFound: the subject is gone. Conflict: somebody else has just imported the same.
    """
    lock_subject(tx, subject_id, actor.owner_id)
    sha256 = stored.sha256 if stored else None
    if there := there_is(tx, actor.owner_id, subject_id, found.version, sha256):
        return there, False
    made = versions.add_imported(
        tx,
        owner_id=actor.owner_id,
        subject_id=subject_id,
        trigger_word=trigger,
        lora_scale=scale,
        weights=stored,
        rank=importing.rank_of(found.facts),
        tensors=found.facts.tensors if found.facts else None,
        provider_model=found.model,
        provider_version=found.version,
        draw_inputs=found.draw_inputs,
        known=importing.known(found, given=given),
        actor=actor.name,
    )
    if made is None:
        raise Conflict(f"{found.model} has just been imported by somebody else.")
    if stored is not None:
        temporary.keep(tx, stored.key)
    return made, True


def named(model: str) -> tuple[str, str | None]:
    """The model ``owner/name`` and the version that is named; None: its newest."""
    fits = _MODEL.fullmatch(model)
    if fits is None:
        raise Invalid(
            "A model is owner/name:version, the version 64 hex digits; "
            f"{shown(model, most=120)!r} is not.",
            hint="Copy it from the model's page; owner/name alone means its newest version.",
        )
    return fits[1], fits[2]


def there_is(
    tx: Tx, owner_id: UUID, subject_id: UUID, version: str | None, sha256: str | None
) -> Version | None:
    """The same version, or the same file where it is a file alone, if it is here already."""
    for one, _ in versions.find(tx, owner_id, subject_id=subject_id, limit=1000):
        same = one.provider_version == version if version else one.weights_sha256 == sha256
        if one.state != VersionState.DELETED and same and (version or sha256):
            return one
    return None


def trigger_of(found: Found, given: str | None) -> str:
    """The trigger it was trained with (R-5): never another one."""
    told = found.trigger
    if given is not None and told is not None and given != told:
        raise Invalid(
            f"It was trained with the trigger {shown(told, most=MAX_TRIGGER)!r}, and {given!r} was given.",
            hint="Leave out the trigger: another one would draw a stranger.",
        )
    word = told or given
    if word is None:
        raise Invalid(
            "Neither a training nor the file tells its trigger.",
            hint="Say the word it was trained with: --trigger WORD.",
        )
    check_trigger(word)
    return word


def check_trigger(word: str) -> None:
    """Raise Invalid unless *word* is 1 to 100 characters on one line, with none that cannot be seen."""
    if not is_word(word):
        raise Invalid(
            f"A trigger has 1 to {MAX_TRIGGER} characters on one line; "
            f"{shown(word, most=40)!r} does not."
        )
