"""Generations: images asked of a version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from safelight.db import generations as rows
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.domain.states import GenerationState
from safelight.flow.commands import images as commands
from safelight.flow.context import Context
from safelight.web.access import Cx, Who, v1
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Factor, Line, Ref, Text
from safelight.web.trainings import usd

router = APIRouter(
    prefix="/v1/generations", tags=["generations"], responses=documented(401, 403, 422, 429, 503)
)

IMAGE_SECONDS = 3600


class NewGeneration(BaseModel):
    """Images to be drawn. Say a subject (its active version draws) or a version."""

    prompt: Text = Field(
        min_length=1,
        max_length=4000,
        description="What to show. The trigger word is put in for you.",
        examples=["portrait in a linen jacket, window light, 85mm"],
    )
    subject_id: UUID | None = None
    version_id: UUID | None = None
    count: int | None = Field(None, ge=1, le=16, description="1 to 4 images.", examples=[2])
    seed: int | None = Field(
        None, ge=0, le=commands.MAX_SEED, description="The same seed draws the same image again."
    )
    aspect_ratio: Line | None = Field(
        None, max_length=20, description=f"One of {', '.join(commands.ASPECT_RATIOS)}."
    )
    format: Line | None = Field(
        None, max_length=20, description=f"One of {', '.join(commands.FORMATS)}."
    )
    scale: Factor | None = Field(None, description="Strength of the LoRA, within its own schema.")
    guidance: Factor | None = Field(None, description="2.0 to 3.5 is advised.")
    preset: Ref | None = Field(None, description="`authentic@v1`; GET /v1/presets lists them.")
    extra_lora: Line | None = Field(
        None, max_length=500, description="Another adapter; none unless asked for."
    )
    extra_lora_scale: Factor | None = None
    unapproved: bool = Field(False, description="Draw with a version that nobody approved.")


class Image(BaseModel):
    """An image."""

    id: UUID
    number: int
    url: str = Field(description="Reads the image for an hour. It is a secret.")
    bytes: int
    sha256: str
    width: int
    height: int
    format: str


class Generation(BaseModel):
    """A request for images."""

    id: UUID
    subject_id: UUID
    version_id: UUID
    purpose: str = Field(
        description="`request`: yours. `preview`: drawn with every new version. `control`: the first "
        "preview without the LoRA."
    )
    state: GenerationState
    prompt: str
    asked_prompt: str | None = Field(description="As you wrote it.")
    changes: list[dict[str, str]] = Field(
        description="What was taken out of it (`system-text`, `markdown`, `banned`, ...) or `added`."
    )
    preset: str | None
    input: dict[str, Any] = Field(description="What is sent to the provider.")
    images: list[Image] = Field(description="Empty until it has succeeded.")
    cost_usd: float | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


def _shown(
    cx: Context, found: Sequence[nouns.Generation], images: Sequence[nouns.Image]
) -> list[Generation]:
    drawn: dict[UUID, list[Image]] = {}
    for image in images:
        url = cx.tools.store.presign_get(image.key, IMAGE_SECONDS)
        shown = Image(
            id=image.id,
            number=image.number,
            url=url,
            bytes=image.bytes,
            sha256=image.sha256,
            width=image.width,
            height=image.height,
            format=image.format,
        )
        drawn.setdefault(image.generation_id, []).append(shown)
    return [
        Generation(
            id=g.id,
            subject_id=g.subject_id,
            version_id=g.version_id,
            purpose=g.purpose,
            state=GenerationState(g.state),
            prompt=g.prompt,
            asked_prompt=g.asked_prompt,
            changes=[{"kind": c["kind"], "text": c["text"]} for c in g.changes],
            preset=g.preset,
            input=g.input,
            images=drawn.get(g.id, []),
            cost_usd=usd(g.cost_micro_usd),
            error=g.error,
            created_at=g.created_at,
            finished_at=g.finished_at,
        )
        for g in found
    ]


@router.post("", status_code=202, response_model=Generation, responses=documented(404, 409))
def request_generation(asked: NewGeneration, cx: Cx, who: Who, once: Creates) -> Response:
    """Ask for images.

    202: it is accepted; look at `Location` until its images are there. Honours `Idempotency-Key`.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        made = commands.request_generation(tx, who, **asked.model_dump())
        (shown,) = _shown(cx, [made], [])
        return shown, v1("generations", made.id)

    return once(asked, make, status=202)


@router.get("", response_model=Page[Generation])
def list_generations(
    cx: Cx,
    who: Who,
    page: Paged,
    subject_id: UUID | None = None,
    version_id: UUID | None = None,
) -> object:
    """Your generations with their images, newest first; a version's previews are among them."""
    with cx.db.transaction() as tx:
        found = rows.find(
            tx,
            who.owner_id,
            subject_id=subject_id,
            version_id=version_id,
            after=page.after,
            limit=page.one_more,
        )
        images = rows.images(tx, [generation.id for generation in found])
    return page.of(_shown(cx, found, images), lambda shown: shown, lambda shown: shown.id)


@router.get("/{generation_id}", responses=documented(404))
def get_generation(generation_id: UUID, cx: Cx, who: Who) -> Generation:
    """One generation with its images."""
    with cx.db.transaction() as tx:
        found = commands.get_generation(tx, who, generation_id)
        images = rows.images(tx, [found.id])
    return _shown(cx, [found], images)[0]


@router.post("/{generation_id}/cancel", responses=documented(404, 409))
def cancel_generation(generation_id: UUID, cx: Cx, who: Who) -> Generation:
    """Stop it before it is submitted; afterwards it takes seconds, and is paid."""
    with cx.db.transaction() as tx:
        return _shown(cx, [commands.cancel_generation(tx, who, generation_id)], [])[0]
