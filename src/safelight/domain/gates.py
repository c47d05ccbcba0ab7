"""What photos and sets are measured against: each profile has its own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safelight.domain.errors import Invalid
from safelight.domain.measured import Framing

ANSWERS = ("smaller", "union")
"""What a person may answer where a retrain is asked about: take the smaller set, or the union."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a set, from `least` to `most` of it, 0 to 1."""

    least: float
    most: float

    def __post_init__(self) -> None:
        if not 0 <= self.least <= self.most <= 1:
            raise Invalid(f"A share is 0 <= least <= most <= 1, not {self.least} to {self.most}.")


@dataclass(frozen=True, slots=True)
class Target:
    """The mix a profile asks for (R-46 to R-55, K20).

    `framing` is a partition: every photo is in one part of it, `unclassified` among them. `tags` are
    independent of it and of each other. `crops`: where medium photos are few and full-body photos
    are enough, medium ones are cut out of them and counted apart (R-57).
    """

    source: str
    framing: Mapping[Framing, Share]
    tags: Mapping[str, Share]
    crops: bool = False

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Target:
        """The target as a profile's file writes it: ``close-up = [0.3, 0.4]``."""
        known = {"source", "framing", "tags", "crops"}
        if unknown := set(data) - known:
            raise Invalid(f"A composition has no {', '.join(sorted(unknown))}.")
        tags = {name: Share(*part) for name, part in data.get("tags", {}).items()}
        if odd := set(tags) - set(TAGS):
            raise Invalid(f"There is no tag {', '.join(sorted(odd))}; there are {', '.join(TAGS)}.")
        try:
            framing = {Framing(name): Share(*part) for name, part in data["framing"].items()}
        except ValueError as error:
            raise Invalid(f"{error}; there are {', '.join(Framing)}.") from error
        least, most = sum(s.least for s in framing.values()), sum(s.most for s in framing.values())
        if least > 1 or (len(framing) == len(Framing) and most < 1):
            raise Invalid(f"A partition cannot have parts of {least:g} to {most:g} in all.")
        return cls(str(data["source"]), framing, tags, bool(data.get("crops", False)))


TAGS = ("several-people", "occluded", "busy-background")
"""R-50 to R-52: what a photo may have besides its framing."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What photos and sets are measured against (K6). Counts are of photos that are kept.

    Fewer than `block`: no training. Fewer than `warn`: a warning. `ideal_min` to `ideal_max`: what
    the profile was made for. More than `soft_max`: a warning, and only the `soft_max` that differ
    most are taken (K7: a rule of curation, not of physics).
    """

    block: int
    warn: int
    ideal_min: int
    ideal_max: int
    soft_max: int
    min_side: int = 512
    """Pixels of the shorter side (R-28)."""
    min_bytes: int = 10 * 1024
    """Bytes of the file (R-29)."""
    near_duplicate_bits: int = 10
    """Perceptual hashes this many bits apart or fewer are the same picture."""
    review_bits: int = 14
    """Up to here two pictures are worth a look; distinct photos are 18 or more apart."""
    studio_ok: bool = False
    """K9: whether a set of studio photos, on plain ground, is what the profile is for."""
    retrain: str = "ask"
    """K21: what follows from a set that is worse than the last good version's: `ask` or `block`."""
    exposures_min: float | None = None
    exposures_max: float | None = None
    """How often the trainer should see each image (K2); None where the profile fixes its steps."""
    composition: Target | None = None
    """The mix it is made for, where it has one."""

    def __post_init__(self) -> None:
        order = (self.block, self.warn, self.ideal_min, self.ideal_max, self.soft_max)
        if order[0] < 1 or list(order) != sorted(order):
            raise Invalid(
                f"Gates must rise from block to soft_max and start at 1 or more: {order}."
            )
        if self.retrain not in ("ask", "block"):
            raise Invalid(f"retrain is 'ask' or 'block', not {self.retrain!r}.")

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Gates:
        """The gates as a profile's file writes them."""
        mix = data.get("composition")
        return cls(**{**data, "composition": None if mix is None else Target.parse(mix)})
