"""Whether a request that costs may be sent now: asked, and its money reserved, with the intent."""

from __future__ import annotations

from datetime import UTC, datetime

from safelight.db import runs, spending
from safelight.db.transaction import Tx
from safelight.domain.estimates import estimate
from safelight.domain.nouns import Generation, Training
from safelight.domain.outcome import Park, Wait
from safelight.domain.spending import images_estimate, stands_in_the_way


def admit_training(tx: Tx, training: Training) -> Wait | Park | None:
    """Reserve for this training, or say why it waits."""
    steps = int((training.sent or {})["input"].get("steps", 1000))
    # Before the lock: it reads many runs, and the owner's other trainings would wait for it.
    expected = estimate(steps, training.profile, runs.measured(tx)).micro_usd_p50
    limits = spending.lock_limits(tx, training.owner_id)
    today = spending.today(tx, training.owner_id, besides=training.id)
    waited = (datetime.now(UTC) - training.created_at).total_seconds()
    why = stands_in_the_way(limits, today, expected, training=True, waited=waited)
    if why is not None:
        return why
    spending.reserve_training(tx, training.id, expected)
    return None


def admit_generation(tx: Tx, generation: Generation) -> Wait | Park | None:
    """Reserve for these images, or say why they wait."""
    limits = spending.lock_limits(tx, generation.owner_id)
    expected = images_estimate(int(generation.input.get("num_outputs", 1)))
    today = spending.today(tx, generation.owner_id, besides=generation.id)
    if (why := stands_in_the_way(limits, today, expected, training=False)) is not None:
        return why
    spending.reserve_generation(tx, generation.id, expected)
    return None
