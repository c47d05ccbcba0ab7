"""Diagnosis: from a symptom to the causes that this subject's own records give evidence for (R-131).

No cause is named without evidence. How sure one is, is said in three words (R-132): `measured`, where the
records show that it happened and it explains the symptom by itself; `likely`, where it happened and the
field's notes or the literature tie it to the symptom; `folklore`, where it happened and only hearsay ties
it. What could not be looked at is said beside. A training's loss is never evidence (C1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any

from safelight.domain.findings import Trust
from safelight.domain.money import H100_MICRO_USD_PER_SECOND
from safelight.domain.nouns import Fields


class Symptom(StrEnum):
    """What is wrong with the images, as users say it."""

    PLASTIC = "plastic"
    WRONG_PERSON = "wrong-person"
    IDENTITY_DRIFT = "identity-drift"
    AGE_DRIFT = "age-drift"
    PROPORTIONS = "proportions"
    ARTEFACTS = "artefacts"
    DISAPPEARS = "disappears"


class Confidence(StrEnum):
    """How sure it is that the evidence explains the symptom."""

    MEASURED = "measured"
    LIKELY = "likely"
    FOLKLORE = "folklore"


class Effort(StrEnum):
    """What the remedy takes, and so what it costs."""

    DRAW = "draw again"
    RETRAIN = "train again"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Records:
    """All that is known of a subject: the version looked at, the good one before it, what was drawn.

    `row` and `before` are rows of the provenance query; `drawn` those of recent requests, newest
    first; `gates` the photo counts of its profile (`warn`, `ideal_min`, `ideal_max`, `soft_max`).
    """

    kind: str
    row: Fields
    before: Fields | None
    drawn: Sequence[Fields]
    gates: Mapping[str, int]
    findings: Sequence[Fields] = field(default_factory=tuple)
    """Findings on the set and on the photos that were trained on; not on those that were left out."""

    @property
    def photos(self) -> int:
        """Photos it was trained on."""
        return len(self.row["photos"] or ())

    @property
    def exposures(self) -> float | None:
        """How often each photo was seen."""
        return exposures_of(self.row)

    @property
    def sent(self) -> Mapping[str, Any]:
        """What was sent to the trainer."""
        return (self.row["sent"] or {}).get("input") or {}

    def inputs(self, name: str) -> list[Any]:
        """This input of every request lately drawn, where it was sent."""
        return [row["input"][name] for row in self.drawn if row["input"].get(name) is not None]

    def found(self, *kinds: str) -> list[Fields]:
        """The findings of these kinds. What was not measured is no evidence, and not among them."""
        return [
            finding
            for finding in self.findings
            if finding["kind"] in kinds and finding.get("trust") != Trust.NOT_MEASURED
        ]

    def unseen(self, *kinds: str) -> list[str]:
        """What findings of these kinds say could not be measured."""
        return [
            str(finding["message"])
            for finding in self.findings
            if finding["kind"] in kinds and finding.get("trust") == Trust.NOT_MEASURED
        ]

    @property
    def faceless(self) -> int:
        """Photos in which no face was found: nothing that needs a face was measured of them."""
        return len({finding.get("photo_id") for finding in self.found("no-face")})

    @property
    def eye_looked(self) -> bool:
        """Whether faces and framing of the set were measured at all."""
        details = (self.row["report"] or {}).get("details") or {}
        return bool(details.get("analyser"))

    def framing(self, part: str) -> Mapping[str, Any] | None:
        """Count and target of a part of the composition; None where it was not measured."""
        composition = ((self.row["report"] or {}).get("details") or {}).get("composition") or {}
        after = composition.get("after") or {}
        if not after.get("measured"):
            return None
        found = (after.get("framing") or {}).get(part)
        return found if isinstance(found, Mapping) else None


def mark_in_words(mark: Fields) -> str:
    """What the trainer did otherwise than it was told (`domain.differences`), in one line."""
    name, sent, used = mark.get("name"), mark.get("sent"), mark.get("effective")
    return (
        f"{name}: {sent} was sent, and {'it is not known what' if used is None else used} was used."
    )


def exposures_of(row: Fields) -> float | None:
    """Steps times batch by photos (K2, finding 4)."""
    photos, sent = len(row["photos"] or ()), (row["sent"] or {}).get("input") or {}
    if not photos or not sent.get("steps"):
        return None
    return float(sent["steps"]) * float(sent.get("batch_size") or 1) / photos


Look = Callable[[Records], list[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One cause: which symptoms it may explain, and how surely; how its evidence is looked for."""

    name: str
    symptoms: Mapping[Symptom, Confidence]
    look: Look
    says: str
    remedy: str
    effort: Effort
    source: str


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause that there is evidence for."""

    name: str
    confidence: Confidence
    says: str
    evidence: tuple[str, ...]
    remedy: str
    effort: Effort
    cost_micro_usd: int | None
    """What the remedy is estimated to cost; None: there is nothing to estimate from."""
    source: str

    def to_dict(self) -> dict[str, Any]:
        """The cause as JSON takes it."""
        return {**asdict(self), "confidence": self.confidence.value, "effort": self.effort.value}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Causes, the surest first; what to look at before money is spent; what was not measured."""

    symptom: Symptom
    causes: tuple[Cause, ...]
    checks: tuple[str, ...]
    unknown: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis as JSON takes it."""
        return {
            "symptom": self.symptom.value,
            "causes": [cause.to_dict() for cause in self.causes],
            "checks": list(self.checks),
            "cannot_verify": list(self.unknown),
        }


def diagnose(symptom: Symptom, records: Records, rules: Iterable[Rule]) -> Diagnosis:
    """The causes of *symptom* with evidence in *records*: surest first, then cheapest."""
    found = []
    for rule in rules:
        if symptom not in rule.symptoms:
            continue
        evidence = rule.look(records)
        if evidence:
            cost = cost_of(rule.effort, records)
            found.append(
                Cause(
                    rule.name,
                    rule.symptoms[symptom],
                    rule.says,
                    tuple(evidence),
                    rule.remedy,
                    rule.effort,
                    cost,
                    rule.source,
                )
            )
    order, efforts = list(Confidence), [Effort.NOTHING, Effort.DRAW, Effort.RETRAIN]
    found.sort(key=lambda cause: (order.index(cause.confidence), efforts.index(cause.effort)))
    return Diagnosis(symptom, tuple(found), tuple(_checks(records)), tuple(_unknown(records)))


def cost_of(effort: Effort, records: Records) -> int | None:
    """An estimate in micro-dollars out of this subject's own runs; None where it has none."""
    if effort is Effort.NOTHING:
        return 0
    if effort is Effort.DRAW:
        paid = [row["cost_micro_usd"] for row in records.drawn if row["cost_micro_usd"]]
        return round(median(paid)) if paid else None
    cost = records.row["cost_micro_usd"]
    seconds = records.row["predict_seconds"]
    if cost is None and seconds is not None:
        cost = round(seconds * H100_MICRO_USD_PER_SECOND)
    return None if cost is None else int(cost)


def _checks(records: Records) -> Iterable[str]:
    """What a look decides that no record does."""
    drawn = [image for image in records.row["previews"] or () if image["key"]]
    if any(image["purpose"] == "control" for image in drawn):
        yield (
            "Look at the control beside the first preview: what is wrong there too is the base model's, "
            "and no training mends it."
        )
    else:
        yield (
            "There is no control without the LoRA: draw one preview's prompt and seed with --scale 0 "
            "before you blame the training."
        )


def _unknown(records: Records) -> Iterable[str]:
    """What could not be looked at, so that its absence is no acquittal (R-132)."""
    if records.row["origin"] == "imported":
        yield "It was trained elsewhere: its photos and parameters are not known."
    elif not records.eye_looked:
        yield "Faces, framing and retouching of its photos were not measured."
    yield from records.unseen("same-person", "not-measured", "composition")
    if not records.row["effective"]:
        yield "What the trainer really used is not on record."
    if not records.drawn:
        yield "No request for images is on record: guidance, scale and prompts cannot be looked at."
    if records.before is None:
        yield "There is no good version before it to compare with."
