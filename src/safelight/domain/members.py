"""A photo as a member of a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from safelight.domain.findings import Finding
from safelight.domain.photos import PhotoFacts
from safelight.domain.quality import is_blurred, is_smoothed


@dataclass(frozen=True, slots=True)
class SetPhoto:
    """A photo of a set: what is known of it, and where it is stored.

    `facts` is None until it is inspected; `findings` are those that its facts do not tell (a lost file).
    """

    id: str
    name: str
    facts: PhotoFacts | None = None
    findings: tuple[Finding, ...] = ()
    caption: str | None = None
    """The producer's own caption, if there is one."""
    key: str = ""
    """Of the object in the store; empty: a file in a folder, which never gets there."""
    bytes: int | None = None
    sha256: str | None = None
    """Of the bytes as they were sent, said or inspected; None: nobody knows yet."""
    etag: str | None = None
    """The store's mark of the bytes that were confirmed, where they came straight into it."""
    location_removed: Mapping[str, int] | None = None
    """What was taken out of it so far of where it was taken."""

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


PhotoForSet = SetPhoto
"""The name it had, for scripts that import it."""
