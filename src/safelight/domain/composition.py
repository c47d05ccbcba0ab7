"""What a set is made of, against the mix its profile asks for, and what to add."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safelight.domain.findings import Finding, Level, Trust, of_set
from safelight.domain.gates import TAGS, Gates, Target
from safelight.domain.limits import BUSY_BACKGROUND
from safelight.domain.measured import Framing, Measured
from safelight.domain.members import SetPhoto

UNCLASSIFIED_SHARE = 0.25
"""R-53: from here on the shares say little (S3's own set had 47.6 % in no shot type)."""
MISSING_MATTERS = 0.20
"""A part that should be a fifth of the set or more, and is not there at all, is a warning (R-54)."""

NAMES = {
    Framing.CLOSE_UP: "close-up",
    Framing.MEDIUM: "medium (to the waist)",
    Framing.FULL_BODY: "full-body",
    Framing.WIDE: "wide (small in the picture)",
    Framing.UNCLASSIFIED: "unclassified",
}


@dataclass(frozen=True, slots=True)
class Mix:
    """Counts over a set: `framing` is a partition of the `measured` photos, `tags` are not (K20)."""

    photos: int
    measured: int
    framing: Mapping[Framing, int]
    tags: Mapping[str, int]
    angles: Mapping[str, int]

    def share(self, part: Framing) -> float:
        """The part's share of what was measured."""
        return self.framing[part] / self.measured if self.measured else 0.0

    def to_dict(self, target: Target | None, gates: Gates) -> dict[str, Any]:
        """The mix beside its target, as JSON takes it; `add` is what is missing."""
        rows = {}
        for part in Framing:
            goal = target.framing.get(part) if target else None
            rows[part.value] = {
                "count": self.framing[part],
                "share": round(self.share(part), 3),
                "least": goal.least if goal else None,
                "most": goal.most if goal else None,
                "add": self.missing(part, target, gates),
            }
        tags = {}
        for tag in TAGS:
            goal = target.tags.get(tag) if target else None
            count = self.tags[tag]
            tags[tag] = {
                "count": count,
                "share": round(count / self.measured, 3) if self.measured else 0.0,
                "least": goal.least if goal else None,
                "most": goal.most if goal else None,
            }
        return {
            "photos": self.photos,
            "measured": self.measured,
            "framing": rows,
            "tags": tags,
            "angles": dict(self.angles),
        }

    def missing(self, part: Framing, target: Target | None, gates: Gates) -> int:
        """How many photos of *part* to add, for the larger of this set and the profile's ideal."""
        goal = target.framing.get(part) if target else None
        if goal is None or not self.measured:
            return 0
        wanted = math.ceil(goal.least * max(self.photos, gates.ideal_min) - 1e-9)
        return max(0, wanted - self.framing[part]) if self.share(part) < goal.least else 0


def mix_of(photos: Sequence[SetPhoto]) -> Mix:
    """What the photos are made of; those whose framing was not measured are counted apart."""
    known = [m for photo in photos if (m := photo.known.measured) is not None]
    framed = [m for m in known if m.framing is not None]
    framing = Counter(m.framing for m in framed)
    angles = Counter(m.face.angle.side for m in known if m.face and m.face.angle)
    tags = Counter(tag for m in framed for tag in tags_of(m))
    return Mix(
        photos=len(photos),
        measured=len(framed),
        framing={part: framing[part] for part in Framing},
        tags={tag: tags[tag] for tag in TAGS},
        angles={side: angles[side] for side in ("front", "three-quarter", "side")},
    )


def tags_of(measured: Measured) -> tuple[str, ...]:
    """What the photo has besides its framing (R-50 to R-52)."""
    has = {
        "several-people": (measured.people or 0) > 1,
        "occluded": bool(measured.occlusion),
        "busy-background": measured.background is not None
        and measured.background >= BUSY_BACKGROUND.value,
    }
    return tuple(tag for tag in TAGS if has[tag])


def judge_mix(mix: Mix, gates: Gates) -> list[Finding]:
    """The mix against the profile's target; nothing where the profile has none."""
    target = gates.composition
    if target is None or not mix.photos:
        return []
    if not mix.measured:
        says = "What the set is made of (close-up, medium, full-body, wide) was not measured."
        return [_finding("composition", says, 0, mix.photos, None, Trust.NOT_MEASURED, target)]
    found = []
    unclear = mix.share(Framing.UNCLASSIFIED)
    if unclear > UNCLASSIFIED_SHARE:
        says = f"{unclear:.0%} of the photos fit no kind of framing, so the shares say little."
        remedy = "Send photos that show clearly the face, the upper body or the whole body."
        found.append(
            of_set(
                "unclassified", Level.NOTE, says, round(unclear, 3), UNCLASSIFIED_SHARE, remedy,
                source="shares say little where half of a set is in no framing",
            )
        )  # fmt: skip
    for part, goal in target.framing.items():
        add = mix.missing(part, target, gates)
        if not add:
            continue
        have, share = mix.framing[part], mix.share(part)
        says = (
            f"{have} of {mix.measured} photos are {NAMES[part]} ({share:.0%}); the profile asks for "
            f"{goal.least:.0%} to {goal.most:.0%}."
        )
        remedy = f"Add {_more(add, part)}."
        level = Level.WARN if not have and goal.least >= MISSING_MATTERS else Level.NOTE
        found.append(
            of_set(
                f"few-{part.value}", level, says, round(share, 3), goal.least, remedy,
                source=target.source,
            )
        )  # fmt: skip
    for tag, goal in target.tags.items():
        share = mix.tags[tag] / mix.measured
        if share < goal.least:
            says = (
                f"{share:.0%} of the photos are {tag.replace('-', ' ')}; the profile asks for "
                f"{goal.least:.0%} to {goal.most:.0%}."
            )
            remedy = "Add some, or expect such pictures to be weaker."
            trust = Trust.HINT if tag == "occluded" else Trust.MEASURED
            found.append(
                of_set(
                    f"few-{tag}", Level.NOTE, says, round(share, 3), goal.least, remedy,
                    source=target.source, trust=trust,
                )
            )  # fmt: skip
    return found


def to_add(mix: Mix, gates: Gates) -> list[str]:
    """What would complete the set, in words: '3 more full-body photos, one from the side'."""
    target = gates.composition
    if target is None:
        return []
    wanted = [
        _more(add, part) for part in target.framing if (add := mix.missing(part, target, gates))
    ]
    unseen = [side for side, count in mix.angles.items() if not count]
    if sum(mix.angles.values()) and unseen:
        views = {"front": "from the front", "three-quarter": "half turned", "side": "from the side"}
        view = " and one ".join(views[side] for side in unseen)
        if wanted:
            wanted[0] += f", one {view}"
        else:
            wanted = [f"a photo {view}"]
    return wanted


def _more(count: int, part: Framing) -> str:
    return f"{count} more {NAMES[part]} photo{'' if count == 1 else 's'}"


def _finding(
    kind: str,
    says: str,
    measured: float,
    limit: float,
    remedy: str | None,
    trust: Trust,
    target: Target,
) -> Finding:
    return of_set(
        kind, Level.NOTE, says, measured, limit, remedy, source=target.source, trust=trust
    )
