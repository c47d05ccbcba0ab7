"""A photo as a member of a set."""

from __future__ import annotations

from dataclasses import dataclass

from safelight.domain.findings import Finding
from safelight.domain.photos import PhotoFacts
from safelight.domain.quality import is_blurred, is_smoothed


@dataclass(frozen=True, slots=True)
class PhotoForSet:
    """A photo as a member of a set. `findings` are those that its facts do not tell (a lost file)."""

    id: str
    name: str
    facts: PhotoFacts | None
    findings: tuple[Finding, ...] = ()
    caption: str | None = None
    """The producer's own caption, if there is one."""

    @property
    def known(self) -> PhotoFacts:
        """Its facts, where only photos that were inspected get."""
        assert self.facts is not None, "only photos with facts get this far"
        return self.facts

    @property
    def flaws(self) -> int:
        """How many things speak against it that do not take it out: a blurred or smoothed face."""
        measured = self.known.measured
        return is_blurred(measured) + is_smoothed(measured)

    @property
    def worth(self) -> tuple[int, int, int]:
        """What it is measured by where one of two is to stay: flaws, then pixels, then bytes."""
        return -self.flaws, self.known.pixels, self.known.bytes
