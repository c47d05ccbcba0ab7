"""Profiles: how a kind of subject is judged, trained and previewed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from safelight.domain import estimates
from safelight.domain import profiles as domain
from safelight.flow.commands.estimates import estimate_training
from safelight.web.access import Cx, Who
from safelight.web.problems import documented
from safelight.web.text import Ref

router = APIRouter(
    prefix="/v1/profiles", tags=["profiles"], responses=documented(401, 403, 422, 429, 503)
)


class ProfileSummary(BaseModel):
    """A profile."""

    id: str = Field(description="`name@version`. A profile never changes.")
    name: str
    version: str
    title: str
    default: bool = Field(description="Used where a training names none.")
    own: bool = Field(description="Out of the project's own folder.")


class ProfileDetail(ProfileSummary):
    """A profile with its numbers and where each comes from."""

    gates: dict[str, Any] = Field(description="What photos and sets are measured against.")
    steps: dict[str, Any] | int = Field(description="A number, or a rule from the set's size.")
    sent: dict[str, Any] = Field(description="What is sent to the trainer.")
    ignored: dict[str, Any] = Field(
        description="What people have set and the trainer does not take: never sent."
    )
    generation: dict[str, Any] = Field(description="How images are drawn.")
    previews: list[dict[str, Any]]
    sources: dict[str, str]
    sha256: str = Field(description="Of the file; kept with every training that uses it.")


class Estimate(BaseModel):
    """What a training would take, for the button that starts it."""

    profile: str
    images: int
    steps: int
    exposures: float = Field(description="How often each image is seen.")
    seconds_p50: float
    seconds_p95: float | None = Field(
        description="Null: too few runs were measured here for a spread."
    )
    cost_usd_p50: float
    cost_usd_p95: float | None
    basis: estimates.Basis = Field(
        description="`profile`: measured runs of it; `all profiles`: too few of its own; "
        "`reference`: none has succeeded here, one real run on record elsewhere."
    )
    runs: int = Field(description="How many runs it rests on.")
    words: str = Field(
        examples=[
            "14 min, $1.28; 19 of 20 within 19 min, $1.74 (37 runs measured here, of this profile)"
        ]
    )


class Profiles(BaseModel):
    """Every profile."""

    items: list[ProfileSummary]


def _summary(profile: domain.Profile) -> ProfileSummary:
    return ProfileSummary(
        id=profile.id,
        name=profile.name,
        version=profile.version,
        title=profile.title,
        default=profile.id == domain.DEFAULT,
        own=profile.own,
    )


@router.get("")
def list_profiles(who: Who) -> Profiles:  # noqa: ARG001 (a key is needed, whosever it is)
    """Every profile there is."""
    return Profiles(items=[_summary(profile) for profile in domain.load_profiles().values()])


@router.get("/{profile_id}", responses=documented(404))
def get_profile(profile_id: Ref, who: Who) -> ProfileDetail:  # noqa: ARG001 (as above)
    """One profile: its numbers, and where each comes from."""
    profile = domain.get_profile(profile_id)
    steps = profile.steps
    return ProfileDetail(
        **_summary(profile).model_dump(),
        gates=asdict(profile.gates),
        steps=steps if isinstance(steps, int) else asdict(steps),
        sent=dict(profile.sent),
        ignored={name: asdict(item) for name, item in profile.ignored.items()},
        generation=asdict(profile.generation),
        previews=[asdict(preview) for preview in profile.previews],
        sources=dict(profile.sources),
        sha256=profile.sha256,
    )


@router.get("/{profile_id}/estimate", responses=documented(404))
def estimate_profile(
    profile_id: Ref,
    cx: Cx,
    who: Who,  # noqa: ARG001 (as above)
    images: Annotated[int, Query(ge=1, le=10_000, description="How many photos.")],
) -> Estimate:
    """What a training on so many photos would take: time and money, from the runs measured here."""
    with cx.db.transaction() as tx:
        plan, found = estimate_training(tx, profile_id, images=images)
    p95 = found.micro_usd_p95
    return Estimate(
        profile=profile_id,
        images=images,
        steps=plan.steps,
        exposures=round(plan.exposures, 1),
        seconds_p50=round(found.seconds_p50, 1),
        seconds_p95=None if found.seconds_p95 is None else round(found.seconds_p95, 1),
        cost_usd_p50=found.micro_usd_p50 / 1e6,
        cost_usd_p95=None if p95 is None else p95 / 1e6,
        basis=found.basis,
        runs=found.runs,
        words=found.words,
    )
