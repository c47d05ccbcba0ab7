"""Whom a campaign leaves out and why, and what it will cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from safelight.domain.campaigns import (
    HELD,
    IN_TRAINING,
    NO_PHOTOS,
    NOT_CONSENTED,
    NOTHING_TO_PURGE,
    SECONDS_A_STEP,
    CampaignKind,
    Candidate,
    Selection,
    estimate,
    planned,
    why_not,
)
from safelight.domain.profiles import get_profile

SUBJECT = Candidate(
    id=UUID(int=1),
    kind="person",
    consented=True,
    in_training=False,
    held=False,
    photos=15,
    versions=3,
    bytes=30,
    images=9,
    trackers=4,
)


@pytest.mark.parametrize("kind", CampaignKind)
def test_a_subject_with_all_it_takes_takes_part(kind: CampaignKind) -> None:
    assert why_not(kind, SUBJECT) is None


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({"held": True}, {"purge": HELD, "reset": HELD}),
        ({"in_training": True}, dict.fromkeys(("retrain", "purge", "reset"), IN_TRAINING)),
        ({"consented": False}, {"retrain": NOT_CONSENTED, "reset": NOT_CONSENTED}),
        ({"consented": False, "kind": "character"}, {}),
        ({"photos": 0}, dict.fromkeys(("reinspect", "retrain", "reset"), NO_PHOTOS)),
        ({"versions": 0}, {"purge": NOTHING_TO_PURGE}),
    ],
)
def test_what_keeps_a_subject_out(changed: dict[str, Any], reasons: dict[str, str]) -> None:
    """R-105: a reset without photos or consent would purge and then not train."""
    said = {str(kind): why_not(kind, replace(SUBJECT, **changed)) for kind in CampaignKind}
    assert {kind: why for kind, why in said.items() if why} == reasons


def test_what_is_counted_is_what_is_done() -> None:
    assert planned(CampaignKind.REINSPECT, SUBJECT) == {"photos": 15}
    assert planned(CampaignKind.RETRAIN, SUBJECT) == {"trainings": 1}
    purge = planned(CampaignKind.PURGE, SUBJECT)
    assert purge == {"versions": 3, "images": 9, "trackers": 4, "bytes": 30}
    assert planned(CampaignKind.RESET, SUBJECT) == purge | {"trainings": 1}


def test_the_estimate_follows_the_steps_and_what_a_step_took_lately() -> None:
    """R-104: $0.001525 a second."""
    fixed = get_profile("selfie-reset@2025-07-22")
    assert fixed.steps == 1200
    previews = len(fixed.previews) * 10.0
    assert estimate(fixed, 15, 1.0) == round((1200 + previews) * 1525)
    assert estimate(fixed, 15, None) == round((1200 * SECONDS_A_STEP + previews) * 1525)
    ruled = get_profile("likeness@v1")
    assert estimate(ruled, 30, 1.0) > estimate(ruled, 12, 1.0), "more photos, more steps"


def test_a_selection_is_kept_as_json_and_comes_back_the_same() -> None:
    given = Selection(made_by="a@1", since=datetime(2026, 5, 1, tzinfo=UTC), named=4)
    assert Selection.from_dict(given.to_dict()) == given
    assert Selection.from_dict({}) == Selection()
