"""Removing and having back, and holds that nothing deletes through."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from safelight.db import recycling as rows
from safelight.domain import recycled
from safelight.flow.commands import recycling as commands
from safelight.web.access import Cx, Who, v1
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Text

router = APIRouter(prefix="/v1", tags=["recycling"], responses=documented(401, 403, 422, 429, 503))


class Recycled(BaseModel):
    """Something that was removed, and can be had back until its recycle window is over."""

    noun: str = Field(description="`photo`, `image` or `version`.")
    id: UUID
    subject_id: UUID
    name: str
    bytes: int | None
    removed_at: datetime

    @classmethod
    def of(cls, found: recycled.Recycled) -> Recycled:
        """As the door shows it."""
        return cls.model_validate(found, from_attributes=True)


class HoldAsked(BaseModel):
    """What is to be held, and why."""

    id: UUID = Field(
        description="Of a subject (with all that is its own), photo, dataset, training, version, "
        "generation or image; or your own."
    )
    reason: Text = Field(min_length=1, max_length=500, examples=["dispute 2026-12"])


class Hold(BaseModel):
    """A hold in force: no rule, no person and no erasure deletes what it names."""

    id: UUID
    noun: str
    noun_id: UUID
    reason: str
    placed_by: str
    placed_at: datetime

    @classmethod
    def of(cls, hold: recycled.Hold) -> Hold:
        """As the door shows it."""
        return cls.model_validate(hold, from_attributes=True)


@router.delete("/images/{image_id}", status_code=204, responses=documented(404, 409))
def remove_image(image_id: UUID, cx: Cx, who: Who) -> None:
    """Remove an image: hidden at once, deleted when its recycle window is over."""
    with cx.db.transaction() as tx:
        commands.remove(tx, who, "image", image_id)


@router.delete("/versions/{version_id}", status_code=204, responses=documented(404, 409))
def remove_version(version_id: UUID, cx: Cx, who: Who) -> None:
    """Remove a version that does not draw; its weights go when its recycle window is over."""
    with cx.db.transaction() as tx:
        commands.remove(tx, who, "version", version_id)


@router.post("/photos/{photo_id}/restore", status_code=204, responses=documented(404, 409))
def restore_photo(photo_id: UUID, cx: Cx, who: Who) -> None:
    """Have a removed photo back; the next training's inspection judges it anew."""
    with cx.db.transaction() as tx:
        commands.restore(tx, who, "photo", photo_id)


@router.post("/images/{image_id}/restore", status_code=204, responses=documented(404, 409))
def restore_image(image_id: UUID, cx: Cx, who: Who) -> None:
    """Have a removed image back."""
    with cx.db.transaction() as tx:
        commands.restore(tx, who, "image", image_id)


@router.post("/versions/{version_id}/restore", status_code=204, responses=documented(404, 409))
def restore_version(version_id: UUID, cx: Cx, who: Who) -> None:
    """Have a removed version back, in the state it was in."""
    with cx.db.transaction() as tx:
        commands.restore(tx, who, "version", version_id)


@router.get("/recycled", response_model=Page[Recycled])
def list_recycled(cx: Cx, who: Who, page: Paged) -> object:
    """What was removed and can be had back, newest first."""
    with cx.db.transaction() as tx:
        found = rows.recycled(tx, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Recycled.of, lambda item: item.id)


@router.post("/holds", status_code=201, responses=documented(404, 409))
def place_hold(asked: HoldAsked, cx: Cx, who: Who, response: Response) -> Hold:
    """Hold something: nothing deletes it until the hold is released."""
    with cx.db.transaction() as tx:
        hold = commands.place_hold(tx, who, asked.id, asked.reason)
    response.headers["Location"] = v1("holds", hold.id)
    return Hold.of(hold)


@router.get("/holds", response_model=Page[Hold])
def list_holds(cx: Cx, who: Who, page: Paged) -> object:
    """The holds in force, newest first."""
    with cx.db.transaction() as tx:
        found = rows.holds(tx, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Hold.of, lambda hold: hold.id)


@router.delete("/holds/{hold_id}", status_code=204, responses=documented(404))
def release_hold(hold_id: UUID, cx: Cx, who: Who) -> None:
    """Release a hold, by its own id or by that of what it holds. The rules apply again."""
    with cx.db.transaction() as tx:
        commands.release_hold(tx, who, hold_id)
