"""Subjects with trained versions, made through the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from safelight.db import versions
from safelight.domain.nouns import Version
from safelight.domain.provider import RemoteStatus
from safelight.flow.commands import Actor
from safelight.flow.context import Context
from tests.support.pipeline import ScriptedProvider, drain, train, training_row, turn
from tests.support.weights import write_archive, write_lora


def trained(
    cx: Context,
    who: Actor,
    provider: ScriptedProvider,
    subject_id: UUID,
    folder: Path,
    *,
    letter: str = "b",
    **more: Any,
) -> Version:
    """Train the subject on the photos it has, to the end; *letter* names the provider's version."""
    training = train(cx, who, subject_id, **more)
    return finish(cx, provider, training.id, folder, letter=letter)


def finish(
    cx: Context, provider: ScriptedProvider, training_id: UUID, folder: Path, *, letter: str
) -> Version:
    """Let a training that is due or under way come to its version."""
    drain(cx)
    url = f"https://replicate.delivery/x/{letter}/trained_model.tar"
    lora = write_lora(folder / f"{letter}.safetensors", rank=16)
    provider.files[url] = write_archive(folder / f"{letter}.tar", lora)
    provider.tell(
        training_row(cx, training_id)["provider_id"],
        status=RemoteStatus.SUCCEEDED,
        output={"version": f"emulated/x:{letter * 64}", "weights": url},
        predict_seconds=900.0,
    )
    turn(cx, "watch_trainings")
    drain(cx)
    with cx.db.transaction() as tx:
        found = versions.of_training(tx, training_id)
    assert found is not None
    return found
