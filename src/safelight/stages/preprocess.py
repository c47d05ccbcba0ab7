"""The `preprocess` queue: photos in, facts and findings out. `building` makes the dataset of them.

It may be run again at any moment: what is inspected is not fetched twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.domain.errors import ObjectMissing
from safelight.domain.faults import PASSING
from safelight.domain.findings import Finding, blocked
from safelight.domain.formats import FOREIGN
from safelight.domain.gates import Gates
from safelight.domain.measured import ANALYSER
from safelight.domain.photos import (
    DECODER,
    MAX_BYTES,
    PhotoFacts,
    judge_photo,
    missing,
    too_many_bytes,
)
from safelight.stages.refs import PhotoRef
from safelight.stages.tools import Eye, Pulse, Store


@dataclass(frozen=True, slots=True)
class InspectedPhoto:
    """What was found of a photo. `facts` is None if its bytes could not be had; it is then tried again
    by the next inspection."""

    id: str
    facts: PhotoFacts | None
    findings: tuple[Finding, ...]
    accepted: bool


def inspect_photos(
    photos: Sequence[PhotoRef],
    gates: Gates,
    store: Store,
    eye: Eye,
    pulse: Pulse,
    workdir: Path,
    *,
    kind: str = "person",
    keeps: bool = False,
) -> tuple[InspectedPhoto, ...]:
    """Inspect each photo that has no facts yet, or whose facts are stale, and judge all of them under
    *gates*, as of a subject of *kind*. *keeps*: identity vectors may be kept.

    One photo is on disk at a time, under a name of ours. A photo that is missing, broken or too large
    is a finding on that photo; the others go on.
    """
    found = []
    models = eye.models()
    for position, photo in enumerate(photos):
        pulse.check()
        facts = photo.facts
        findings: tuple[Finding, ...] = ()
        if facts is None or is_stale(facts, models, keeps=keeps):
            facts, findings = _inspect(photo, store, eye, workdir / f"photo-{position:05d}")
        if facts is not None:
            findings = judge_photo(facts, gates, name=photo.name, photo_id=photo.id, kind=kind)
        found.append(InspectedPhoto(photo.id, facts, findings, not blocked(findings)))
    return tuple(found)


def is_stale(facts: PhotoFacts, models: frozenset[str] | None, *, keeps: bool = False) -> bool:
    """Whether looking at the photo again, by an eye that has *models*, may tell more or something else.

    It does after a fault that may have been the machine's or that another version of the decoder found,
    for a photo that was decoded and not looked at, for measurements of another version of the eye, where
    a model was missing that is here now, and where identity was not kept and may be now (*keeps*):
    consent came later.
    """
    if not facts.decodable:
        known = facts.format in FOREIGN  # no reader of it will be installed
        return (facts.fault in PASSING and not known) or facts.decoder != DECODER
    if models is None:
        return False
    measured = facts.measured
    if measured is None or measured.analyser != ANALYSER:
        return True
    return (keeps and measured.withheld) or not models.isdisjoint(measured.lacked)


def _inspect(
    photo: PhotoRef, store: Store, eye: Eye, path: Path
) -> tuple[PhotoFacts | None, tuple[Finding, ...]]:
    size = photo.bytes
    if size is None:
        head = store.head(photo.key)
        if head is None:
            return None, (missing(photo.name, photo.id),)
        size = head.bytes
    if size > MAX_BYTES:
        return None, (too_many_bytes(photo.name, photo.id, size),)
    try:
        store.get_file(photo.key, path)
        return eye.inspect(path, photo.name).facts, ()
    except ObjectMissing:
        return None, (missing(photo.name, photo.id),)
    finally:
        path.unlink(missing_ok=True)
