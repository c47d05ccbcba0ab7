"""The retrain checklist of S0 (R-108), answered from the records and not by asking a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from safelight.domain.diagnosis import Records, mark_in_words

YES, NO, UNKNOWN = "yes", "no", "cannot verify"


@dataclass(frozen=True, slots=True)
class Answer:
    """One step of the checklist: `yes`, `no` or `cannot verify`, and what says so."""

    step: int
    asks: str
    answer: str
    says: str

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON takes it."""
        return asdict(self)


def checklist(records: Records) -> tuple[Answer, ...]:
    """The eight steps: collect, filters, face, resolution, same person, parameters, monitor, test."""
    steps = (
        ("Are there as many photos as the profile was made for?", _collected(records)),
        ("Are the photos free of filters and retouching?", _seen(records, "smoothed")),
        (
            "Is the face to be seen in every photo?",
            _seen(records, "no-face", "face-cut", "face-too-small", "face-turned"),
        ),
        ("Are the photos large enough?", _resolution(records)),
        (
            "Is it the same person in every photo?",
            _seen(records, "different-person", "unsure-person", "several-people", "same-person"),
        ),
        ("Were the parameters used as they were sent?", _parameters(records)),
        ("Was the training watched to its end?", _monitored(records)),
        ("Did a person look at test images?", _tested(records)),
    )
    return tuple(
        Answer(number, asks, answer, says)
        for number, (asks, (answer, says)) in enumerate(steps, start=1)
    )


def _collected(records: Records) -> tuple[str, str]:
    n, low, high = records.photos, records.gates.get("ideal_min"), records.gates.get("soft_max")
    if not n or low is None or high is None:
        return UNKNOWN, "Its photos are not on record."
    return (YES if low <= n <= high else NO), f"{n} photos; {low} to {high} are wanted."


def _found(records: Records, kinds: Iterable[str], good: str) -> tuple[str, str]:
    found = records.found(*kinds)
    if not found:
        return YES, good
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return NO, f"{found[0]['message']}{more}"


def _seen(records: Records, *kinds: str) -> tuple[str, str]:
    """What only the eye can tell: without it, no answer."""
    if not records.photos or (not records.eye_looked and not records.found(*kinds)):
        return UNKNOWN, "This was not measured of its photos."
    found = _found(records, kinds, f"Nothing was found in its {records.photos} photos.")
    if found[0] == NO:
        return found
    if not_told := records.unseen(*kinds):
        return UNKNOWN, not_told[0]
    if records.faceless >= records.photos:
        return UNKNOWN, "No face was found in any of its photos, so this was not measured."
    return found


def _resolution(records: Records) -> tuple[str, str]:
    if not records.photos:
        return UNKNOWN, "Its photos are not on record."
    good = f"Its {records.photos} photos are large enough."
    return _found(records, ("smaller-than-good", "too-small", "too-few-bytes"), good)


def _parameters(records: Records) -> tuple[str, str]:
    row = records.row
    if not row["sent"] or not row["effective"]:
        return UNKNOWN, "What the trainer really used is not on record."
    if row["marks"]:
        return NO, mark_in_words(row["marks"][0])
    sent = records.sent
    named = ("steps", "lora_rank", "learning_rate", "resolution")
    return YES, ", ".join(f"{name} {sent[name]}" for name in named if name in sent) + "."


def _monitored(records: Records) -> tuple[str, str]:
    step, steps = records.row["step"], records.row["steps"]
    if not step or not steps:
        return UNKNOWN, "No log of the training was seen."
    # The last bar that the trainer prints is the one before its last step (replicate.md 4.4).
    return (YES if step >= steps - 1 else NO), f"{step} of {steps} steps were seen."


def _tested(records: Records) -> tuple[str, str]:
    row = records.row
    drawn = sum(1 for image in row["previews"] or () if image["key"])
    if not drawn:
        return NO, "No preview of it is stored."
    if row["approved_at"] is None:
        return NO, f"{drawn} previews are stored, and nobody approved it."
    if str(row["approved_why"]).startswith("rule:"):
        return NO, f"{drawn} previews are stored; it was approved by {row['approved_why']}."
    return YES, f"{row['approved_by']} approved it: {row['approved_why']}."
