"""How images are drawn: the presets there are, and how an owner's versions come to draw."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from safelight.domain import presets as domain
from safelight.flow.commands import versions as commands
from safelight.web.access import Cx, Who
from safelight.web.problems import documented

router = APIRouter(
    prefix="/v1", tags=["generations"], responses=documented(401, 403, 422, 429, 503)
)


class Preset(BaseModel):
    """A generation preset."""

    id: str = Field(description="`name@version`. A preset never changes.")
    title: str
    source: str
    draw: dict[str, Any] = Field(description="What it sends to the drawing model.")
    banned: list[str] = Field(description="Taken out of prompts, beside the usual ones.")
    add: list[str] = Field(description="Added to prompts that do not say so already.")
    extra_lora: Literal["off", "allowed"] = Field(description="`off`: asking for one is refused.")


class Presets(BaseModel):
    """Every preset."""

    items: list[Preset]


class NewPolicy(BaseModel):
    """How your versions are to draw, and photos to be stored."""

    approval: Literal["first-version", "person"] = Field(
        description="`first-version`: a subject's first one draws at once. `person`: none does."
    )
    draw_unapproved: bool = Field(description="Whether versions nobody approved draw for users.")
    keep_location: bool | None = Field(
        None,
        description="Whether photos are stored with where they were taken (GPS and the like); left out, it "
        "stays as it is. It is taken out unless you say so.",
    )


class Policy(NewPolicy):
    """How your versions come to draw, and photos are stored."""

    keep_location: bool = Field(description="Whether photos are stored with where they were taken.")


@router.get("/presets")
def list_presets(who: Who) -> Presets:  # noqa: ARG001 (a key is needed, whosever it is)
    """Every preset there is."""
    return Presets(
        items=[
            Preset(
                id=p.id,
                title=p.title,
                source=p.source,
                draw=dict(p.draw),
                banned=list(p.banned),
                add=list(p.add),
                extra_lora="off" if p.extra_lora == "off" else "allowed",
            )
            for p in domain.load_presets().values()
        ]
    )


@router.get("/policy")
def get_policy(cx: Cx, who: Who) -> Policy:
    """How your versions come to draw, and photos are stored."""
    with cx.db.transaction() as tx:
        return Policy.model_validate(commands.get_policy(tx, who), from_attributes=True)


@router.put("/policy")
def set_policy(asked: NewPolicy, cx: Cx, who: Who) -> Policy:
    """Say how your versions come to draw, and whether photos are stored with where they were taken."""
    with cx.db.transaction() as tx:
        owner = commands.set_policy(
            tx,
            who,
            approval=asked.approval,
            draw_unapproved=asked.draw_unapproved,
            keep_location=asked.keep_location,
        )
    return Policy.model_validate(owner, from_attributes=True)
