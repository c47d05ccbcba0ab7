"""The `preprocess` queue: photos in, facts and findings out. `building` makes the dataset of them.

It may be run again at any moment: what is inspected is not fetched twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safelight.domain.errors import ObjectMissing, ObjectTooLarge
from safelight.domain.faults import PASSING
from safelight.domain.findings import Finding, blocked
from safelight.domain.formats import FOREIGN, type_of
from safelight.domain.gates import Gates
from safelight.domain.measured import ANALYSER
from safelight.domain.members import SetPhoto
from safelight.domain.nouns import SubjectKind
from safelight.domain.photos import (
    DECODER,
    MAX_BYTES,
    PhotoFacts,
    changed,
    judge_photo,
    missing,
    too_many_bytes,
)
from safelight.domain.swaps import swapped
from safelight.stages.tools import Eye, Pulse, Store

_SIZE = "its size by then"


@dataclass(frozen=True, slots=True)
class InspectedPhoto:
    """What was found of a photo. `facts` is None if its bytes could not be had; it is then tried again
    by the next inspection. `location` is what was taken out of it just now of where it was taken, and
    `sha256_before` what its object's hash was until then."""

    id: str
    facts: PhotoFacts | None
    findings: tuple[Finding, ...]
    accepted: bool
    location: Mapping[str, int] | None = None
    sha256_before: str | None = None


@dataclass(frozen=True, slots=True)
class Keeps:
    """What may be kept of a photo: `identity` vectors, and the `location` where it was taken."""

    identity: bool = False
    location: bool = False


NOTHING = Keeps()


def inspect_photos(
    photos: Sequence[SetPhoto],
    gates: Gates,
    store: Store,
    eye: Eye,
    pulse: Pulse,
    workdir: Path,
    *,
    kind: str = SubjectKind.PERSON,
    keeps: Keeps = NOTHING,
) -> tuple[InspectedPhoto, ...]:
    """Inspect each photo that has no facts yet, or whose facts are stale, and judge all of them under
    *gates*, as of a subject of *kind*.

    A photo that was put past us still says where it was taken: unless that may be kept, the object is
    replaced by one that does not. One photo is on disk at a time, under a name of ours. A photo that is
    missing, broken or too large is a finding on that photo; the others go on.
    """
    found = []
    models = eye.models()
    for position, photo in enumerate(photos):
        pulse.check()
        seen = InspectedPhoto(photo.id, photo.facts, (), accepted=False)
        if photo.facts is None or is_stale(photo.facts, models, keeps=keeps):
            seen = _inspect(photo, store, eye, workdir / f"photo-{position:05d}", keeps)
        findings = seen.findings
        if seen.facts is not None:
            findings = judge_photo(seen.facts, gates, name=photo.name, photo_id=photo.id, kind=kind)
        found.append(replace(seen, findings=findings, accepted=not blocked(findings)))
    return tuple(found)


def is_stale(facts: PhotoFacts, models: frozenset[str] | None, *, keeps: Keeps = NOTHING) -> bool:
    """Whether looking at the photo again, by an eye that has *models*, may tell more or something else.

    It does after a fault that may have been the machine's or that another version of the decoder found,
    for a photo that was decoded and not looked at, for measurements of another version of the eye, where
    a model was missing that is here now, and where identity was not kept and may be now: consent came
    later. So it is where a location was kept that may be no more.
    """
    if facts.location_kept and not keeps.location:
        return True
    if not facts.decodable:
        known = facts.format in FOREIGN  # no reader of it will be installed
        return (facts.fault in PASSING and not known) or facts.decoder != DECODER
    if models is None:
        return False
    measured = facts.measured
    if measured is None or measured.analyser != ANALYSER:
        return True
    return (keeps.identity and measured.withheld) or not models.isdisjoint(measured.lacked)


def _inspect(photo: SetPhoto, store: Store, eye: Eye, path: Path, keeps: Keeps) -> InspectedPhoto:
    def without(finding: Finding) -> InspectedPhoto:
        return InspectedPhoto(photo.id, None, (finding,), accepted=False)

    if photo.bytes is not None and photo.bytes > MAX_BYTES:
        return without(too_many_bytes(photo.name, photo.id, photo.bytes))
    try:
        # The row's size is that of the upload when it was confirmed; what is there now may be larger.
        fetched = store.get_file(photo.key, path, limit=photo.bytes or MAX_BYTES)
        other = swapped(
            *(photo.name, photo.id, fetched),
            bytes=photo.bytes,
            sha256=photo.sha256,
            etag=photo.etag,
        )
        if other is not None:
            return without(other)
        told = eye.location(path, remove=not keeps.location)
        facts = eye.inspect(path, photo.name).facts
        removed, kept = ({}, told) if keeps.location else (told, {})
        if removed:
            store.put_file(photo.key, path, type_of(facts.format), before=fetched.marks())
    except ObjectMissing:
        return without(missing(photo.name, photo.id))
    except ObjectTooLarge:
        if photo.bytes is None:
            head = store.head(photo.key)
            size = head.bytes if head else MAX_BYTES + 1
            return without(too_many_bytes(photo.name, photo.id, size))
        more = f"over {photo.bytes:,}"
        return without(
            changed(*(photo.name, photo.id, photo.bytes, more), since="confirmed", source=_SIZE)
        )
    finally:
        path.unlink(missing_ok=True)
    every = Counter(photo.location_removed or {}) + Counter(removed)
    facts = replace(facts, location_removed=dict(every) or None, location_kept=kept or None)
    before = fetched.sha256 if removed else None
    if photo.sha256 in fetched.before:
        before = photo.sha256
    return InspectedPhoto(photo.id, facts, (), False, removed or None, before)
