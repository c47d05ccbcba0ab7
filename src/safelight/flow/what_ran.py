"""What really ran, kept with the training and its version: course, effective parameters, layers."""

from __future__ import annotations

from safelight.db import trainings, versions
from safelight.db.transaction import Tx
from safelight.domain.differences import columns, different
from safelight.domain.lora import by_block
from safelight.domain.nouns import Training, Version
from safelight.domain.trainlog import parse_log
from safelight.stages.generate import WeightsStored


def keep_what_ran(tx: Tx, training: Training, version: Version, stored: WeightsStored) -> None:
    """The course, what the trainer really used, and a mark on the version where that is not what was
    ordered."""
    images = training.images
    if stored.log:
        course = parse_log(stored.log)
        images = course.images or images
        trainings.set_course(tx, training.id, course)
    rows = columns(
        training.asked,
        (training.sent or {}).get("input"),
        stored.effective,
        images=images or stored.captions or None,
        version=(training.trainer_version, training.trainer_version_observed),
    )
    differ = different(rows)
    trainings.set_effective(
        tx,
        training.id,
        stored.effective,
        differences=[row.to_dict() for row in differ],
        images=images or stored.captions or None,
    )
    facts = stored.facts
    holds = {
        "naming": facts.naming,
        "dtypes": list(facts.dtypes),
        "learnt": by_block(facts.layers),
    }
    marks = [row.to_dict() for row in differ if row.matters]
    versions.set_weights(tx, version.id, weights=holds, marks=marks)
