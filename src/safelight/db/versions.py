"""Versions: a row exists only for weights that are stored and verified."""

from __future__ import annotations

from uuid import UUID

from safelight.db.statements import statements
from safelight.db.transaction import Row, Tx, into, jsonb
from safelight.domain.ids import new_id
from safelight.domain.masking import mask
from safelight.domain.nouns import Json, StoredWeights, Training, Version

sql = statements("versions")


def add(
    tx: Tx,
    training: Training,
    *,
    trigger_word: str,
    lora_scale: float,
    weights_key: str,
    weights_bytes: int,
    weights_sha256: str,
    rank: int,
    tensors: int,
    provider_model: str,
    provider_version: str,
    draw_inputs: Json | None,
    actor: str,
) -> Version:
    """The version a training made; lock the subject first."""
    row = tx.row(
        sql.insert_version,
        {
            "id": new_id(),
            "owner_id": training.owner_id,
            "subject_id": training.subject_id,
            "training_id": training.id,
            "trigger_word": trigger_word,
            "lora_scale": lora_scale,
            "weights_key": weights_key,
            "weights_bytes": weights_bytes,
            "weights_sha256": weights_sha256,
            "rank": rank,
            "tensors": tensors,
            "provider_model": provider_model,
            "provider_version": provider_version,
            "draw_inputs": jsonb(draw_inputs),
            "actor": actor,
        },
    )
    assert row is not None
    return into(Version, row)


def get(tx: Tx, id: UUID, owner_id: UUID | None = None) -> Version | None:
    """One version; with an owner, only if it is that owner's."""
    row = tx.row(sql.get_version, {"id": id, "owner_id": owner_id})
    return into(Version, row) if row else None


def of_training(tx: Tx, training_id: UUID) -> Version | None:
    """The version a training made."""
    row = tx.row(sql.version_of_training, {"training_id": training_id})
    return into(Version, row) if row else None


def active(tx: Tx, subject_id: UUID) -> Version | None:
    """The subject's active version."""
    row = tx.row(sql.active_version, {"subject_id": subject_id})
    return into(Version, row) if row else None


def find(
    tx: Tx,
    owner_id: UUID,
    *,
    subject_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[tuple[Version, str]]:
    """Versions with their subject's name, newest first, a page."""
    rows = tx.rows(
        sql.list_versions,
        {"owner_id": owner_id, "subject_id": subject_id, "after": after, "limit": limit},
    )
    return [(into(Version, row), row["subject_name"]) for row in rows]


def activate(
    tx: Tx, version: Version, *, why: str, actor: str, detail: Json | None = None
) -> Version | None:
    """Make it the one that draws, and approve it unless it was; the one before steps back.

    None: it is no candidate, or nothing at the provider draws with it.
    """
    said = {"detail": jsonb({"reason": why, **(detail or {})}), "actor": actor}
    tx.run(sql.stand_down, {"subject_id": version.subject_id, **said})
    row = tx.row(sql.activate, {"id": version.id, "why": why, **said})
    return into(Version, row) if row else None


def approve(tx: Tx, id: UUID, *, why: str, actor: str) -> Version | None:
    """It may draw for users. None: it is no candidate."""
    row = tx.row(sql.approve, {"id": id, "why": why, "actor": actor})
    return into(Version, row) if row else None


def reject(tx: Tx, id: UUID, *, why: str, actor: str) -> Version | None:
    """It may not draw for users. None: it is no candidate."""
    row = tx.row(sql.reject, {"id": id, "why": why, "actor": actor})
    return into(Version, row) if row else None


def before_it(tx: Tx, subject_id: UUID) -> Version | None:
    """The approved version that drew last before the active one."""
    row = tx.row(sql.before_it, {"subject_id": subject_id})
    return into(Version, row) if row else None


def tune(
    tx: Tx, id: UUID, *, lora_scale: float | None, guidance: float | None, why: str, actor: str
) -> Version | None:
    """Set what it draws with. None: it is archived or deleted."""
    row = tx.row(
        sql.tune,
        {"id": id, "lora_scale": lora_scale, "guidance": guidance, "why": why, "actor": actor},
    )
    return into(Version, row) if row else None


def add_imported(
    tx: Tx,
    *,
    owner_id: UUID,
    subject_id: UUID,
    trigger_word: str,
    lora_scale: float,
    weights: StoredWeights | None,
    rank: int | None,
    tensors: int | None,
    provider_model: str | None,
    provider_version: str | None,
    draw_inputs: Json | None,
    known: Json,
    actor: str,
) -> Version | None:
    """A version trained elsewhere; lock the subject first. None: it was imported before."""
    row = tx.row(
        sql.import_version,
        {
            "id": new_id(),
            "owner_id": owner_id,
            "subject_id": subject_id,
            "trigger_word": trigger_word,
            "lora_scale": lora_scale,
            "weights_key": weights.key if weights else None,
            "weights_bytes": weights.bytes if weights else None,
            "weights_sha256": weights.sha256 if weights else None,
            "rank": rank,
            "tensors": tensors,
            "provider_model": provider_model,
            "provider_version": provider_version,
            "draw_inputs": jsonb(draw_inputs),
            "known": jsonb(known),
            "actor": actor,
        },
    )
    return into(Version, row) if row else None


def archive(tx: Tx, id: UUID, *, storage_class: str | None, actor: str) -> Version | None:
    """Archive it; None: it is active by now, on hold, or something in flight needs it."""
    row = tx.row(sql.archive, {"id": id, "storage_class": storage_class, "actor": actor})
    return into(Version, row) if row else None


def ask_provider_delete(tx: Tx, id: UUID, *, again: float) -> Row | None:
    """The provider is asked to delete its copy: provider_model, provider_version, `seconds` since it
    was asked first, and whether to `ask` now (it was not within *again* seconds). None: it is
    needed, held, or gone already."""
    return tx.row(sql.ask_provider_delete, {"id": id, "again": again})


def provider_refused(tx: Tx, id: UUID, error: str, *, refused: bool, over: bool) -> None:
    """The provider's copy is still there, and why; *over*: it is left to a person."""
    tx.run(sql.provider_refused, {"id": id, "error": mask(error), "refused": refused, "over": over})


def provider_deleted(tx: Tx, id: UUID) -> None:
    """The provider's copy is gone."""
    tx.run(sql.provider_deleted, {"id": id})


def set_weights(tx: Tx, id: UUID, *, weights: Json, marks: list[Json]) -> Version:
    """Keep what the weights hold, and what the trainer did otherwise where that matters."""
    row = tx.row(sql.set_weights, {"id": id, "weights": jsonb(weights), "marks": jsonb(marks)})
    assert row is not None  # made in this transaction
    return into(Version, row)
