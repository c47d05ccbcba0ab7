"""The retrain guard: is this set at least as good as the one the last good version came from?

Teams retrained with 5 photos what 20 had made well, and got plastic skin (R-142, K21, finding 4). So a
new set is held against the last good version's: fewer photos, lost angles, little in common, far more
exposures of each. It asks or blocks, as the profile says, and offers the union of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from safelight.domain.composition import NAMES, mix_of
from safelight.domain.duplicates import same_picture
from safelight.domain.findings import Finding, Level, of_set
from safelight.domain.gates import Gates
from safelight.domain.limits import EXPOSURES_UP, FEWER, OVERLAP
from safelight.domain.members import SetPhoto


@dataclass(frozen=True, slots=True)
class GoodDataset:
    """The dataset of a subject's last good version, as it is on record."""

    version: int
    dataset: int
    dataset_id: UUID
    steps: int | None
    manifest: Mapping[str, Any]

    @property
    def exposures(self) -> float | None:
        """How often each of its files was seen."""
        files = len(self.manifest.get("photos", ()))
        return round(self.steps / files, 1) if self.steps and files else None


@dataclass(frozen=True, slots=True)
class LastGood:
    """The set of the subject's last good version: what was trained on, and how hard."""

    version: int
    dataset: int
    photos: tuple[SetPhoto, ...]
    exposures: float | None = None
    """How often each image was seen."""
    gone: frozenset[str] = frozenset()
    """Ids of photos whose files were purged: compared with, and offered no more."""


def missing_from(photos: Sequence[SetPhoto], before: LastGood, gates: Gates) -> list[SetPhoto]:
    """The last good set's photos that are not in *photos*, by content or by look."""
    return [
        old for old in before.photos if not any(same_picture(old, new, gates) for new in photos)
    ]


def judge_retrain(
    kept: Sequence[SetPhoto],
    before: LastGood,
    gates: Gates,
    *,
    exposures: float | None,
    answer: str | None = None,
) -> tuple[list[Finding], dict[str, Any]]:
    """The findings of the guard, and what it saw as JSON takes it.

    What it objects to blocks the set, until a person answers that the smaller set is meant (where
    the profile asks) or takes the union.
    """
    lost = missing_from(kept, before, gates)
    there = [photo for photo in lost if photo.id not in before.gone]
    old, new = mix_of(before.photos), mix_of(kept)
    was, now = len(before.photos), len(kept)
    common = (was - len(lost)) / was if was else 1.0
    objects = answer != "smaller" or gates.retrain == "block"
    found = _Guard(before, gates, objects)
    if now < was:
        share = now / was
        says = f"{now} photos, where {found.named} was made of {was}."
        remedy = f"Add the {len(there)} that are missing, or take the union." if there else None
        if lost and not there:
            remedy = (
                f"The {len(lost)} that are missing were deleted for good: add others like them."
            )
        found.add("fewer-than-before", says, now, was, remedy, share < FEWER.value, FEWER.source)
    if common < OVERLAP.value:
        says = f"Only {common:.0%} of the photos of {found.named} are in this set."
        remedy = "Take the union, unless the subject has changed."
        found.add(
            "little-in-common", says, round(common, 3), OVERLAP.value, remedy, False, OVERLAP.source
        )
    gone = [side for side, n in old.angles.items() if n and not new.angles[side]]
    gone += [NAMES[part] for part, n in old.framing.items() if n and not new.framing[part]]
    if gone and new.measured:
        says = f"{found.named} was trained on photos of these kinds, and this set has none: "
        remedy = "Add photos of these kinds, or take the union."
        found.add(
            "lost-angles",
            f"{says}{', '.join(gone)}.",
            len(gone),
            0,
            remedy,
            True,
            "the last good version had them; front, three-quarter and side are needed",
        )
    if exposures and before.exposures and exposures > EXPOSURES_UP.value * before.exposures:
        says = (
            f"Each image would be seen {exposures:.0f} times; {found.named} saw each "
            f"{before.exposures:.0f} times."
        )
        remedy = "Ask for fewer steps, or add photos."
        serious = now < was  # more steps on as many photos were asked for by somebody
        found.add(
            "more-exposures", says, round(exposures, 1), round(before.exposures, 1), remedy, serious,
            EXPOSURES_UP.source,
        )  # fmt: skip
    seen = {
        "version": before.version,
        "dataset": before.dataset,
        "policy": gates.retrain,
        "answer": answer,
        "before": {"photos": was, "exposures": before.exposures},
        "after": {"photos": now, "exposures": exposures},
        "in_common": round(common, 3),
        "lost": gone,
        "union": {
            "photos": now + len(there),
            "add": [{"id": photo.id, "name": photo.name} for photo in there],
        },
    }
    return found.findings, seen


class _Guard:
    """Collects what the guard objects to, at the level the profile and the answer give it."""

    def __init__(self, before: LastGood, gates: Gates, objects: bool) -> None:
        self.named = f"version {before.version}"
        self.findings: list[Finding] = []
        self._stops = objects
        self._asks = gates.retrain == "ask"

    def add(
        self,
        kind: str,
        says: str,
        measured: float,
        limit: float,
        remedy: str | None,
        serious: bool,
        source: str,
    ) -> None:
        """One objection; one that is not serious is a warning at most."""
        stops = serious and self._stops
        if stops and self._asks:
            remedy = f"{remedy or ''} If it is meant so, answer with `--retrain smaller`.".strip()
        level = Level.BLOCK if stops else Level.WARN
        self.findings.append(of_set(kind, level, says, measured, limit, remedy, source=source))
