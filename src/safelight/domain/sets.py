"""A set of photos, judged as a whole: what is used, what is not and why, and whether to train on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from safelight.domain.choosing import choose
from safelight.domain.duplicates import DUPLICATES, drop_duplicates
from safelight.domain.findings import Finding, Level, blocked, shown
from safelight.domain.members import PhotoForSet
from safelight.domain.photos import judge_photo
from safelight.domain.profiles import Gates


class Verdict(StrEnum):
    """What becomes of a set: trained, trained with something to look at, or not trained."""

    OK = "ok"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class SetReport:
    """What was found of a set: `kept` are the ids to train on, `dropped` says why each other is not."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    kept: tuple[str, ...]
    dropped: Mapping[str, str]
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {
            "verdict": self.verdict.value,
            "findings": [finding.to_dict() for finding in self.findings],
            "kept": list(self.kept),
            "dropped": dict(self.dropped),
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SetReport:
        """The report `to_dict` made."""
        return cls(
            verdict=Verdict(data["verdict"]),
            findings=tuple(Finding.from_dict(item) for item in data["findings"]),
            kept=tuple(data["kept"]),
            dropped=dict(data["dropped"]),
            counts=dict(data["counts"]),
        )


def judge_set(photos: Sequence[PhotoForSet], gates: Gates) -> SetReport:
    """Judge every photo and the set as a whole, and say which photos to train on.

    Photos that cannot be used and duplicates go out first; the counts are held against what is left
    (K6), and more than the soft maximum is thinned to the photos that differ most (K7).
    """
    findings: list[Finding] = []
    dropped: dict[str, str] = {}
    usable: list[PhotoForSet] = []
    for photo in photos:
        own = (*photo.findings, *_judged(photo, gates))
        findings += own
        if blocked(own):
            dropped[photo.id] = next(item.kind for item in own if item.blocks)
        else:
            usable.append(photo)
    distinct, doubles = drop_duplicates(usable, gates)
    findings += doubles
    dropped |= {
        item.photo_id: item.kind for item in doubles if item.photo_id and item.kind in DUPLICATES
    }
    kept = choose(distinct, gates.soft_max)
    taken = {photo.id for photo in kept}
    dropped |= {photo.id: "not-chosen" for photo in distinct if photo.id not in taken}
    findings += _count_findings(len(photos), len(distinct), gates)
    counts = {
        "given": len(photos),
        "rejected": len(photos) - len(usable),
        "duplicates": len(usable) - len(distinct),
        "not_chosen": len(distinct) - len(kept),
        "kept": len(kept),
    }
    return SetReport(
        verdict=_verdict(findings),
        findings=tuple(findings),
        kept=tuple(photo.id for photo in kept),
        dropped=dropped,
        counts=counts,
    )


def _judged(photo: PhotoForSet, gates: Gates) -> tuple[Finding, ...]:
    if photo.facts is not None:
        return judge_photo(photo.facts, gates, name=photo.name, photo_id=photo.id)
    if blocked(photo.findings):
        return ()
    message = f"{shown(photo.name)} has not been inspected, so it is not used."
    return (Finding("not-inspected", Level.BLOCK, message, photo.name, photo.id),)


def _count_findings(given: int, usable: int, gates: Gates) -> list[Finding]:
    """R-19 to R-26, K6, K7: the count of usable, distinct photos against the profile's gates."""
    have = "No photos were given" if not given else f"{usable} of {given} photos can be used"
    ideal = f"{gates.ideal_min} to {gates.ideal_max} are best"
    if usable < gates.block:
        remedy = f"Add at least {gates.block - usable} more different photos; {ideal}."
        message = f"{have}; at least {gates.block} are needed."
        return [_of_set("too-few-photos", Level.BLOCK, message, usable, gates.block, remedy)]
    if usable < gates.warn:
        remedy = f"Add {gates.ideal_min - usable} or more different photos; {ideal}."
        message = f"{have}; under {gates.warn} the likeness may be weak."
        return [_of_set("few-photos", Level.WARN, message, usable, gates.warn, remedy)]
    if usable < gates.ideal_min:
        remedy = f"Add {gates.ideal_min - usable} or more different photos if you have them."
        message = f"{have}; {ideal}."
        return [_of_set("few-photos", Level.NOTE, message, usable, gates.ideal_min, remedy)]
    if usable > gates.soft_max:
        remedy = "Remove the weaker ones yourself if you want another choice."
        message = f"{have}; the {gates.soft_max} that differ most are taken."
        return [_of_set("many-photos", Level.WARN, message, usable, gates.soft_max, remedy)]
    if usable > gates.ideal_max:
        message = f"{have}; {ideal}."
        return [_of_set("many-photos", Level.NOTE, message, usable, gates.ideal_max, None)]
    return []


def _of_set(
    kind: str, level: Level, message: str, measured: int, limit: int, remedy: str | None
) -> Finding:
    text = f"{message} {remedy}" if remedy else message
    return Finding(kind, level, text, measured=measured, limit=limit, remedy=remedy)


def _verdict(findings: Iterable[Finding]) -> Verdict:
    """A finding on the set may block it; one on a photo takes that photo out, which is worth a look."""
    found = list(findings)
    if any(item.blocks and item.photo is None for item in found):
        return Verdict.BLOCK
    return Verdict.WARN if any(item.level is not Level.NOTE for item in found) else Verdict.OK
