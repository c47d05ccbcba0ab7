"""A photo as the stages are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from safelight.domain.findings import Finding
from safelight.domain.photos import PhotoFacts


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """A photo as the ledger knows it: `facts` is None until it is inspected."""

    id: str
    name: str
    key: str
    bytes: int | None = None
    facts: PhotoFacts | None = None
    findings: tuple[Finding, ...] = ()
    caption: str | None = None
    """The producer's own caption, if there is one."""
    sha256: str | None = None
    """Of the bytes as they were sent, said or inspected; None: nobody knows yet."""
    etag: str | None = None
    """The store's mark of the bytes that were confirmed, where they came straight into it."""
    location_removed: Mapping[str, int] | None = None
    """What was taken out of it so far of where it was taken."""
