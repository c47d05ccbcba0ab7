"""The rows around a re-inspection: a subject's photos judged anew, under a campaign's profile.

What was measured is kept with a photo, so a turn judges and seldom measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from safelight.db import campaigns, subjects
from safelight.db.transaction import Tx
from safelight.domain.nouns import Job, SubjectKind
from safelight.domain.operations import CampaignItem
from safelight.domain.outcome import Done, Outcome, Wait
from safelight.domain.states import PhotoState
from safelight.flow import sets, used
from safelight.flow.context import Context
from safelight.flow.perform import Work
from safelight.flow.work.common import target
from safelight.flow.work.preprocess import InspectOrder, inspect
from safelight.stages import preprocess


@dataclass(frozen=True, slots=True)
class _Anew:
    item: CampaignItem
    before: dict[UUID, str]
    inspect: InspectOrder


def _begin(tx: Tx, job: Job, _cx: Context) -> _Anew | Outcome:
    waiting = campaigns.inspecting(tx, target(job))
    if not waiting:
        return Done("no campaign waits for it")
    item, profile = waiting[0]
    photos = subjects.photos_to_train_on(tx, target(job))
    subject = subjects.get(tx, target(job), job.owner_id) if job.owner_id else None
    return _Anew(
        item,
        {photo.id: photo.state for photo in photos},
        InspectOrder(
            tuple(sets.photo_of(photo) for photo in photos),
            used.profile_of(tx, profile).gates,
            subject.kind if subject else SubjectKind.PERSON,
            sets.keeps_of(tx, subject),
        ),
    )


def _settle(
    tx: Tx,
    job: Job,
    order: _Anew,
    result: tuple[preprocess.InspectedPhoto, ...],
    cx: Context,
) -> Outcome:
    assert job.owner_id is not None  # the campaign's
    subject = subjects.get(tx, target(job), job.owner_id)
    sets.record(tx, subject, result, by=cx.worker)
    accepted = sum(photo.accepted for photo in result)
    other = sum(
        order.before[UUID(photo.id)]
        == (PhotoState.REJECTED if photo.accepted else PhotoState.ACCEPTED)
        for photo in result
    )
    numbers = {"photos": len(result), "accepted": accepted, "judged_otherwise": other}
    campaigns.change(tx, order.item, "done", result=numbers)
    if len(campaigns.inspecting(tx, target(job))):
        return Wait(0.0, reason="another campaign waits for it")
    return Done(f"{accepted} of {len(result)} photos can be used; {other} judged otherwise")


REINSPECT = Work(_begin, lambda order, cx, pulse: inspect(order.inspect, cx, pulse), _settle)
