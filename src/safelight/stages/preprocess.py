"""The `preprocess` queue: photos in, facts and findings out; a set in, a dataset out.

Both stages may be run again at any moment: what is inspected is not fetched twice, and the same
photos make the same dataset, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.domain.captions import caption_for
from safelight.domain.dataset import Manifest, ManifestPhoto, stem
from safelight.domain.errors import ObjectMissing
from safelight.domain.findings import Finding, blocked
from safelight.domain.gates import Gates
from safelight.domain.members import PhotoForSet
from safelight.domain.photos import (
    MAX_BYTES,
    Derived,
    PhotoFacts,
    Undecodable,
    changed,
    judge_decoding,
    judge_photo,
    missing,
    too_many_bytes,
)
from safelight.domain.profiles import Profile
from safelight.domain.sets import SetReport, Verdict, judge_set
from safelight.stages.tools import Eye, Pulse, Store
from safelight.stages.zipping import ZipEntry, write_zip

MAX_SIDE = 1536
"""Pixels of a training file's longest side. The trainer's largest usual bucket is 1024² pixels in
area, so 1536 covers it up to a ratio of 2:1 and keeps thirty photos well under 100 MB."""


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
) -> tuple[InspectedPhoto, ...]:
    """Inspect each photo that has no facts yet, and judge all of them under *gates*.

    One photo is on disk at a time, under a name of ours. A photo that is missing, broken or too large
    is a finding on that photo; the others go on.
    """
    found = []
    for position, photo in enumerate(photos):
        pulse.check()
        facts = photo.facts
        findings: tuple[Finding, ...] = ()
        if facts is None:
            facts, findings = _inspect(photo, store, eye, workdir / f"photo-{position:05d}")
        if facts is not None:
            findings = judge_photo(facts, gates, name=photo.name, photo_id=photo.id)
        found.append(InspectedPhoto(photo.id, facts, findings, not blocked(findings)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """A dataset to build. `prefix` is where its two objects go in the store, without a slash at the
    end; `kind` is the subject's: person, model or character."""

    number: int
    profile: Profile
    prefix: str
    trigger: str
    kind: str
    photos: tuple[PhotoRef, ...]
    max_side: int = MAX_SIDE

    @property
    def zip_key(self) -> str:
        """Where the zip goes."""
        return f"{self.prefix}/dataset-{self.number:04d}.zip"

    @property
    def manifest_key(self) -> str:
        """Where the manifest goes."""
        return f"{self.prefix}/dataset-{self.number:04d}.json"


@dataclass(frozen=True, slots=True)
class DatasetBuilt:
    """The dataset is in the store. `bytes` and `sha256` are its zip's."""

    manifest: Manifest
    key: str
    bytes: int
    sha256: str
    manifest_key: str
    report: SetReport


@dataclass(frozen=True, slots=True)
class SetBlocked:
    """The set does not meet the profile; the report says what to do."""

    report: SetReport


def build_dataset(
    order: BuildOrder, store: Store, eye: Eye, pulse: Pulse, workdir: Path
) -> DatasetBuilt | SetBlocked:
    """Judge the set, choose, derive, caption, zip and upload.

    A photo that turns out to be gone, changed or undecodable leaves the set, which is then judged
    anew without it. The photos' order is that of their ids, which is that of their arrival.
    """
    photos = sorted(order.photos, key=lambda photo: photo.id)
    lost: dict[str, Finding] = {}
    derived: dict[str, Derived] = {}
    while True:
        report = judge_set(
            [
                PhotoForSet(photo.id, photo.name, photo.facts, _kept_findings(photo, lost))
                for photo in photos
            ],
            order.profile.gates,
        )
        if report.verdict is Verdict.BLOCK:
            return SetBlocked(report)
        kept = set(report.kept)
        todo = [photo for photo in photos if photo.id in kept and photo.id not in derived]
        if not todo:
            break
        for photo in todo:
            pulse.check()
            result = _derive(photo, store, eye, workdir, order.max_side)
            if isinstance(result, Finding):
                lost[photo.id] = result
            else:
                derived[photo.id] = result
    pulse.check()
    chosen = [photo for photo in photos if photo.id in kept]
    return _store(order, chosen, derived, report, store, workdir)


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


def _kept_findings(photo: PhotoRef, lost: Mapping[str, Finding]) -> tuple[Finding, ...]:
    """What the facts do not tell: why there are none, or what went wrong since."""
    told = photo.findings if photo.facts is None else ()
    return (*told, lost[photo.id]) if photo.id in lost else told


def _derive(
    photo: PhotoRef, store: Store, eye: Eye, workdir: Path, max_side: int
) -> Derived | Finding:
    """The training file of one photo, or the finding that takes the photo out of the set."""
    assert photo.facts is not None, "photos without facts are not kept"
    source = workdir / f"source-{photo.id}"
    try:
        fetched = store.get_file(photo.key, source)
        if fetched.sha256 != photo.facts.sha256:
            return changed(photo.name, photo.id, photo.facts.sha256, fetched.sha256)
        return eye.derive(source, workdir / f"{photo.id}.jpg", max_side)
    except ObjectMissing:
        return missing(photo.name, photo.id)
    except Undecodable as fault:
        facts = PhotoFacts(0, decodable=False, fault=fault.kind, fault_detail=fault.detail)
        return judge_decoding(facts, name=photo.name, photo_id=photo.id)[0]
    finally:
        source.unlink(missing_ok=True)


def _store(
    order: BuildOrder,
    chosen: Sequence[PhotoRef],
    derived: Mapping[str, Derived],
    report: SetReport,
    store: Store,
    workdir: Path,
) -> DatasetBuilt:
    members: list[ManifestPhoto] = []
    entries: list[ZipEntry] = []
    for position, photo in enumerate(chosen):
        assert photo.facts is not None
        assert photo.facts.sha256 is not None
        made, name = derived[photo.id], stem(position)
        caption = caption_for(order.trigger, order.kind, photo.caption)
        entries += [
            ZipEntry(f"{name}.jpg", workdir / f"{photo.id}.jpg"),
            ZipEntry(f"{name}.txt", caption.encode("utf-8")),
        ]
        members.append(
            ManifestPhoto(
                photo_id=photo.id,
                name=photo.name,
                source_sha256=photo.facts.sha256,
                file=f"{name}.jpg",
                sha256=made.sha256,
                width=made.width,
                height=made.height,
                caption=caption,
            )
        )
    path = workdir / "dataset.zip"
    digest, size = write_zip(path, entries)
    manifest = Manifest(
        number=order.number,
        profile=order.profile.id,
        trigger=order.trigger,
        photos=tuple(members),
        sha256=digest,
        bytes=size,
        dropped=report.dropped,
    )
    store.put_file(order.zip_key, path, "application/zip")
    store.put_bytes(order.manifest_key, manifest.to_json(), "application/json")
    return DatasetBuilt(manifest, order.zip_key, size, digest, order.manifest_key, report)
