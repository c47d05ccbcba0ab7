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
    def doubts(self) -> int:
        """Of a blurred and a smoothed face, how many are not ruled out: what could not be measured, of a
        small copy, speaks no more for it than what was seen speaks against the original."""
        measured = self.known.measured
        if measured is None:
            return 0
        blurred = is_blurred(measured) or measured.sharpness_face is None
        return blurred + (is_smoothed(measured) or measured.smoothing is None)

    @property
    def worth(self) -> tuple[int, int, int]:
        """What it is measured by where one of two is to stay: doubts, then pixels, then bytes."""
        return -self.doubts, self.known.pixels, self.known.bytes
