"""The report on a set: one object with `photos` and `findings`, for machines and for the page.

It leaves the house: names and numbers only, no identity vector (biometric data) and no picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from safelight.domain.composition import tags_of
from safelight.domain.crops import Crop, medium_crop, plan_crop
from safelight.domain.members import SetPhoto
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import Profile, StepRule
from safelight.domain.retrain import LastGood
from safelight.domain.sets import Exposures, SetReport, SetRules
from safelight.domain.trainer_inputs import INPUTS


def exposures_of(profile: Profile, overrides: Mapping[str, Any] | None = None) -> Exposures:
    """How often each of n images is seen under *profile*."""
    given = {**profile.sent, **(overrides or {})}
    batch = int(given.get("batch_size", INPUTS["batch_size"].default))

    def seen(images: int) -> float:
        rule = given.get("steps", profile.steps)
        steps = rule.steps(images, batch) if isinstance(rule, StepRule) else int(rule)
        return steps * batch / images

    return seen


def rules_of(
    profile: Profile,
    overrides: Mapping[str, Any] | None = None,
    *,
    kind: str,
    trigger: str,
    before: LastGood | None = None,
    answer: str | None = None,
) -> SetRules:
    """What *profile*, with *overrides* of its inputs, says of a set of a subject of *kind*."""
    exposures = exposures_of(profile, overrides)
    return SetRules(profile.gates, kind, exposures, before, answer, trigger)


def public_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Stored facts as they may be shown: without the identity vectors of faces."""
    shown = dict(facts)
    measured = shown.get("measured")
    if measured:
        faces = measured.get("faces")
        kept = faces and [{k: v for k, v in f.items() if k != "embedding"} for f in faces]
        shown["measured"] = {**measured, "faces": kept}
    return shown


def report_of(
    report: SetReport,
    photos: Sequence[SetPhoto],
    profile: Profile,
    *,
    captions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The report as one JSON object. *captions* by photo id: what each would be trained with."""
    kept, parts = set(report.kept), set(report.details["crops"])
    told: dict[str, list[str]] = {}
    for finding in report.findings:
        if finding.photo_id is not None:
            told.setdefault(finding.photo_id, []).append(finding.kind)
    return {
        "profile": profile.id,
        "verdict": report.verdict.value,
        "counts": dict(report.counts),
        "limits": {
            "block": profile.gates.block,
            "warn": profile.gates.warn,
            "ideal": [profile.gates.ideal_min, profile.gates.ideal_max],
            "soft_max": profile.gates.soft_max,
        },
        **report.details,
        "photos": [
            {
                "name": photo.name,
                "id": photo.id,
                "used": photo.id in kept,
                "left_out": report.dropped.get(photo.id),
                "findings": told.get(photo.id, []),
                "caption": (captions or {}).get(photo.id),
                **_facts(photo.facts, part=photo.id in parts),
            }
            for photo in photos
        ],
        "findings": [finding.to_dict() for finding in report.findings],
    }


def _facts(facts: PhotoFacts | None, *, part: bool) -> dict[str, Any]:
    """`crop`: what is trained on; `derived_crop`: the part that is trained on beside it (R-57)."""
    if facts is None:
        return {"facts": None, "tags": [], "crop": None, "derived_crop": None}
    usable = facts.decodable and facts.pixels
    return {
        "facts": public_facts(facts.to_dict()),
        "tags": list(tags_of(facts.measured)) if facts.measured else [],
        "crop": _crop(facts, plan_crop(facts) if usable else None),
        "derived_crop": _crop(facts, medium_crop(facts) if usable and part else None),
    }


def _crop(facts: PhotoFacts, cut: Crop | None) -> dict[str, Any] | None:
    if cut is None:
        return None
    return {"box": cut.box, "share": cut.share(facts), "file": (cut.width, cut.height)}
