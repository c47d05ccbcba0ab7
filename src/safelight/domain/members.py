"""A photo as a member of a set."""

from __future__ import annotations

from dataclasses import dataclass

from safelight.domain.findings import Finding
from safelight.domain.photos import PhotoFacts


@dataclass(frozen=True, slots=True)
class PhotoForSet:
    """A photo as a member of a set. `findings` are those that its facts do not tell (a lost file)."""

    id: str
    name: str
    facts: PhotoFacts | None
    findings: tuple[Finding, ...] = ()

    @property
    def known(self) -> PhotoFacts:
        """Its facts, where only photos that were inspected get."""
        assert self.facts is not None, "only photos with facts get this far"
        return self.facts

    @property
    def worth(self) -> tuple[int, int]:
        """What it is measured by where one of two is to stay: pixels, then bytes."""
        return self.known.pixels, self.known.bytes
