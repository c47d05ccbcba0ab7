"""What a training would take, before anyone asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safelight.db import runs
from safelight.db.transaction import Tx
from safelight.domain.estimates import Estimate, estimate
from safelight.domain.plans import TrainingPlan, training_input
from safelight.domain.profiles import get_profile
from safelight.flow import used


def estimate_training(
    tx: Tx, profile: str, *, images: int, overrides: Mapping[str, Any] | None = None
) -> tuple[TrainingPlan, Estimate]:
    """The plan for *images* photos, and what it will take.

    Raises:
        NotFound, Invalid: as `start_training` would.
    """
    chosen = get_profile(profile)
    plan = training_input(
        chosen,
        images=images,
        trigger="TOK",
        overrides=overrides,
        inputs=used.known_inputs(tx, chosen.trainer),
    )
    return plan, estimate(plan.steps, chosen.id, runs.measured(tx))
