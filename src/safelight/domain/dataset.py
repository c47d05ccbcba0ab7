"""A set of photos: judged, thinned out, chosen, written down and zipped. The same set, the same bytes."""

from __future__ import annotations

import builtins
import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from safelight.domain.findings import Finding, Level, blocked, shown
from safelight.domain.photos import PhotoFacts, judge_photo
from safelight.domain.profiles import Gates


class Verdict(StrEnum):
    """What becomes of a set: trained, trained with something to look at, or not trained."""

    OK = "ok"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class PhotoForSet:
    """A photo as a member of a set. `findings` are those that its facts do not tell (a lost file)."""

    id: str
    name: str
    facts: PhotoFacts | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class SetReport:
    """What was found of a set: `kept` are the ids to train on, `dropped` says why each other is not."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    kept: tuple[str, ...]
    dropped: Mapping[str, str]
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {
            "verdict": self.verdict.value,
            "findings": [finding.to_dict() for finding in self.findings],
            "kept": list(self.kept),
            "dropped": dict(self.dropped),
            "counts": dict(self.counts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SetReport:
        """The report `to_dict` made."""
        return cls(
            verdict=Verdict(data["verdict"]),
            findings=tuple(Finding.from_dict(item) for item in data["findings"]),
            kept=tuple(data["kept"]),
            dropped=dict(data["dropped"]),
            counts=dict(data["counts"]),
        )


def judge_set(photos: Sequence[PhotoForSet], gates: Gates) -> SetReport:
    """Judge every photo and the set as a whole, and say which photos to train on.

    Photos that cannot be used and duplicates go out first; the counts are held against what is left
    (K6), and more than the soft maximum is thinned to the photos that differ most (K7).
    """
    findings: list[Finding] = []
    dropped: dict[str, str] = {}
    usable: list[PhotoForSet] = []
    for photo in photos:
        own = (*photo.findings, *_judged(photo, gates))
        findings += own
        if blocked(own):
            dropped[photo.id] = next(item.kind for item in own if item.blocks)
        else:
            usable.append(photo)
    distinct, doubles = drop_duplicates(usable, gates)
    findings += doubles
    dropped |= {item.photo_id: item.kind for item in doubles if item.photo_id and _drops(item)}
    kept = choose(distinct, gates.soft_max)
    taken = {photo.id for photo in kept}
    dropped |= {photo.id: "not-chosen" for photo in distinct if photo.id not in taken}
    findings += _count_findings(len(photos), len(distinct), gates)
    counts = {
        "given": len(photos),
        "rejected": len(photos) - len(usable),
        "duplicates": len(usable) - len(distinct),
        "not_chosen": len(distinct) - len(kept),
        "kept": len(kept),
    }
    return SetReport(
        verdict=_verdict(findings),
        findings=tuple(findings),
        kept=tuple(photo.id for photo in kept),
        dropped=dropped,
        counts=counts,
    )


def distance(one: PhotoFacts, other: PhotoFacts) -> tuple[int, bool]:
    """How far two photos' looks are apart, in bits of 64, and whether it is the mirror image that is
    near. A photo without a hash is as far as can be."""
    if one.phash is None or other.phash is None:
        return 64, False
    plain = (one.phash ^ other.phash).bit_count()
    if other.mirror_phash is None:
        return plain, False
    mirrored = (one.phash ^ other.mirror_phash).bit_count()
    return min(plain, mirrored), mirrored < plain


def drop_duplicates(
    photos: Sequence[PhotoForSet], gates: Gates
) -> tuple[list[PhotoForSet], list[Finding]]:
    """The photos without duplicates (R-38), and a finding for each duplicate and each close pair.

    Of two that are the same the one with more pixels stays, then the one with more bytes, then the
    earlier. No two that stay are within `near_duplicate_bits` of each other, mirrored or not.
    """
    kept: list[PhotoForSet] = []
    findings: list[Finding] = []
    for photo in sorted(photos, key=_worth, reverse=True):  # stable: the earlier one stays first
        pairs = [(*distance(_facts(photo), _facts(other)), other) for other in kept]
        same = next((o for o in kept if _facts(o).sha256 == _facts(photo).sha256), None)
        nearest = min(pairs, key=lambda pair: pair[0], default=None)
        if same is not None and _facts(photo).sha256 is not None:
            findings.append(_exact(photo, same))
        elif nearest is not None and nearest[0] <= gates.near_duplicate_bits:
            findings.append(_near(photo, nearest, gates))
        else:
            kept.append(photo)
            if nearest is not None and nearest[0] <= gates.review_bits:
                findings.append(_close(photo, nearest, gates))
    stay = {photo.id for photo in kept}
    return [photo for photo in photos if photo.id in stay], findings


def choose(photos: Sequence[PhotoForSet], most: int) -> list[PhotoForSet]:
    """At most *most* of the photos, those that differ most from each other, in the order given.

    Begins with the largest; then, again and again, takes the one farthest from all taken so far.
    """
    if len(photos) <= most:
        return list(photos)
    left = sorted(photos, key=_worth, reverse=True)
    taken = {left.pop(0).id}
    last = next(photo for photo in photos if photo.id in taken)
    apart = {photo.id: 65 for photo in left}
    while len(taken) < most:
        for photo in left:
            apart[photo.id] = min(apart[photo.id], distance(_facts(photo), _facts(last))[0])
        last = max(left, key=lambda photo: apart[photo.id])
        left.remove(last)
        taken.add(last.id)
    return [photo for photo in photos if photo.id in taken]


@dataclass(frozen=True, slots=True)
class ManifestPhoto:
    """One photo of a dataset: where it came from, the file made of it and its caption."""

    photo_id: str
    name: str
    source_sha256: str
    file: str
    sha256: str
    width: int
    height: int
    caption: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset is made of. `sha256` and `bytes` are those of its zip."""

    number: int
    profile: str
    trigger: str
    photos: tuple[ManifestPhoto, ...]
    sha256: str
    bytes: int
    dropped: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON takes it."""
        return {**asdict(self), "photos": [asdict(photo) for photo in self.photos]}

    def to_json(self) -> builtins.bytes:
        """The manifest as UTF-8 JSON: sorted keys, one form only, a line end at the end."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, indent=1)
        return (text + "\n").encode("utf-8", "backslashreplace")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """The manifest `to_dict` made."""
        photos = tuple(ManifestPhoto(**photo) for photo in data["photos"])
        return cls(**{**data, "photos": photos})


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A member of a zip: its name, and its bytes or the file that holds them."""

    name: str
    source: bytes | Path


def stem(position: int) -> str:
    """The name of the photo at *position* (from 0), without its ending: '001', '002', ...

    ASCII and of our own making: two photos of the same stem would share one caption.
    """
    return f"{position + 1:03d}"


def write_zip(target: Path, entries: Iterable[ZipEntry]) -> tuple[str, int]:
    """Write *entries* to a zip at *target*, in the order given; its sha256 (hex) and size in bytes.

    The same entries give the same bytes: one date, one permission, nothing deflated (a JPEG does not
    get smaller, and zlib's output differs between its versions).
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = 0o100644 << 16
            data = entry.source if isinstance(entry.source, bytes) else entry.source.read_bytes()
            archive.writestr(info, data)
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _judged(photo: PhotoForSet, gates: Gates) -> tuple[Finding, ...]:
    if photo.facts is not None:
        return judge_photo(photo.facts, gates, name=photo.name, photo_id=photo.id)
    if blocked(photo.findings):
        return ()
    message = f"{shown(photo.name)} has not been inspected, so it is not used."
    return (Finding("not-inspected", Level.BLOCK, message, photo.name, photo.id),)


def _facts(photo: PhotoForSet) -> PhotoFacts:
    assert photo.facts is not None, "only photos with facts get this far"
    return photo.facts


def _worth(photo: PhotoForSet) -> tuple[int, int]:
    return _facts(photo).pixels, _facts(photo).bytes


def _better(stays: PhotoForSet, goes: PhotoForSet) -> str:
    one, other = _facts(stays), _facts(goes)
    if one.pixels > other.pixels:
        return (
            f"has more pixels ({one.width} × {one.height} against {other.width} × {other.height})"
        )
    if one.bytes > other.bytes:
        return f"has more bytes ({one.bytes:,} against {other.bytes:,})"
    return "came first"


def _exact(photo: PhotoForSet, same: PhotoForSet) -> Finding:
    message = f"{shown(photo.name)} is the same file as {shown(same.name)}, byte for byte; it is used once."
    remedy = "Send another photo in its place."
    return Finding(
        "exact-duplicate", Level.WARN, f"{message} {remedy}", photo.name, photo.id, remedy=remedy
    )


_Pair = tuple[int, bool, PhotoForSet]


def _near(photo: PhotoForSet, nearest: _Pair, gates: Gates) -> Finding:
    bits, mirrored, other = nearest
    remedy = "Send another photo in its place."
    message = (
        f"{shown(photo.name)} shows the same picture as {'the mirror image of ' if mirrored else ''}"
        f"{shown(other.name)} ({bits} of 64 bits apart, {gates.near_duplicate_bits} or fewer is the "
        f"same); {shown(other.name)} {_better(other, photo)} and is kept. {remedy}"
    )
    limit = gates.near_duplicate_bits
    return Finding(
        "near-duplicate",
        Level.WARN,
        message,
        photo.name,
        photo.id,
        measured=bits,
        limit=limit,
        remedy=remedy,
    )


def _close(photo: PhotoForSet, nearest: _Pair, gates: Gates) -> Finding:
    bits, mirrored, other = nearest
    remedy = "Look at the two; if they show the same moment, remove one."
    message = (
        f"{shown(photo.name)} is close to {'the mirror image of ' if mirrored else ''}"
        f"{shown(other.name)} ({bits} of 64 bits apart, above {gates.review_bits} is distinct); both "
        f"are kept. {remedy}"
    )
    return Finding(
        "similar",
        Level.NOTE,
        message,
        photo.name,
        photo.id,
        measured=bits,
        limit=gates.review_bits,
        remedy=remedy,
    )


def _drops(finding: Finding) -> bool:
    return finding.kind in {"exact-duplicate", "near-duplicate"}


def _count_findings(given: int, usable: int, gates: Gates) -> list[Finding]:
    """R-19 to R-26, K6, K7: the count of usable, distinct photos against the profile's gates."""
    have = "No photos were given" if not given else f"{usable} of {given} photos can be used"
    ideal = f"{gates.ideal_min} to {gates.ideal_max} are best"
    if usable < gates.block:
        remedy = f"Add at least {gates.block - usable} more different photos; {ideal}."
        message = f"{have}; at least {gates.block} are needed."
        return [_of_set("too-few-photos", Level.BLOCK, message, usable, gates.block, remedy)]
    if usable < gates.warn:
        remedy = f"Add {gates.ideal_min - usable} or more different photos; {ideal}."
        message = f"{have}; under {gates.warn} the likeness may be weak."
        return [_of_set("few-photos", Level.WARN, message, usable, gates.warn, remedy)]
    if usable < gates.ideal_min:
        remedy = f"Add {gates.ideal_min - usable} or more different photos if you have them."
        message = f"{have}; {ideal}."
        return [_of_set("few-photos", Level.NOTE, message, usable, gates.ideal_min, remedy)]
    if usable > gates.soft_max:
        remedy = "Remove the weaker ones yourself if you want another choice."
        message = f"{have}; the {gates.soft_max} that differ most are taken."
        return [_of_set("many-photos", Level.WARN, message, usable, gates.soft_max, remedy)]
    if usable > gates.ideal_max:
        message = f"{have}; {ideal}."
        return [_of_set("many-photos", Level.NOTE, message, usable, gates.ideal_max, None)]
    return []


def _of_set(
    kind: str, level: Level, message: str, measured: int, limit: int, remedy: str | None
) -> Finding:
    text = f"{message} {remedy}" if remedy else message
    return Finding(kind, level, text, measured=measured, limit=limit, remedy=remedy)


def _verdict(findings: Iterable[Finding]) -> Verdict:
    """A finding on the set may block it; one on a photo takes that photo out, which is worth a look."""
    found = list(findings)
    if any(item.blocks and item.photo is None for item in found):
        return Verdict.BLOCK
    return Verdict.WARN if any(item.level is not Level.NOTE for item in found) else Verdict.OK
