"""A set of photos, judged as a whole: what is used, what is not and why, and whether to train on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from safelight.domain.caption_lint import lint_captions
from safelight.domain.choosing import choose
from safelight.domain.composition import judge_mix, mix_of, to_add
from safelight.domain.crops import balance
from safelight.domain.duplicates import DUPLICATES, drop_duplicates
from safelight.domain.findings import Finding, Level, Trust, blocked, of_set, shown
from safelight.domain.gates import Gates
from safelight.domain.identity import judge_identity
from safelight.domain.limits import JUDGE
from safelight.domain.measured import NO_CONSENT
from safelight.domain.members import SetPhoto
from safelight.domain.nouns import SubjectKind
from safelight.domain.photos import judge_photo
from safelight.domain.retrain import LastGood, judge_retrain
from safelight.domain.variety import judge_variety

Exposures = Callable[[int], float]
"""How often each image is seen, by how many there are."""


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
    details: Mapping[str, Any] = field(default_factory=dict)
    """What was measured of the set, as JSON takes it: composition, exposures, the retrain guard."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {
            "verdict": self.verdict.value,
            "findings": [finding.to_dict() for finding in self.findings],
            "kept": list(self.kept),
            "dropped": dict(self.dropped),
            "counts": dict(self.counts),
            "details": dict(self.details),
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
            details=dict(data.get("details", {})),
        )


@dataclass(frozen=True, slots=True)
class SetRules:
    """What a set is judged by: `before` is the set of the subject's last good version, `answer` what a person
    said to the guard's question (`gates.ANSWERS`), `trigger` the word of every caption ("": unjudged)."""

    gates: Gates
    kind: str = SubjectKind.PERSON
    exposures: Exposures | None = None
    before: LastGood | None = None
    answer: str | None = None
    trigger: str = ""


def judge_set(
    photos: Sequence[SetPhoto],
    gates: Gates,
    *,
    kind: str = SubjectKind.PERSON,
    exposures: Exposures | None = None,
    before: LastGood | None = None,
    answer: str | None = None,
    trigger: str | None = None,
) -> SetReport:
    """`judge_by` with the rules named one by one."""
    return judge_by(SetRules(gates, kind, exposures, before, answer, trigger or ""), photos)


def judge_by(rules: SetRules, photos: Sequence[SetPhoto]) -> SetReport:
    """Judge every photo and the set as a whole, and say which photos to train on.

    Photos that cannot be used, photos of another person and duplicates go out first; the counts are
    held against what is left (K6), and more than the soft maximum is thinned to the photos that
    differ most (K7). What is kept is then judged as a set.
    """
    gates, kind = rules.gates, rules.kind
    findings: list[Finding] = []
    dropped: dict[str, str] = {}
    usable: list[SetPhoto] = []
    for photo in photos:
        own = (*photo.findings, *_judged(photo, gates, kind))
        findings += own
        if blocked(own):
            dropped[photo.id] = next(item.kind for item in own if item.blocks)
        else:
            usable.append(photo)
    # Copies of a photo go first: they must not vouch for each other.
    singles, doubles = drop_duplicates(usable, gates)
    findings += doubles
    dropped |= {
        item.photo_id: item.kind for item in doubles if item.photo_id and item.kind in DUPLICATES
    }
    strangers = _withheld(usable) or judge_identity(singles, kind=kind)
    findings += strangers
    others = {item.photo_id: item.kind for item in strangers if item.photo_id and item.blocks}
    dropped |= others
    distinct = [photo for photo in singles if photo.id not in others]
    warned = Counter(
        item.photo_id for item in findings if item.photo_id and item.level is Level.WARN
    )
    kept = choose(distinct, gates.soft_max, warned)
    taken = {photo.id for photo in kept}
    dropped |= {photo.id: "not-chosen" for photo in distinct if photo.id not in taken}
    about, details = _as_a_whole(usable, kept, rules)
    details["kind"] = kind
    findings += [*about, *lint_captions(kept, rules.trigger or None)]
    findings += _count_findings(len(photos), len(distinct), gates)
    counts = {
        "given": len(photos),
        "rejected": len(photos) - len(usable) + len(others),
        "duplicates": len(usable) - len(singles),
        "not_chosen": len(distinct) - len(kept),
        "kept": len(kept),
    }
    return SetReport(
        verdict=_verdict(findings),
        findings=tuple(findings),
        kept=tuple(photo.id for photo in kept),
        dropped=dropped,
        counts=counts,
        details=details,
    )


def _as_a_whole(
    usable: Sequence[SetPhoto], kept: Sequence[SetPhoto], rules: SetRules
) -> tuple[list[Finding], dict[str, Any]]:
    gates = rules.gates
    mix = mix_of(kept)
    crops = balance(kept, gates)
    files = len(kept) + len(crops)  # each file is an image to the trainer, a crop as well
    seen = round(rules.exposures(files), 1) if rules.exposures and kept else None
    findings = [
        *_not_measured(usable),
        *judge_mix(mix, gates),
        *judge_variety(kept, mix, gates),
        *_exposures(seen, gates),
    ]
    details: dict[str, Any] = {
        "judge": JUDGE,
        "analyser": sorted({m.analyser for photo in usable if (m := photo.known.measured)}),
        "composition": {
            "source": gates.composition.source if gates.composition else None,
            "before": mix_of(usable).to_dict(gates.composition, gates),
            "after": mix.to_dict(gates.composition, gates),
        },
        "crops": crops,
        "to_add": to_add(mix, gates),
        "exposures": seen,
        "retrain": None,
    }
    if rules.before is not None and kept:
        guard, details["retrain"] = judge_retrain(
            kept, rules.before, gates, exposures=seen, answer=rules.answer
        )
        findings += guard
    return findings, details


def _judged(photo: SetPhoto, gates: Gates, kind: str) -> tuple[Finding, ...]:
    if photo.facts is not None:
        return judge_photo(photo.facts, gates, name=photo.name, photo_id=photo.id, kind=kind)
    if blocked(photo.findings):
        return ()
    message = f"{shown(photo.name)} has not been inspected, so it is not used."
    return (Finding("not-inspected", Level.BLOCK, message, photo.name, photo.id),)


def _withheld(photos: Sequence[SetPhoto]) -> list[Finding]:
    """R-39: why nothing is said of who is shown, where identity was measured and may not be kept."""
    seen = [m for photo in photos if (m := photo.known.measured) is not None]
    count = sum(measured.withheld for measured in seen)
    if not count or any(face.embedding for measured in seen for face in measured.faces or ()):
        return []
    says = (
        f"Whether all photos show the same person is not judged: {NO_CONSENT} (identity was left out of "
        f"{count} photos)."
    )
    remedy = "Put the consent on record and look again, or look through the photos yourself."
    return [
        of_set(
            "same-person",
            Level.NOTE,
            says,
            remedy=remedy,
            source="identity vectors are biometric data",
            trust=Trust.NOT_MEASURED,
        )
    ]


def _not_measured(photos: Sequence[SetPhoto]) -> list[Finding]:
    """Once for the set: what could not be measured, in how many photos, and why."""
    reasons: Counter[tuple[str, str]] = Counter()
    for photo in photos:
        measured = photo.known.measured
        if measured is None:
            reasons["faces, framing, sharpness and light", "they were not looked at"] += 1
        else:
            by_reason: dict[str, list[str]] = {}
            for what, why in measured.not_measured:
                if why != NO_CONSENT:  # that is said by itself: `_withheld`
                    by_reason.setdefault(why, []).append(what.replace("_", " "))
            reasons.update((", ".join(what), why) for why, what in by_reason.items())
    found = []
    for (what, why), count in sorted(reasons.items()):
        says = f"Not measured in {count} of {len(photos)} photos: {what} ({why})."
        found.append(
            of_set(
                "not-measured", Level.NOTE, says, count, len(photos),
                source="every photo that can be used", trust=Trust.NOT_MEASURED,
            )
        )  # fmt: skip
    return found


def _exposures(seen: float | None, gates: Gates) -> list[Finding]:
    """Finding 4, K2: how often each image is seen."""
    least, most = gates.exposures_min, gates.exposures_max
    if seen is None or least is None or most is None or least <= seen <= most:
        return []
    says = f"Each image is seen {seen:g} times; {least:g} to {most:g} are what the profile is made for."
    few = seen < least
    remedy = "Ask for more steps." if few else "Add photos, or ask for fewer steps."
    limit, kind = (least, "few-exposures") if few else (most, "many-exposures")
    return [
        of_set(kind, Level.NOTE, says, seen, limit, remedy, source="the profile's rule for steps")
    ]


_of_count = partial(of_set, source="the profile's own counts")


def _count_findings(given: int, usable: int, gates: Gates) -> list[Finding]:
    """R-19 to R-26, K6, K7: the count of usable, distinct photos against the profile's gates."""
    have = "No photos were given" if not given else f"{usable} of {given} photos can be used"
    ideal = f"{gates.ideal_min} to {gates.ideal_max} are best"
    if usable < gates.block:
        remedy = f"Add at least {gates.block - usable} more different photos; {ideal}."
        message = f"{have}; at least {gates.block} are needed."
        return [_of_count("too-few-photos", Level.BLOCK, message, usable, gates.block, remedy)]
    if usable < gates.warn:
        remedy = f"Add {gates.ideal_min - usable} or more different photos; {ideal}."
        message = f"{have}; under {gates.warn} the likeness may be weak."
        return [_of_count("few-photos", Level.WARN, message, usable, gates.warn, remedy)]
    if usable < gates.ideal_min:
        remedy = f"Add {gates.ideal_min - usable} or more different photos if you have them."
        message = f"{have}; {ideal}."
        return [_of_count("few-photos", Level.NOTE, message, usable, gates.ideal_min, remedy)]
    if usable > gates.soft_max:
        remedy = "Remove the weaker ones yourself if you want another choice."
        message = f"{have}; the {gates.soft_max} that differ most are taken."
        limit, source = gates.soft_max, "the profile's own; a rule of curation, not of physics"
        return [of_set("many-photos", Level.WARN, message, usable, limit, remedy, source=source)]
    if usable > gates.ideal_max:
        message = f"{have}; {ideal}."
        return [_of_count("many-photos", Level.NOTE, message, usable, gates.ideal_max)]
    return []


def _verdict(findings: Iterable[Finding]) -> Verdict:
    """A finding on the set may block it; one on a photo takes that photo out, which is worth a look."""
    found = list(findings)
    if any(item.blocks and item.photo is None for item in found):
        return Verdict.BLOCK
    return Verdict.WARN if any(item.level is not Level.NOTE for item in found) else Verdict.OK
