"""The other half of the `preprocess` queue: photos in, a dataset out, byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safelight.domain.captions import caption_for
from safelight.domain.crops import Crop, medium_crop, plan_crop
from safelight.domain.dataset import Manifest, ManifestPhoto, stem
from safelight.domain.errors import ObjectMissing, ObjectTooLarge
from safelight.domain.findings import Finding
from safelight.domain.measured import Framing
from safelight.domain.members import SetPhoto
from safelight.domain.photos import (
    Derived,
    PhotoFacts,
    Undecodable,
    changed,
    judge_decoding,
    missing,
)
from safelight.domain.profiles import Profile
from safelight.domain.sets import SetReport, SetRules, Verdict, judge_by
from safelight.domain.trainer_inputs import largest_resolution
from safelight.stages.tools import Eye, Pulse, Store
from safelight.stages.zipping import ZipEntry, write_zip

MAX_SIDE = 2048
"""Pixels of a file's longest side, whatever its shape: twice the trainer's largest resolution."""


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """A dataset to build. `prefix` is where its two objects go in the store, without a slash at the
    end; `rules` are those of the profile with the `overrides`, and of the subject (its kind, its trigger).
    Where a person answered `union` to a retrain that is worse, `photos` holds both sets."""

    number: int
    profile: Profile
    prefix: str
    photos: tuple[SetPhoto, ...]
    rules: SetRules
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def zip_key(self) -> str:
        """Where the zip goes."""
        return f"{self.prefix}/dataset-{self.number:04d}.zip"

    @property
    def manifest_key(self) -> str:
        """Where the manifest goes."""
        return f"{self.prefix}/dataset-{self.number:04d}.json"

    @property
    def resolution(self) -> int:
        """The largest the trainer is asked for: files are made in its shapes."""
        given = {**self.profile.sent, **self.overrides}
        return largest_resolution(given.get("resolution"))


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


@dataclass(frozen=True, slots=True)
class _Made:
    """The files made of a photo: its own, and the medium shot cut out of it where one was `asked`."""

    crop: Crop
    file: Derived
    asked: bool = False
    medium_crop: Crop | None = None
    medium: Derived | None = None


def build_dataset(
    order: BuildOrder, store: Store, eye: Eye, pulse: Pulse, workdir: Path
) -> DatasetBuilt | SetBlocked:
    """Judge the set, choose, cut, caption, zip and upload.

    A photo that turns out to be gone, changed or undecodable leaves the set, which is then judged
    anew without it. The photos' order is that of their ids, which is that of their arrival.
    """
    photos = sorted(order.photos, key=lambda photo: photo.id)
    lost: dict[str, Finding] = {}
    made: dict[str, _Made] = {}
    while True:
        report = _judged(order, photos, lost)
        if report.verdict is Verdict.BLOCK:
            return SetBlocked(report)
        kept, crops = set(report.kept), set(report.details["crops"])
        todo = [
            photo
            for photo in photos
            if photo.id in kept and not _is_made(made.get(photo.id), photo.id in crops)
        ]
        if not todo:
            break
        for photo in todo:
            pulse.check()
            result = _make(order, photo, store, eye, workdir, crop=photo.id in crops)
            if isinstance(result, Finding):
                lost[photo.id] = result
            else:
                made[photo.id] = result
    pulse.check()
    chosen = [photo for photo in photos if photo.id in kept]
    return _pack(order, chosen, made, report, store, workdir)


def _is_made(made: _Made | None, crop: bool) -> bool:
    return made is not None and (made.asked or not crop)


def _judged(
    order: BuildOrder, photos: Sequence[SetPhoto], lost: Mapping[str, Finding]
) -> SetReport:
    """The report on the set without what turned out to be *lost*."""
    members = [
        replace(photo, findings=(*photo.findings, lost[photo.id])) if photo.id in lost else photo
        for photo in photos
    ]
    return judge_by(order.rules, members)


def _make(
    order: BuildOrder, photo: SetPhoto, store: Store, eye: Eye, workdir: Path, *, crop: bool
) -> _Made | Finding:
    """The files of one photo, or the finding that takes the photo out of the set."""
    facts = photo.facts
    assert facts is not None, "photos without facts are not kept"
    source = workdir / f"source-{photo.id}"
    try:
        fetched = store.get_file(photo.key, source, limit=facts.bytes)
        if fetched.sha256 != facts.sha256:
            return changed(photo.name, photo.id, facts.sha256, fetched.sha256)
        cut = plan_crop(facts, resolution=order.resolution)
        made = _Made(cut, eye.derive(source, _file(workdir, photo), MAX_SIDE, cut), asked=crop)
        least = order.rules.gates.min_side
        part = medium_crop(facts, resolution=order.resolution, least=least) if crop else None
        if part is None:
            return made
        medium = eye.derive(source, _file(workdir, photo, "medium"), MAX_SIDE, part)
        return replace(made, medium_crop=part, medium=medium)
    except ObjectMissing:
        return missing(photo.name, photo.id)
    except ObjectTooLarge:
        return changed(photo.name, photo.id, facts.sha256, f"over {facts.bytes:,} bytes")
    except Undecodable as fault:
        found = PhotoFacts(0, decodable=False, fault=fault.kind, fault_detail=fault.detail)
        return judge_decoding(found, name=photo.name, photo_id=photo.id)[0]
    finally:
        source.unlink(missing_ok=True)


def _file(workdir: Path, photo: SetPhoto, part: str = "whole") -> Path:
    return workdir / f"{photo.id}-{part}.jpg"


def _pack(
    order: BuildOrder,
    chosen: Sequence[SetPhoto],
    made: Mapping[str, _Made],
    report: SetReport,
    store: Store,
    workdir: Path,
) -> DatasetBuilt:
    """Number, caption, zip and upload: the photos first, then what was cut out of them."""
    members: list[ManifestPhoto] = []
    entries: list[ZipEntry] = []

    def add(photo: SetPhoto, crop: Crop, file: Derived, path: Path, *, derived: bool) -> None:
        name = stem(len(members))
        caption = _caption(order, photo, crop if derived else None)
        entries.append(ZipEntry(f"{name}.jpg", path))
        entries.append(ZipEntry(f"{name}.txt", caption.encode("utf-8")))
        facts = photo.facts
        assert facts is not None
        assert facts.sha256 is not None
        members.append(
            ManifestPhoto(
                photo_id=photo.id,
                name=photo.name,
                source_sha256=facts.sha256,
                file=f"{name}.jpg",
                sha256=file.sha256,
                width=file.width,
                height=file.height,
                caption=caption,
                crop=crop.box,
                derived=derived,
            )
        )

    for photo in chosen:
        files = made[photo.id]
        add(photo, files.crop, files.file, _file(workdir, photo), derived=False)
    for photo in chosen:
        files = made[photo.id]
        if photo.id in report.details["crops"] and files.medium and files.medium_crop:
            path = _file(workdir, photo, "medium")
            add(photo, files.medium_crop, files.medium, path, derived=True)
    path = workdir / "dataset.zip"
    digest, size = write_zip(path, entries)
    manifest = Manifest(
        number=order.number,
        profile=order.profile.id,
        trigger=order.rules.trigger,
        photos=tuple(members),
        sha256=digest,
        bytes=size,
        dropped=report.dropped,
    )
    store.put_file(order.zip_key, path, "application/zip")
    store.put_bytes(order.manifest_key, manifest.to_json(), "application/json")
    return DatasetBuilt(manifest, order.zip_key, size, digest, order.manifest_key, report)


def _caption(order: BuildOrder, photo: SetPhoto, part: Crop | None) -> str:
    """The producer's caption, else what was measured; of a *part* cut out only what is true of it."""
    trigger, kind = order.rules.trigger, order.rules.kind
    measured = photo.facts.measured if photo.facts else None
    if part is None:
        return caption_for(trigger, kind, photo.caption, measured)
    if measured is not None:
        # What surrounds the person was measured of the whole photo.
        measured = replace(measured, framing=Framing.MEDIUM, background=None, plain_background=None)
    return caption_for(trigger, kind, None, measured)
